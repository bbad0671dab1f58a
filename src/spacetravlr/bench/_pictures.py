"""The demo's pictures, as PNG files inside a data URI."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from spacetravlr.bench._demo_scores import KnockOut

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

# told apart by people who do not see red and green as two colours
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#7F7F7F")
_DPI = 110


def tissue_picture(adata: AnnData) -> str:
    """Draw the cells at their places, coloured by cell type."""
    figure = _figure(6.4, 4.8)
    axes = figure.subplots()
    xy, types = np.asarray(adata.obsm["spatial"]), adata.obs["cell_type"].astype(str).to_numpy()
    for number, name in enumerate(sorted(set(types))):
        own = types == name
        colour = _COLOURS[number % len(_COLOURS)]
        axes.scatter(xy[own, 0], xy[own, 1], s=_dot(len(xy)), color=colour, linewidths=0, label=name)
    _as_map(axes)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, markerscale=2.0)
    return _data_uri(figure)


def knock_out_picture(adata: AnnData, one: KnockOut) -> str:
    """Draw predicted against true change of all genes, and both on the tissue for the gene that changes most."""
    figure = _figure(11.5, 3.6)
    left, middle, right = figure.subplots(1, 3)
    spread = np.asarray(adata.layers["imputed_count"]).std(axis=0)
    _draw_agreement(left, one, np.asarray(adata.var_names != one.gene) & (spread > 0.0), spread)
    shown = adata.var_names.get_loc(one.shown)
    xy = np.asarray(adata.obsm["spatial"])
    changes = {"true": one.true[:, shown], "predicted": one.effect.delta[:, shown]}
    limit = max(float(np.quantile(np.abs(np.concatenate(list(changes.values()))), 0.99)), 1e-9)
    for axes, (what, change) in zip((middle, right), changes.items(), strict=True):
        dots = axes.scatter(
            xy[:, 0], xy[:, 1], c=change, s=_dot(len(xy)), cmap="RdBu_r", vmin=-limit, vmax=limit, linewidths=0
        )
        _as_map(axes)
        axes.set_title(f"{one.shown}, {what} change", fontsize=10)
    figure.colorbar(dots, ax=(middle, right), shrink=0.8, label="change of expression")
    return _data_uri(figure)


def _draw_agreement(axes: Axes, one: KnockOut, kept: NDArray[np.bool_], spread: NDArray[np.float64]) -> None:
    true, predicted = (change[:, kept] / spread[kept] for change in (one.true, one.effect.delta))
    moves = np.abs(true) > 0.02
    limit = max(float(np.quantile(np.abs(true[moves]), 0.998)), 0.1) if moves.any() else 0.1
    square = (-limit, limit, -limit, limit)
    axes.hexbin(true[moves], predicted[moves], gridsize=55, extent=square, bins="log", cmap="viridis", mincnt=1)
    axes.plot([-limit, limit], [-limit, limit], color="0.4", linewidth=0.8)
    axes.axhline(0.0, color="0.8", linewidth=0.8, zorder=0)
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    axes.set(xlabel="true change, sd of the gene", ylabel="predicted change, sd of the gene")
    axes.set_title(f"without {one.gene}: all genes, all cells", fontsize=10)


def _figure(width: float, height: float) -> Figure:
    # not pyplot: nothing is shown, and the user's own settings of figures are left alone
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="compressed", facecolor="white")


def _dot(n_cells: int) -> float:
    return float(np.clip(20_000.0 / max(n_cells, 1), 0.5, 25.0))


def _as_map(axes: Axes) -> None:
    axes.set(aspect="equal", xticks=[], yticks=[])
    for side in axes.spines.values():
        side.set_visible(False)


def _data_uri(figure: Figure) -> str:
    buffer = io.BytesIO()
    nothing: dict[str, Any] = {"Software": None}
    figure.savefig(buffer, format="png", dpi=_DPI, bbox_inches="tight", metadata=nothing)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
