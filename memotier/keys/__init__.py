"""
From a call to the bytes that stand for it, and from those to its place and its proof.
"""
