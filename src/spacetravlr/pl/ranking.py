"""The genes that change most."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spacetravlr.errors import InputError, UsageError
from spacetravlr.pl.canvas import axes_or_new, check_save, saved
from spacetravlr.pl.colours import diverging
from spacetravlr.pl.maps import described

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from spacetravlr.perturbation import Effect

_INK = "#333333"


def top_effects(
    effect: Effect,
    n: int = 15,
    *,
    by: str | NDArray[Any] | None = None,
    ax: Axes | None = None,
    save: str | Path | None = None,
) -> Axes:
    """Draw the genes that change most: bars for the whole tissue, a table of colours for groups of cells.

    Parameters
    ----------
    effect
        The effect.
    n
        Number of genes.
    by
        None for the whole tissue, or what makes groups of cells: ``"cell_type"``, ``"cluster"``, ``"ring"``, another
        column of obs, or ``(n_cells,)`` labels (see `Effect.top`).
    ax, save
        Axes to draw on, and a file to write (png, pdf, svg, jpg, tif).

    Returns
    -------
    The axes. The genes are those of the largest mean absolute change, the largest on top; drawn is the mean change.

    Raises
    ------
    InputError
        If nothing changes, or `by` is no known grouping.
    UsageError
        If `n` is below 1, or the suffix of `save` none that can be written.

    Examples
    --------
    >>> ax = stl.pl.top_effects(effect, 5, save="top.png")
    >>> len(ax.get_yticklabels())
    5
    """
    check_save(save)
    if n < 1:
        raise UsageError(f"n={n}: at least one gene is drawn")
    best = effect.top(n)
    genes = [str(gene) for gene in best["gene"]]
    if not genes:
        raise InputError(f"no gene changes after {described(effect)}: there is nothing to draw")
    if by is None:
        ax = axes_or_new(ax, size=(5.2, 1.0 + 0.26 * len(genes)), layout="constrained")
        _bars(ax, genes, best["mean_delta"].to_numpy(dtype=np.float64))
    else:
        table = effect.differential(by=by)
        group = str(table.columns[1])
        labels = list(dict.fromkeys(table[group].astype(str)))
        wide = table.assign(**{group: table[group].astype(str)}).pivot(index="gene", columns=group, values="mean_delta")
        values = wide.reindex(index=genes, columns=labels).fillna(0.0).to_numpy(dtype=np.float64)
        size = (3.2 + 0.5 * len(labels), 1.6 + 0.26 * len(genes))
        ax = axes_or_new(ax, size=size, layout="constrained")
        _cells(ax, genes, labels, values)
    ax.set_title(described(effect), fontsize=11)
    return saved(ax, save)


def _bars(ax: Axes, genes: list[str], values: NDArray[np.float64]) -> None:
    limit = float(np.abs(values).max()) or 1.0
    places = np.arange(len(genes))
    # full colours: length tells the size, colour only the sign
    colours = diverging()(np.where(values < 0.0, 0.12, 0.88))
    ax.barh(places, values, color=colours, height=0.72)
    ax.axvline(0.0, color=_INK, linewidth=0.8)
    ax.set(ylim=(len(genes) - 0.4, -0.6), xlim=(-1.08 * limit, 1.08 * limit))
    ax.set_yticks(places, genes, fontsize=9, style="italic")
    ax.set_xlabel("mean change of expression", fontsize=9)
    ax.tick_params(axis="x", labelsize=8)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color="0.92")
    ax.set_axisbelow(True)
    for side in ("left", "right", "top"):
        ax.spines[side].set_visible(False)


def _cells(ax: Axes, genes: list[str], labels: list[str], values: NDArray[np.float64]) -> None:
    limit = float(np.abs(values).max()) or 1.0
    image = ax.imshow(values, cmap=diverging(), vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest")
    ax.set_yticks(np.arange(len(genes)), genes, fontsize=9, style="italic")
    ax.set_xticks(np.arange(len(labels)), labels, fontsize=8, rotation=40, ha="right", rotation_mode="anchor")
    ax.tick_params(length=0)
    for side in ax.spines.values():
        side.set_visible(False)
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.7, pad=0.03)
    bar.set_label("mean change of expression", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
