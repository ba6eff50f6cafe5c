"""
What stands for a name of a module that needs numpy, where there is none.

So ``SemanticCache`` and ``Semantic`` can be imported everywhere, as ``from memotier import *``
does, and say what is missing when they are used.
"""

from __future__ import annotations

from typing import Any, NoReturn

from ..errors import MissingExtra


class Absent:
    """
    Whatever is done with it raises ``MissingExtra``.
    """

    def __init__(self, whose: str, error: ImportError) -> None:
        if error.name is None or error.name.partition(".")[0] != "numpy":
            raise error
        self._whose = whose

    def __call__(self, *arguments: Any, **options: Any) -> NoReturn:
        self._refuse()

    def __getattr__(self, name: str) -> NoReturn:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise MissingExtra(f"{self._whose} needs numpy: pip install 'memotier[semantic]'")
