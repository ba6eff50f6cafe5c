"""
simloom, the scheduler of these tests, needs Python 3.12. Before that they are not collected, and
nowhere else are they skipped: a missing package is an error.
"""

from __future__ import annotations

import sys

collect_ignore_glob = ["test_*.py"] if sys.version_info < (3, 12) else []
