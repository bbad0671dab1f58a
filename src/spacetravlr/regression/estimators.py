"""scikit-learn style estimators: the sparse group lasso at given penalties, and with the penalty chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Self

import numpy as np

from spacetravlr.errors import ConfigError, InputError
from spacetravlr.regression.blocks import deal_folds
from spacetravlr.regression.bootstrap import Resampled, block_weights, bootstrap_cluster
from spacetravlr.regression.cv import KKT, ColumnSets, Rule, choose_penalty, fit_cluster
from spacetravlr.regression.gram import ClusterGram
from spacetravlr.regression.penalty import Path, PenaltyName

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Solver = Literal["cd", "fista"]


class _Linear:
    """Prediction and score shared by both estimators."""

    coef_: NDArray[np.float64]
    intercept_: NDArray[np.float64] | float
    n_iter_: NDArray[np.int64] | int
    converged_: NDArray[np.bool_] | bool

    def _unwrap(self) -> None:
        """Turn the results of one target into scalars and vectors."""
        self.coef_ = self.coef_[0]
        self.intercept_ = float(np.ravel(self.intercept_)[0])
        self.n_iter_ = int(np.ravel(self.n_iter_)[0])
        self.converged_ = bool(np.ravel(self.converged_)[0])

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the fitted plane at the rows of X: (n,) or (n, n_targets)."""
        return np.asarray(np.asarray(X, dtype=np.float64) @ self.coef_.T + self.intercept_)

    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """Return R2 on (X, y), the mean over targets; a constant response counts as 0."""
        observed = np.asarray(y, dtype=np.float64)
        residual = ((observed - self.predict(X)) ** 2).sum(axis=0)
        total = ((observed - observed.mean(axis=0)) ** 2).sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            r2 = np.where(total > 0.0, 1.0 - residual / total, 0.0)
        return float(np.mean(r2))


