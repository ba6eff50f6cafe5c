"""
The ``memotier`` command, as people and programs see it.
"""
