"""
Bytes that the first release wrote, and what they mean.
"""
