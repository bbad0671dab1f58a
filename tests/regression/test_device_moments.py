"""Moments of a cluster made on a device against those of the CPU."""

from __future__ import annotations

import numpy as np
import pytest

from spacetravlr.device import Accelerator
from spacetravlr.regression import (
    ClusterGram,
    ColumnSets,
    Path,
    Resampled,
    block_weights,
    bootstrap_cluster,
    choose_penalty,
    fit_cluster,
)

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.usefixtures("one_thread_of_torch")


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(150, 14)) * 10.0 ** rng.uniform(-2, 1, 14) + 1.0
    X[:, 5] = X[:, 4] + 0.05 * X[:, 5]
    Y = X[:, :4] @ (rng.normal(size=(4, 6)) / X[:, :4].std(axis=0)[:, None]) + rng.normal(size=(150, 6))
    return X, Y, rng.integers(0, 5, 150)


def results(data, accelerator: Accelerator | None, *, single: bool) -> dict[str, np.ndarray]:
    X, Y, folds = data
    gram = ClusterGram(X, folds, accelerator=accelerator)
    responses = gram.responses(Y)
    sets = ColumnSets.build([np.arange(14)] * 6, [np.repeat([0, 1], 7)] * 6, 2)
    path = Path("enet")
    choice = choose_penalty([gram], [responses], [sets], path=path)
    ridge = path.ridge_part
    fits = fit_cluster(gram, responses, sets, l1=choice.chosen, ridge=ridge)
    draws = Resampled(gram, block_weights(folds, 4, (1,)), keep=True, single=single)
    boots = bootstrap_cluster(
        draws, Y, sets, fits, l1=choice.chosen, strengths=None, ridge=ridge, live=np.ones(6, dtype=np.bool_)
    )
    return {
        "gram": gram.gram,
        "fold gram": np.array([fold.gram for fold in gram.folds]),
        "c": responses.c,
        "fold c": np.array(responses.fold_c),
        "drawn gram": draws.moments(2)[0],
        "chosen": choice.chosen,
        "weights": np.array(fits.weights),
        "mean": np.array(boots.mean),
        "sd": np.array(boots.sd),
        "stability": np.array(boots.stability),
    }


@pytest.mark.parametrize("single", [True, False])
def test_moments_fits_and_bootstraps_are_those_of_the_cpu(data, single):
    accelerator = Accelerator("cpu", worth=0.0)
    found, expected = results(data, accelerator, single=single), results(data, None, single=single)
    assert accelerator.take_notices() == []
    for name, values in expected.items():
        assert found[name].dtype == values.dtype
        assert found[name].flags.c_contiguous
        tolerance = 1e-6 if single and name in ("drawn gram", "mean", "sd") else 1e-8
        assert np.abs(found[name] - values).max() <= tolerance * np.abs(values).max(), name


def counted(monkeypatch, accelerator: Accelerator) -> list[str]:
    sent: list[str] = []
    real = accelerator.tensor

    def tensor(array: np.ndarray, dtype: str | None = None):
        sent.append(str(array.dtype))
        return real(array, dtype)

    monkeypatch.setattr(accelerator, "tensor", tensor)
    return sent


def test_a_device_without_float64_gets_only_what_is_float32_on_the_cpu(data, monkeypatch):
    accelerator = Accelerator("cpu", worth=0.0, double=False)
    sent = counted(monkeypatch, accelerator)
    found, expected = results(data, accelerator, single=True), results(data, None, single=True)
    assert set(sent) == {"float32"}
    assert np.array_equal(found["weights"], expected["weights"])
    assert np.abs(found["mean"] - expected["mean"]).max() < 1e-6
    sent.clear()
    results(data, accelerator, single=False)
    assert sent == []


def test_small_products_stay_on_the_cpu(data, monkeypatch):
    accelerator = Accelerator("cpu")
    sent = counted(monkeypatch, accelerator)
    found, expected = results(data, accelerator, single=False), results(data, None, single=False)
    assert sent == []
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_a_product_on_which_the_device_fails_is_made_on_the_cpu(data, monkeypatch):
    accelerator = Accelerator("cpu", name="card", worth=0.0)

    def gone(*args: object) -> None:
        raise RuntimeError("CUDA error: unspecified launch failure")

    monkeypatch.setattr(accelerator, "tensor", gone)
    found, expected = results(data, accelerator, single=True), results(data, None, single=True)
    assert all(np.array_equal(found[name], expected[name]) for name in expected)
    told = accelerator.take_notices()
    assert len(told) == 3
    assert told[0] == "card failed (CUDA error: unspecified launch failure): this part is computed on the CPU"
