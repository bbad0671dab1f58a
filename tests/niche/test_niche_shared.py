"""The shared encoder: what it finds, what it leaves alone, and that the numbers mean what they say."""

from __future__ import annotations

import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

from spacetravlr.niche import _heads, _stack, encoder, fit_heads, train_encoder
from spacetravlr.niche._ridge import Design, intercept_only, solve
from spacetravlr.niche._stack import stack_targets
from spacetravlr.niche.device import reproducible
from spacetravlr.niche.encoder import ALL, NicheEncoder

CPU = torch.device("cpu")


def trained(made, **options):
    given = {"size": 4, "rounds": 1, "seed": 0, "cluster": 0, "device": "cpu"} | options
    return train_encoder(made.table, made.data, made.folds, **given)


def fitted(made, encoder, data=None, **options):
    return fit_heads(
        encoder, made.table, made.data if data is None else data, made.folds, cluster=2, device="cpu", **options
    )


@pytest.fixture(scope="module")
def fit(varying):
    return fitted(varying, trained(varying))


def test_conjugate_gradients_reach_the_ridge_solution():
    rng = np.random.default_rng(0)
    n, p, d, e = 40, 3, 2, 4
    Z, phi, psi = rng.normal(size=(2, p, n)), rng.normal(size=(n, d)), rng.normal(size=(n, e))
    residual, ridge = rng.normal(size=(2, n)), np.array([0.5, 3.0])
    tensors = [torch.as_tensor(values) for values in (Z, phi, psi)]
    weights = solve(Design(*tensors), torch.as_tensor(residual), ridge=torch.as_tensor(ridge), iterations=60)
    for t in range(2):
        wide = np.hstack([*(Z[t, m][:, None] * phi for m in range(p)), psi])
        exact = np.linalg.solve(wide.T @ wide + ridge[t] * np.eye(wide.shape[1]), wide.T @ residual[t])
        np.testing.assert_allclose(np.append(weights.W[t].ravel(), weights.v[t]), exact, rtol=1e-9, atol=1e-12)
    level = intercept_only(tensors[2], torch.as_tensor(residual), 2.0).numpy()
    np.testing.assert_allclose(level, np.linalg.solve(psi.T @ psi + 2.0 * np.eye(e), psi.T @ residual.T).T, rtol=1e-9)


def test_the_path_is_close_to_converged(varying):
    """Ten steps at each ridge, from the solution at the one before, leave next to nothing of the gain."""
    stack = next(iter(stack_targets(varying.data, device=CPU, width=10)))
    phi = torch.as_tensor(trained(varying).encode(varying.table))
    design = Design(stack.Z, phi, phi)
    few = None
    for ridge in _heads.RIDGES:
        strength = torch.full((len(stack),), ridge)
        with reproducible():
            few = solve(design, stack.residual, ridge=strength, start=few, iterations=10)
            many = solve(design, stack.residual, ridge=strength, iterations=100)
        gap = (design.forward(few) - design.forward(many)).norm(dim=1) / stack.residual.norm(dim=1)
        assert gap.max() < 0.02


def test_targets_are_laid_out_with_those_of_their_size(varying):
    data = varying.data
    anchors = (np.zeros(4), *data.anchors[1:])
    stacks = list(stack_targets(replace(data, anchors=anchors), device=CPU, width=10))
    assert sorted(t for stack in stacks for t in stack.targets) == list(range(1, 24))
    stack = stacks[0]
    t = stack.targets[3]
    used = data.anchors[t] != 0
    np.testing.assert_array_equal(stack.active[3], np.flatnonzero(used))
    X, sd = data.columns[:, data.column_of[t]][:, used], data.responses[:, t].std()
    expected = ((X - X.mean(axis=0)) * data.anchors[t][used] / sd).T
    np.testing.assert_allclose(stack.Z[3], expected, rtol=1e-5, atol=1e-6)
    left = data.responses[:, t] - data.intercepts[t] - X @ data.anchors[t][used]
    np.testing.assert_allclose(stack.residual[3], left / sd, rtol=1e-4, atol=1e-5)


def test_it_finds_the_true_factors(varying, fit):
    found = []
    for t in range(24):
        record = fit.records[t]
        assert (record.gene, record.cluster, record.n_cells) == (f"Gene{t}", 2, 400)
        assert record.kept
        assert record.modulated
        assert record.r2_cnn_out > record.r2_lasso_out + 0.05
        betas = fit.betas(t)
        for column in range(3):
            found.append(np.corrcoef(betas[:, 1 + column], varying.factors[:, t])[0, 1])
        np.testing.assert_array_equal(betas[:, 4], 0.0)
    assert np.mean(found) > 0.9
    assert np.min(found) > 0.5


