"""Rows and panels of the perturbation screens as styled text; nothing here knows a widget."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from spacetravlr.perturbation.workbench import Change, Draft, Preview, QueuedJob, Summary

if TYPE_CHECKING:
    from spacetravlr.tui._theme import Palette

MARK, NO_MARK = "●", " "
_HEIGHTS = "▁▂▃▄▅▆▇"
_STATES = {"waiting": "waits", "running": "runs", "done": "done", "failed": "failed", "cancelled": "cancelled"}


def number(value: float) -> str:
    """Return a number with three digits, `-` if it is none."""
    if not math.isfinite(value):
        return "-"
    if value == 0:
        return "0"
    return f"{value:#.3g}".rstrip(".") if 1e-3 <= abs(value) < 1e5 else f"{value:.1e}"


def signed(value: float) -> str:
    """Return a change with its sign."""
    return f"+{number(value)}" if value > 0 else number(value)


def seconds(value: float) -> str:
    """Return a short time."""
    return f"{value:.2f} s" if value < 10 else f"{value:.0f} s"


def bar(share: float, width: int, colour: str, track: str) -> Text:
    """Return a thin bar in steps of half a character."""
    full, half = divmod(round(min(max(share, 0.0), 1.0) * width * 2), 2)
    text = "━" * full + "╸" * half
    return Text.assemble((text, colour), ("━" * (width - len(text)), track))


def fitted(text: str, width: int) -> str:
    """Return a text in exactly that width, with an ellipsis if it is cut."""
    if width <= 0:
        return ""
    return set_cell_size(text, width) if cell_len(text) <= width else f"{set_cell_size(text, width - 1)}…"


def gene_row(
    gene: str, width: int, palette: Palette, *, draft: Draft, heard: bool, means: Sequence[float] = ()
) -> Text:
    """Return a gene of the list: its mark, its name, what is done to it, and a glance at its expression.

    Parameters
    ----------
    gene, width, palette
        The gene, and how to show it.
    draft
        What is marked.
    heard
        Whether some model listens to it.
    means
        Mean expression in each cell type.
    """
    pick = draft.picks.get(gene)
    told = "" if pick is None else pick.dose.label + ("" if pick.scope.everywhere else f" {pick.scope.text}")
    glance = "".join(_HEIGHTS[round(mean / (max(means) or 1.0) * 6)] for mean in means)
    if width < cell_len(gene) + len(glance) + 8:
        glance = ""
    room = width - 3 - len(glance) - 2
    name = fitted(gene, min(cell_len(gene), max(6, room - min(cell_len(told), 12) - 1)))
    told = fitted(told, min(cell_len(told), room - cell_len(name) - 1)) if room - cell_len(name) > 2 else ""
    gap = " " * max(1, room - cell_len(name) - cell_len(told))
    return Text.assemble(
        (f" {MARK if pick else NO_MARK} ", palette.warn),
        (name, palette.text if heard or pick else palette.muted),
        gap,
        (told, palette.value),
        " ",
        (glance, palette.muted),
    )


def preview_text(rows: Sequence[Preview], width: int, lines: int, palette: Palette, *, role: str) -> Text:
    """Return what a gene does before any perturbation: mean and share of expressing cells by cell type."""
    text = Text(no_wrap=True, overflow="ellipsis")
    if role:
        text.append(f"{role}\n", style=palette.muted)
        lines -= 1
    shown = rows if len(rows) <= lines else rows[: max(1, lines - 1)]
    names = min(max((cell_len(row.label) for row in shown), default=4), max(6, width - 20))
    high = max((row.mean for row in rows), default=0.0) or 1.0
    space = max(4, width - names - 15)
    for row in shown:
        text.append(f"{fitted(row.label, names)} ", style=palette.text)
        text.append(bar(row.mean / high, space, palette.accent, palette.faint))
        text.append(f" {number(row.mean):>7}", style=palette.value)
        text.append(f" {row.fraction * 100:>3.0f} %\n", style=palette.muted)
    if len(shown) < len(rows):
        text.append(f"+{len(rows) - len(shown)} more", style=palette.muted)
    text.rstrip()
    text.append("" if text.plain else "no cells", style=palette.muted)
    return text


def request_text(draft: Draft, highlighted: str | None, lines: int, palette: Palette) -> Text:
    """Return what a run would do now."""
    text = Text(no_wrap=True, overflow="ellipsis")
    picks = dict(draft.picks) or ({} if highlighted is None else {highlighted: draft.pick(highlighted)})
    shown = list(picks.items())
    shown = shown[: max(1, lines - 1)]
    for gene, pick in shown:
        text.append(gene, style=f"bold {palette.text}")
        text.append(f"  {pick.dose.label}", style=palette.value)
        text.append(f"  {pick.scope.text}", style=palette.muted)
        if gene == shown[-1][0] and len(shown) < len(picks):
            text.append(f"  +{len(picks) - len(shown)} more", style=palette.value)
        text.append("\n")
    steps = draft.n_propagation
    text.append(f"{steps} step{'s' if steps != 1 else ''}", style=palette.value)
    if len(picks) > 1:
        text.append("  all together" if draft.joint else "  each on its own", style=palette.value)
    elif not draft.picks:
        text.append("  Space marks several genes", style=palette.muted)
    return text


def job_row(job: QueuedJob, width: int, palette: Palette) -> Text:
    """Return a run of the queue."""
    colours = {"done": palette.good, "failed": palette.bad, "running": palette.accent}
    if job.state == "running":
        tail = Text.assemble(
            bar(job.step / max(job.n_steps, 1), 8, palette.accent, palette.faint),
            (f" {job.step}/{job.n_steps}", palette.value),
        )
    else:
        tail = Text(_STATES[job.state], style=colours.get(job.state, palette.muted))
        if job.state == "done":
            tail.append(f" {seconds(job.seconds)}", style=palette.muted)
    head = f" #{job.number} "
    room = max(4, width - cell_len(head) - cell_len(tail.plain) - 2)
    where = "" if job.request.where == "all cells" else f" · {job.request.where}"
    title = fitted(f"{job.request.genes}{where}", room)
    return Text.assemble((head, palette.muted), (title, palette.text), " ", tail)


def change_header(width: int, palette: Palette) -> Text:
    """Return the head of a table of changes."""
    text = fitted("  gene", max(8, width - 9 * _figures(width) - 2))
    for name in ("change", "before", "after", "|change|")[: _figures(width)]:
        text += f"{name:>9}"
    return Text(text, style=palette.muted)


def change_row(change: Change, width: int, palette: Palette, *, high: float) -> Text:
    """Return a gene of a table of changes, with a bar for its size beside the largest."""
    n = _figures(width)
    names = max(8, width - 9 * n - 2)
    room = max(0, min(12, names - 14))
    colour = palette.diverging[-1] if change.change > 0 else palette.diverging[0]
    text = Text.assemble("  ", (fitted(change.gene, names - 2 - room), palette.text))
    if room:
        text.append(bar(change.magnitude / (high or 1.0), room - 1, colour, palette.faint))
        text.append(" ")
    figures = (signed(change.change), number(change.before), number(change.after), number(change.magnitude))
    for place, figure in enumerate(figures[:n]):
        text.append(f"{figure:>9}", style=colour if place == 0 else palette.value)
    return text


def _figures(width: int) -> int:
    return 4 if width >= 56 else 3 if width >= 36 else 2 if width >= 27 else 1


def targets_line(summary: Summary) -> str:
    """Return how far the perturbed genes were moved."""
    parts = [
        f"{one.gene} in {one.n_cells:,} cells: {signed(one.low)} to {signed(one.high)}, mean {signed(one.mean)}"
        for one in summary.targets
    ]
    return "; ".join(parts)
