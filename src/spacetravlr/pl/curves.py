"""How a model was fitted: the error along the penalties, and along the epochs of a niche network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from spacetravlr.errors import InputError, UsageError
from spacetravlr.pl.canvas import axes_or_new, check_save, saved
from spacetravlr.pl.colours import CATEGORIES, categorical

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from spacetravlr.run import GeneLog, Run

Kind = Literal["path", "network"]
_SIZE = (5.4, 3.6)
_LEGEND = 12


def training_curves(
    run: Run, gene: str, *, kind: Kind | None = None, ax: Axes | None = None, save: str | Path | None = None
) -> Axes:
    """Draw how the model of a gene was fitted.

    Parameters
    ----------
    run
        The run.
    gene
        The target.
    kind
        ``"path"``: the error in held-out cells along the penalties, with one standard error over folds, and the
        penalty that was chosen. ``"network"``: the error of the niche networks along the epochs, by cluster. None
        takes the path, or the networks where there was no cross-validation.
    ax, save
        Axes to draw on, and a file to write (png, pdf, svg, jpg, tif).

    Returns
    -------
    The axes.

    Raises
    ------
    InputError
        If the run holds no such curve of the gene.
    UsageError
        If `kind` is another word, or the suffix of `save` is none that can be written.

    Examples
    --------
    >>> stl.pl.training_curves(run, "Agr2", save="agr2_path.png").get_xlabel()
    'penalty'
    """
    check_save(save)
    if kind not in (None, "path", "network"):
        raise UsageError(f"kind={kind!r}: give 'path' or 'network'")
    path, log = _path(run, gene), run.log(gene)
    epochs = log is not None and any(one.cnn_mse for one in log.clusters)
    if kind == "network" or (kind is None and not len(path) and epochs):
        if log is None or not epochs:
            raise InputError(f"{run.path} holds no epochs of {gene}: no niche network was trained for it")
        ax = axes_or_new(ax, size=_SIZE, layout="constrained")
        _draw_network(ax, log)
    else:
        if not len(path):
            raise InputError(
                f"{run.path} holds no penalty path of {gene}: it is not trained, or without cross-validation"
            )
        ax = axes_or_new(ax, size=_SIZE, layout="constrained")
        _draw_path(ax, path)
    ax.set_title(gene, fontsize=11)
    for side in ("right", "top"):
        ax.spines[side].set_visible(False)
    ax.tick_params(labelsize=8)
    return saved(ax, save)


def _path(run: Run, gene: str) -> pd.DataFrame:
    table = run.penalty_path()
    return table[table["gene"] == gene]


def _draw_path(ax: Axes, path: pd.DataFrame) -> None:
    x, error, spread = (path[name].to_numpy(dtype=np.float64) for name in ("lambda", "error", "error_se"))
    ax.fill_between(x, error - spread, error + spread, color=CATEGORIES[0], alpha=0.18, linewidth=0)
    ax.plot(x, error, color=CATEGORIES[0], marker="o", markersize=3, label="held-out error, ± 1 standard error")
    chosen = path[path["chosen"].astype(bool)]
    if len(chosen):
        at = float(chosen["lambda"].iloc[0])
        ax.axvline(at, color=CATEGORIES[5], linestyle="--", linewidth=1.2, label=f"chosen: {at:.3g}")
    ax.set_xscale("log")
    # strong penalties first, as the path is walked
    ax.invert_xaxis()
    ax.set_xlabel("penalty", fontsize=9)
    ax.set_ylabel("mean squared error\n(variance within the cluster = 1)", fontsize=9)
    ax.legend(frameon=False, fontsize=8)


def _draw_network(ax: Axes, log: GeneLog) -> None:
    from matplotlib.ticker import MaxNLocator

    shown = [one for one in log.clusters if one.cnn_mse]
    for one, colour in zip(shown, categorical(len(shown)), strict=True):
        epochs = np.arange(len(one.cnn_mse))
        ax.plot(epochs, one.cnn_mse, color=colour, marker="o", markersize=3, label=f"cluster {one.cluster}")
    ax.set_xlabel("epoch", fontsize=9)
    ax.set_ylabel("mean squared error in training, expression²", fontsize=9)
    ax.set_ylim(bottom=0.0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(shown) <= _LEGEND:
        ax.legend(frameon=False, fontsize=8)
