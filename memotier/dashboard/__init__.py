"""
What people look at: a page with the figures of a cache, and a dashboard for Grafana.
"""

from __future__ import annotations

from importlib.resources import files

from .page import report

__all__ = ["grafana", "report"]


def grafana() -> str:
    """
    The dashboard for Grafana, as the JSON that its import takes. It shows the metrics of
    ``memotier.integrations.prometheus``.
    """
    return files(__package__).joinpath("grafana.json").read_text(encoding="utf-8")
