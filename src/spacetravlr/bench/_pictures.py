"""The demo's pictures, as PNG files inside a data URI."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from spacetravlr.bench._demo_scores import KnockOut
from spacetravlr.pl.canvas import new_figure
from spacetravlr.pl.points import category_points, signed_points

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_DPI = 110


def tissue_picture(adata: AnnData) -> str:
    """Draw the cells at their places, coloured by cell type."""
    figure = new_figure(6.4, 4.8)
    axes = figure.subplots()
    names, codes = np.unique(adata.obs["cell_type"].astype(str).to_numpy(), return_inverse=True)
    xy = np.asarray(adata.obsm["spatial"], dtype=np.float64)
    category_points(axes, xy, codes.astype(np.int64), [str(name) for name in names], counts=False)
    return _data_uri(figure)


def knock_out_picture(adata: AnnData, one: KnockOut) -> str:
    """Draw predicted against true change of all genes, and both on the tissue for the gene that changes most."""
    figure = new_figure(11.5, 3.6)
    left, middle, right = figure.subplots(1, 3)
    spread = np.asarray(adata.layers["imputed_count"]).std(axis=0)
    _draw_agreement(left, one, np.asarray(adata.var_names != one.gene) & (spread > 0.0), spread)
    shown = adata.var_names.get_loc(one.shown)
    xy = np.asarray(adata.obsm["spatial"], dtype=np.float64)
    changes = {"true": one.true[:, shown], "predicted": one.effect.delta[:, shown]}
    limit = max(float(np.quantile(np.abs(np.concatenate(list(changes.values()))), 0.99)), 1e-9)
    for axes, (what, change) in zip((middle, right), changes.items(), strict=True):
        dots = signed_points(axes, xy, np.asarray(change, dtype=np.float64), limit=limit)
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


def _data_uri(figure: Figure) -> str:
    buffer = io.BytesIO()
    nothing: dict[str, Any] = {"Software": None}
    figure.savefig(buffer, format="png", dpi=_DPI, bbox_inches="tight", metadata=nothing)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
