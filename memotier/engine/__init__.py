"""
The decisions: what to look up, whom to wait for, what to keep.

Plans (``plan``, ``removal``, ``writes``) are generators that yield ``effects``; ``drive``
obeys them in threads and in tasks. The rest is the state they decide on: ``places`` (whose
results), ``flights`` (what is being computed), ``versions`` (what is still valid).
"""
