"""Skill in differences between neighbours: against a literal computation, and what cannot have any."""

from __future__ import annotations

import numpy as np
import pytest

from spacetravlr.regression import (
    ClusterGram,
    ColumnSets,
    better_than,
    deal_folds,
    fit_without_folds,
    local_skill,
    nearest_cells,
    spatial_blocks,
)

N, P, T = 240, 12, 5


def example(seed=0, *, penalty=0.05):
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0, 1000, (N, 2))
    X = rng.normal(size=(N, P)) * np.geomspace(0.1, 10, P) + rng.normal(size=P)
    Y = X @ rng.normal(size=(P, T)) * rng.random((1, T)) + 5 * rng.normal(size=(N, T))
    folds = deal_folds(spatial_blocks(xy, 200.0), 5)
    sets = ColumnSets.build([np.arange(t, P) for t in range(T)], [np.zeros(P - t, dtype=int) for t in range(T)], 1)
    live = np.array([True, True, False, True, True])
    return xy, X, Y, folds, sets, live, np.full(T, penalty) * (1 + np.arange(T))


def literal(xy, X, Y, folds, W, gram, cols, t):
    """Everything in the order of the rows, one cell at a time."""
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    y = (Y[:, t] - Y[:, t].mean()) / Y[:, t].std()
    out = np.zeros((5, 4))
    for fold in range(5):
        train = folds != fold
        w = np.zeros(P)
        w[cols] = W[fold][t, : len(cols)]
        fitted = y[train].mean() + (Z - Z[train].mean(axis=0)) @ w
        for i in np.flatnonzero(~train):
            others = [j for j in range(len(y)) if j != i]
            beside = sorted(others, key=lambda j: np.hypot(*(xy[i] - xy[j])))[:4]
            # the fits have seen the others
            beside = [j for j in beside if not train[j]][:2]
            if beside:
                seen = y[i] - y[beside].mean()
                said = fitted[i] - fitted[beside].mean()
                out[fold, :2] += seen**2 - (seen - said) ** 2, seen**2
            out[fold, 2:] += (y[i] - fitted[i]) ** 2, (y[i] - y[train].mean()) ** 2
    return out


@pytest.mark.parametrize("use_gram", [True, False])
def test_it_is_the_literal_computation(use_gram):
    xy, X, Y, folds, sets, live, l1 = example()
    gram = ClusterGram(X, folds, use_gram=use_gram)
    responses = gram.responses(Y)
    W = fit_without_folds(gram, responses, sets, l1=l1, strengths=None, ridge=0.1, live=live)
    found = local_skill(gram, W, sets, observed=Y / responses.scale, near=nearest_cells(xy, 4), most=2, live=live)
    for t in range(T):
        own = np.stack([part[:, t] for part in (found.gain, found.local, found.error, found.total)], axis=1)
        if not live[t]:
            assert not own.any()
            continue
        np.testing.assert_allclose(own, literal(xy, X, Y, folds, W, gram, np.arange(t, P), t), rtol=1e-9, atol=1e-9)
        assert np.count_nonzero(own) == own.size


@pytest.mark.parametrize(("strength", "ridge"), [(None, 0.1), (None, 0.0), (0.05, 0.0)])
def test_fits_without_a_fold_are_fits_to_the_other_rows(strength, ridge):
    _, X, Y, folds, sets, live, l1 = example(1)
    strengths = None if strength is None else sets.strengths(np.full(T, strength))
    gram = ClusterGram(X, folds)
    whole = gram.responses(Y)
    options = {"l1": l1, "strengths": strengths, "ridge": ridge, "live": live}
    with_gram = fit_without_folds(gram, whole, sets, **options)
    rows = ClusterGram(X, folds, use_gram=False)
    without = fit_without_folds(rows, rows.responses(Y), sets, **options)
    only_folds = ClusterGram(X, folds, whole=False)
    assert only_folds.gram.size == 0
    again = fit_without_folds(only_folds, only_folds.responses(Y), sets, **options)
    for fold in range(5):
        np.testing.assert_allclose(with_gram[fold], without[fold], atol=2e-3)
        np.testing.assert_array_equal(with_gram[fold], again[fold])
        train = folds != fold
        Z = (X[train] - X[train].mean(axis=0)) / X.std(axis=0)
        for t in np.flatnonzero(live):
            cols = np.arange(t, P)
            w, y = with_gram[fold][t, : len(cols)], (Y[train, t] - Y[train, t].mean()) / Y[:, t].std()
            slope = Z[:, cols].T @ (y - Z[:, cols] @ w) / train.sum() - ridge * w
            if strengths is None:
                active = w != 0.0
                assert active.any()
                np.testing.assert_allclose(slope[active], (np.sign(w) * l1[t])[active], atol=2e-3)
                assert (np.abs(slope[~active]) <= l1[t] + 2e-3).all()


