"""
What was called: signatures of calls, how often and when, kept over restarts for warming.
"""
