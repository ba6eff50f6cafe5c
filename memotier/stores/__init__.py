"""
Tiers that keep entries: in memory, on disk; and what is put around them.
"""
