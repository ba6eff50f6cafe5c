"""
The guide on analytics from which this API comes: every call in it works as it is written there.

(Its Grafana dashboard and its Streamlit page show what these calls return.)
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from datetime import datetime

import pytest

from memotier import CacheAnalytics, CacheLevelConfig, MultiLevelCache


@pytest.fixture
async def cache():
    # Without the thread that leaves figures: it counts from the first call on, if that takes long.
    async with MultiLevelCache(
        l1_config=CacheLevelConfig(max_size=20),
        directory="cache",
        default_ttl=60,
        snapshots=False,
    ) as cache:
        for number in range(30):
            await cache.set(f"result_{number}", number, namespace="tool" if number % 2 else "llm")
        for number in range(30):
            for _ in range(5):
                await cache.get(f"result_{number}", namespace="tool" if number % 2 else "llm")
        for number in range(10):
            await cache.get(f"missing_{number}", namespace="tool")
        yield cache


@pytest.fixture
def analytics(cache):
    """
    Made as the guide makes it; then used a little.
    """
    made = CacheAnalytics(cache=cache, track_hot_keys=True)
    for number in range(200):
        cache.sync.get(f"result_{number % 40}", namespace="tool" if number % 2 else "llm")
    return made


async def test_rates(analytics):
    """
    Hit, miss and eviction rates are fractions that can be shown as percentages.
    """
    hit_rate, miss_rate = analytics.get_hit_rate(), analytics.get_miss_rate()

    assert f"{hit_rate:.1%}".endswith("%") and 0 < hit_rate < 1
    assert pytest.approx(1.0) == hit_rate + miss_rate
    assert analytics.get_eviction_rate() > 0.1


async def test_latency(analytics):
    """
    In milliseconds, under the names of the guide.
    """
    latency_stats = analytics.get_latency_stats()

    for name in ("avg_ms", "p50_ms", "p95_ms", "p99_ms"):
        assert f"{latency_stats[name]:.2f}ms" and latency_stats[name] > 0
    assert latency_stats["p50_ms"] <= latency_stats["p95_ms"] <= latency_stats["p99_ms"]


async def test_hot_keys(analytics):
    """
    With all their fields, also grouped by namespace.
    """
    hot_keys = analytics.get_hot_keys(top_n=100)
    by_namespace = defaultdict(int)
    for hot_key in hot_keys[:10]:
        assert hot_key.access_count == hot_key.hit_count + hot_key.miss_count > 0
        assert hot_key.avg_latency_ms >= 0 and hot_key.key
        assert 0 <= hot_key.hit_count / hot_key.access_count <= 1
    for hot_key in hot_keys:
        by_namespace[hot_key.namespace] += hot_key.access_count

    assert {"tool", "llm"} == set(by_namespace)
    assert hot_keys == sorted(hot_keys, key=lambda one: one.access_count, reverse=True)


async def test_size_utilization(analytics):
    """
    Of both tiers; followed over time.
    """
    history = []
    for hour in range(2):
        utilization = analytics.get_size_utilization()
        history.append(
            {
                "hour": hour,
                "l1": utilization["l1_utilization"],
                "l2": utilization["l2_utilization"],
            }
        )

    assert 1.0 == history[1]["l1"] and 0 < history[1]["l2"] < 0.1


async def test_recommendations(analytics):
    """
    With priority, title, description, impact and action, chosen by priority.
    """
    recommendations = analytics.get_recommendations()
    shown = []
    for priority in ["critical", "high", "medium", "low"]:
        for rec in [r for r in recommendations if r.priority == priority]:
            shown.append(
                f"[{rec.priority.upper()}] {rec.title} {rec.description} "
                f"{rec.expected_impact} {rec.action}"
            )

    assert len(shown) == len(recommendations) > 0


async def test_monitoring_and_alerts(cache):
    """
    Started and stopped with await; callbacks are told what is the matter.
    """
    analytics = CacheAnalytics(cache=cache, track_hot_keys=True)
    alerts = asyncio.Queue()

    def on_alert(alert_type: str, alert_data: dict):
        assert alert_data["severity"] in ("critical", "warning") and alert_data["message"]
        alerts.put_nowait(alert_type)

    analytics.register_alert_callback(on_alert)
    await analytics.start_monitoring(interval_seconds=0.1)
    for number in range(100):
        await cache.get(f"never there {number}", namespace="tool")

    assert "low_hit_rate" == await asyncio.wait_for(alerts.get(), 20)
    await analytics.stop_monitoring()


async def test_prometheus(analytics):
    """
    By name and value.
    """
    metrics = await analytics.export_to_prometheus()
    shown = [f"{metric_name} {value}" for metric_name, value in metrics.items()]

    assert any(line.startswith("cache_hit_rate 0.") for line in shown)
    for name in (
        *("hit_rate", "miss_rate", "eviction_rate", "latency_avg_ms", "latency_p95_ms"),
        *("latency_p99_ms", "l1_utilization", "l2_utilization", "total_accesses", "hot_keys"),
    ):
        assert f"cache_{name}" in metrics


async def test_comprehensive_stats(analytics):
    """
    What endpoints, dashboards and trends read from it.
    """
    stats = analytics.get_comprehensive_stats()

    assert stats["cache_stats"]["l1"]["hits"] > 0 and stats["cache_stats"]["l1"]["misses"] > 0
    assert 20 == stats["cache_stats"]["l1"]["size"]
    assert 0 < stats["hit_rate"] < 1
    assert stats["latency"]["avg_ms"] > 0
    assert 1.0 == stats["size_utilization"]["l1_utilization"]
    history = [{"timestamp": datetime.now(), "hit_rate": stats["hit_rate"]}] * 2
    assert not history[-1]["hit_rate"] < history[0]["hit_rate"] * 0.9


async def test_access_log(analytics):
    """
    By hour and by namespace: tuples of key, namespace, hit and time.
    """
    by_hour = defaultdict(lambda: {"hits": 0, "misses": 0})
    by_namespace = defaultdict(lambda: {"hits": 0, "misses": 0})
    for access in analytics._access_log:
        _, ns, hit, at = access
        by_hour[datetime.fromtimestamp(at).hour]["hits" if hit else "misses"] += 1
        by_namespace[ns]["hits" if hit else "misses"] += 1

    assert datetime.fromtimestamp(time.time()).hour in by_hour
    total = {name: one["hits"] + one["misses"] for name, one in by_namespace.items()}
    assert {"tool": 100, "llm": 100} == total
