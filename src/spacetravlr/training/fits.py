"""The fit of one target in all clusters, and what becomes of it: coefficients, an orphan, a log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from spacetravlr.betas import Betas
from spacetravlr.run import ClusterLog, GeneLog
from spacetravlr.run.log import SHOWN_ALIKE
from spacetravlr.training.scores import to_scores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from spacetravlr.config import RunConfig
    from spacetravlr.device import Accelerator
    from spacetravlr.prior import Modulators
    from spacetravlr.run import GeneScores
    from spacetravlr.tissue import Clusters
    from spacetravlr.training.refined import Refined


@dataclass(frozen=True)
class ErrorPath:
    """How well one target is predicted in the cells held out, by penalty, from strong to weak."""

    lambdas: NDArray[np.float64]
    error: NDArray[np.float64]
    """Mean squared error over all clusters, in units of the variance within the cluster; NaN where it was not tried."""
    spread: NDArray[np.float64]
    """Its standard error over folds."""


@dataclass
class TargetFit:
    """One target, fitted in every cluster; C clusters, p modulators."""

    modulators: Modulators
    coef: NDArray[np.float64]
    """(C, p), original units."""
    intercept: NDArray[np.float64]
    """(C,), expression units."""
    r2_in: NDArray[np.float64]
    train_mse: NDArray[np.float64]
    n_iter: NDArray[np.int64]
    converged: NDArray[np.bool_]
    r2_out: NDArray[np.float64]
    """(C,), NaN where no held-out R2 was computed."""
    r2_pooled: float = float("nan")
    """Held-out R2 over all evaluated clusters together."""
    r2_local: NDArray[np.float64] | None = None
    """(C,), held-out R2 of the differences between each cell and its nearest neighbours; None where not asked for."""
    p_model: float = float("nan")
    """One-sided, for "the model predicts more than a smooth trend over the tissue"."""
    r2_tf_only: NDArray[np.float64] | None = None
    """(C,), held-out R2 of a model without ligands; None where it was not asked for."""
    r2_shuffled: NDArray[np.float64] | None = None
    """(C,), held-out R2 when cells get what cells of their cluster received elsewhere."""
    p_space: float = float("nan")
    """One-sided, for "what is received at the own place predicts better than that of another"."""
    penalty: float = float("nan")
    path: ErrorPath | None = None
    """How the penalty was chosen; None without cross-validation."""
    stability: NDArray[np.float64] | None = None
    """(C, p), fraction of bootstraps with the sign of the fit."""
    boot_mean: NDArray[np.float64] | None = None
    boot_sd: NDArray[np.float64] | None = None
    """(C, p), mean and standard deviation over bootstraps, original units."""
    boot_intercept: NDArray[np.float64] | None = None
    """(C,), the intercept that belongs to `boot_mean`."""

    ratio: NDArray[np.float64] | None = None
    """(C, p), sd of the column over sd of the response in the cluster: a coefficient times this has no unit."""
    groups: NDArray[np.int64] | None = None
    """(C, p), number of the group of columns that cannot be told apart, 0 for a column alone; see `Lookalikes`."""
    refined: Refined | None = None
    """What niche networks made of it; None where that was not asked."""

    @classmethod
    def empty(cls, modulators: Modulators, n_clusters: int) -> TargetFit:
        """Return a fit of zeros to be filled in."""
        p = len(modulators.names)
        return cls(
            modulators=modulators,
            coef=np.zeros((n_clusters, p)),
            intercept=np.zeros(n_clusters),
            r2_in=np.zeros(n_clusters),
            train_mse=np.zeros(n_clusters),
            n_iter=np.zeros(n_clusters, dtype=np.int64),
            converged=np.zeros(n_clusters, dtype=np.bool_),
            r2_out=np.full(n_clusters, np.nan),
        )


class BlockSolver(Protocol):
    """Fits a block of targets in all clusters."""

    accelerator: Accelerator | None
    """Device that some of the work is given to."""

    def fit(self, targets: Sequence[str], wanted: Sequence[bool]) -> list[TargetFit | None]:
        """Fit the wanted targets of a block; the block as a whole decides the rounding, so it is always the same."""


def kept_clusters(fit: TargetFit, config: RunConfig) -> NDArray[np.bool_]:
    """Return (C,) in which clusters the score reaches the threshold.

    With `score_on = "held_out"` a cluster that is too small to be scored counts as below any positive threshold.
    """
    threshold = config.training.score_threshold
    if config.training.score_on == "held_out":
        scored = np.isfinite(fit.r2_out)
        return np.where(scored, np.nan_to_num(fit.r2_out) >= threshold, threshold <= 0.0)
    return np.isfinite(fit.r2_in) & (fit.r2_in >= threshold)


def has_skill(fit: TargetFit, config: RunConfig) -> bool:
    """Return whether the target as a whole reaches the threshold."""
    training = config.training
    return training.score_on != "held_out" or bool(fit.r2_pooled >= training.score_threshold)


def is_tested(config: RunConfig) -> bool:
    """Return whether targets get a model only if it predicts more than a smooth trend."""
    training = config.training
    applies = config.lasso.select == "cv" and training.score_on == "held_out"
    return applies and training.model_level is not None and training.model_level < 1.0


def beats_trend(fit: TargetFit, config: RunConfig) -> bool:
    """Return whether the target passes the test against a smooth trend, if there is one."""
    level = config.training.model_level
    return level is None or not is_tested(config) or bool(fit.p_model <= level)


def orphan_reason(fit: TargetFit, kept: NDArray[np.bool_], config: RunConfig) -> str | None:
    """Return why a target gets no model, or None if it gets one."""
    threshold = config.training.score_threshold
    if not fit.modulators.names:
        return "no modulators in the prior network"
    unscored = np.isnan(fit.r2_pooled) and threshold > 0.0
    if config.training.score_on == "held_out" and (unscored or fit.r2_pooled < threshold):
        what = (
            "no cluster is large enough to be scored"
            if np.isnan(fit.r2_pooled)
            else f"held-out R2 is {fit.r2_pooled:.3f}"
        )
        return f"{what}, below [training].score_threshold = {threshold:g}"
    if not beats_trend(fit, config):
        level = f"[training].model_level = {config.training.model_level:g}"
        if np.isnan(fit.p_model):
            return f"too few held-out regions to test it against a smooth trend over the tissue ({level}; 1 skips this)"
        return (
            f"held-out predictions are no better than a smooth trend over the tissue (p = {fit.p_model:.2g}, {level})"
        )
    if not kept.any():
        return f"the R2 of every cluster is below [training].score_threshold = {threshold:g}"
    if not np.nan_to_num(exported(fit, config)[0])[kept].any():
        return "every modulator coefficient is zero"
    return None


def exported(fit: TargetFit, config: RunConfig) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return coefficients (C, p) and intercepts (C,) that a file holds: of the fit, or the mean over bootstraps."""
    if config.lasso.beta_export == "mean" and fit.boot_mean is not None and fit.boot_intercept is not None:
        return fit.boot_mean, fit.boot_intercept
    return fit.coef, fit.intercept


