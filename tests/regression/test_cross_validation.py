"""The choice of the penalty on held-out regions, and block bootstraps, against literal refits."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import ElasticNet

from spacetravlr.errors import ConfigError, InputError
from spacetravlr.regression import (
    ClusterGram,
    ColumnSets,
    Path,
    Resampled,
    SparseGroupLasso,
    SparseGroupLassoCV,
    block_weights,
    bootstrap_cluster,
    choose_gram,
    choose_penalty,
    deal_folds,
    fit_cluster,
    gram_bytes,
    spatial_blocks,
)


def cluster(seed: int, n: int = 90, p: int = 12, targets: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * 10.0 ** rng.uniform(-2, 1, p) + 1.0
    B = np.where(rng.uniform(size=(p, targets)) < 0.3, rng.normal(size=(p, targets)), 0.0) / X.std(axis=0)[:, None]
    Y = X @ B + 0.5 * rng.normal(size=(n, targets))
    Y[:, -1] = rng.normal(size=n)
    return X, Y, rng.integers(0, 5, n)


def literal_errors(
    X: np.ndarray, y: np.ndarray, folds: np.ndarray, lambdas: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Squared error of each held-out fold at each penalty, and about the mean of the training rows."""
    Z, r = (X - X.mean(axis=0)) / X.std(axis=0), (y - y.mean()) / y.std()
    error = np.zeros((len(lambdas), 5))
    total = np.zeros(5)
    for fold in range(5):
        held = folds == fold
        total[fold] = ((r[held] - r[~held].mean()) ** 2).sum()
        for k, lam in enumerate(lambdas):
            model = ElasticNet(alpha=lam + 0.1, l1_ratio=lam / (lam + 0.1), tol=1e-12, max_iter=100_000)
            error[k, fold] = ((r[held] - model.fit(Z[~held], r[~held]).predict(Z[held])) ** 2).sum()
    return error, total


@pytest.mark.parametrize(("use_gram", "rule"), [(True, "1se"), (False, "1se"), (True, "near"), (True, "min")])
def test_held_out_errors_and_choice_are_those_of_literal_refits(use_gram: bool, rule: str) -> None:
    lambdas = np.array([0.3, 0.1, 0.03, 0.01])
    data = [cluster(1), cluster(2, n=60)]
    grams = [ClusterGram(X, folds, use_gram=use_gram) for X, _, folds in data]
    responses = [gram.responses(Y) for gram, (_, Y, _) in zip(grams, data, strict=True)]
    sets = ColumnSets.build([np.arange(12)] * 3, [np.zeros(12, int)] * 3, 1)
    choice = choose_penalty(grams, responses, [sets, sets], path=Path("enet", lambdas=lambdas), rule=rule, gap=1e-9)
    for t in range(3):
        parts = [literal_errors(X, Y[:, t], folds, lambdas) for X, Y, folds in data]
        by_fold = sum(error for error, _ in parts)
        cells = np.array([sum((folds == f).sum() for _, _, folds in data) for f in range(5)])
        mean = by_fold.sum(axis=1) / cells.sum()
        spread = np.sqrt((((by_fold / cells) - mean[:, None]) ** 2).sum(axis=1) / 4 / 5)
        ran = np.isfinite(choice.curve[:, t])
        assert ran.sum() >= 2
        assert np.allclose(choice.curve[ran, t], mean[ran], rtol=2e-4)
        assert np.allclose(choice.spread[ran, t], spread[ran], rtol=2e-3)
        best = int(np.argmin(mean))
        explained = sum(tot.sum() for _, tot in parts) / cells.sum() - mean[best]
        slack = {"1se": spread[best], "near": min(spread[best], 0.2 * max(explained, 0.0)), "min": 0.0}[rule]
        expected = int(np.flatnonzero(mean <= mean[best] + slack)[0])
        assert choice.index[t] == expected
        for c, (error, total) in enumerate(parts):
            assert choice.r2_out[c, t] == pytest.approx(1.0 - error[expected].sum() / total.sum(), abs=2e-4)
        pooled = 1.0 - sum(e[expected].sum() for e, _ in parts) / sum(tot.sum() for _, tot in parts)
        assert choice.r2_pooled[t] == pytest.approx(pooled, abs=2e-4)