class SparseGroupLasso(_Linear):
    """Least squares with an L1 penalty, a penalty on the norm of each group of columns, and a ridge.

    Minimises ``(1/2n) ||y - b - X w||^2 + sum_g group_reg sqrt(size_g) ||w_g||_2 + l1_reg ||w||_1
    + (ridge/2) ||w||^2`` (training objective of the README project, with an optional ridge term).

    Parameters
    ----------
    groups
        (p,) group number of each column.
    group_reg
        Strength of the group penalty before its factor ``sqrt(size)``; a sequence with one value per group (ascending
        number) is taken as it is, without the factor.
    l1_reg, ridge
        Strengths of the L1 and the ridge penalty.
    solver
        `cd`: coordinate descent, converged; `fista`: the accelerated gradient steps of the compiled edition, on raw
        columns, stopped early.
    standardize
        Whether columns and response are divided by their standard deviation, so that penalties have no unit;
        coefficients are returned in original units all the same. `fista` never does.
    n_iter
        Most iterations of `fista`.
    tol
        Relative change at which `fista` stops (1e-4 by default), or optimality violation at which `cd` does (5e-7 by
        default, in the units of the fit).

    Attributes
    ----------
    coef_
        (p,) or (n_targets, p), original units.
    intercept_
        Intercept(s), original units.
    n_iter_, converged_
        Sweeps or iterations done, and whether the stop criterion was met; (n_targets,) if y has columns.

    Raises
    ------
    ConfigError
        If a penalty is negative or not finite, the solver is unknown, or ridge or penalties by group are asked of
        `fista`; from `fit`, if `group_reg` has not one value per group.
    InputError
        From `fit`, if shapes differ or values are not finite.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(50, 4))
    >>> model = stl.SparseGroupLasso([0, 0, 1, 1], group_reg=0.01, l1_reg=0.01).fit(X, X[:, 0])
    >>> bool(model.coef_[0] > 0.9)
    True
    """

    def __init__(
        self,
        groups: Sequence[int] | NDArray[np.integer],
        *,
        group_reg: float | Sequence[float] = 0.01,
        l1_reg: float = 0.01,
        ridge: float = 0.0,
        solver: Solver = "cd",
        standardize: bool = True,
        n_iter: int = 500,
        tol: float | None = None,
    ) -> None:
        self.groups = np.asarray(groups)
        self.group_reg = group_reg
        self.l1_reg = l1_reg
        self.ridge = ridge
        self.solver = solver
        self.standardize = standardize and solver == "cd"
        self.n_iter = n_iter
        self.tol = tol
        for name, value in (("group_reg", np.min(group_reg)), ("l1_reg", l1_reg), ("ridge", ridge)):
            if not (np.isfinite(value) and value >= 0.0):
                raise ConfigError(f"`{name}` (={value}) must be finite and at least 0")
        if solver not in ("cd", "fista"):
            raise ConfigError(f"`solver` (={solver!r}) must be 'cd' or 'fista'")
        if solver == "fista" and np.ndim(group_reg):
            raise ConfigError("`group_reg` must be one number with solver='fista'")
        if solver == "fista" and ridge > 0.0:
            raise ConfigError("`ridge` needs solver='cd'; 'fista' follows the compiled edition, which has none")

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit one or many targets.

        Parameters
        ----------
        X
            (n, p), original units.
        y
            (n,) or (n, n_targets).
        """
        design, responses = _check(X, y, self.groups)
        single = responses.ndim == 1
        Y = responses.reshape(len(design), -1)
        labels, numbers = np.unique(self.groups, return_inverse=True)
        if self.solver == "fista":
            self._fit_fista(design, Y, numbers)
        else:
            self._fit_cd(design, Y, numbers, len(labels))
        if single:
            self._unwrap()
        return self

    def _strengths(self, sizes: NDArray[np.float64]) -> NDArray[np.float64]:
        if np.ndim(self.group_reg) == 0:
            return np.asarray(self.group_reg * np.sqrt(sizes))
        given = np.asarray(self.group_reg, dtype=np.float64)
        if given.shape != sizes.shape:
            raise ConfigError(f"`group_reg` has {given.size} values for {sizes.size} groups")
        return given

    def _fit_cd(
        self, X: NDArray[np.float64], Y: NDArray[np.float64], numbers: NDArray[np.int64], n_groups: int
    ) -> None:
        order = np.argsort(numbers, kind="stable")
        n_targets = Y.shape[1]
        gram = ClusterGram(X, standardize=self.standardize)
        responses = gram.responses(Y)
        sets = ColumnSets.build([order] * n_targets, [numbers[order]] * n_targets, n_groups)
        strengths = np.tile(self._strengths(sets.group_sizes[0]), (n_targets, 1))
        tol = KKT if self.tol is None else self.tol
        fits = fit_cluster(
            gram, responses, sets, l1=np.full(n_targets, self.l1_reg),
            strengths=strengths if strengths.any() else None, ridge=self.ridge, tol=tol,
        )  # fmt: skip
        self.coef_ = np.zeros((n_targets, X.shape[1]))
        for t in range(n_targets):
            self.coef_[t, order] = fits.weights[t]
        self.coef_ *= responses.scale[:, None] / gram.scale
        self.intercept_ = responses.mean - self.coef_ @ gram.mean
        self.n_iter_, self.converged_ = fits.sweeps, fits.violation <= tol

    def _fit_fista(self, X: NDArray[np.float64], Y: NDArray[np.float64], numbers: NDArray[np.int64]) -> None:
        from spacetravlr.regression.fista import fista_fit

        fits = [
            fista_fit(
                X, y, numbers, group_reg=float(np.max(self.group_reg)), l1_reg=self.l1_reg, n_iter=self.n_iter,
                tol=1e-4 if self.tol is None else self.tol,
            )
            for y in Y.T
        ]  # fmt: skip
        self.coef_ = np.array([fit.coef for fit in fits])
        self.intercept_ = np.array([fit.intercept for fit in fits])
        self.n_iter_ = np.array([fit.n_iter for fit in fits])
        self.converged_ = np.array([fit.converged for fit in fits])


class SparseGroupLassoCV(_Linear):
    """Penalised least squares with one strength per target, chosen on regions that were held out.

    Parameters
    ----------
    groups
        (p,) group number of each column (used by `penalty="sgl"`).
    blocks
        (n,) block of each cell (see `spatial_blocks`); whole blocks are held out and drawn.
    penalty
        `enet` (lasso with a fixed ridge of 0.1), `lasso` or `sgl`.
    rule
        `1se`: the strongest penalty within one standard error of the best; `near`: the same, but it explains at least
        four fifths of the variance that the best does; `min`: the best.
    n_folds
        Number of folds the blocks are dealt to.
    n_bootstraps
        Block bootstraps at the chosen penalty; 0 for none.
    lambdas
        Strengths to try, standardised units; None for 10 values from 0.3 to 0.001.
    seed
        Seed of the folds and draws.

    Attributes
    ----------
    coef_, intercept_
        (p,) or (n_targets, p), original units; the intercept(s).
    lambda_
        The chosen strength of each target.
    path_
        (n_lambdas,) or (n_lambdas, n_targets), mean squared held-out error relative to the variance, NaN where the
        path stopped.
    r2_out_
        Held-out R2 of each target.
    stability_
        Same shape as `coef_`: fraction of bootstraps with the sign of the fit; None without bootstraps.
    n_iter_, converged_
        Sweeps of the final fit, and whether its optimality violation is within bounds.

    Raises
    ------
    ConfigError
        If an option is not one of those above.
    InputError
        From `fit`, if shapes differ, values are not finite, or the blocks give fewer than two folds.

    Examples
    --------
    >>> from spacetravlr.regression import spatial_blocks
    >>> rng = np.random.default_rng(0)
    >>> xy, X = rng.uniform(0, 1000, size=(400, 2)), rng.normal(size=(400, 6))
    >>> y = X[:, 0] - 2 * X[:, 4] + 0.3 * rng.normal(size=400)
    >>> blocks = spatial_blocks(xy, radius=100.0)
    >>> model = stl.SparseGroupLassoCV([0, 0, 0, 1, 1, 1], blocks=blocks).fit(X, y)
    >>> model.coef_.round() + 0.0
    array([ 1.,  0.,  0.,  0., -2.,  0.])
    >>> bool(model.r2_out_ > 0.9), float(model.stability_[4])
    (True, 1.0)
    """

    lambda_: NDArray[np.float64] | float
    r2_out_: NDArray[np.float64] | float
    path_: NDArray[np.float64]
    stability_: NDArray[np.float64] | None

    def __init__(
        self,
        groups: Sequence[int] | NDArray[np.integer],
        *,
        blocks: ArrayLike,
        penalty: PenaltyName = "enet",
        rule: Rule = "1se",
        n_folds: int = 5,
        n_bootstraps: int = 20,
        lambdas: ArrayLike | None = None,
        seed: int = 42,
    ) -> None:
        self.groups = np.asarray(groups)
        self.blocks = np.asarray(blocks)
        self.path = Path(penalty, lambdas=None if lambdas is None else np.asarray(lambdas, dtype=np.float64))
        if rule not in ("1se", "near", "min"):
            raise ConfigError(f"`rule` (={rule!r}) must be '1se', 'near' or 'min'")
        if n_folds < 2 or n_bootstraps < 0:
            raise ConfigError(f"`n_folds` (={n_folds}) must be at least 2, `n_bootstraps` (={n_bootstraps}) at least 0")
        self.rule: Rule = rule
        self.n_folds = n_folds
        self.n_bootstraps = n_bootstraps
        self.seed = seed

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Choose the strength and fit.

        Parameters
        ----------
        X
            (n, p), original units.
        y
            (n,) or (n, n_targets).
        """
        design, responses = _check(X, y, self.groups)
        if self.blocks.shape != (len(design),):
            raise InputError(
                f"`blocks` has shape {self.blocks.shape}; one block per row of X ({len(design)}) is needed"
            )
        Y = responses.reshape(len(design), -1)
        n_targets = Y.shape[1]
        labels, numbers = np.unique(self.groups, return_inverse=True)
        order = np.argsort(numbers, kind="stable")
        folds = deal_folds(self.blocks, self.n_folds, seed=self.seed)
        gram = ClusterGram(design, folds)
        if len(gram.folds) < 2:
            raise InputError("cross-validation needs cells in at least two blocks; use smaller blocks")
        moments = gram.responses(Y)
        sets = ColumnSets.build([order] * n_targets, [numbers[order]] * n_targets, len(labels))
        choice = choose_penalty([gram], [moments], [sets], path=self.path, rule=self.rule, min_cells=2)
        live = choice.index >= 0
        l1 = np.where(live, choice.chosen, self.path.grid[0])
        strengths = sets.strengths(l1) if self.path.grouped else None
        ridge = self.path.ridge_part
        fits = fit_cluster(gram, moments, sets, l1=l1, strengths=strengths, ridge=ridge, live=live)
        factor = moments.scale[:, None] / gram.scale
        self.coef_ = np.zeros((n_targets, design.shape[1]))
        stability = np.zeros_like(self.coef_)
        for t in range(n_targets):
            self.coef_[t, order] = fits.weights[t]
        self.coef_ *= factor
        self.intercept_ = moments.mean - self.coef_ @ gram.mean
        self.lambda_, self.path_, self.r2_out_ = choice.chosen, choice.curve, choice.r2_out[0]
        self.n_iter_, self.converged_ = fits.sweeps, fits.violation <= KKT
        self.stability_ = None
        if self.n_bootstraps:
            weights = block_weights(self.blocks, self.n_bootstraps, (self.seed, 1))
            resampled = Resampled(gram, weights, keep=False, single=ridge > 0.0)
            draws = bootstrap_cluster(resampled, Y, sets, fits, l1=l1, strengths=strengths, ridge=ridge, live=live)
            for t in range(n_targets):
                stability[t, order] = draws.stability[t]
            self.stability_ = stability
        if responses.ndim == 1:
            self._unwrap()
        return self

    def _unwrap(self) -> None:
        super()._unwrap()
        self.lambda_, self.r2_out_ = float(np.ravel(self.lambda_)[0]), float(np.ravel(self.r2_out_)[0])
        self.path_ = self.path_[:, 0]
        if self.stability_ is not None:
            self.stability_ = self.stability_[0]


def _check(X: ArrayLike, y: ArrayLike, groups: NDArray[np.generic]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    design = np.asarray(X, dtype=np.float64)
    responses = np.asarray(y, dtype=np.float64)
    if design.ndim != 2 or design.shape[0] == 0:
        raise InputError(f"`X` has shape {design.shape}; a matrix with at least one row is needed")
    if responses.ndim not in (1, 2) or responses.shape[0] != design.shape[0]:
        raise InputError(f"`y` has shape {responses.shape} for {design.shape[0]} rows of `X`")
    if groups.shape != (design.shape[1],):
        raise InputError(f"`groups` has shape {groups.shape} for {design.shape[1]} columns of `X`")
    if not (np.isfinite(design).all() and np.isfinite(responses).all()):
        raise InputError("`X` and `y` must be finite")
    return design, responses
