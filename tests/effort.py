"""
How hard the property tests try: ``tox -e fuzz`` multiplies their examples.
"""

from __future__ import annotations

import os


def examples(usual: int) -> int:
    return usual * int(os.environ.get("MEMOTIER_TEST_EFFORT", "1"))