def to_betas(fit: TargetFit, kept: NDArray[np.bool_], clusters: Clusters, config: RunConfig) -> Betas:
    """Return the coefficient table: a row per cluster, zeros where the score is below the threshold."""
    coef, intercept = exported(fit, config)
    return Betas(
        target=fit.modulators.target,
        by="cluster",
        row_labels=clusters.labels,
        intercept=np.where(kept, intercept, 0.0),
        modulators=fit.modulators.names,
        values=np.where(kept[:, None], np.nan_to_num(coef, posinf=0.0, neginf=0.0), 0.0),
    )


def to_log(fit: TargetFit, kept: NDArray[np.bool_], clusters: Clusters, config: RunConfig) -> GeneLog:
    """Return the text log of a target."""
    fista = config.lasso.solver == "fista"
    entries = [
        ClusterLog(
            cluster=label,
            n_cells=int(size),
            n_modulators=len(fit.modulators.names),
            r2_in=float(fit.r2_in[c]),
            train_mse=float(fit.train_mse[c]),
            n_iter=int(fit.n_iter[c]),
            converged=bool(fit.converged[c]),
            kept=bool(kept[c]),
            r2_out=float(fit.r2_out[c]),
            penalty=fit.penalty,
            **_alike(fit, c, config) if kept[c] else {},
        )
        for c, (label, size) in enumerate(zip(clusters.labels, clusters.sizes, strict=True))
    ]
    return GeneLog(
        gene=fit.modulators.target,
        clusters=tuple(entries),
        cnn_epochs_config=config.training.epochs,
        learning_rate=config.training.learning_rate,
        lasso_n_iter_max=config.lasso.n_iter if fista else 0,
        lasso_tol=config.lasso.tol if fista else 0.0,
    )


def _alike(fit: TargetFit, c: int, config: RunConfig) -> dict[str, Any]:
    """Return the groups of columns of one cluster that cannot be told apart and have a coefficient."""
    if fit.groups is None:
        return {}
    names, own = np.array(fit.modulators.names, dtype=object), fit.groups[c]
    used = np.unique(own[np.nan_to_num(exported(fit, config)[0][c]) != 0.0])
    groups = [names[own == number] for number in used if number > 0]
    return {
        "alike": tuple(tuple(members[:SHOWN_ALIKE]) for members in groups),
        "n_alike": tuple(map(len, groups)),
    }


@dataclass(frozen=True)
class Outcome:
    """What becomes of the fit of a target."""

    fit: TargetFit
    kept: NDArray[np.bool_]
    """(C,), clusters whose coefficients are written."""
    betas: Betas | None
    """None for an orphan."""
    reason: str
    """Why it is one."""
    log: GeneLog
    scores: GeneScores


def settle(fit: TargetFit, clusters: Clusters, config: RunConfig) -> Outcome:
    """Decide what becomes of a fit."""
    kept = kept_clusters(fit, config)
    reason = orphan_reason(fit, kept, config)
    betas = to_betas(fit, kept, clusters, config) if reason is None else None
    scores = to_scores(fit, kept, clusters, betas=betas, reason=reason or "")
    log = to_log(fit, kept, clusters, config)
    if fit.refined is not None:
        log = fit.refined.told(log)
    return Outcome(fit, kept, betas, reason or "", log, scores)


def mean_known(values: NDArray[np.float64]) -> float:
    """Return the mean of the finite values; NaN if there are none."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")
