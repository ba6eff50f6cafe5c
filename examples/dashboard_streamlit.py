"""
A page of Streamlit with the figures of a cache: ``streamlit run examples/dashboard_streamlit.py``.

Streamlit runs this file anew for every look at it, in one process that goes on, and so does the
cache of your application if it is in that process.
"""

from __future__ import annotations

import streamlit as st

from memotier import CacheAnalytics, get_cache

analytics = CacheAnalytics(get_cache())
stats = analytics.get_comprehensive_stats()

st.title("Cache analytics")

columns = st.columns(4)
columns[0].metric("Hit rate", f"{stats['hit_rate']:.1%}")
columns[1].metric("Calls", f"{stats['total_accesses']:,}")
columns[2].metric("Average look-up", f"{stats['latency']['avg_ms']:.2f} ms")
columns[3].metric("Computing saved", f"{stats['saved']['seconds']:,.1f} s")

st.subheader("Hit rate by namespace")
st.bar_chart({name: one["hit_rate"] for name, one in stats["namespaces"].items()})

st.subheader("Room")
for tier in ("l1", "l2"):
    used = stats["size_utilization"][f"{tier}_utilization"]
    st.progress(min(used, 1.0), text=f"{tier}: {used:.0%} of {tier}'s room")

st.subheader("Hot keys")
st.dataframe(
    [
        {"key": one.key, "accesses": one.access_count, "hits": one.hit_count}
        for one in stats["hot_keys"][:20]
    ]
)

st.subheader("Recommendations")
for one in stats["recommendations"]:
    st.warning(f"**{one.title}** {one.description} {one.action}")