def test_stopping_the_path_does_not_change_the_choice() -> None:
    X, Y, folds = cluster(7, n=200, targets=8)
    gram = ClusterGram(X, folds)
    sets = ColumnSets.build([np.arange(12)] * 8, [np.zeros(12, int)] * 8, 1)
    choice = choose_penalty([gram], [gram.responses(Y)], [sets], path=Path("enet"))
    full = np.array(
        [
            [np.mean(literal_errors(X, Y[:, t], folds, Path("enet").grid)[0].sum(axis=1)[k]) / 200 for k in range(10)]
            for t in range(8)
        ]
    )
    for t in range(8):
        known = np.isfinite(choice.curve[:, t])
        assert full[t, ~known].min(initial=np.inf) >= np.nanmin(choice.curve[:, t]) * (1.0 - 1e-2)


def test_small_and_constant_clusters_are_left_out() -> None:
    X, Y, folds = cluster(3)
    tiny_X, tiny_Y, tiny_folds = cluster(4, n=12)
    grams = [ClusterGram(X, folds), ClusterGram(tiny_X, tiny_folds), ClusterGram(X, folds)]
    flat = Y.copy()
    flat[:, 0] = 2.5
    responses = [grams[0].responses(Y), grams[1].responses(tiny_Y), grams[2].responses(flat)]
    sets = ColumnSets.build([np.arange(12)] * 3, [np.zeros(12, int)] * 3, 1)
    choice = choose_penalty(grams, responses, [sets] * 3, path=Path())
    assert np.isnan(choice.r2_out[1]).all()
    assert np.isnan(choice.r2_out[2, 0])
    assert np.isfinite(choice.r2_out[0]).all()
    nothing = choose_penalty(grams[1:2], responses[1:2], [sets], path=Path())
    assert (nothing.index == -1).all()
    assert np.isnan(nothing.chosen).all()


def test_masked_columns_stay_zero_but_count_in_the_size_of_their_group() -> None:
    X, Y, _ = cluster(5)
    keep = np.arange(12) != 2
    sets = ColumnSets.build([np.arange(12)], [np.repeat([0, 1], 6)], 2, [keep])
    assert sets.group_sizes.tolist() == [[6.0, 6.0]]
    gram = ClusterGram(X)
    strengths = sets.strengths(np.full(1, 0.01))
    fits = fit_cluster(gram, gram.responses(Y[:, :1]), sets, l1=np.full(1, 0.01), strengths=strengths, ridge=0.0)
    zeroed = X.copy()
    zeroed[:, 2] = 0.0
    same = SparseGroupLasso(np.repeat([0, 1], 6), group_reg=0.01, l1_reg=0.01).fit(zeroed, Y[:, 0])
    expected = (same.coef_ * X.std(axis=0) / Y[:, 0].std())[keep]
    assert np.allclose(fits.weights[0], expected, atol=1e-6)


def test_the_estimator_finds_the_columns_that_matter_and_says_how_sure_it_is() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 30))
    Y = np.column_stack([X[:, 0] - 0.7 * X[:, 5] + 0.5 * rng.normal(size=400), rng.normal(size=400)])
    blocks = spatial_blocks(rng.uniform(0, 1000, (400, 2)), 200.0)
    model = SparseGroupLassoCV(np.zeros(30, int), blocks=blocks).fit(X, Y)
    assert model.r2_out_[0] > 0.7
    assert abs(model.r2_out_[1]) < 0.1
    assert set(np.argsort(-np.abs(model.coef_[0]))[:2]) == {0, 5}
    assert model.stability_[0, [0, 5]].tolist() == [1.0, 1.0]
    assert not model.stability_[model.coef_ == 0.0].any()
    assert model.converged_.all()
    assert model.path_.shape == (10, 2)
    one = SparseGroupLassoCV(np.zeros(30, int), blocks=blocks, n_bootstraps=0).fit(X, Y[:, 0])
    assert one.stability_ is None
    assert np.allclose(one.coef_, model.coef_[0], atol=1e-9)
    assert isinstance(one.lambda_, float)


