"""
What the agent does, with a scripted model: it looks twice, orders, and looks again.
"""

from __future__ import annotations

import tools

import memotier


def run(account: str) -> list[str]:
    """
    Order an owl for *account*; what the agent said, line by line.
    """
    said = [f"there are {tools.stock('owl')} owls"]
    said.append(f"still {tools.stock('owl')} owls")
    said.append(f"{tools.discount(account, 'owl'):.0%} off")
    done = tools.order("A-1", "owl")
    memotier.invalidate_tags("stock:owl")  # what a write has changed
    said.append(f"order {done['number']}: {done['state']}")
    said.append(f"{tools.stock('owl')} owl is left")
    return said
