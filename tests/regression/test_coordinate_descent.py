"""Converged fits: against independent solvers, closed forms, optimality conditions and reference figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import ElasticNet

from spacetravlr.errors import ConfigError, InputError
from spacetravlr.regression import ClusterGram, ColumnSets, SparseGroupLasso, fit_cluster, objective


def problem(n: int = 120, p: int = 40, seed: int = 0, noise: float = 0.5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Correlated columns of very different size, as products with a received signal are."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 6)) @ rng.normal(size=(6, p)) + 0.7 * rng.normal(size=(n, p))
    X = (X + rng.normal(size=p)) * 10.0 ** rng.uniform(-3, 1, p)
    truth = np.where(rng.uniform(size=p) < 0.2, rng.normal(size=p), 0.0) / X.std(axis=0)
    y = X @ truth + noise * rng.normal(size=n) + 2.0
    return X, y, np.sort(rng.integers(0, 4, p))


def standardised(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return (X - X.mean(axis=0)) / X.std(axis=0), (y - y.mean()) / y.std()


def proximal_gradient(
    X: np.ndarray, y: np.ndarray, groups: np.ndarray, *, l1: float, group: np.ndarray, ridge: float
) -> np.ndarray:
    """A slow, literal minimiser of the objective: proximal gradient with momentum restarts, run to stagnation."""
    n, p = X.shape
    step = 1.0 / (np.linalg.eigvalsh(X.T @ X / n)[-1] + ridge)
    w, v, t = np.zeros(p), np.zeros(p), 1.0
    labels = np.unique(groups)
    for _ in range(60_000):
        z = v - step * (X.T @ (X @ v - y) / n + ridge * v)
        new = np.sign(z) * np.maximum(np.abs(z) - step * l1, 0.0)
        for strength, label in zip(group, labels, strict=True):
            norm = np.linalg.norm(new[groups == label])
            new[groups == label] *= max(0.0, 1.0 - step * strength / norm) if norm > 0.0 else 0.0
        if (v - new) @ (new - w) > 0.0:
            t, v = 1.0, w
            continue
        t_next = (1.0 + np.sqrt(1.0 + 4.0 * t * t)) / 2.0
        v = new + (t - 1.0) / t_next * (new - w)
        if np.linalg.norm(new - w) <= 1e-15 * max(np.linalg.norm(new), 1.0):
            return new
        w, t = new, t_next
    return w


def test_elastic_net_agrees_with_scikit_learn() -> None:
    X, y, groups = problem()
    Z, r = standardised(X, y)
    for l1, ridge in [(0.2, 0.1), (0.02, 0.1), (0.02, 0.0), (0.002, 0.05)]:
        ours = SparseGroupLasso(groups, group_reg=0.0, l1_reg=l1, ridge=ridge).fit(X, y)
        theirs = ElasticNet(alpha=l1 + ridge, l1_ratio=l1 / (l1 + ridge), tol=1e-12, max_iter=200_000).fit(Z, r)
        assert np.allclose(ours.coef_ * X.std(axis=0) / y.std(), theirs.coef_, atol=2e-6)
        assert ours.converged_


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("l1", "group", "ridge"), [(0.05, 0.05, 0.0), (0.01, 0.02, 0.1), (0.0, 0.1, 0.0), (0.003, 0.003, 0.0)]
)
def test_sparse_group_lasso_agrees_with_proximal_gradient(seed: int, l1: float, group: float, ridge: float) -> None:
    X, y, groups = problem(seed=seed, p=25)
    Z, r = standardised(X, y)
    strengths = group * np.sqrt(np.unique(groups, return_counts=True)[1])
    ours = SparseGroupLasso(groups, group_reg=group, l1_reg=l1, ridge=ridge, tol=1e-9).fit(X, y)
    w = ours.coef_ * X.std(axis=0) / y.std()
    slow = proximal_gradient(Z, r, groups, l1=l1, group=strengths, ridge=ridge)
    options = {"l1": l1, "group": strengths, "ridge": ridge}
    assert objective(Z, r, w, 0.0, groups, **options) <= objective(Z, r, slow, 0.0, groups, **options) + 1e-12
    assert np.allclose(w, slow, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(2, 60), p=st.integers(1, 30), seed=st.integers(0, 10**6), l1=st.sampled_from([0.0, 1e-3, 0.03, 0.3]),
    group=st.sampled_from([0.0, 1e-3, 0.05, 0.4]), ridge=st.sampled_from([0.0, 0.1]),
)  # fmt: skip
def test_optimality_conditions_hold(n: int, p: int, seed: int, l1: float, group: float, ridge: float) -> None:
    X, y, groups = problem(n, p, seed)
    if l1 + group + ridge < 1e-2:
        l1 = 1e-2
    model = SparseGroupLasso(groups, group_reg=group, l1_reg=l1, ridge=ridge).fit(X, y)
    Z, r = standardised(X, y)
    w = model.coef_ * X.std(axis=0) / y.std()
    slope = Z.T @ (r - Z @ w) / n - ridge * w
    for label, size in zip(*np.unique(groups, return_counts=True), strict=True):
        own = groups == label
        norm = np.linalg.norm(w[own])
        strength = group * np.sqrt(size)
        if norm == 0.0:
            shrunk = np.maximum(np.abs(slope[own]) - l1, 0.0)
            assert np.linalg.norm(shrunk) <= strength + 1e-6
            continue
        residual = slope[own] - strength * w[own] / norm
        active = w[own] != 0.0
        assert np.abs(residual[active] - l1 * np.sign(w[own][active])).max(initial=0.0) <= 1e-6
        assert np.abs(residual[~active]).max(initial=0.0) <= l1 + 1e-6


def test_rows_and_gram_give_the_same_optimum() -> None:
    X, y, groups = problem(60, 90, 3)
    order = np.argsort(groups, kind="stable")
    sets = ColumnSets.build([order], [groups[order]], 4)
    found = []
    for use_gram in (True, False):
        gram = ClusterGram(X, use_gram=use_gram)
        for strengths in (sets.strengths(np.array([0.01])), None):
            fits = fit_cluster(
                gram, gram.responses(y[:, None]), sets, l1=np.array([0.02]), strengths=strengths, ridge=0.05
            )
            found.append(fits.weights[0])
    assert np.allclose(found[0], found[2], atol=1e-6)
    assert np.allclose(found[1], found[3], atol=1e-6)


def test_tiny_penalties_give_ordinary_least_squares() -> None:
    X, y, groups = problem(200, 10, 2)
    design = np.column_stack([np.ones(200), X])
    expected = np.linalg.lstsq(design, y, rcond=None)[0]
    model = SparseGroupLasso(groups, group_reg=0.0, l1_reg=1e-10, tol=1e-12).fit(X, y)
    assert np.allclose(model.coef_ * X.std(axis=0), expected[1:] * X.std(axis=0), atol=1e-7)
    assert model.intercept_ == pytest.approx(expected[0], abs=1e-6)


def test_strong_penalties_give_the_mean() -> None:
    X, y, groups = problem()
    Z, r = standardised(X, y)
    top = np.abs(Z.T @ r / len(y)).max()
    for options in ({"l1_reg": top * 1.0001, "group_reg": 0.0}, {"l1_reg": 0.0, "group_reg": 10.0}):
        model = SparseGroupLasso(groups, **options).fit(X, y)
        assert not model.coef_.any()
        assert model.intercept_ == pytest.approx(y.mean())
    assert SparseGroupLasso(groups, l1_reg=top * 0.999, group_reg=0.0).fit(X, y).coef_.any()


def test_a_group_is_zero_exactly_from_its_threshold_on() -> None:
    X, y, _ = problem(100, 8, 5)
    groups = np.repeat([0, 1], 4)
    Z, r = standardised(X, y)
    bound = np.linalg.norm(Z[:, :4].T @ r / 100) / 2.0
    above = SparseGroupLasso(groups, group_reg=[2.0 * bound * 1.001, 1e6], l1_reg=0.0).fit(X, y)
    below = SparseGroupLasso(groups, group_reg=[2.0 * bound * 0.999, 1e6], l1_reg=0.0).fit(X, y)
    assert not above.coef_.any()
    assert below.coef_[:4].any()


def test_many_targets_at_once_are_the_targets_one_by_one() -> None:
    X, y, groups = problem()
    Y = np.column_stack([y, X[:, 0] * 3.0, np.ones(len(y)), np.roll(y, 7)])
    together = SparseGroupLasso(groups).fit(X, Y)
    assert together.coef_.shape == (4, X.shape[1])
    for t in range(4):
        alone = SparseGroupLasso(groups).fit(X, Y[:, t])
        assert np.allclose(together.coef_[t] * X.std(axis=0), alone.coef_ * X.std(axis=0), atol=1e-8)
    assert not together.coef_[2].any()
    assert together.predict(X).shape == Y.shape
    assert together.score(X, Y) == pytest.approx(
        np.mean([SparseGroupLasso(groups).fit(X, Y[:, t]).score(X, Y[:, t]) for t in range(4)]), abs=1e-6
    )


def test_results_do_not_depend_on_units_or_the_size_of_the_tissue() -> None:
    X, y, groups = problem()
    base = SparseGroupLasso(groups).fit(X, y)
    scaled = SparseGroupLasso(groups).fit(X * 1e-4, y * 50.0)
    assert np.allclose(scaled.coef_ * 1e-4 / 50.0 * X.std(axis=0), base.coef_ * X.std(axis=0), atol=1e-7)
    repeated = SparseGroupLasso(groups).fit(np.tile(X, (20, 1)), np.tile(y, 20))
    assert np.allclose(repeated.coef_ * X.std(axis=0), base.coef_ * X.std(axis=0), atol=1e-7)


def test_constant_and_duplicated_columns_are_harmless() -> None:
    X, y, _ = problem(80, 6, 9)
    wide = np.column_stack([X, np.full(80, 3.0), X[:, 0]])
    model = SparseGroupLasso(np.zeros(8, int), group_reg=0.0, l1_reg=0.01).fit(wide, y)
    assert model.coef_[6] == 0.0
    plain = SparseGroupLasso(np.zeros(6, int), group_reg=0.0, l1_reg=0.01).fit(X, y)
    assert np.allclose(model.predict(wide), plain.predict(X), atol=1e-4)


def test_fista_and_descent_agree_at_convergence() -> None:
    X, y, groups = problem(150, 12, 4)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    options = {"group_reg": 0.03, "l1_reg": 0.02}
    steps = SparseGroupLasso(groups, solver="fista", n_iter=5000, tol=1e-10, **options).fit(X, y)
    descent = SparseGroupLasso(groups, standardize=False, tol=1e-10, **options).fit(X, y)
    assert np.allclose(steps.coef_, descent.coef_, atol=1e-6)
    assert steps.intercept_ == pytest.approx(descent.intercept_, abs=1e-6)


@pytest.mark.parametrize("which", [0, 1])
def test_converged_optimum_of_the_original_package(which: int, golden: Path) -> None:
    """Its solver minimises f + 2 x penalty, so its optimum is ours at twice its penalties."""
    with np.load(golden / f"group_lasso_{which}.npz") as data:
        X, y, clusters, groups = data["X"], data["y"], data["clusters"], data["groups"]
        for cluster in np.unique(clusters):
            own = clusters == cluster
            coefficients = data[f"strong_conv_coef_{cluster}"].ravel()
            strengths = 2.0 * 0.05 / np.sqrt(np.unique(groups, return_counts=True)[1])
            model = SparseGroupLasso(groups, group_reg=strengths, l1_reg=2.0 * 0.01, standardize=False, tol=1e-10)
            model.fit(X[own], y[own])
            assert np.allclose(model.coef_, coefficients, atol=1e-5 * np.abs(coefficients).max() + 1e-7)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"l1_reg": -1.0}, "`l1_reg` (=-1.0) must be finite and at least 0"),
        ({"group_reg": float("nan")}, "`group_reg` (=nan)"),
        ({"solver": "adam"}, "`solver` (='adam') must be 'cd' or 'fista'"),
        ({"solver": "fista", "ridge": 0.1}, "`ridge` needs solver='cd'"),
    ],
)
def test_impossible_settings_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        SparseGroupLasso([0, 1], **options)
    assert message in str(caught.value)


def test_bad_data_are_refused() -> None:
    X, y, groups = problem(20, 5)
    model = SparseGroupLasso(groups)
    for bad_X, bad_y, message in [
        (X[:, :3], y, "`groups` has shape"),
        (X, y[:5], "`y` has shape"),
        (np.where(X[0, 0] == X, np.nan, X), y, "must be finite"),
        (X[:0], y[:0], "at least one row"),
    ]:
        with pytest.raises(InputError, match=message):
            model.fit(bad_X, bad_y)
