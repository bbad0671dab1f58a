"""Held-out cells judged by another measurement: moments against predictions computed cell by cell."""

from __future__ import annotations

import numpy as np
import pytest

from spacetravlr.regression import ClusterGram, ColumnSets, Path, choose_penalty, judge, units


def _cluster(seed: int, n: int = 90, p: int = 7, t: int = 3):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) + rng.normal(size=(n, 1))
    Y = X[:, :t] * 0.8 + rng.normal(size=(n, t)) * 0.3
    Z = 3.0 * Y + 5.0 + rng.normal(size=(n, t))
    return X, Y, Z, rng.integers(0, 3, n)


def _sets(p: int, t: int) -> ColumnSets:
    columns = [np.arange(p - k) for k in range(t)]
    return ColumnSets.build(columns, [np.zeros(len(own), dtype=np.int64) for own in columns], 1)


@pytest.mark.parametrize("penalty", ["enet", "sgl"])
def test_the_error_is_that_of_predicting_what_was_measured(penalty: str) -> None:
    parts = [_cluster(0), _cluster(1)]
    grams = [ClusterGram(X, folds) for X, _, _, folds in parts]
    responses = [gram.responses(Y) for gram, (_, Y, _, _) in zip(grams, parts, strict=True)]
    sets = [_sets(7, 3)] * 2
    unit = units([Y for _, Y, _, _ in parts], [Z for _, _, Z, _ in parts])
    assert np.allclose(unit, 3.0, atol=0.3)
    judged = [judge(g, r, Y, Z, unit) for g, r, (_, Y, Z, _) in zip(grams, responses, parts, strict=True)]
    # one penalty: the coefficients of every fold can be computed again and used cell by cell
    path = Path(penalty, lambdas=np.array([0.05]))
    choice = choose_penalty(grams, responses, sets, path=path, judged=judged, gap=1e-7)
    plain = choose_penalty(grams, responses, sets, path=path, gap=1e-7)
    for c, (X, Y, Z, folds) in enumerate(parts):
        for t in range(3):
            own, error, total = np.arange(7 - t), 0.0, 0.0
            for fold in np.unique(folds):
                held = folds == fold
                mean, sd = X.mean(axis=0), X.std(axis=0)
                S = (X - mean) / sd
                train = _fit(S[~held][:, own], (Y[~held, t] - Y[:, t].mean()) / Y[:, t].std(), penalty)
                predicted = (S[held][:, own] - S[~held][:, own].mean(axis=0)) @ train * Y[:, t].std() * unit[t]
                z = Z[held, t] - Z[~held, t].mean()
                error += ((z - predicted) ** 2).sum()
                total += (z**2).sum()
            assert choice.r2_out[c, t] == pytest.approx(1.0 - error / total, abs=2e-4)
    assert not np.allclose(choice.r2_out, plain.r2_out, atol=0.02)


def _fit(S: np.ndarray, y: np.ndarray, penalty: str) -> np.ndarray:
    """Proximal gradient to the optimum of the same objective."""
    lam, p = 0.05, S.shape[1]
    S, y = S - S.mean(axis=0), y - y.mean()
    G, c = S.T @ S / len(S), S.T @ y / len(S)
    ridge = 0.1 if penalty == "enet" else 0.0
    step, w = 1.0 / (np.linalg.eigvalsh(G)[-1] + ridge), np.zeros(p)
    for _ in range(5000):
        v = w - step * (G @ w - c + ridge * w)
        w = np.sign(v) * np.maximum(np.abs(v) - step * lam, 0.0)
        if penalty == "sgl":
            size = np.linalg.norm(w)
            w *= max(0.0, 1.0 - step * lam * np.sqrt(p) / size) if size > 0.0 else 0.0
    return w


def test_the_same_measurement_judges_alike() -> None:
    X, Y, _, folds = _cluster(2)
    gram = ClusterGram(X, folds)
    responses, sets = gram.responses(Y), _sets(7, 3)
    judged = judge(gram, responses, Y, Y * 4.0 + 1.0, units([Y], [Y * 4.0 + 1.0]))
    own = choose_penalty([gram], [responses], [sets], path=Path("enet"))
    other = choose_penalty([gram], [responses], [sets], path=Path("enet"), judged=[judged])
    assert np.array_equal(own.index, other.index)
    assert np.allclose(own.r2_out, other.r2_out, atol=1e-10)


def test_what_does_not_vary_is_not_scored() -> None:
    X, Y, Z, folds = _cluster(3)
    Z[:, 1] = 2.0
    gram = ClusterGram(X, folds)
    responses = gram.responses(Y)
    unit = units([Y], [Z])
    assert unit[1] == 1.0
    choice = choose_penalty(
        [gram], [responses], [_sets(7, 3)], path=Path("enet"), judged=[judge(gram, responses, Y, Z, unit)]
    )
    assert choice.index[1] == -1 and np.isnan(choice.r2_out[0, 1])
    assert np.isfinite(choice.r2_out[0, [0, 2]]).all()
