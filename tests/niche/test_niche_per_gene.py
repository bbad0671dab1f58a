"""Training of the README's network: what it learns, when it gives up, and what memory failures do to it."""

from __future__ import annotations

import itertools
import logging
import math
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from spacetravlr.config import RunConfig
from spacetravlr.device import FORCE_CPU
from spacetravlr.errors import ConfigError, InputError
from spacetravlr.niche import ClusterTask, NicheInputs, NicheNetwork, NicheOptions, fit_network, resolve_device
from spacetravlr.niche.device import BatchSize, in_batches, in_double, reproducible
from spacetravlr.niche.schedule import EarlyStop, Split, learning_rate_factor

OPTIONS = NicheOptions(
    epochs=25, learning_rate=5e-3, minibatch_size=60, weight_decay=1e-4, patience=25, grad_clip_norm=1.0
)


def make_task(strength, *, n_cells=300, seed=1):
    """One target whose coefficients grow from left to right."""
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0.0, 100.0, (n_cells, 2))
    factor = 1.0 + strength * (xy[:, 0] / 50.0 - 1.0)
    X = rng.gamma(2.0, 1.0, (n_cells, 3))
    anchors = np.array([0.8, -0.5, 0.0])
    y = 0.3 + (X @ anchors) * factor + 0.15 * rng.standard_normal(n_cells)
    # regions in both directions, so that held-out ones lie between the others
    folds = ((xy[:, 0] // 10).astype(int) + 2 * (xy[:, 1] // 10).astype(int)) % 5
    inputs = NicheInputs.build(xy, np.zeros(n_cells, dtype=np.int64), n_clusters=1, side=8, radius=20.0)
    return inputs, ClusterTask("Pax5", 0, np.arange(n_cells), X, y, anchors, 0.3, folds), factor


@pytest.fixture(scope="module")
def learned():
    inputs, task, factor = make_task(0.9)
    return inputs, task, factor, fit_network(inputs, task, options=OPTIONS, seed=3, device="cpu")


def test_a_network_finds_coefficients_that_depend_on_the_position(learned):
    _, _, factor, fit = learned
    record = fit.record
    assert record.kept
    assert record.modulated
    assert record.r2_cnn_out > record.r2_lasso_out + 0.1
    assert fit.betas.shape == (300, 4)
    assert fit.betas.dtype == np.float32
    assert np.corrcoef(fit.betas[:, 1], factor)[0, 1] > 0.8
    np.testing.assert_array_equal(fit.betas[:, 3], 0.0)
    # never beyond twice the anchor, and never of the other sign
    assert (fit.betas[:, 1] >= 0.0).all()
    assert (fit.betas[:, 1] <= 2 * 0.8 + 1e-6).all()
    assert len(record.mse) == record.epochs <= 25
    assert record.mse[-1] < 0.5 * record.mse[0]


def test_the_record_tells_what_the_coefficients_do_on_the_held_out_cells(learned):
    _, task, _, fit = learned
    test = Split.of_folds(task.folds).test
    y = task.y[test]
    predicted = fit.betas[test, 0] + (fit.betas[test, 1:] * task.X[test]).sum(axis=1)
    total = ((y - y.mean()) ** 2).sum()
    assert fit.record.r2_cnn_out == pytest.approx(1.0 - ((y - predicted) ** 2).sum() / total, abs=1e-6)
    lasso = 0.3 + task.X[test] @ task.anchors
    assert fit.record.r2_lasso_out == pytest.approx(1.0 - ((y - lasso) ** 2).sum() / total)


def test_the_network_gives_the_coefficients_again(learned):
    inputs, _, _, fit = learned
    assert not fit.network.training
    cells = np.arange(40)
    with torch.no_grad():
        again = fit.network(torch.as_tensor(inputs.maps(cells)), torch.as_tensor(inputs.counts[cells]).float())
    np.testing.assert_allclose(again.numpy(), fit.betas[:40], rtol=0.0, atol=1e-6)


def test_the_same_seed_gives_the_same_bits_and_another_gene_others(learned):
    inputs, task, _, _ = learned
    options = replace(OPTIONS, epochs=3)
    torch.manual_seed(5)
    first = fit_network(inputs, task, options=options, seed=3, device="cpu")
    torch.manual_seed(6)
    again = fit_network(inputs, task, options=options, seed=3, device="cpu")
    assert first.record == again.record
    np.testing.assert_array_equal(first.betas, again.betas)
    other = fit_network(inputs, replace(task, gene="Pax6"), options=options, seed=3, device="cpu")
    assert other.record.mse != first.record.mse


def test_where_nothing_varies_the_regression_is_kept():
    inputs, task, _ = make_task(0.0)
    fit = fit_network(inputs, task, options=replace(OPTIONS, margin=0.005), seed=3, device="cpu")
    assert not fit.record.kept
    assert fit.record.reason.startswith("R2 on held-out regions")
    assert fit.network is None
    np.testing.assert_array_equal(fit.betas, np.tile(np.float32([0.3, 0.8, -0.5, 0.0]), (300, 1)))


@pytest.mark.parametrize(
    ("change", "options", "reason"),
    [
        ({}, {"epochs": 0}, "no epochs"),
        ({"anchors": np.zeros(3)}, {}, "all coefficients are zero"),
        ({}, {"min_cells": 301}, "300 cells, fewer than 301"),
        ({"folds": np.arange(300) % 2}, {}, "fewer than 3 folds of held-out regions"),
    ],
)
def test_reasons_not_to_train(change, options, reason):
    inputs, task, _ = make_task(0.9)
    task = replace(task, **change)
    fit = fit_network(inputs, task, options=replace(OPTIONS, **options), seed=3, device="cpu")
    assert (fit.record.kept, fit.record.reason, fit.record.epochs) == (False, reason, 0)
    np.testing.assert_array_equal(fit.betas, np.tile(np.float32([0.3, *task.anchors]), (300, 1)))


def test_a_training_that_diverges_keeps_the_regression():
    inputs, task, _ = make_task(0.9)
    options = replace(OPTIONS, output_activation="identity", learning_rate=1e25, grad_clip_norm=None)
    fit = fit_network(inputs, task, options=options, seed=3, device="cpu")
    assert not fit.record.kept
    assert fit.record.reason == "training diverged"
    assert np.isfinite(fit.betas).all()


def test_out_of_memory_halves_the_batch_and_goes_on(monkeypatch, caplog):
    inputs, task, _ = make_task(0.9)
    sizes, forward = [], NicheNetwork.forward

    def scarce(self, maps, features):
        if len(maps) > 35:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        sizes.append(len(maps))
        return forward(self, maps, features)

    monkeypatch.setattr(NicheNetwork, "forward", scarce)
    with caplog.at_level(logging.WARNING, logger="spacetravlr"):
        fit = fit_network(inputs, task, options=replace(OPTIONS, epochs=4), seed=3, device="cpu")
    assert fit.record.epochs == 4
    assert np.isfinite(fit.betas).all()
    assert max(sizes) <= 35
    assert any("out of memory on the device: going on with batches of" in line for line in caplog.messages)
    # the smaller size is remembered
    assert len(caplog.messages) < 8
    monkeypatch.undo()
    small = fit_network(inputs, task, options=replace(OPTIONS, epochs=4), seed=3, device="cpu")
    np.testing.assert_allclose(fit.record.mse[0], small.record.mse[0], rtol=0.2)


def test_batches_cover_every_cell_once_whatever_fails():
    done, size = [], BatchSize(64)

    def work(part):
        if len(part) > 9:
            raise RuntimeError("MPS backend out of memory")
        done.append(part)

    in_batches(np.arange(100), size, work)
    np.testing.assert_array_equal(np.concatenate(done), np.arange(100))
    assert size.value == 8

    def never(part):
        raise torch.OutOfMemoryError("out of memory")

    with pytest.raises(InputError, match="no memory for a single cell"):
        in_batches(np.arange(4), BatchSize(4), never)

    def broken(part):
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes"):
        in_batches(np.arange(4), BatchSize(4), broken)


def test_the_learning_rate_rises_and_falls():
    course = [learning_rate_factor(epoch, 10, warmup=3, floor=0.1) for epoch in range(10)]
    assert course[:4] == pytest.approx([1 / 3, 2 / 3, 1.0, 1.0])
    assert course[-1] == pytest.approx(0.1)
    assert all(later < earlier for earlier, later in itertools.pairwise(course[3:]))
    assert course[6] == pytest.approx(0.1 + 0.9 * 0.5 * (1.0 + math.cos(math.pi * 0.5)))
    assert {learning_rate_factor(epoch, 5, schedule="constant") for epoch in range(5)} == {1.0}
    assert learning_rate_factor(0, 1) == 1.0


def test_early_stop():
    stop = EarlyStop(patience=2, at_least=4)
    over = []
    for epoch, loss in enumerate([3.0, 2.0, 2.5, math.nan, 2.1, 1.0]):
        stop.is_best(epoch, loss)
        over.append(stop.is_over(epoch))
    assert over == [False, False, False, True, True, False]
    assert (stop.best, stop.best_epoch) == (1.0, 5)
    never = EarlyStop(patience=0)
    assert not any(never.is_over(epoch) for epoch in range(50))


def test_the_two_smallest_folds_are_held_out():
    folds = np.repeat([0, 1, 2, 3], [30, 8, 25, 10])
    split = Split.of_folds(folds)
    assert (len(split.stop), len(split.test), len(split.train)) == (8, 10, 55)
    assert sorted(np.concatenate([split.train, split.stop, split.test])) == list(range(73))
    assert Split.of_folds(folds[:38]) is None


def test_the_memory_of_a_failed_batch_is_free_before_the_next_one(monkeypatch):
    kept, seen, halve = [], [], BatchSize.halve

    def work(part):
        batch = torch.zeros(len(part))
        kept.append(weakref.ref(batch))
        if len(part) > 3:
            raise torch.OutOfMemoryError("out of memory")

    def watched(self):
        seen.append([one() is None for one in kept])
        halve(self)

    monkeypatch.setattr(BatchSize, "halve", watched)
    in_batches(np.arange(6), BatchSize(6, "target"), work)
    assert seen == [[True]]
    with pytest.raises(InputError, match="no memory for a single target"):
        BatchSize(1, "target").halve()


def test_batches_are_never_larger_than_asked(monkeypatch):
    inputs, task, _ = make_task(0.9)
    sizes, forward = [], NicheNetwork.forward

    def watched(self, maps, features):
        if self.training:
            sizes.append(len(maps))
        return forward(self, maps, features)

    monkeypatch.setattr(NicheNetwork, "forward", watched)
    n_train = len(Split.of_folds(task.folds).train)
    size = n_train - 20
    fit_network(inputs, task, options=replace(OPTIONS, epochs=1, minibatch_size=size), seed=3, device="cpu")
    assert sorted(sizes) == sorted([n_train // 2, n_train - n_train // 2])


def test_fits_side_by_side_leave_the_threads_and_algorithms_of_torch_as_they_were():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    inside, outside, found = threading.Event(), threading.Event(), []

    def first():
        with reproducible():
            inside.wait(10)
        outside.set()

    def second():
        with reproducible():
            inside.set()
            outside.wait(10)
            found.append((torch.get_num_threads(), torch.backends.cudnn.deterministic, torch.backends.cudnn.allow_tf32))
        found.append((torch.get_num_threads(), torch.backends.cudnn.deterministic, torch.backends.cudnn.allow_tf32))

    try:
        flags = torch.backends.cudnn.deterministic, torch.backends.cudnn.allow_tf32
        threads = [threading.Thread(target=one) for one in (first, second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [(1, True, False), (3, *flags)]
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(torch.get_num_threads).result() == 3
    finally:
        torch.set_num_threads(before)


def test_a_device_without_float64_leaves_it_to_the_cpu():
    values = torch.ones(2)
    away = SimpleNamespace(device=SimpleNamespace(type="mps"), cpu=lambda: values)
    for given in (values, away):
        assert in_double(given).dtype == torch.float64


def test_devices(monkeypatch):
    for name in FORCE_CPU:
        monkeypatch.delenv(name, raising=False)
    assert resolve_device("cpu") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=r"device 'cuda' .* is not there: .*use auto or cpu"):
        resolve_device("cuda")
    for name in FORCE_CPU:
        with monkeypatch.context() as forced:
            forced.setenv(name, "1")
            assert resolve_device("cuda").type == "cpu"


def test_options_come_from_the_configuration():
    config = RunConfig(
        training={"epochs": 7, "learning_rate": 0.01},
        cnn={"weight_decay": 0.5, "output_activation": "tanh", "lr_schedule": "constant", "min_cells_for_cnn": 5},
    )
    options = NicheOptions.from_config(config)
    assert (options.epochs, options.learning_rate, options.weight_decay) == (7, 0.01, 0.5)
    assert (options.output_activation, options.lr_schedule, options.min_cells) == ("tanh", "constant", 5)
    assert NicheOptions.from_config(RunConfig()) == NicheOptions()
