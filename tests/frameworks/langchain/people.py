"""
Whose a call is, in the tests of this folder.
"""

from __future__ import annotations

from contextvars import ContextVar

user: ContextVar[str] = ContextVar("user")
