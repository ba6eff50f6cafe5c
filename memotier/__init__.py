"""
memotier: memoize sync and async functions in memory and on disk, with one decorator.
"""
