"""
What a cache tells of itself.
"""
