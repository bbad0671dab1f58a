"""The scores of a target, as they are recorded: how well it is fitted, and how its penalty was chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.run import GeneScores
from spacetravlr.training.refined import unrefined

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacetravlr.betas import Betas
    from spacetravlr.tissue import Clusters
    from spacetravlr.training.fits import TargetFit


def to_scores(
    fit: TargetFit, kept: NDArray[np.bool_], clusters: Clusters, *, betas: Betas | None, reason: str
) -> GeneScores:
    """Return the record of a target.

    Parameters
    ----------
    fit
        The fit; one without modulators has no scores.
    kept
        (C,), clusters whose score reaches the threshold.
    clusters
        Row labels and sizes.
    betas
        What is written; None for a target without a model, of which nothing is kept.
    reason
        Why there is no model; empty if there is one.
    """
    n, p = len(clusters.labels), len(fit.modulators.names)
    unknown = [None] * n
    return GeneScores(
        gene=fit.modulators.target,
        clusters={
            "cluster": list(clusters.labels),
            "n_cells": [int(size) for size in clusters.sizes],
            "n_modulators": [p] * n,
            "n_kept": [0] * n if betas is None else np.count_nonzero(betas.values, axis=1).tolist(),
            "r2_in": fit.r2_in.tolist() if p else unknown,
            "r2_out": fit.r2_out.tolist(),
            "r2_pooled": [fit.r2_pooled] * n,
            "r2_local": unknown if fit.r2_local is None else fit.r2_local.tolist(),
            "p_model": [fit.p_model] * n,
            "r2_tf_only": unknown if fit.r2_tf_only is None else fit.r2_tf_only.tolist(),
            "r2_shuffled": unknown if fit.r2_shuffled is None else fit.r2_shuffled.tolist(),
            "p_space": [fit.p_space] * n,
            "train_mse": fit.train_mse.tolist() if p else unknown,
            "converged": fit.converged.tolist(),
            "n_iter": fit.n_iter.tolist(),
            "lambda": [fit.penalty] * n,
            "kept": [False] * n if betas is None else kept.tolist(),
            **(unrefined(n) if fit.refined is None else fit.refined.columns(n)),
            "reason": [reason or None] * n,
        },
        path=_path(fit),
    )


def _path(fit: TargetFit) -> dict[str, list[float | bool | None]]:
    if fit.path is None:
        return {}
    tried = np.isfinite(fit.path.error)
    return {
        "lambda": fit.path.lambdas[tried].tolist(),
        "error": fit.path.error[tried].tolist(),
        "error_se": fit.path.spread[tried].tolist(),
        "chosen": (fit.path.lambdas[tried] == fit.penalty).tolist(),
    }
