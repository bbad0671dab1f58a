"""What the neighbourhood has to do with an effect or a coefficient."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from spacetravlr.errors import UsageError
from spacetravlr.perturbation import Effect
from spacetravlr.perturbation._groups import distance_rings
from spacetravlr.pl.canvas import axes_or_new, check_save, saved
from spacetravlr.pl.colours import CATEGORIES, diverging
from spacetravlr.pl.maps import cell_coefficients, cell_kinds, described, gene_values, positions, readable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from spacetravlr.run import Run

Along = Literal["ring", "neighbours"]
_SPREAD = (10.0, 90.0)
_SIZE = (5.4, 3.6)
_BLOCK = 65_536


def niche_profile(
    subject: Effect | Run,
    gene: str,
    modulator: str | None = None,
    *,
    by: Along | None = None,
    rings: Sequence[float] | None = None,
    perturbed: bool = True,
    n_neighbours: int = 15,
    ax: Axes | None = None,
    save: str | Path | None = None,
) -> Axes:
    """Draw how an effect, or a coefficient, depends on what is around a cell.

    With ``by="ring"``: the change of a gene in the perturbed cells, and in rings around them by the distance to the
    nearest one; the mean, and the range of the middle 80 % of the cells. With ``by="neighbours"``: by how much cells
    whose nearest neighbours are of a kind lie above or below the others of their own kind.

    Parameters
    ----------
    subject
        An effect, or a run for a coefficient.
    gene
        The gene that changes, or the target.
    modulator
        With a run: of which the coefficient is shown.
    by
        ``"ring"`` (effects only; the default for them) or ``"neighbours"``.
    rings
        Ascending edges, coordinate units; None for 0.25, 0.5, 1 and 2 radii.
    perturbed
        Whether the perturbed cells are shown beside the rings; without them the rings fill the scale.
    n_neighbours
        How many nearest cells are the neighbourhood.
    ax, save
        Axes to draw on, and a file to write (png, pdf, svg, jpg, tif).

    Returns
    -------
    The axes.

    Raises
    ------
    InputError
        If the gene or the modulator is unknown, or no perturbed cell has a position.
    UsageError
        If arguments do not go together: rings of a coefficient, a coefficient without a modulator or one with the same
        value in all cells of a cluster, neighbours without labels, or a `save` that cannot be written.

    Examples
    --------
    >>> near = run.perturb({"Pdgfb": 0.0}, cells={"cell_type": "Astrocyte"})
    >>> ax = stl.pl.niche_profile(near, near.top(1).gene[0], rings=(20, 50, 100))
    >>> [label.get_text().splitlines()[0] for label in ax.get_xticklabels()]
    ['perturbed', '0–20', '20–50', '50–100']
    """
    check_save(save)
    if n_neighbours < 1:
        raise UsageError(f"n_neighbours is {n_neighbours}: at least one neighbour is needed")
    if not isinstance(subject, Effect):
        if by == "ring" or rings is not None:
            raise UsageError("rings are around perturbed cells: give an effect, or by='neighbours'")
        if modulator is None:
            raise UsageError(f"name the modulator of {gene} whose coefficient is to be drawn")
        return saved(_of_coefficient(subject, gene, modulator, n_neighbours, ax), save)
    if modulator is not None:
        raise UsageError("a modulator is named, but an effect is given: give a run to draw a coefficient")
    effect = subject
    if by in (None, "ring"):
        return saved(_rings(effect, gene, rings, ax, perturbed=perturbed), save)
    xy, labels = positions(effect), cell_kinds(effect)
    if labels is None:
        raise UsageError("this effect knows no clusters, so the neighbours have no kinds")
    what = f"change of {gene}"
    drawn = _neighbours(xy, labels, gene_values(effect, gene), n_neighbours, ax, what=what)
    drawn.set_title(f"{gene} after {described(effect)}", fontsize=11)
    return saved(drawn, save)


def neighbour_profile(
    xy: NDArray[np.float64], codes: NDArray[np.int64], values: NDArray[np.float64], *, n_neighbours: int
) -> NDArray[np.float64]:
    """Return for every kind the mean value of cells among it, relative to cells of their own kind.

    Every cell counts by the share of the kind in its nearest neighbours, and with its value less the mean of its own
    kind, so that neighbours of the same kind explain nothing.

    Parameters
    ----------
    xy
        (n_cells, 2) positions; cells without one are left out.
    codes
        (n_cells,) kind of each cell, 0 to n_kinds - 1.
    values
        (n_cells,).
    n_neighbours
        Of each cell, itself not counted.

    Returns
    -------
    (n_kinds,), NaN where no cell has such a neighbour. Cost n log n.
    """
    from scipy.spatial import cKDTree

    n_kinds = int(codes.max()) + 1
    own_sum, own_count = np.bincount(codes, values, n_kinds), np.bincount(codes, minlength=n_kinds)
    relative = values - (own_sum / np.maximum(own_count, 1))[codes]
    placed = np.flatnonzero(np.isfinite(xy).all(axis=1))
    tree = cKDTree(xy[placed])
    k = min(n_neighbours + 1, len(placed))
    total, weight = np.zeros(n_kinds), np.zeros(n_kinds)
    for start in range(0, len(placed), _BLOCK):
        block = placed[start : start + _BLOCK]
        near = placed[tree.query(xy[block], k=k)[1].reshape(len(block), k)]
        others = near != block[:, None]
        cells = np.repeat(block, k).reshape(near.shape)[others]
        kinds = codes[near[others]]
        total += np.bincount(kinds, relative[cells], n_kinds)
        weight += np.bincount(kinds, minlength=n_kinds)
    return np.asarray(np.divide(total, weight, out=np.full(n_kinds, np.nan), where=weight > 0))


def _of_coefficient(
    run: Run,
    gene: str,
    modulator: str,
    n_neighbours: int,
    ax: Axes | None,
) -> Axes:
    table, tissue = run.betas(gene), run.tissue()
    if table.by == "cluster":
        raise UsageError(
            f"the coefficients of {gene} are the same in all cells of a cluster, so they do not depend on the niche; "
            "stl.pl.betas draws them"
        )
    values = cell_coefficients(table, tissue, modulator)
    names = tissue.cluster_cell_types
    labels = np.array([names.get(label, label) for label in tissue.clusters.labels])[tissue.clusters.codes]
    what = f"coefficient of {readable(modulator)}"
    drawn = _neighbours(tissue.xy, labels, values, n_neighbours, ax, what=what)
    drawn.set_title(f"{readable(modulator)} in the model of {gene}", fontsize=11)
    return drawn


def _rings(effect: Effect, gene: str, rings: Sequence[float] | None, ax: Axes | None, *, perturbed: bool) -> Axes:
    values, groups = gene_values(effect, gene), distance_rings(effect, rings)
    first = 0 if perturbed or len(groups.labels) == 1 else 1
    labels = groups.labels[first:]
    parts = [values[groups.codes == code + first] for code in range(len(labels))]
    ax = axes_or_new(ax, size=_SIZE, layout="constrained")
    places = np.arange(len(labels))
    mean = np.array([part.mean() for part in parts])
    spread = np.array([np.percentile(part, _SPREAD) for part in parts]).T
    ax.axhline(0.0, color="0.75", linewidth=0.8, zorder=0)
    ax.vlines(places, *spread, color=CATEGORIES[0], alpha=0.3, linewidth=9, label="middle 80 % of the cells")
    ax.plot(places, mean, color=CATEGORIES[0], marker="o", markersize=6, linestyle="none", label="mean")
    outside = places[1 - first :]
    ax.plot(outside, mean[1 - first :], color=CATEGORIES[0], linewidth=1.2)
    names = [f"{label.replace('-', '–')}\n{len(part):,} cells" for label, part in zip(labels, parts, strict=True)]
    ax.set_xticks(places, names, fontsize=8)
    ax.set_xlim(-0.6, len(labels) - 0.4)
    ax.set_xlabel("distance to the nearest perturbed cell, coordinate units", fontsize=9)
    ax.set_ylabel(f"change of {gene}", fontsize=9)
    ax.set_title(f"{gene} after {described(effect)}", fontsize=11, pad=24)
    # above the axes, because bars may be anywhere in them
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False, fontsize=8)
    _plain(ax)
    return ax


def _neighbours(
    xy: NDArray[np.float64],
    labels: NDArray[Any],
    values: NDArray[np.float64],
    n_neighbours: int,
    ax: Axes | None,
    *,
    what: str,
) -> Axes:
    known, codes = np.unique(labels, return_inverse=True)
    profile = neighbour_profile(xy, codes.astype(np.int64), values, n_neighbours=n_neighbours)
    order = np.argsort(np.nan_to_num(profile), kind="stable")
    ax = axes_or_new(ax, size=(5.4, 1.3 + 0.28 * len(known)), layout="constrained")
    ax.barh(np.arange(len(known)), profile[order], color=diverging()(np.where(profile[order] < 0.0, 0.12, 0.88)))
    ax.set_yticks(np.arange(len(known)), known[order], fontsize=9)
    ax.axvline(0.0, color="#333333", linewidth=0.8)
    ax.set_xlabel(f"{what}, relative to cells of the same kind", fontsize=9)
    ax.set_ylabel("when next to", fontsize=9)
    _plain(ax)
    return ax


def _plain(ax: Axes) -> None:
    for side in ("right", "top"):
        ax.spines[side].set_visible(False)
    ax.tick_params(labelsize=8)
