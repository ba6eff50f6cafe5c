"""
``StoreContract``: everything that the ``Store`` protocol promises, as tests for pytest.

    class TestMyStore(StoreContract):
        def open_store(self, clock):
            return MyStore(clock=clock)

``base.py`` says what a store tells of itself, and ``whole.py`` puts the parts together.
"""

from __future__ import annotations

from ...errors import MissingExtra

try:
    import pytest
except ImportError:
    raise MissingExtra(
        "memotier.testing.StoreContract is a class of tests for pytest, which is not installed: "
        "pip install 'memotier[testing]'"
    ) from None

_PARTS = (
    *("boards", "closing", "groups", "guards", "handles", "races"),
    *("records", "relabel", "soft", "tokens", "twins"),
)
# Failures are to show what was compared. It has to be said before the modules are imported.
pytest.register_assert_rewrite(*(f"{__name__}.{part}" for part in _PARTS))

from .whole import StoreContract  # noqa: E402

__all__ = ["StoreContract"]
