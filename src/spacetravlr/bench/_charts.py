"""The sweep's line charts, as PNG files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacetravlr.bench._png import save_png
from spacetravlr.bench._scaling import AXES, lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# told apart by people who do not see red and green as two colours, and by their marks
_STYLES = (("#0072B2", "o"), ("#E69F00", "s"), ("#009E73", "^"), ("#CC79A7", "D"), ("#56B4E9", "v"), ("#D55E00", "P"))
_WORDS = {"n_cells": "cells", "n_targets": "targets"}


def draw_charts(folder: Path, points: Sequence[Mapping[str, Any]], cost: str, label: str) -> list[Path]:
    """Draw a cost against the cells and against the targets, a panel for every setting.

    Parameters
    ----------
    folder
        Made if it is not there.
    points
        Measured ones: `setting`, `n_cells`, `n_targets` and the cost.
    cost
        Name of the cost.
    label
        What it is, for the axis.

    Returns
    -------
    The files, ``{cost}_by_cells.png`` and ``{cost}_by_targets.png``.

    Raises
    ------
    RunDirectoryError
        If a file cannot be written.
    """
    from spacetravlr.atomic import make_directory
    from spacetravlr.pl.canvas import new_figure

    make_directory(folder)
    settings = list(dict.fromkeys(one["setting"] for one in points))
    written = []
    for axis in AXES:
        figure = new_figure(5.2 * len(settings), 4.2, layout="constrained")
        panels = figure.subplots(1, len(settings), squeeze=False)[0]
        for panel, setting in zip(panels, settings, strict=True):
            own = [one for one in points if one["setting"] == setting]
            _draw(panel, own, axis, cost)
            panel.set(title=f"{setting} settings", xlabel=_WORDS[axis], ylabel=label)
        written.append(save_png(figure, folder / f"{cost}_by_{_WORDS[axis]}.png"))
    return written


def _draw(panel: Axes, points: Sequence[Mapping[str, Any]], axis: str, cost: str) -> None:
    (other,) = (name for name in AXES if name != axis)
    along = lines(points, axis, cost)
    for (value, line), (colour, mark) in zip(along.items(), _repeated(len(along)), strict=True):
        x, y = zip(*line, strict=True)
        panel.plot(x, y, color=colour, marker=mark, label=f"{value:,} {_WORDS[other]}")
    _draw_proportional(panel, list(along.values())[-1])
    panel.set(xscale="log", yscale="log")
    ticks = sorted({one[axis] for one in points})
    panel.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    panel.set_xticks([], minor=True)
    panel.yaxis.set_major_formatter("{x:g}")
    panel.yaxis.set_minor_formatter("{x:g}")
    panel.tick_params(axis="y", which="minor", labelsize=7)
    panel.grid(which="both", color="0.9", linewidth=0.6)
    panel.legend(frameon=False, fontsize=8)


def _draw_proportional(panel: Axes, line: Sequence[tuple[int, float]]) -> None:
    """Draw what the last line would be if the cost grew in proportion from its first point."""
    start, first = line[0]
    x = [one for one, _ in line]
    panel.plot(x, [first * one / start for one in x], color="0.5", linestyle="--", label="in proportion")


def _repeated(count: int) -> list[tuple[str, str]]:
    return [_STYLES[number % len(_STYLES)] for number in range(count)]
