"""
What is stored comes back the same, or not at all.
"""