@pytest.mark.parametrize("signal", [0.4, 2.0])
def test_a_near_penalty_keeps_most_of_what_can_be_explained_however_little_that_is(signal: float) -> None:
    rng = np.random.default_rng(5)
    X = rng.normal(size=(600, 40))
    # regions differ in how noisy they are, and so in their error, whatever the penalty
    noise = rng.normal(size=600) * np.repeat(rng.uniform(0.5, 1.5, 30), 20)
    Y = (signal * X[:, :8].sum(axis=1) / np.sqrt(8.0) + noise)[:, None]
    blocks = np.repeat(np.arange(30), 20)
    r2, penalty = {}, {}
    for rule in ("1se", "near", "min"):
        model = SparseGroupLassoCV(np.zeros(40, int), blocks=blocks, rule=rule, n_bootstraps=0).fit(X, Y)
        r2[rule], penalty[rule] = model.r2_out_[0], model.lambda_[0]
    assert penalty["1se"] >= penalty["near"] >= penalty["min"]
    assert r2["near"] >= 0.8 * r2["min"] > 0.0
    if signal < 1.0:
        assert r2["1se"] < 0.5 * r2["near"]
    else:
        # where much is explained, one standard error is the smaller step
        assert penalty["near"] == penalty["1se"]


@pytest.mark.parametrize("penalty", ["enet", "lasso", "sgl"])
def test_every_penalty_chooses(penalty: str) -> None:
    X, Y, _ = cluster(9, n=150)
    blocks = np.arange(150) // 6
    strict = SparseGroupLassoCV(np.repeat([0, 1, 2], 4), blocks=blocks, penalty=penalty, n_bootstraps=0).fit(X, Y)
    loose = SparseGroupLassoCV(np.repeat([0, 1, 2], 4), blocks=blocks, penalty=penalty, rule="min", n_bootstraps=0).fit(
        X, Y
    )
    assert (strict.lambda_ >= loose.lambda_).all()
    assert strict.r2_out_[0] > 0.5