def test_the_encoder_turns_to_the_column_that_matters(varying):
    encoder = trained(varying, size=1)
    for fold in (*range(5), ALL):
        direction = np.abs(encoder.transforms[fold][:, 0])
        assert direction.argmax() == 1
        assert direction[1] > 3 * np.delete(direction, 1).max()
    # without learning it is the table itself
    np.testing.assert_array_equal(trained(varying, rounds=0).transforms[ALL], np.eye(10))


def test_a_learned_encoder_predicts_better_than_the_table_itself(varying):
    def mean_r2(rounds):
        return np.mean(
            [r.r2_cnn_out for r in fitted(varying, trained(varying, size=2 if rounds else 10, rounds=rounds)).records]
        )

    assert mean_r2(1) > mean_r2(0)


def test_the_coefficients_predict_what_the_record_claims(varying, fit):
    """In sample they do better than held out, and the prediction is intercept plus coefficients times columns."""
    data = varying.data
    for t in (0, 5):
        betas = fit.betas(t).astype(np.float64)
        X, y = data.columns[:, data.column_of[t]], data.responses[:, t]
        r2 = 1.0 - ((y - betas[:, 0] - (betas[:, 1:] * X).sum(axis=1)) ** 2).sum() / ((y - y.mean()) ** 2).sum()
        assert fit.records[t].r2_cnn_out < r2 < fit.records[t].r2_cnn_out + 0.1
        # the factors are cut to 0 .. 2, but the level is not moved by them: columns are centred
        assert betas[:, 0].mean() == pytest.approx(data.intercepts[t], abs=0.6)


@pytest.mark.parametrize(("activation", "low", "high"), [("sigmoidx2", 0.0, 2.0), ("sigmoid", 0.0, 1.0)])
def test_factors_stay_in_the_range_of_the_activation(varying, activation, low, high):
    given = fitted(varying, trained(varying), activation=activation)
    ratios = [given.betas(t)[:, 1:4] / varying.data.anchors[t][:3] for t in range(24) if given.records[t].modulated]
    assert ratios
    assert np.min(ratios) >= low - 1e-6
    assert np.max(ratios) <= high + 1e-6


def test_where_nothing_varies_the_regression_is_kept(constant):
    given = fitted(constant, trained(constant))
    modulated = [record for record in given.records if record.modulated]
    assert len(modulated) <= 6
    for t, record in enumerate(given.records):
        betas = given.betas(t)
        if not record.kept:
            row = np.concatenate([[constant.data.intercepts[t]], constant.data.anchors[t]]).astype(np.float32)
            np.testing.assert_array_equal(betas, np.tile(row, (400, 1)))
            assert record.reason == "no better on held-out blocks"
        # and what little varies, varies little
        assert betas[:, 1:4].std(axis=0).max() < 0.1


def test_a_level_that_varies_goes_into_the_intercept(constant):
    level = 2.0 * np.tanh(constant.table[:, [2]].astype(np.float64))
    data = replace(constant.data, responses=constant.data.responses + level)
    given = fitted(constant, trained(replace(constant, data=data)), data)
    kinds = [(record.kept, record.modulated) for record in given.records]
    assert kinds.count((True, False)) >= 16
    t = kinds.index((True, False))
    betas = given.betas(t)
    assert given.records[t].reason == "only the intercept varies"
    assert np.corrcoef(betas[:, 0], level[:, 0])[0, 1] > 0.9
    np.testing.assert_array_equal(betas[:, 1:], np.tile(data.anchors[t].astype(np.float32), (400, 1)))


def test_blocks_of_targets_give_what_all_together_give(varying, fit):
    some = [3, 17, 8]
    part = fitted(varying, fit.encoder, varying.data.take(some))
    for at, t in enumerate(some):
        assert part.records[at].gene == f"Gene{t}"
        assert part.records[at].modulated == fit.records[t].modulated
        np.testing.assert_allclose(part.betas(at), fit.betas(t), rtol=0.0, atol=1e-3)


def test_the_same_input_gives_the_same_bits(varying, fit):
    again = fitted(varying, trained(varying))
    assert again.records == fit.records
    np.testing.assert_array_equal(again.betas(4), fit.betas(4))


