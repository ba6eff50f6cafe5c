"""
Whether a near text may answer: the rules, then ``verify=``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..engine.drive import Plan
from ..engine.engine import Engine
from ..engine.flights import Failed
from .embedding import Ask, Embedding
from .guards import refusal
from .hits import Tally
from .index import Candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """
    What stands between a near text and its answer, and who counts it.
    """

    embedding: Embedding
    threshold: float
    rules: tuple[str, ...]
    verify: Callable[[str, str, float], Any] | None
    shadow: bool
    equal: Callable[[Any, Any], Any]
    tally: Tally = field(default_factory=Tally)

    def vectors(self, engine: Engine, texts: list[str]) -> Plan:
        """
        A row for each text, or None.
        """
        return self.embedding.vectors(engine, texts, self._failed)

    def allows(self, engine: Engine, text: str, candidate: Candidate) -> Plan:
        """
        Whether what *candidate* has may answer *text*.
        """
        try:
            rule = refusal(text, candidate.text, self.rules)
        except Exception:
            rule = "rule failed"  # whatever it stumbled over, the call goes on without a near match
        if rule is None and self.verify is not None:
            arguments = (text, candidate.text, candidate.score)
            said = yield Ask(engine.offload, "verify", self.verify, *arguments)
            if said is not True:
                rule = "verify failed" if said.__class__ is Failed else "verify"
        if rule is not None:
            self.tally.refuse(rule)
        return rule is None

    def _failed(self) -> None:
        self.tally.count("embedder_errors")
