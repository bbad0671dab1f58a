"""The torch form of the README's solver against the compiled one: same steps, same result."""

from __future__ import annotations

import numpy as np
import pytest

from spacetravlr.device import Accelerator
from spacetravlr.regression import _fista_either
from spacetravlr.regression._fista_batch import solve
from spacetravlr.regression.fista import FistaBatch, fista_batch, fista_batch_rows

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.usefixtures("one_thread_of_torch")


README = {"group_reg": 1e-9, "l1_reg": 1e-9, "n_iter": 100, "tol": 1e-4}
CODE = {"group_reg": 1e-5, "l1_reg": 1e-5, "n_iter": 500, "tol": 1e-4}
SPARSE = {"group_reg": 2e-3, "l1_reg": 2e-3, "n_iter": 400, "tol": 1e-4}


class Batch:
    """Targets that use different columns of one catalogue: TFs of size 1, pairs of size 1e-2 and 1e-3."""

    def __init__(self, n: int, P: int = 130, targets: int = 18, width: int = 80) -> None:
        rng = np.random.default_rng([n, P])
        kind = np.sort(rng.integers(0, 3, P))
        self.X = rng.gamma(2.0, 0.4, (n, P)) * np.array([1.0, 1e-2, 1e-3])[kind]
        self.X[:, 7] = 0.0
        self.indices = np.full((targets, width), -1)
        self.groups = np.zeros((targets, width), dtype=np.int64)
        for t in range(targets):
            own = np.sort(rng.choice(P, rng.integers(width // 3, width + 1), replace=False))
            self.indices[t, : own.size], self.groups[t, : own.size] = own, kind[own]
        sizes = self.X.std(axis=0).clip(1e-3)[:, None]
        effects = rng.standard_normal((P, targets)) / sizes * (rng.random((P, targets)) < 0.1) * 0.2
        self.Y = 1.0 + self.X @ effects + 0.3 * rng.standard_normal((n, targets))
        self.Y[:, 2] = 4.0
        self.active = rng.random((targets, width)) < 0.9

    def fit(self, accelerator: Accelerator | None, *, rows: bool, part=slice(None), **options) -> FistaBatch:
        given = {"groups": self.groups[part], "active": self.active[part], "accelerator": accelerator, **options}
        if rows:
            return fista_batch_rows(self.X, np.ascontiguousarray(self.Y.T[part]), self.indices[part], **given)
        means, y_mean, n = self.X.mean(axis=0), self.Y.mean(axis=0), len(self.X)
        centred = self.X - means
        return fista_batch(
            centred.T @ centred / n, ((self.Y - y_mean).T @ centred / n)[part], self.indices[part], means=means, n=n,
            y_mean=y_mean[part], yy_mean=(self.Y**2).mean(axis=0)[part], **given,
        )  # fmt: skip


def there(**options) -> Accelerator:
    return Accelerator("cpu", worth=0.0, **options)


def difference(one: FistaBatch, other: FistaBatch) -> float:
    """Largest difference of a coefficient or intercept relative to the largest of its target."""
    scale = np.maximum(np.abs(other.coef).max(axis=1), np.abs(other.intercept))
    coef = np.abs(one.coef - other.coef).max(axis=1)
    return float((np.maximum(coef, np.abs(one.intercept - other.intercept)) / scale).max())


@pytest.fixture
def on_the_cpu(monkeypatch) -> list[int]:
    """How many times the compiled solver was used."""
    calls: list[int] = []

    def counted(*args, **kwargs):
        calls.append(1)
        return solve(*args, **kwargs)

    monkeypatch.setattr(_fista_either, "solve", counted)
    return calls


@pytest.mark.parametrize("options", [README, CODE, SPARSE], ids=["readme", "code", "sparse"])
@pytest.mark.parametrize(
    ("n", "rows"), [(1, True), (3, True), (9, True), (30, True), (30, False), (200, False), (900, False)]
)
def test_float64_takes_the_steps_of_the_compiled_solver(n, rows, options, on_the_cpu):
    batch, accelerator = Batch(n), there()
    found = batch.fit(accelerator, rows=rows, **options)
    assert (on_the_cpu, accelerator.take_notices()) == ([], [])
    expected = batch.fit(None, rows=rows, **options)
    assert np.array_equal(found.n_iter, expected.n_iter)
    assert np.array_equal(found.converged, expected.converged)
    assert found.lipschitz == pytest.approx(expected.lipschitz, rel=1e-12)
    assert difference(found, expected) < 1e-8
    assert found.mse == pytest.approx(expected.mse, rel=1e-7, abs=1e-12)
    assert np.array_equal(found.coef == 0.0, expected.coef == 0.0)
    assert (found.coef[2] == 0.0).all()


def test_restarts_doublings_and_different_ends_are_among_those_steps():
    batch = Batch(3)
    fit = batch.fit(there(), rows=True, **CODE)
    assert len(np.unique(fit.n_iter)) > 3
    ends = Batch(30).fit(there(), rows=True, **README)
    first = Batch(30).fit(there(), rows=True, **{**README, "n_iter": 1})
    assert np.array_equal(first.n_iter, np.ones(18))
    assert (ends.lipschitz >= first.lipschitz).all()


@pytest.mark.parametrize("options", [README, {**CODE, "n_iter": 200}, SPARSE], ids=["readme", "code", "sparse"])
@pytest.mark.parametrize("n", [100, 900])
def test_float32_agrees_to_a_ten_thousandth(n, options, on_the_cpu):
    options = {**options, "n_iter": min(options["n_iter"], 200)}
    batch, accelerator = Batch(n), there(double=False)
    found = batch.fit(accelerator, rows=False, **options)
    assert (on_the_cpu, accelerator.take_notices()) == ([], [])
    expected = batch.fit(None, rows=False, **options)
    assert found.lipschitz == pytest.approx(expected.lipschitz, rel=1e-6)
    assert difference(found, expected) < 1e-4
    assert np.abs(found.mse - expected.mse).max() < 1e-4
    assert found.coef.dtype == np.float64


def test_what_float32_cannot_do_stays_on_the_cpu(on_the_cpu):
    batch, accelerator = Batch(30), there(double=False)
    for rows, options in ((True, README), (False, CODE)):
        found, expected = batch.fit(accelerator, rows=rows, **options), batch.fit(None, rows=rows, **options)
        assert np.array_equal(found.coef, expected.coef)
    assert len(on_the_cpu) == 4


@pytest.mark.parametrize("rows", [True, False])
def test_bits_do_not_depend_on_the_batch_where_the_shared_columns_are_given(rows):
    batch = Batch(60)
    options = {**README, "shared": np.arange(40)}
    whole = batch.fit(there(), rows=rows, **options)
    for part in (slice(0, 1), slice(5, 12)):
        some = batch.fit(there(), rows=rows, part=part, **options)
        assert np.array_equal(some.coef, whole.coef[part])
        assert np.array_equal(some.intercept, whole.intercept[part])


def test_a_large_batch_is_solved_in_parts():
    batch = Batch(60, P=20, targets=150, width=12)
    options = {**README, "n_iter": 20, "shared": np.arange(10)}
    assert difference(batch.fit(there(), rows=False, **options), batch.fit(None, rows=False, **options)) < 1e-10


@pytest.mark.parametrize("rows", [True, False])
def test_a_batch_on_which_the_device_fails_is_solved_on_the_cpu(rows, monkeypatch):
    batch, accelerator = Batch(30), there(name="card")
    expected = batch.fit(None, rows=rows, **README)

    def full(*args: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB.")

    monkeypatch.setattr(torch, "bmm", full)
    found = batch.fit(accelerator, rows=rows, **README)
    assert np.array_equal(found.coef, expected.coef)
    assert accelerator.take_notices() == [
        "card failed (CUDA out of memory. Tried to allocate 20 GiB): this part is computed on the CPU"
    ]


def test_small_batches_are_not_worth_the_device(on_the_cpu):
    Batch(30, P=40, width=20).fit(Accelerator("cpu"), rows=True, **README)
    assert on_the_cpu == [1]


def test_targets_without_columns_or_groups_get_their_mean():
    empty = np.full((2, 1), -1)
    given = {"groups": np.zeros((2, 1), dtype=np.int64), **CODE}
    X, Y = np.ones((6, 3)), np.arange(12.0).reshape(2, 6)
    one, other = (fista_batch_rows(X, Y, empty, accelerator=place, **given) for place in (there(), None))
    assert np.array_equal(one.coef, other.coef)
    assert one.intercept == pytest.approx(other.intercept, rel=1e-12)
