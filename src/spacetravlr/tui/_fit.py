"""Texts and bars of a given width."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

SPARKS = " ▁▂▃▄▅▆▇█"
"""Bars of eight heights, and nothing."""


def fitted(text: str, width: int) -> str:
    """Return a text that is no wider than that; a path loses its beginning, anything else its end."""
    if cell_len(text) <= width:
        return text
    if width < 2:
        return "…"[:width]
    if text.startswith(("/", "~")) and "/" in text[1:] and "; " not in text:
        tail = text
        while cell_len(tail) > width - 1 and tail:
            tail = tail[1:]
        # whole names only, unless that leaves too little
        whole = tail[tail.find("/") :] if "/" in tail else tail
        return f"…{whole if cell_len(whole) > width // 2 else tail}"
    cut = set_cell_size(text, width - 1).rstrip()
    # whole words only, unless that leaves too little
    whole = cut.rpartition(" ")[0]
    return f"{whole} …" if cell_len(whole) > width // 2 and text[len(cut) : len(cut) + 1] != " " else f"{cut}…"


def bar(share: float, width: int) -> str:
    """Return a bar that is filled to a share, in steps of half a character."""
    halves = round(min(max(share, 0.0), 1.0) * width * 2)
    return "━" * (halves // 2) + "╸" * (halves % 2)


def sparkline(values: Sequence[float], width: int) -> str:
    """Return the last values, between 0 and 1, as small bars."""
    last = list(values)[-width:]
    return "".join(SPARKS[max(1, min(8, math.ceil(value * 8)))] for value in last)
