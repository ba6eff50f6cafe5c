"""
Settings: durations and sizes, the schema, the sources and how they are merged.
"""
