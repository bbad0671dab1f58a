"""Maps of a tissue: clusters, coefficients, effects."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from spacetravlr.errors import InputError, UsageError, did_you_mean, listing
from spacetravlr.pl.canvas import axes_or_new, check_save, saved
from spacetravlr.pl.points import category_points, level_points, scale_bar, signed_points

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection

    from spacetravlr.betas import Betas
    from spacetravlr.perturbation import Dose, Effect
    from spacetravlr.run import Run
    from spacetravlr.tissue import Tissue

Shown = Literal["delta", "simulated", "baseline"]
_SIZE = (6.0, 4.6)
_DOSES = {"multiple": "times {:g}", "shift": "shifted by {:+g}", "quantile": "at its {:g}th percentile"}


def clusters(
    tissue: Tissue | Run, *, ax: Axes | None = None, save: str | Path | None = None, unit: str = "units", **style: Any
) -> Axes:
    """Draw the cells at their places, coloured by cluster.

    Parameters
    ----------
    tissue
        A tissue, or a run on one.
    ax, save
        Axes to draw on, and a file to write (png, pdf, svg, jpg, tif).
    unit
        Of the coordinates, for the scale bar; ``"µm"`` if they are.
    style
        For `matplotlib.axes.Axes.scatter`.

    Raises
    ------
    InputError
        If the sample of the run is not found.
    UsageError
        If the suffix of `save` is none that can be written.

    Examples
    --------
    >>> ax = stl.pl.clusters(stl.Tissue.from_anndata(adata), unit="µm", save="clusters.png")
    >>> [text.get_text() for text in ax.get_legend().get_texts()][:2]
    ['0 Astrocyte (66)', '1 B cell (56)']
    """
    check_save(save)
    sample = tissue if not hasattr(tissue, "tissue") else tissue.tissue()
    names = sample.cluster_cell_types
    labels = [_named(label, names.get(label)) for label in sample.clusters.labels]
    ax = axes_or_new(ax, size=_SIZE)
    category_points(ax, sample.xy, sample.clusters.codes, labels, **style)
    scale_bar(ax, sample.xy, unit)
    return saved(ax, save)


def betas(
    run: Run,
    gene: str,
    modulator: str,
    *,
    ax: Axes | None = None,
    save: str | Path | None = None,
    limit: float | None = None,
    unit: str = "units",
    colorbar: bool = True,
    **style: Any,
) -> Axes:
    """Draw the coefficient of one modulator in the model of one gene, at the place of every cell.

    Parameters
    ----------
    run
        The run.
    gene
        The target.
    modulator
        A TF (``"Foxo1"``), a ligand-receptor pair (``"Tgfb1$Tgfbr1"``) or a ligand-TF pair (``"Tgfb1#Smad3"``).
    ax, save
        Axes to draw on, and a file to write (png, pdf, svg, jpg, tif).
    limit
        How far the symmetrical scale reaches; by default nearly to the largest coefficient.
    unit
        Of the coordinates, for the scale bar.
    colorbar
        Whether to draw the scale of colours beside the axes.
    style
        For `matplotlib.axes.Axes.scatter`.

    Returns
    -------
    The axes. Cells whose cluster has no model have the coefficient 0.

    Raises
    ------
    InputError
        If the gene has no model, or its model no such modulator; or the sample of the run is not found.
    UsageError
        If `limit` is not above 0, or the suffix of `save` none that can be written.

    Examples
    --------
    >>> stl.pl.betas(run, "Agr2", "Pax6", save="agr2_pax6.png").get_title()
    'Pax6 in the model of Agr2'
    """
    check_save(save)
    table, tissue = run.betas(gene), run.tissue()
    values = cell_coefficients(table, tissue, modulator)
    ax = axes_or_new(ax, size=_SIZE)
    points = signed_points(ax, tissue.xy, values, limit=limit, **style)
    ax.set_title(f"{readable(modulator)} in the model of {gene}", fontsize=11)
    scale_bar(ax, tissue.xy, unit)
    if colorbar:
        _bar(points, ax, values, f"coefficient\n(expression of {gene} per unit of {readable(modulator)})")
    return saved(ax, save)


def effect(
    effect: Effect,
    gene: str,
    *,
    what: Shown = "delta",
    ax: Axes | None = None,
    save: str | Path | None = None,
    limit: float | None = None,
    unit: str = "units",
    colorbar: bool = True,
    **style: Any,
) -> Axes:
    """Draw what a perturbation does to one gene, at the place of every cell.

    Parameters
    ----------
    effect
        The effect.
    gene
        The gene to show.
    what
        The change (`delta`), or expression after (`simulated`) or before (`baseline`).
    ax, save
        Axes to draw on, and a file to write (png, pdf, svg, jpg, tif).
    limit
        How far the scale reaches; by default nearly to the largest value.
    unit
        Of the coordinates, for the scale bar.
    colorbar
        Whether to draw the scale of colours beside the axes.
    style
        For `matplotlib.axes.Axes.scatter`.

    Raises
    ------
    InputError
        For an unknown gene.
    UsageError
        If the effect holds no coordinates, `what` is another word, `limit` is not above 0, or the suffix of `save`
        none that can be written.

    Examples
    --------
    >>> stl.pl.effect(effect, "Agr2", save="agr2.png").get_title()
    'Agr2 after knock-out of Pax6'
    """
    check_save(save)
    xy = positions(effect)
    values = gene_values(effect, gene, what)
    ax = axes_or_new(ax, size=_SIZE)
    draw = signed_points if what == "delta" else level_points
    points = draw(ax, xy, values, limit=limit, **style)
    ax.set_title(f"{gene} after {described(effect)}" if what != "baseline" else f"{gene} before", fontsize=11)
    scale_bar(ax, xy, unit)
    if colorbar:
        _bar(points, ax, values, "change of expression" if what == "delta" else "expression")
    return saved(ax, save)


def positions(effect: Effect) -> NDArray[np.float64]:
    """Return the coordinates of an effect.

    Raises
    ------
    UsageError
        If it has none.
    """
    if effect.xy is None:
        raise UsageError("this effect holds no coordinates: simulate it with a run, or with a model that has positions")
    return effect.xy


def gene_values(effect: Effect, gene: str, what: Shown = "delta") -> NDArray[np.float64]:
    """Return (n_cells,) change or expression of a gene.

    Raises
    ------
    InputError
        For an unknown gene.
    UsageError
        If `what` is another word.
    """
    after = effect.gene(gene)
    before = np.asarray(effect.baseline[:, effect.genes.index(gene)], dtype=np.float64)
    shown = {"delta": after - before, "simulated": after, "baseline": before}
    if what not in shown:
        raise UsageError(f"what={what!r}: give one of {listing(shown)}")
    return shown[what]


def cell_kinds(effect: Effect) -> NDArray[Any] | None:
    """Return (n_cells,) the cell type of each cell, its cluster where types are not known, None without either."""
    from spacetravlr.tissue.clusters import cell_type_column

    column = None if effect.obs is None else cell_type_column(effect.obs)
    if effect.obs is not None and column is not None:
        return np.asarray(effect.obs[column].astype(str))
    return None if effect.labels is None else np.asarray(effect.labels).astype(str)


def cell_coefficients(table: Betas, tissue: Tissue, modulator: str) -> NDArray[np.float64]:
    """Return (n_cells,) coefficient of a modulator in every cell, 0 for a cell without a row.

    Raises
    ------
    InputError
        If the model has no such modulator.
    """
    if modulator not in table.modulators:
        raise InputError(_no_modulator(table, modulator))
    column = np.asarray(table.values[:, table.modulators.index(modulator)], dtype=np.float64)
    rows = table.rows_for(tissue.row_keys, tissue.cells)
    return np.where(rows >= 0, column[rows], 0.0)


def readable(modulator: str) -> str:
    """Return a modulator as people read it: `L$R` as `L–R`, `L#TF` as `L→TF`."""
    return modulator.replace("$", "–").replace("#", "→")


def described(effect: Effect) -> str:
    """Return what was done, in a few words."""
    parts = [_told(one.gene, one.dose) for one in effect.targets[:3]]
    more = len(effect.targets) - len(parts)
    sizes = {len(one.rows) for one in effect.interventions}
    # where genes are set in different cells, the words would not fit a title
    whole = len(sizes) != 1 or sizes == {len(effect.cells)}
    where = "" if whole else f" in {sizes.pop():,} of {len(effect.cells):,} cells"
    return ", ".join(parts) + (f" and {more} more" if more > 0 else "") + where


def _told(gene: str, dose: Dose) -> str:
    if dose.kind == "per_cell":
        return f"{gene} set cell by cell"
    if dose.kind == "absolute":
        return f"{gene} set to {dose.amount:g}" if dose.amount else f"knock-out of {gene}"
    return f"{gene} {_DOSES[dose.kind].format(dose.amount)}"


def _no_modulator(table: Betas, modulator: str) -> str:
    pairs = [name for name in table.modulators if modulator in name.replace("#", "$").split("$")]
    if pairs:
        return f"{modulator!r} is in these modulators of {table.target}: {listing(pairs)}; name one of them"
    hint = did_you_mean(modulator, table.modulators, f"; it has {listing(table.modulators)}")
    return f"the model of {table.target} has no coefficient of {modulator!r}{hint}"


def _named(label: str, name: str | None) -> str:
    return label if name is None or name == label else f"{label} {name}"


def _bar(points: PathCollection, ax: Axes, values: NDArray[np.float64], label: str) -> None:
    """Draw the scale of colours; points beyond its ends are told by arrows."""
    low, high = points.get_clim()
    known = values[np.isfinite(values)]
    under, over = bool((known < low).any()), bool((known > high).any())
    extend = "both" if under and over else "min" if under else "max" if over else "neither"
    bar = ax.figure.colorbar(points, ax=ax, shrink=0.75, pad=0.02, extend=extend)
    bar.set_label(label, fontsize=9)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
