"""The lines of a dashboard that are always there: what is going on, and how far it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from spacetravlr.tui._fit import fitted
from spacetravlr.tui.dashboard_view import ENDED, View
from spacetravlr.words import duration, speed

if TYPE_CHECKING:
    from spacetravlr.tui._theme import Palette

_PHASES = {
    "setting up": ("accent", "setting up"),
    "training": ("good", "training"),
    "waiting": ("warn", "waiting for others"),
    "finishing": ("warn", "finishing"),
    "running": ("good", "running"),
    "interrupted": ("bad", "interrupted"),
    "complete": ("good", "complete"),
    "partial": ("warn", "ended, some failed"),
    "stopped": ("warn", "stopped"),
    "failed": ("bad", "failed"),
    "unknown": ("muted", "not begun"),
}


def head(view: View, width: int, palette: Palette) -> Text:
    """Return the line at the top: what is trained, and what is going on."""
    colour, word = _PHASES[view.phase]
    right = Text.assemble((f"● {word}", f"bold {getattr(palette, colour)}"), ("  ", ""), _span(view.elapsed, palette))
    left = Text.assemble(("SpaceTravLR", f"bold {palette.accent}"), no_wrap=True)
    if view.part is not None:
        part = f"condition {view.part.label} ({view.part.number} of {view.part.n_parts})"
        left.append(f"  {part}", style=f"bold {palette.text}")
    room = width - right.cell_len - left.cell_len - 4
    if room > 3:
        left.append(f"  {fitted(view.title, room)}", style=palette.text)
    left.append(" " * max(1, width - left.cell_len - right.cell_len))
    return left.append_text(right)


def _span(seconds: float, palette: Palette) -> tuple[str, str]:
    whole = max(0, int(seconds)) if math.isfinite(seconds) else 0
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}", palette.muted


def gauge(view: View, width: int, palette: Palette) -> Text:
    """Return two lines: how far it is, and what has become of the targets."""
    counts = view.counts
    if not counts.total:
        return Text("setting up: the number of genes is not known yet", style=palette.muted)
    share = counts.done / counts.total
    left = Text.assemble(
        (f"{counts.done:,}/{counts.total:,}", f"bold {palette.value}"), (f" {share:>4.0%}  ", palette.value)
    )
    right = Text.assemble((f"  {speed(view.rate)}" if math.isfinite(view.rate) else "", palette.muted))
    if view.phase not in ENDED:
        right.append("  eta ", style=palette.muted).append(duration(view.eta), style=f"bold {palette.value}")
    room = max(4, width - left.cell_len - right.cell_len)
    parts = (
        (counts.before, palette.muted),
        (counts.written, palette.good),
        (counts.by_others, palette.accent),
        (counts.orphan, palette.warn),
        (counts.failed, palette.bad),
    )
    line = left.append_text(_stacked(parts, counts.total, room, palette)).append_text(right)
    return line.append("\n").append_text(_fates(view, width, palette))


def _stacked(parts: Sequence[tuple[int, str]], total: int, width: int, palette: Palette) -> Text:
    """Return a bar of several colours; a part is visible as soon as there is something in it."""
    text, told, used = Text(), 0, 0
    for number, colour in parts:
        told += number
        end = min(width, max(round(width * told / total), used + bool(number)))
        text.append("━" * (end - used), style=colour)
        used = end
    return text.append("━" * (width - used), style=palette.faint)


def _fates(view: View, width: int, palette: Palette) -> Text:
    counts = view.counts
    rows = (
        ("✓", counts.written, "done", palette.good),
        ("✗", counts.failed, "failed", palette.bad),
        ("○", counts.orphan, "orphan" if counts.orphan == 1 else "orphans", palette.warn),
        ("↷", counts.before, "skipped", palette.muted),
        ("⇄", counts.by_others, "done by others", palette.accent),
        ("▸", counts.at_work, "at work", palette.accent),
        ("⇄", counts.elsewhere, "held by others", palette.muted),
        ("·", counts.waiting, "to do", palette.muted),
    )
    text = Text(no_wrap=True)
    for sign, number, word, colour in rows:
        if not number:
            continue
        part = Text.assemble((f"{sign} ", colour), (f"{number:,}", palette.value), (f" {word}", palette.muted))
        gap = "   " if text else ""
        if text.cell_len + len(gap) + part.cell_len > width:
            break
        text.append(gap).append_text(part)
    return text


def one_line(view: View, width: int, palette: Palette) -> Text:
    """Return what is shown where there is no room for panels."""
    colour, word = _PHASES[view.phase]
    counts = view.counts
    text = f"{counts.done:,}/{counts.total:,} {word} eta {duration(view.eta)}" if counts.total else word
    return Text(fitted(text, width), style=getattr(palette, colour))
