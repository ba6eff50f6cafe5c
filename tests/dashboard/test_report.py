"""
The report, in a real browser, against the figures that it was made from.
"""

from __future__ import annotations

import copy
import re
from html import escape
from importlib.resources import files

import pytest

from memotier.analytics import figures, merge, snapshot
from memotier.analytics.advice import advise
from memotier.dashboard import report

ATTACK = "<script>document.title='owned'</script>\"'><img src=x onerror=alert(1)>"


@pytest.mark.slow
def test_the_numbers_on_the_page_are_those_of_the_cache(used, browser):
    """
    Read off the rendered document: the totals, each function, each tier, each operation, the keys.
    """
    dom = browser.open(browser.write(report(used)))

    total, top = figures.total(used), _tiles(dom)
    assert 0 < figures.hit_rate(total) < 1
    assert len(used["processes"]) == top["processes"]
    assert figures.hit_rate(total) == top["hit_rate"]
    assert figures.accesses(total) == top["accesses"]
    assert total["seconds_saved"] == top["seconds_saved"]
    assert total["cost_saved"] == top["cost_saved"] > 0
    assert total["failed"] + 1 == top["failures"] == 10

    for one in used["functions"]:
        numbers = dom.numbers(data_function=one["function"], data_namespace=one["namespace"])
        counters = one["counters"]
        for name in ("seconds_saved", "computed", "failed", "evictions", "invalidations"):
            assert counters[name] == numbers[name], name
        assert figures.hit_rate(counters) == numbers["hit_rate"]
        assert figures.balance_seconds(one) == numbers["balance_seconds"]
        assert (one["bytes"], one["entries"]) == (numbers["bytes"], numbers["entries"])
    for name in ("l1", "l2"):
        numbers = dom.numbers(data_tier=name)
        for field in ("size", "bytes", "evictions"):
            assert used["tiers"][name][field] == numbers[field]
    for operation in figures.operations(used):
        histogram = figures.latency(used, operation)
        numbers = dom.numbers(data_operation=operation)
        assert histogram.count == numbers["count"]
        assert histogram.quantile(0.99) == numbers["p99"]
    for one in used["hot_keys"][:25]:
        assert one["accesses"] == dom.numbers(data_key=one["key"])["accesses"]
    for one in used["tags"]:
        assert one["hits"] == dom.numbers(data_tag=one["tag"])["hits"]
    assert used["arguments"]
    for one in used["arguments"]:
        (first, *_) = one["arguments"]
        numbers = dom.numbers(data_argument=f"{one['function']}:{first['name']}")
        assert (one["calls"], one["hit_rate"]) == (numbers["calls"], numbers["hit_rate"])
        assert all(numbers[name] == first[name] for name in ("values", "hit_rate_without"))
    assert 2 == len(used["scopes"])
    for one in used["scopes"]:
        assert one["misses"] == dom.numbers(data_scope=one["scope"])["misses"]


def _tiles(dom):
    """
    The figures on top: those before the first row of a table.
    """
    found = {}
    for element in dom.elements:
        if "table" == element["tag"]:
            break
        own = element["own"]
        if "data-name" in own and "data-value" in own:
            found[own["data-name"]] = float(own["data-value"])
    return found


def test_what_is_read_is_what_is_meant(used, browser):
    """
    The text that people see is the number that programs read, but for its digits.
    """
    dom = browser.open(browser.write(report(used)))
    rate = figures.hit_rate(figures.total(used))

    assert f"{100 * rate:.1f}\N{NARROW NO-BREAK SPACE}%" in dom.texts(data_name="hit_rate")
    assert ["10"] == dom.texts(data_name="failures")


def test_recommendations_stand_there_with_their_evidence(used, browser):
    """
    Each with its title, what to do, and the figures that it rests on.
    """
    found = advise(used)
    dom = browser.open(browser.write(report(used)))

    assert found
    for one in found:
        ours = [e for e in dom.elements if one.kind == e["own"].get("data-kind")]
        assert any(one.title in e["text"] and one.action in e["text"] for e in ours)
        numbers = dom.numbers(data_kind=one.kind)
        assert set(one.evidence) <= set(numbers)


