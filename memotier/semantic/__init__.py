"""
Answers to questions that were asked in other words: see docs/guide/semantic.md.
"""
