"""
What README and docs say, executed.
"""
