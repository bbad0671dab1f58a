"""The arrows of a transition field."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spacetravlr.errors import InputError
from spacetravlr.pl.canvas import axes_or_new, check_save, saved
from spacetravlr.pl.maps import cell_kinds, described
from spacetravlr.pl.points import as_map, category_points, dot_size

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

    from spacetravlr.perturbation.transition import TransitionField

_SIZE = (6.2, 5.0)
_SHORTEST = 0.02
_CELLS = "#CFCFCC"


def field(
    arrows: TransitionField,
    *,
    color: ArrayLike | None = None,
    ax: Axes | None = None,
    save: str | Path | None = None,
    length: float = 1.0,
    **style: Any,
) -> Axes:
    """Draw which way a perturbation moves the cells on an embedding.

    Parameters
    ----------
    arrows
        A transition field.
    color
        ``(n_cells,)`` labels to colour the cells by; None takes cell types or clusters, ``"none"`` one grey.
    ax, save
        Axes to draw on, and a file to write (png, pdf, svg, jpg, tif).
    length
        Of the longest arrow, in steps of the grid.
    style
        For `matplotlib.axes.Axes.quiver`.

    Returns
    -------
    The axes, with one `Quiver` in data units; arrows shorter than 2 % of the longest are left out.

    Raises
    ------
    InputError
        If `color` has not one label per cell.
    UsageError
        If the suffix of `save` is none that can be written.

    Examples
    --------
    >>> umap = np.random.default_rng(0).normal(size=(300, 2))
    >>> arrows = stl.tl.transition_field(effect, "X_umap", embedding=umap, n_neighbors=20, grid_size=8)
    >>> stl.pl.field(arrows, save="arrows.png").get_xlabel()
    'umap 1'
    """
    check_save(save)
    ax = axes_or_new(ax, size=_SIZE)
    xy = np.asarray(arrows.embedding, dtype=np.float64)
    _draw_cells(ax, arrows, color)
    sizes = np.hypot(*np.asarray(arrows.vectors).T)
    longest = float(sizes.max(initial=0.0))
    shown = sizes > _SHORTEST * longest
    step = _step(arrows)
    # in data units, so that the length of an arrow does not depend on the size of the figure
    given = {"angles": "xy", "scale_units": "xy", "units": "xy", "width": 0.09 * step, "color": "#1A1A1A", "zorder": 3}
    scale = longest / (length * step) if longest > 0.0 else 1.0
    ax.quiver(*arrows.points[shown].T, *np.asarray(arrows.vectors)[shown].T, **{**given, "scale": scale, **style})
    as_map(ax)
    margin = 0.04 * max(float(np.ptp(xy[:, 0])), float(np.ptp(xy[:, 1])), 1e-9) + 0.5 * step * length
    ax.set(
        xlim=(np.nanmin(xy[:, 0]) - margin, np.nanmax(xy[:, 0]) + margin),
        ylim=(np.nanmin(xy[:, 1]) - margin, np.nanmax(xy[:, 1]) + margin),
    )
    name = arrows.basis.removeprefix("X_")
    ax.set_xlabel(f"{name} 1", fontsize=9)
    ax.set_ylabel(f"{name} 2", fontsize=9)
    ax.set_title(described(arrows.effect), fontsize=11)
    return saved(ax, save)


def _draw_cells(ax: Axes, arrows: TransitionField, color: ArrayLike | None) -> None:
    xy = np.asarray(arrows.embedding, dtype=np.float64)
    labels = cell_kinds(arrows.effect) if color is None else color
    if labels is None or (isinstance(labels, str) and labels == "none"):
        x, y = xy.T
        ax.scatter(x, y, s=dot_size(len(xy)), color=_CELLS, linewidths=0, rasterized=True)
        return
    values = np.asarray(labels).astype(str)
    if values.shape != (len(xy),):
        raise InputError(f"color must have one label for each of {len(xy)} cells, not the shape {values.shape}")
    known, codes = np.unique(values, return_inverse=True)
    category_points(ax, xy, codes.astype(np.int64), [str(one) for one in known], counts=False, alpha=0.55)


def _step(arrows: TransitionField) -> float:
    """Return the distance of two points of the grid, the smaller of both directions."""
    steps = [float(np.diff(axis).mean()) for axis in (arrows.grid_x, arrows.grid_y) if len(axis) > 1]
    return min(steps, default=1.0)
