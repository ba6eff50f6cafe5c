"""
The dashboard against the metrics that it names.
"""

from __future__ import annotations

import json
import re

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from memotier import tiered_cache
from memotier.dashboard import grafana
from memotier.integrations import prometheus

#: In PromQL: words before an opening parenthesis, a "by (...)" or a string are no metrics.
METRIC = re.compile(r"\bmemotier_\w+")
SELECTOR = re.compile(r"\b(memotier_\w+)\{([^}]*)\}")
GROUPED = re.compile(r"\bby \(([^)]*)\)")


@pytest.fixture
def dashboard():
    return json.loads(grafana())


@pytest.fixture
def exported(make_cache):
    """
    Names and labels of the samples of a cache of which everything was used.
    """
    registry, cache = CollectorRegistry(), make_cache("disk")
    prometheus.register(registry, [cache])

    @tiered_cache(cache=cache)
    def f(x):
        return x

    f(1)
    cache._keyed.engine.meter.failed("l2.get")
    found = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def expressions(dashboard):
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for variable in dashboard["templating"]["list"]:
        if "query" == variable["type"]:
            yield variable["name"], variable["query"]["query"]


def test_every_metric_is_exported(dashboard, exported):
    """
    With every label that a panel selects or groups by.
    """
    named = set()
    for title, expression in expressions(dashboard):
        metrics = set(METRIC.findall(expression))
        assert metrics, title
        assert metrics <= set(exported), title
        for metric, labels in SELECTOR.findall(expression):
            wanted = set(re.findall(r"(\w+)=~?\"", labels))
            assert wanted <= exported[metric], (title, metric)
        for labels in GROUPED.findall(expression):
            everywhere = set.union(*(exported[metric] for metric in metrics))
            assert set(labels.split(", ")) <= everywhere, title
        named |= metrics
    assert len(named) > 15


def test_it_is_a_dashboard(dashboard):
    """
    What Grafana's import wants: a schema version, a uid, a data source that is chosen by a
    variable, and panels that lie beside each other, each with an id of its own.
    """
    assert 36 <= dashboard["schemaVersion"]
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", dashboard["uid"])
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    assert ("datasource", "prometheus") == (
        variables["datasource"]["type"],
        variables["datasource"]["query"],
    )
    panels = dashboard["panels"]
    assert len(panels) == len({panel["id"] for panel in panels})
    taken = set()
    for panel in panels:
        assert {"type": "prometheus", "uid": "${datasource}"} == panel["datasource"]
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.parametrize(
    "what", ["hit rate", "latency", "saved", "evictions", "errors", "size"], ids=str
)
def test_it_shows(dashboard, what):
    """
    A panel for each question.
    """
    assert any(what in panel["title"].lower() for panel in dashboard["panels"])