@pytest.mark.parametrize(("use_gram", "keep"), [(True, True), (True, False), (False, True)])
def test_bootstraps_are_refits_of_the_drawn_cells(use_gram: bool, keep: bool) -> None:
    X, Y, _ = cluster(6, n=80)
    gram = ClusterGram(X, use_gram=use_gram)
    sets = ColumnSets.build([np.arange(12)] * 3, [np.zeros(12, int)] * 3, 1)
    options = {"l1": np.full(3, 0.03), "strengths": None, "ridge": 0.1}
    fits = fit_cluster(gram, gram.responses(Y), sets, **options)
    weights = block_weights(np.arange(80) // 4, 3, (42, 1))
    assert weights.shape == (3, 80)
    assert weights.sum(axis=1).tolist() == [80.0] * 3
    draws = bootstrap_cluster(
        Resampled(gram, weights, keep=keep, single=keep), Y, sets, fits, live=np.ones(3, bool), **options
    )
    Z, R = (X - X.mean(axis=0)) / X.std(axis=0), (Y - Y.mean(axis=0)) / Y.std(axis=0)
    for t in range(3):
        refits = []
        for weight in weights.astype(int):
            rows = np.repeat(np.arange(80), weight)
            model = ElasticNet(alpha=0.13, l1_ratio=0.03 / 0.13, tol=1e-12, max_iter=100_000)
            refits.append(model.fit(Z[rows], R[rows, t]).coef_)
        assert np.allclose(draws.mean[t], np.mean(refits, axis=0), atol=1e-3)
        assert np.allclose(draws.sd[t], np.std(refits, axis=0, ddof=1), atol=1e-3)
        signs = (np.sign(np.round(refits, 4)) == np.sign(fits.weights[t])) & (fits.weights[t] != 0.0)
        large = np.abs(fits.weights[t]) > 0.05
        assert np.allclose(draws.stability[t][large], signs.mean(axis=0)[large])


def test_draws_and_folds_depend_on_the_seed_alone() -> None:
    xy = np.random.default_rng(3).uniform(0, 500, (300, 2))
    blocks = spatial_blocks(xy, radius=50.0)
    assert np.array_equal(deal_folds(blocks, seed=1), deal_folds(blocks, seed=1))
    assert not np.array_equal(deal_folds(blocks, seed=1), deal_folds(blocks, seed=2))
    assert np.array_equal(block_weights(blocks, 4, (1, 2)), block_weights(blocks, 4, (1, 2)))
    assert not np.array_equal(block_weights(blocks, 4, (1, 2)), block_weights(blocks, 4, (1, 3)))


def test_folds_hold_whole_blocks_and_are_of_similar_size() -> None:
    xy = np.random.default_rng(0).uniform(0, 1000, (2000, 2))
    blocks = spatial_blocks(xy, radius=200.0)
    folds = deal_folds(blocks, 5)
    assert all(len(np.unique(folds[blocks == block])) == 1 for block in np.unique(blocks))
    sizes = np.bincount(folds)
    assert len(sizes) == 5
    assert sizes.max() - sizes.min() <= np.bincount(blocks).max()


def test_blocks_of_odd_tissues() -> None:
    line = np.column_stack([np.linspace(0, 1000, 100), np.zeros(100)])
    assert len(np.unique(spatial_blocks(line, radius=200.0))) >= 20
    assert not spatial_blocks(np.zeros((5, 2)), radius=10.0).any()
    hole = np.array([[0.0, 0.0], [np.nan, 1.0], [100.0, 100.0]])
    assert len(set(spatial_blocks(hole, 10.0).tolist())) == 3
    wide = spatial_blocks(np.random.default_rng(0).uniform(0, 100, (500, 2)), radius=1e6)
    assert len(np.unique(wide)) >= 25


def test_gram_matrices_go_to_the_largest_clusters_within_the_budget() -> None:
    each = gram_bytes(1000, 5)
    assert choose_gram([500, 3000, 40], 1000, 5, each) == [False, True, False]
    assert choose_gram([500, 3000, 40], 1000, 5, 3 * each) == [True, True, False]
    assert choose_gram([500], 1000, 5, each - 1) == [False]


def test_misuse_is_refused() -> None:
    X, Y, _ = cluster(1)
    with pytest.raises(ConfigError, match="`penalty`"):
        SparseGroupLassoCV(np.zeros(12, int), blocks=np.zeros(90), penalty="ridge")
    with pytest.raises(ConfigError, match="`rule`"):
        SparseGroupLassoCV(np.zeros(12, int), blocks=np.zeros(90), rule="2se")
    for options in ({"n_folds": 1}, {"n_bootstraps": -1}):
        with pytest.raises(ConfigError, match="`n_folds`"):
            SparseGroupLassoCV(np.zeros(12, int), blocks=np.zeros(90), **options)
    with pytest.raises(InputError, match="at least two blocks"):
        SparseGroupLassoCV(np.zeros(12, int), blocks=np.zeros(90)).fit(X, Y)
    with pytest.raises(InputError, match="`blocks` has shape"):
        SparseGroupLassoCV(np.zeros(12, int), blocks=np.zeros(5)).fit(X, Y)
