"""`solver="fista"` against a literal transcription in residual form, and its own forms against each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetravlr.errors import InputError
from spacetravlr.regression.fista import (
    FistaFit,
    fista_batch,
    fista_batch_rows,
    fista_fit,
    fista_from_gram,
    prefers_rows,
    r2_from_mse,
)
from spacetravlr.regression.start_vector import start_vector

README = {"group_reg": 1e-9, "l1_reg": 1e-9, "n_iter": 100, "tol": 1e-4}
CODE = {"group_reg": 1e-5, "l1_reg": 1e-5, "n_iter": 500, "tol": 1e-4}


def fista_reference(X, y, groups, *, group_reg, l1_reg, n_iter, tol):
    """Residual form, step by step as the algorithm is written down; slow. Returns also how often each rule fired."""
    n, p = X.shape
    means = X.mean(axis=0)
    A = np.hstack([np.ones((n, 1)), X - means])

    def loss(u):
        residual = y - A @ u
        return residual @ residual / (2 * n)

    def prox(u, L):
        out = u.copy()
        w = np.sign(u[1:]) * np.maximum(np.abs(u[1:]) - l1_reg / L, 0.0)
        for g in np.unique(groups):
            members = groups == g
            norm = np.linalg.norm(w[members])
            if norm > 0:
                w[members] *= max(0.0, 1.0 - group_reg * np.sqrt(members.sum()) / L / norm)
        out[1:] = w
        return out

    z = start_vector(p + 1)
    length = np.linalg.norm(z)
    v = z / length
    for k in range(20):
        applied = A.T @ (A @ v)
        new = np.linalg.norm(applied)
        if k > 0 and abs(new - length) < 5e-3 * max(new, length):
            break
        if new > length:
            length, v = new, applied / new
    L = 1.5 * length / n

    def step(x, v, t):
        new = prox(v - A.T @ (A @ v - y) / n / L, L)
        raised = (1 + np.sqrt(1 + 4 * t * t)) / 2
        return new, new + (new - x) * (t - 1) / raised, raised

    x, v, t = np.zeros(p + 1), np.zeros(p + 1), 1.0
    restarts = doublings = 0
    converged = False
    iterations = 0
    for _ in range(n_iter):
        new, v_new, t_new = step(x, v, t)
        if (v - new) @ (new - x) > loss(x):
            v, t = x, 1.0
            restarts += 1
            new, v_new, t_new = step(x, v, t)
        while loss(new) > loss(v) + A.T @ (A @ v - y) / n @ (new - v) + L / 2 * ((new - v) @ (new - v)):
            L *= 2
            doublings += 1
            new, v_new, t_new = step(x, v, t)
        change = np.linalg.norm(new - x) / (np.linalg.norm(new) + 1e-16)
        x, v, t = new, v_new, t_new
        iterations += 1
        if change < tol:
            converged = True
            break
    residual = y - A @ x
    fit = FistaFit(x[1:], x[0] - means @ x[1:], iterations, converged, L, residual @ residual / n)
    return fit, restarts, doublings


def modulators(rng, n, p):
    """Columns of three families: TFs of size 1, pair columns of size 1e-2 and 1e-3, one of them constant."""
    sizes = (max(1, p // 6), max(1, p // 2))
    groups = np.repeat([0, 1, 2], [sizes[0], sizes[1], p - sum(sizes)])
    niche = rng.random((n, 3))
    X = rng.gamma(2.0, 0.4, (n, p))
    X[:, groups == 1] *= 1e-2 * niche[:, rng.integers(0, 3, (groups == 1).sum())]
    X[:, groups == 2] *= 1e-3 * niche[:, rng.integers(0, 3, (groups == 2).sum())]
    X[:, sizes[0]] = 0.0
    w = rng.standard_normal(p) / X.std(axis=0).clip(1e-3) * (rng.random(p) < 0.1) * 0.2
    return X, 1.0 + X @ w + 0.3 * rng.standard_normal(n), groups


def same(fit, expected, tolerance, mse=1e-9):
    largest = max(np.abs(expected.coef).max(initial=0.0), abs(expected.intercept))
    assert np.abs(fit.coef - expected.coef).max(initial=0.0) <= tolerance * largest
    assert abs(fit.intercept - expected.intercept) <= tolerance * largest
    assert (fit.n_iter, fit.converged) == (expected.n_iter, expected.converged)
    assert fit.lipschitz == pytest.approx(expected.lipschitz, rel=1e-12)
    assert fit.mse == pytest.approx(expected.mse, rel=mse, abs=1e-13)


def moments(X, y):
    means = X.mean(axis=0)
    centred = X - means
    n = len(X)
    return centred.T @ centred / n, centred.T @ y / n, means, {"n": n, "y_mean": y.mean(), "yy_mean": y @ y / n}


SHAPES = [(1, 240), (2, 15), (3, 240), (9, 40), (30, 376), (80, 15), (150, 240), (300, 376), (1500, 200)]


@pytest.mark.parametrize("options", [README, CODE], ids=["readme", "code"])
@pytest.mark.parametrize(("n", "p"), SHAPES)
def test_it_takes_the_steps_of_the_literal_transcription(n, p, options):
    X, y, groups = modulators(np.random.default_rng([n, p]), n, p)
    expected, _, _ = fista_reference(X, y, groups, **options)
    same(fista_fit(X, y, groups, **options), expected, 1e-12)
    gram, xy, means, rest = moments(X, y)
    same(fista_from_gram(gram, xy, groups, column_means=means, **rest, **options), expected, 1e-12, mse=1e-6)


def test_restarts_and_doublings_are_among_those_steps():
    for n, p, fired in [(1, 240, 1), (3, 240, 1), (30, 376, 2)]:
        X, y, groups = modulators(np.random.default_rng([n, p]), n, p)
        assert fista_reference(X, y, groups, **README)[fired] > 0


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.integers(3, 40), st.integers(1, 30), st.sampled_from([1e-5, 1e-2, 0.2]))
def test_rows_and_moments_agree_with_the_transcription(seed, n, p, strength):
    X, y, groups = modulators(np.random.default_rng(seed), n, max(p, 3))
    options = {"group_reg": strength, "l1_reg": strength / 2, "n_iter": 60, "tol": 1e-4}
    expected, _, _ = fista_reference(X, y, groups, **options)
    columns = np.arange(X.shape[1])[None, :]
    same(fista_batch_rows(X, y[None, :], columns, groups=groups[None, :], **options)[0], expected, 1e-9)
    gram, xy, means, rest = moments(X, y)
    same(fista_from_gram(gram, xy, groups, column_means=means, **rest, **options), expected, 1e-9, mse=1e-6)


@pytest.fixture(scope="module")
def batch():
    """160 targets of 12..40 columns out of 60; most use columns 0..19, some are masked."""
    rng = np.random.default_rng(4)
    n, P, T, width = 50, 60, 160, 40
    X, _, _ = modulators(rng, n, P)
    Y = rng.gamma(2.0, 0.5, (T, n)) + rng.standard_normal((T, 3)) @ X[:, [0, 5, 25]].T
    indices, groups = np.full((T, width), -1), np.full((T, width), -1)
    for target in range(T):
        blocks = [20 + rng.permutation(20)[: rng.integers(2, 10)], np.arange(20)[rng.random(20) < 0.9]]
        blocks.append(40 + rng.permutation(20)[: rng.integers(0, 9)])
        size = sum(block.size for block in blocks)
        indices[target, :size] = np.concatenate(blocks)
        groups[target, :size] = np.repeat([0, 1, 2], [block.size for block in blocks])
    active = (rng.random((T, width)) > 0.1) | (groups != 0)
    return X, Y, indices, groups, active


def all_moments(X, Y):
    gram, _, means, _ = moments(X, Y[0])
    return gram, Y @ (X - means) / len(X), {
        "means": means, "n": len(X), "y_mean": Y.mean(axis=1), "yy_mean": (Y**2).mean(axis=1)
    }  # fmt: skip


@pytest.mark.parametrize("form", ["moments", "rows", "few rows"])
def test_a_batch_is_its_targets_one_by_one(batch, form):
    X, Y, indices, groups, active = batch
    if form == "few rows":
        X, Y = X[:6], Y[:, :6]
    options = {"group_reg": 2e-3, "l1_reg": 1e-3, "n_iter": 25, "tol": 1e-3}
    if form != "moments":
        result = fista_batch_rows(X, Y, indices, groups=groups, active=active, **options)
    else:
        gram, xy, rest = all_moments(X, Y)
        result = fista_batch(gram, xy, indices, groups=groups, active=active, **rest, **options)
    assert len(result) == len(Y)
    assert 0 < result.converged.sum() < len(Y)
    for target, y in enumerate(Y):
        used = indices[target] >= 0
        design = X[:, indices[target, used]] * active[target, used]
        expected, _, _ = fista_reference(design, y, groups[target, used], **options)
        fit = result[target]
        assert not fit.coef[~used].any()
        assert not fit.coef[~active[target]].any()
        assert not np.signbit(fit.coef[fit.coef == 0]).any()
        one = FistaFit(fit.coef[used], fit.intercept, fit.n_iter, fit.converged, fit.lipschitz, fit.mse)
        same(one, expected, 1e-11)


@pytest.mark.parametrize("form", ["moments", "rows"])
def test_bits_do_not_depend_on_how_targets_are_split(batch, form):
    X, Y, indices, groups, _ = batch
    gram, xy, rest = all_moments(X, Y)
    options = {"group_reg": 2e-3, "l1_reg": 1e-3, "n_iter": 80, "tol": 1e-3, "shared": np.arange(20)}

    def run(part):
        if form == "rows":
            return fista_batch_rows(X, Y[part], indices[part], groups=groups[part], **options)
        mine = {name: value[part] if name.startswith("y") else value for name, value in rest.items()}
        return fista_batch(gram, xy[part], indices[part], groups=groups[part], **mine, **options)

    whole = run(slice(None))
    for part in (slice(0, 1), slice(1, 4), slice(33, 110), np.arange(159, -1, -1)):
        some = run(part)
        np.testing.assert_array_equal(some.coef, whole.coef[part])
        np.testing.assert_array_equal(some.intercept, whole.intercept[part])
        np.testing.assert_array_equal(some.mse, whole.mse[part])


def test_a_batch_may_be_empty(batch):
    X, Y, indices, groups, _ = batch
    result = fista_batch_rows(X, Y[:0], indices[:0], groups=groups[:0], **README)
    assert result.coef.shape == (0, indices.shape[1])


@pytest.mark.parametrize("form", ["moments", "rows"])
def test_a_response_that_is_not_finite_spoils_its_own_target_only(batch, form):
    X, Y, indices, groups, _ = batch
    options = {"group_reg": 2e-3, "l1_reg": 1e-3, "n_iter": 25, "tol": 1e-3}

    def run(responses):
        if form == "rows":
            return fista_batch_rows(X, responses, indices, groups=groups, **options)
        gram, xy, rest = all_moments(X, responses)
        return fista_batch(gram, xy, indices, groups=groups, **rest, **options)

    bad = int(np.argmax((indices >= 20).sum(axis=1)[:72]))
    spoilt = Y.copy()
    spoilt[bad, 0] = np.nan
    result, clean = run(spoilt), run(Y)
    good = np.arange(len(Y)) != bad
    assert np.isnan(result.intercept[bad])
    assert 0 < clean.converged.sum() < len(Y)
    np.testing.assert_allclose(result.coef[good], clean.coef[good], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(result.mse[good], clean.mse[good], rtol=1e-9)


def test_tiny_penalties_and_many_iterations_give_least_squares():
    rng = np.random.default_rng(0)
    X, y, groups = rng.standard_normal((90, 8)), rng.standard_normal(90) + 3.0, np.repeat([0, 1], 4)
    fit = fista_fit(X, y, groups, group_reg=1e-13, l1_reg=1e-13, n_iter=5000, tol=1e-13)
    solution = np.linalg.lstsq(np.column_stack([np.ones(90), X]), y, rcond=None)[0]
    np.testing.assert_allclose([fit.intercept, *fit.coef], solution, atol=1e-10)
    assert fit.converged


def test_a_strong_penalty_leaves_the_mean():
    X, y, groups = modulators(np.random.default_rng(1), 60, 20)
    strongest = np.abs((X - X.mean(axis=0)).T @ y).max() / 60
    fit = fista_fit(X, y, groups, group_reg=0.0, l1_reg=strongest * (1 + 1e-9), n_iter=3000, tol=1e-14)
    assert not fit.coef.any()
    assert fit.intercept == pytest.approx(y.mean(), rel=1e-12)


@pytest.mark.parametrize("excess", [-1e-3, 1e-3])
def test_a_group_vanishes_where_its_penalty_reaches_its_gradient(excess):
    rng = np.random.default_rng(2)
    X, y = rng.standard_normal((70, 5)), rng.standard_normal(70)
    gradient = np.linalg.norm((X - X.mean(axis=0)).T @ y) / 70
    strength = gradient / np.sqrt(5) * (1 + excess)
    fit = fista_fit(X, y, np.zeros(5, int), group_reg=strength, l1_reg=0.0, n_iter=4000, tol=1e-14)
    assert fit.coef.any() == (excess < 0)


def violation(X, y, groups, fit, *, group_reg, l1_reg):
    """Largest violation of the optimality conditions of the sparse group lasso."""
    gradient = (X - X.mean(axis=0)).T @ (X @ fit.coef + fit.intercept - y) / len(y)
    worst = abs(np.mean(X @ fit.coef + fit.intercept - y))
    for g in np.unique(groups):
        members = groups == g
        w, slope, weight = fit.coef[members], gradient[members], group_reg * np.sqrt(members.sum())
        reduced = np.sign(slope) * np.maximum(np.abs(slope) - l1_reg, 0.0)
        if not w.any():
            worst = max(worst, np.linalg.norm(reduced) - weight)
            continue
        at = w != 0
        worst = max(worst, np.abs(slope[at] + l1_reg * np.sign(w[at]) + weight * w[at] / np.linalg.norm(w)).max())
        worst = max(worst, np.abs(reduced[~at]).max(initial=0.0))
    return worst


@pytest.mark.parametrize(("n", "p"), [(200, 40), (25, 60)])
def test_the_optimum_meets_its_conditions_from_moments_and_from_rows(n, p):
    rng = np.random.default_rng([n, p])
    X, groups = rng.standard_normal((n, p)), np.repeat([0, 1, 2, 3], p // 4)
    y = X[:, :3].sum(axis=1) + rng.standard_normal(n)
    penalties = {"group_reg": 0.02, "l1_reg": 0.05}
    run = {"n_iter": 20000, "tol": 1e-13}
    gram, xy, means, rest = moments(X, y)
    by_rows = fista_batch_rows(X, y[None, :], np.arange(p)[None, :], groups=groups[None, :], **penalties, **run)[0]
    by_moments = fista_from_gram(gram, xy, groups, column_means=means, **rest, **penalties, **run)
    for fit in (by_rows, by_moments):
        assert fit.converged
        assert 0 < (fit.coef == 0).sum() < p
        assert violation(X, y, groups, fit, **penalties) < 1e-10
    np.testing.assert_allclose(by_moments.coef, by_rows.coef, atol=1e-10)


def test_a_masked_column_keeps_its_place_and_its_share_of_the_group():
    X, y, groups = modulators(np.random.default_rng(3), 100, 30)
    X[:, 2] = 0.0
    options = {"group_reg": 1e-3, "l1_reg": 1e-3, "n_iter": 30, "tol": 1e-4}
    masked = fista_fit(X, y, groups, **options)
    keep = np.arange(30) != 2
    removed = fista_fit(X[:, keep], y, groups[keep], **options)
    assert masked.coef[2] == 0.0
    assert not np.allclose(masked.coef[keep], removed.coef, rtol=1e-6, atol=0.0)
    same(masked, fista_reference(X, y, groups, **options)[0], 1e-12)


def test_penalties_scale_with_the_group_either_way():
    X, y, groups = modulators(np.random.default_rng(5), 100, 30)
    options = {"l1_reg": 1e-3, "n_iter": 30, "tol": 1e-4}
    groups = np.repeat([0, 1, 2], 10)
    direct = fista_fit(X, y, groups, group_reg=1e-2, **options)
    inverse = fista_fit(X, y, groups, group_reg=1e-1, scale_group="inverse_sqrt", **options)
    np.testing.assert_allclose(inverse.coef, direct.coef, rtol=1e-12)
    assert not np.allclose(direct.coef, fista_fit(X, y, groups, group_reg=1e-1, **options).coef)


def test_r2_comes_from_uncentred_predictions():
    X, y, groups = modulators(np.random.default_rng(6), 120, 30)
    fit = fista_fit(X, y, groups, **README | {"n_iter": 3})
    expected = 1 - ((y - fit.intercept - X @ fit.coef) ** 2).sum() / ((y - y.mean()) ** 2).sum()
    assert abs(y.mean() - fit.intercept - X.mean(axis=0) @ fit.coef) > 1e-4
    assert r2_from_mse(fit.mse, y.var()) == pytest.approx(expected, rel=1e-11)


def test_r2_is_zero_where_it_has_no_meaning_and_is_never_clamped():
    mse = np.array([1.0, 1.0, np.nan, np.inf, 1.0, 6.0, 0.25])
    y_var = np.array([0.0, -1e-17, 1.0, 1.0, np.nan, 2.0, 1.0])
    assert r2_from_mse(mse, y_var).tolist() == [0.0, 0.0, 0.0, 0.0, 0.0, -2.0, 0.75]


def test_one_cell_and_no_modulator_are_legal():
    fit = fista_fit(np.full((1, 4), 2.0), [3.0], [0, 0, 1, 2], **CODE)
    assert not fit.coef.any()
    assert fit.intercept == pytest.approx(3.0, rel=1e-3)
    alone = fista_fit(np.zeros((6, 0)), np.arange(6.0), np.zeros(0, int), **CODE)
    assert alone.coef.shape == (0,)
    assert alone.intercept == pytest.approx(2.5, rel=1e-3)


def test_moments_of_a_constant_response_have_no_spread():
    X, _, groups = modulators(np.random.default_rng(7), 40, 10)
    gram, _, means, _ = moments(X, X[:, 0])
    fit = fista_from_gram(
        gram, np.zeros(10), groups, y_mean=0.1, yy_mean=0.1**2 * (1 + 1e-15), n=40, column_means=means, **CODE
    )
    assert not fit.coef.any()
    assert fit.mse == pytest.approx((0.1 - fit.intercept) ** 2, rel=1e-9, abs=0.0)


@pytest.mark.parametrize(
    ("X", "y", "groups"),
    [
        (np.zeros(4), np.zeros(4), np.zeros(4, int)),
        (np.zeros((4, 2)), np.zeros(3), np.zeros(2, int)),
        (np.zeros((4, 2)), np.zeros(4), np.zeros(3, int)),
        (np.zeros((0, 2)), np.zeros(0), np.zeros(2, int)),
    ],
)
def test_shapes_that_do_not_agree_are_refused(X, y, groups):
    with pytest.raises(InputError, match=r"must be \(n, p\), \(n,\) and \(p,\) with n >= 1"):
        fista_fit(X, y, groups, **README)


def test_rows_are_preferred_for_few_cells():
    assert prefers_rows(119, 240)
    assert not prefers_rows(120, 240)
