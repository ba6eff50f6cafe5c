"""
Each folder here needs a framework and runs in a tox environment of its own: ``tox -e <folder>``.

It has tests against the real framework, and runs the blocks of ``docs/frameworks/<folder>.md``.
"""
