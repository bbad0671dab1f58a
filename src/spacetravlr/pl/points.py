"""Cells at their places: the pieces that maps of a tissue are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spacetravlr.errors import UsageError
from spacetravlr.pl.colours import categorical, diverging, sequential, symmetric_limit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection

_NOTHING = "#BEBEBC"
_NICE = (1.0, 2.0, 5.0)
_BAR_SHARE = 0.2


def dot_size(n_cells: int) -> float:
    """Return the area of a dot, points squared, so that some cells and many both fill a map."""
    return float(np.clip(20_000.0 / max(n_cells, 1), 0.5, 25.0))


def as_map(ax: Axes) -> None:
    """Let a unit be as long across as up, without ticks and frame."""
    ax.set(aspect="equal", xticks=[], yticks=[])
    for side in ax.spines.values():
        side.set_visible(False)


def scale_bar(ax: Axes, xy: NDArray[np.float64], unit: str, colour: str = "#333333") -> None:
    """Draw a bar of a round length below the tissue.

    Parameters
    ----------
    ax
        A map.
    xy
        (n_cells, 2) positions.
    unit
        What the coordinates are counted in.
    colour
        Of bar and text.
    """
    placed = xy[np.isfinite(xy).all(axis=1)]
    width, height = np.ptp(placed, axis=0) if len(placed) else (0.0, 0.0)
    if not width > 0.0:
        return
    aim = _BAR_SHARE * width
    power = 10.0 ** np.floor(np.log10(aim))
    length = max(step * power for step in _NICE if step * power <= aim)
    left, low = placed.min(axis=0) - (0.0, 0.05 * max(height, 0.2 * width))
    ax.plot([left, left + length], [low, low], color=colour, linewidth=2.0, solid_capstyle="butt", label="_scale")
    ax.annotate(
        f"{length:g} {unit}",
        (left + length, low),
        xytext=(5, 0),
        textcoords="offset points",
        va="center",
        fontsize=8,
        color=colour,
    )


def signed_points(
    ax: Axes, xy: NDArray[np.float64], values: NDArray[np.float64], *, limit: float | None = None, **style: Any
) -> PathCollection:
    """Draw cells coloured by a value that has a sign, the largest on top.

    Parameters
    ----------
    ax
        Where.
    xy
        (n_cells, 2) positions.
    values
        (n_cells,); NaN is drawn as a pale cross.
    limit
        How far the scale reaches on both sides; by default nearly to the largest value.
    style
        For `scatter`.

    Raises
    ------
    UsageError
        If `limit` is not above 0.
    """
    reach = _reach(values, limit)
    return _value_points(ax, xy, values, **{"cmap": diverging(), "vmin": -reach, "vmax": reach, **style})


def level_points(
    ax: Axes, xy: NDArray[np.float64], values: NDArray[np.float64], *, limit: float | None = None, **style: Any
) -> PathCollection:
    """Draw cells coloured by a value that begins at zero, the largest on top; as `signed_points`."""
    return _value_points(ax, xy, values, **{"cmap": sequential(), "vmin": 0.0, "vmax": _reach(values, limit), **style})


def _reach(values: NDArray[np.float64], limit: float | None) -> float:
    if limit is not None and not 0.0 < limit < np.inf:
        raise UsageError(f"limit={limit!r}: a scale reaches to a number above 0; leave it out to fit the values")
    return symmetric_limit(values) if limit is None else limit


def _value_points(ax: Axes, xy: NDArray[np.float64], values: NDArray[np.float64], **style: Any) -> PathCollection:
    drawn = {"s": dot_size(len(xy)), "linewidths": 0, "rasterized": True, **style}
    known = np.isfinite(values)
    if not known.all():
        x, y = xy[~known].T
        ax.scatter(x, y, marker="x", linewidths=0.5, s=drawn["s"], color=_NOTHING, rasterized=True)
    # the strongest last, so that no crowd of weak ones hides them
    order = np.flatnonzero(known)[np.argsort(np.abs(values[known]), kind="stable")]
    x, y = xy[order].T
    points = ax.scatter(x, y, c=values[order], **drawn)
    as_map(ax)
    return points


def category_points(
    ax: Axes,
    xy: NDArray[np.float64],
    codes: NDArray[np.int64],
    labels: Sequence[str],
    *,
    counts: bool = True,
    legend: bool = True,
    **style: Any,
) -> None:
    """Draw cells coloured by kind.

    Parameters
    ----------
    ax
        Where.
    xy
        (n_cells, 2) positions.
    codes
        (n_cells,) number of the label of each cell.
    labels
        Names of the kinds.
    counts
        Tell the number of cells in the legend.
    legend
        Whether there is one, to the right of the map.
    style
        For `scatter`.
    """
    sizes = np.bincount(codes[codes >= 0], minlength=len(labels))
    colours = np.array(categorical(len(labels)), dtype=object)
    drawn = {"s": dot_size(len(xy)), "linewidths": 0, "rasterized": True, **style}
    # one call in file order: kind by kind, the last would cover the others
    shown = np.flatnonzero(codes >= 0)
    x, y = xy[shown].T
    ax.scatter(x, y, c=list(colours[codes[shown]]), **drawn)
    for label, colour, size in zip(labels, colours, sizes.tolist(), strict=True):
        name = f"{label} ({size:,})" if counts else label
        ax.scatter([], [], s=36, color=colour, linewidths=0, label=name)
    as_map(ax)
    if legend:
        columns = 1 + (len(labels) - 1) // 18
        ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=9, ncols=columns)