def test_out_of_memory_splits_the_stack(varying, fit, monkeypatch):
    real = _heads.HeadFitter._errors

    def scarce(self, Z, residual):
        if len(Z) > 7:
            raise torch.OutOfMemoryError("out of memory")
        return real(self, Z, residual)

    monkeypatch.setattr(_heads.HeadFitter, "_errors", scarce)
    again = fitted(varying, fit.encoder)
    for t in (0, 11, 23):
        np.testing.assert_allclose(again.betas(t), fit.betas(t), rtol=0.0, atol=1e-3)


def test_an_encoder_takes_in_one_stack_at_a_time(varying, monkeypatch):
    """What is laid out for all targets together does not fit into memory on a large tissue."""
    whole = trained(varying, rounds=2)
    monkeypatch.setattr(_stack, "_MOST_TARGETS", 5)
    alive, most = weakref.WeakSet(), []
    make = _stack._stack

    def counted(*given):
        stack = make(*given)
        alive.add(stack.Z)
        most.append(len(alive))
        return stack

    monkeypatch.setattr(_stack, "_stack", counted)
    parts = trained(varying, rounds=2)
    assert len(most) == 2 * 5
    assert max(most) <= 2
    for fold in (*range(5), ALL):
        phi, again = (one.encode(varying.table, fold).astype(np.float64) for one in (whole, parts))
        # directions are the same up to their signs
        np.testing.assert_allclose(again @ again.T, phi @ phi.T, rtol=0.0, atol=1e-4)


def test_out_of_memory_splits_what_an_encoder_learns_from(varying, fit, monkeypatch):
    real = encoder.solve

    def scarce(design, *given, **options):
        if len(design.Z) > 7:
            raise torch.OutOfMemoryError("out of memory")
        return real(design, *given, **options)

    monkeypatch.setattr(encoder, "solve", scarce)
    phi, again = (one.encode(varying.table).astype(np.float64) for one in (fit.encoder, trained(varying)))
    np.testing.assert_allclose(again @ again.T, phi @ phi.T, rtol=0.0, atol=1e-4)


def test_threads_do_not_change_a_bit(varying, fit, monkeypatch):
    seen, make = [], _heads.HeadFitter.__init__

    def watched(self, *given, **options):
        seen.append(torch.get_num_threads())
        make(self, *given, **options)

    monkeypatch.setattr(_heads.HeadFitter, "__init__", watched)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        fitted(varying, fit.encoder)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert seen == [1]
    rng = np.random.default_rng(0)
    table = rng.normal(size=(4000, 40)).astype(np.float32)
    wide = NicheEncoder(table.mean(axis=0), table.std(axis=0), {ALL: rng.normal(size=(40, 12)).astype(np.float32)})
    with threadpool_limits(1, user_api="blas"):
        one = wide.encode(table)
    with threadpool_limits(2, user_api="blas"):
        two = wide.encode(table)
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("options", "change", "reason"),
    [
        ({"min_cells": 401}, {}, "400 cells, fewer than 401"),
        ({}, {"folds": np.arange(400) % 2}, "fewer than 3 folds"),
    ],
)
def test_clusters_that_are_too_small_keep_the_regression(varying, fit, options, change, reason):
    given = fitted(replace(varying, **change), fit.encoder, **options)
    assert {(record.kept, record.reason) for record in given.records} == {(False, reason)}
    np.testing.assert_array_equal(given.betas(0)[:, 1:], np.tile(varying.data.anchors[0].astype(np.float32), (400, 1)))


def test_targets_without_coefficients_or_without_variance(varying, fit):
    responses = varying.data.responses.copy()
    responses[:, 1] = 3.0
    data = replace(varying.data, anchors=(np.zeros(4), *varying.data.anchors[1:]), responses=responses)
    given = fitted(varying, fit.encoder, data)
    for t in (0, 1):
        assert not given.records[t].kept
        assert given.records[t].reason == "all coefficients are zero or the target is constant"
        assert np.isfinite(given.betas(t)).all()
    assert given.records[2].kept


def test_an_encoder_is_a_few_plain_arrays(varying, fit, tmp_path):
    np.savez(tmp_path / "encoder.npz", **fit.encoder.arrays())
    with np.load(tmp_path / "encoder.npz") as file:
        again = NicheEncoder.from_arrays(file)
    for fold in (*range(5), ALL):
        np.testing.assert_array_equal(again.encode(varying.table, fold), fit.encoder.encode(varying.table, fold))
