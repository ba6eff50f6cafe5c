"""
The companion that forgets: by tag, by dependency, on events, when files change.

It acts through the cache and decides nothing that the engine decides: an invalidation of the
invalidator is one of the cache, in both tiers and for every process.
"""