def test_rounding_of_a_target_does_not_depend_on_the_others():
    xy, X, Y, folds, sets, live, l1 = example(2)
    gram = ClusterGram(X, folds)
    responses = gram.responses(Y)
    alone = live & (np.arange(T) == 3)
    near = nearest_cells(xy, 4)
    sums = []
    for chosen in (live, alone):
        W = fit_without_folds(gram, responses, sets, l1=l1, strengths=None, ridge=0.1, live=chosen)
        sums.append(local_skill(gram, W, sets, observed=Y / responses.scale, near=near, most=2, live=chosen))
    np.testing.assert_array_equal(sums[0].gain[:, 3], sums[1].gain[:, 3])


def test_a_constant_response_has_neither_gain_nor_error():
    xy, X, Y, folds, sets, live, l1 = example(3)
    Y[:, 1] = 7.0
    gram = ClusterGram(X, folds)
    responses = gram.responses(Y)
    W = fit_without_folds(gram, responses, sets, l1=l1, strengths=None, ridge=0.1, live=live)
    found = local_skill(gram, W, sets, observed=Y / responses.scale, near=nearest_cells(xy, 4), most=2, live=live)
    for part in (found.gain, found.local, found.error, found.total):
        assert not part[:, 1].any()
        assert np.isfinite(part).all()


def smooth(rng, xy, length, count):
    waves, phases = rng.normal(size=(count, 24, 2)) / length, rng.uniform(0, 2 * np.pi, (count, 24))
    return np.cos(np.einsum("kwd,nd->nkw", waves, xy) + phases).mean(axis=2) * np.sqrt(48)


def test_smooth_columns_have_held_out_skill_for_a_smooth_response_but_none_for_differences_of_neighbours():
    """At the level 0.05 and less: share of 300 responses that are a smooth field and noise, and depend on nothing."""
    rng = np.random.default_rng(4)
    n, n_targets, n_columns = 600, 300, 40
    xy = rng.uniform(0, 1000, (n, 2))
    columns = smooth(rng, xy, 250.0, n_columns)
    # half of them times a gene of the cell, as ligand-receptor pairs are
    columns[:, ::2] = (columns[:, ::2] + 3.0) * (2.0 + rng.normal(size=(n, n_columns // 2)))
    Y = smooth(rng, xy, 250.0, n_targets) + 1.2 * rng.normal(size=(n, n_targets))
    regulated = Y + 0.6 * rng.normal(size=n)[:, None]
    columns[:, 0] = regulated[:, 0] - Y[:, 0] + 0.2 * rng.normal(size=n)
    folds = deal_folds(spatial_blocks(xy, 200.0), 5)
    sets = ColumnSets.build([np.arange(n_columns)] * n_targets, [np.zeros(n_columns, dtype=int)] * n_targets, 1)
    live, l1 = np.ones(n_targets, dtype=bool), np.full(n_targets, 0.03)
    gram, near = ClusterGram(columns, folds), nearest_cells(xy, 4)
    shares = []
    for responses in (Y, regulated):
        moments = gram.responses(responses)
        W = fit_without_folds(gram, moments, sets, l1=l1, strengths=None, ridge=0.1, live=live)
        found = local_skill(gram, W, sets, observed=responses / moments.scale, near=near, most=2, live=live)
        skilled = 1.0 - found.error.sum(axis=0) / found.total.sum(axis=0) > 0.1
        p = better_than(-found.gain[None], np.zeros((1, *found.gain.shape)))
        shares.append((skilled.mean(), (p <= 0.05).mean()))
    (smooth_skill, false), (_, true) = shares
    assert smooth_skill > 0.5
    # 300 independent responses: at a rate of 0.05 more than 25 are as rare as 1 in 100
    assert false <= 25 / 300
    assert true > 0.9


def test_fits_gain_nothing_from_neighbours_they_have_seen():
    """Responses that are noise, in regions so small that half of the neighbours train the fits."""
    rates = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        n, n_targets, n_columns = 500, 200, 60
        xy = rng.uniform(0, 1100, (n, 2))
        columns, Y = smooth(rng, xy, 250.0, n_columns), rng.normal(size=(n, n_targets))
        folds, near = deal_folds(spatial_blocks(xy, 50.0), 5), nearest_cells(xy, 4)
        assert (folds[near] != folds[:, None]).mean() > 0.4
        sets = ColumnSets.build([np.arange(n_columns)] * n_targets, [np.zeros(n_columns, dtype=int)] * n_targets, 1)
        live, l1 = np.ones(n_targets, dtype=bool), np.full(n_targets, 0.05)
        gram = ClusterGram(columns, folds)
        moments = gram.responses(Y)
        W = fit_without_folds(gram, moments, sets, l1=l1, strengths=None, ridge=0.1, live=live)
        found = local_skill(gram, W, sets, observed=Y / moments.scale, near=near, most=2, live=live)
        p = better_than(-found.gain[None], np.zeros((1, *found.gain.shape)))
        rates.append((p <= 0.05).mean())
        assert found.gain.sum() < 0.0
    assert np.mean(rates) <= 0.05