def test_names_are_text_whatever_they_hold(used, browser):
    """
    Markup in a namespace, function, label, key, tag, process or recommendation is shown, not run.
    """
    evil = copy.deepcopy(used)
    evil["cache"] = evil["write_policy"] = ATTACK
    evil["processes"] = [ATTACK]
    for one in evil["functions"]:
        one.update(namespace=ATTACK, function=ATTACK, label=ATTACK)
        one["latency"][f"l2.{ATTACK}"] = one["latency"].get("l2.get") or one["latency"]["call.slow"]
    for one in evil["hot_keys"]:
        one.update(key=ATTACK, namespace=ATTACK)
    for one in evil["tags"]:
        one["tag"] = ATTACK
    for one in evil["arguments"]:
        one.update(namespace=ATTACK, function=ATTACK, label=ATTACK)
        one["arguments"][0]["name"] = ATTACK
    evil["tiers"]["l2"]["kind"] = ATTACK

    html = report(evil)
    dom = browser.open(browser.write(html))

    assert not {"script", "img", "iframe", "link"} & dom.tags()
    assert "<title>memotier: &lt;script&gt;" in dom.html
    assert not any(name.startswith("on") for e in dom.elements for name in e["own"])
    assert any(ATTACK == element["text"] for element in dom.elements)
    assert escape(ATTACK) in html


def test_it_loads_nothing(used):
    """
    No address in it but those of our own ids, and a policy that forbids to run or load anything.
    """
    html = report(used)

    assert not re.search(r"\b(src|href|action|srcset)=|url\(|@import|<script|<link|https?:", html)
    assert "default-src &#x27;none&#x27;" in html
    assert 5000 < len(html) < 500_000


@pytest.mark.slow
@pytest.mark.extras
def test_light_and_dark(used, browser):
    """
    Bright paper with dark letters, or the other way round, as the reader's system asks.
    """
    page = browser.write(report(used))
    light, dark = browser.look(page, dark=False), browser.look(page, dark=True)

    for picture, is_dark in ((light, False), (dark, True)):
        back = picture[2, 2, :3].mean()
        letters = picture[..., :3].mean(axis=2)
        assert is_dark == (back < 0.2), back
        assert (letters.max() > 0.8) if is_dark else (letters.min() < 0.3)


@pytest.mark.parametrize("wide", [320, 768, 1400])
def test_it_fits(used, browser, wide):
    """
    The page is never wider than the screen; tables that are move in themselves.
    """
    inner = escape(report(used), quote=True)
    outer = browser.write(
        f'<iframe id="f" style="width:{wide}px;height:900px;border:0" srcdoc="{inner}"></iframe>'
        "<script>f.onload = () => { const top = f.contentDocument.documentElement;"
        "document.body.append(`wide:${top.scrollWidth}:${top.clientWidth}`) }</script>"
    )

    scrolls, has = re.search(r"wide:(\d+):(\d+)", browser.open(outer).html).groups()
    assert (str(wide), str(wide)) == (has, scrolls)


def _schemes():
    css = files("memotier.dashboard").joinpath("report.css").read_text(encoding="utf-8")
    light, dark = (dict(re.findall(r"--(\w+): (#\w{6})", part)) for part in css.split("@media")[:2])
    return {"light": light, "dark": dark}


def _brightness(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("ground", ["back", "card"])
def test_contrast(scheme, ground):
    """
    Letters have a contrast of 4.5 with what they stand on, bars and lines one of 3 (WCAG AA).
    """
    colours = _schemes()[scheme]

    def contrast(name):
        one, other = sorted((_brightness(colours[name]), _brightness(colours[ground])))
        return (other + 0.05) / (one + 0.05)

    assert all(contrast(name) >= 4.5 for name in ("ink", "quiet", "alarm", "care"))
    causes = ("evictions", "expirations", "invalidations", "replacements")
    assert all(contrast(name) >= 3 for name in ("hits", "misses", "saved", "held", *causes))


def test_nothing_is_known_yet(cache, browser):
    """
    A cache that nobody asked anything has a page, too, which says so.
    """
    dom = browser.open(browser.write(report(snapshot(cache))))

    assert "no calls" in dom.texts(data_name="hit_rate")
    assert any("Nothing was asked" in text for text in dom.texts(class_="empty"))
    assert "nan" not in dom.html.lower().replace("nanosecond", "")


def test_of_several_processes(used):
    """
    A merged snapshot is one page: the sums, and how many processes they are of.
    """
    html = report(merge([used, used]))
    total = figures.total(used)

    assert f'data-name="accesses" data-value="{int(2 * figures.accesses(total))}"' in html
    assert "2 processes" in html
