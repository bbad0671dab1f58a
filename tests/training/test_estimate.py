"""What a training will take: the memory formula, the measurement, and that nothing is written."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import anndata
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetravlr.datasets import synth_v1, write_network
from spacetravlr.errors import ConfigError, InputError
from spacetravlr.events import Notice
from spacetravlr.training import _memory, _probe, descent, estimate, estimate_training, train
from spacetravlr.training._memory import Sizes, kept_draws, memory
from spacetravlr.training._writer import AHEAD

SIZES = Sizes(
    cells=(500, 100, 20),
    columns=40,
    width=30,
    genes=50,
    response_genes=0,
    itemsize=4,
    ligands=6,
    edges=1000,
    block=64,
    workers=2,
    n_folds=5,
    n_draws=20,
    single=True,
    readme=False,
)


PROBE = _probe.Probe(
    read_s=1e-3, receive_s=1e-2, flop_s=1e-10, fit_s=0.1, draw_s=0.01, columns=40, itemsize=4, kept=20.0
)


def test_the_memory_formula() -> None:
    found = memory(SIZES)
    n, P, T, p, C, F = 620, 40, 64, 30, 3, 5
    assert found["prior network"] == 220 * 1000
    assert found["expression"] == n * 50 * 4
    assert found["received ligands"] == 8 * n * 6
    assert found["designs"] == 8 * n * P
    # every cluster has at least a sixteenth of P cells
    assert found["Gram matrices"] == 3 * (8 + 4 * F) * P**2
    assert found["bootstraps"] == 3 * 20 * P**2 * 4
    # the smallest cluster takes no part in cross-validation
    each = 24 * n * T + 8 * C * (1 + F) * T * P + 8 * 2 * F * T * p + 32 * C * T * p
    waiting = AHEAD * 32 * C * T * p
    assert found["blocks at work"] == pytest.approx(2 * each + waiting + 20 * 0.64 * 500 * P)
    assert found["set-up"] == 0.0
    assert found["program"] > 100e6


def test_the_memory_of_ligands_received_elsewhere() -> None:
    plain, found = memory(SIZES), memory(replace(SIZES, tested=True, diagnosed=True))
    n, P, T, F = 620, 40, 64, 5
    assert found["ligands received elsewhere"] == 2 * (8 * n * P + 4 * F * 3 * P**2)
    assert found["blocks at work"] - plain["blocks at work"] == pytest.approx(2 * 8 * (1 + F) * T * P)


def test_rows_that_stand_in_for_a_matrix_are_copied_by_every_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = memory(SIZES)["blocks at work"]
    monkeypatch.setattr(descent, "DRAW_BUDGET", 0)
    assert memory(SIZES)["blocks at work"] - drawn == pytest.approx(20 * 0.64 * 500 * 40)
    monkeypatch.setattr(descent, "GRAM_BUDGET", 0)
    undrawn = replace(SIZES, n_draws=0)
    tested = memory(replace(undrawn, tested=True))["blocks at work"]
    assert tested - memory(undrawn)["blocks at work"] == pytest.approx(2 * 8 * 500 * 40)


def test_the_memory_of_the_readme_solver() -> None:
    readme = replace(SIZES, readme=True, n_draws=0, n_folds=0)
    assert memory(readme)["Gram matrices"] == 3 * 8 * 40**2
    assert memory(readme)["bootstraps"] == 0.0
    held_out = memory(replace(readme, n_folds=5))["Gram matrices"]
    assert held_out == 3 * 8 * 40**2 * 6 + 8 * 620 * 40 * 4


def test_budgets_bound_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descent, "DRAW_BUDGET", 2 * 20 * 40**2 * 4)
    assert kept_draws(SIZES) == [True, True, False]
    monkeypatch.setattr(descent, "GRAM_BUDGET", 28 * 40**2)
    assert kept_draws(SIZES) == [True, False, False]
    assert memory(SIZES)["Gram matrices"] == 28 * 40**2
    # double precision takes twice the room
    assert kept_draws(replace(SIZES, single=False, n_draws=30)) == [False, False, False]


def test_reading_many_genes_of_many_cells_is_the_peak_where_nothing_larger_follows() -> None:
    found = memory(
        replace(SIZES, cells=(10**6,), genes=2000, columns=4, width=3, n_draws=0, n_folds=0, workers=1, block=1)
    )
    reading = 1e6 * 2000 * 4 + 12 * 1e6 * 1024
    assert found["set-up"] == pytest.approx(
        reading - found["designs"] - found["Gram matrices"] - found["blocks at work"]
    )


@settings(max_examples=25, deadline=None)
@given(
    field=st.sampled_from(["columns", "width", "genes", "ligands", "edges", "block", "workers", "n_folds", "n_draws"]),
    more=st.integers(1, 500),
    readme=st.booleans(),
)
def test_more_of_anything_never_takes_less(field: str, more: int, readme: bool) -> None:
    one = replace(SIZES, readme=readme)
    larger = replace(one, **{field: getattr(one, field) + more})
    assert sum(memory(larger).values()) >= sum(memory(one).values())


def test_the_parts_of_an_estimate(
    h5ad: Path, network_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    events: list[object] = []
    found = estimate_training(h5ad, network_data_dir=str(network_dir), n_parallel=3, listener=events.append)
    assert (found.n_cells, found.n_clusters, found.n_targets, found.workers) == (260, 3, 13, 1)
    run = train(h5ad, tmp_path / "run", network_data_dir=str(network_dir))
    n_modulators = run.scores().groupby("gene")["n_modulators"].first()
    assert found.n_without == 13 - len(n_modulators)
    each = [*n_modulators, *([0] * found.n_without)]
    assert found.modulators == (min(each), int(np.median(each)), max(each))
    # Tf1..3, two pairs, and a ligand for each of two TFs
    assert found.n_columns == 7
    assert found.memory_bytes == pytest.approx(sum(found.memory.values()))
    assert set(found.times) == {"start and set-up", "received ligands", "Gram matrices", "fits", "files"}
    assert all(value >= 0.0 for value in found.times.values())
    assert found.seconds == pytest.approx(sum(found.times.values()))
    assert 0.2 * used(run.path) < found.disk < 5 * used(run.path)
    assert any(isinstance(event, Notice) and "clusters from" in event.message for event in events)


def used(directory: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in directory.rglob("*"))


def test_nothing_is_written(
    h5ad: Path, tissue_data: anndata.AnnData, network_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    beside = sorted(path.name for path in h5ad.parent.iterdir())
    for sample in (h5ad, tissue_data):
        estimate_training(sample, network_data_dir=str(network_dir), output_dir=str(tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []
    assert sorted(path.name for path in h5ad.parent.iterdir()) == beside


@pytest.mark.parametrize(
    "options",
    [
        {"solver": "fista", "n_iter": 50},
        {"solver": "fista", "n_iter": 50, "held_out": True},
        {"select": "fixed", "l1_reg": 0.05, "group_reg": 0.02},
        {"penalty": "lasso"},
        {"n_bootstraps": 0},
        {"response_layer": "imputed_count"},
        {"genes": ["T1"]},
        {"max_genes": 3},
    ],
)
def test_every_way_to_train_can_be_estimated(h5ad: Path, network_dir: Path, options: dict) -> None:
    found = estimate_training(h5ad, network_data_dir=str(network_dir), **options)
    assert found.seconds > 1.0
    assert found.memory_bytes > _memory.PROGRAM
    assert found.memory["expression"] >= 260 * 5 * 8
    draws = options.get("n_bootstraps", 20) if "solver" not in options and "select" not in options else 0
    assert (found.memory["bootstraps"] > 0.0) == (draws > 0)


def test_more_targets_take_longer_and_more_workers_less() -> None:
    one = replace(SIZES, workers=1)

    def fits(n_targets: int, sizes: Sizes) -> float:
        return estimate._times(1.0, n_targets, n_targets, sizes, PROBE)["fits"]

    assert fits(640, one) == pytest.approx(640 * (0.1 + 20 * 0.01))
    assert fits(6400, one) == pytest.approx(10 * fits(640, one))
    assert fits(640, SIZES) == pytest.approx(fits(640, one) / 1.7)
    # three blocks for two workers: one of them does two
    assert fits(192, SIZES) == pytest.approx(fits(192, one) / 1.7 * 4 / 3)
    # more columns than were measured: larger products with the responses
    wide = replace(one, columns=1040)
    assert fits(640, wide) - fits(640, one) == pytest.approx(640 * 2 * 620 * 1000 * 21 * 1e-10)


def test_matrices_of_bootstraps_that_do_not_fit_are_made_for_every_block(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = replace(SIZES, columns=1040)

    def grams() -> float:
        return estimate._times(1.0, 640, 640, wide, PROBE)["Gram matrices"]

    # the cluster of 20 cells does without
    each = 2 * 0.64 * 20 * 0.6 * 1040**2 * 1e-10
    assert grams() == pytest.approx(4 * 600 * 1040**2 * 1e-10 + each * 600)
    monkeypatch.setattr(descent, "DRAW_BUDGET", 20 * 1040**2 * 4)
    assert grams() == pytest.approx(4 * 600 * 1040**2 * 1e-10 + each * (500 + 10 * 100))


def test_of_large_clusters_an_even_part_is_measured(
    h5ad: Path, network_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[int]] = []
    real = _probe.make_regression

    def spy(plan):
        seen.append([len(rows) for rows in plan.rows])
        assert all((np.diff(rows) > 0).all() for rows in plan.rows)
        return real(plan)

    monkeypatch.setattr(_probe, "make_regression", spy)
    estimate_training(h5ad, network_data_dir=str(network_dir))
    monkeypatch.setattr(_probe, "FEW", 1)
    monkeypatch.setattr(_probe, "_WORK", 4.0 * 150 * 7**2)
    estimate_training(h5ad, network_data_dir=str(network_dir))
    assert seen[0] == [120, 110, 30]
    assert sum(seen[1]) <= 150
    assert seen[1][2] == 30


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"genes": ["Nope"]}, InputError, "no target gene is left"),
        (
            {"genes": ["Lonely"], "use_lr_modulators": False, "use_tfl_modulators": False},
            InputError,
            "no target has a modulator",
        ),
        ({"raduis": 5.0}, ConfigError, "radius"),
    ],
)
def test_what_cannot_be_trained_cannot_be_estimated(
    h5ad: Path, network_dir: Path, options: dict, error: type, message: str
) -> None:
    with pytest.raises(error, match=message):
        estimate_training(h5ad, network_data_dir=str(network_dir), **options)


MEASURE = """
import sys
from spacetravlr.bench._host import peak_memory_mb
from spacetravlr.training import train
train(sys.argv[1], sys.argv[2], network_data_dir=sys.argv[3], n_parallel=1, **eval(sys.argv[4]))
print(round(peak_memory_mb() * 2**20))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the unit of the peak differs")
@pytest.mark.parametrize("options", [{}, {"solver": "fista", "n_iter": 100}])
def test_the_memory_of_a_real_run_is_within_a_factor_of_two(tmp_path: Path, options: dict) -> None:
    adata = synth_v1(2000, 200)
    adata.write_h5ad(tmp_path / "tissue.h5ad")
    write_network(adata, tmp_path / "network")
    found = estimate_training(
        tmp_path / "tissue.h5ad", network_data_dir=str(tmp_path / "network"), n_parallel=1, **options
    )
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    arguments = [tmp_path / "tissue.h5ad", tmp_path / "run", tmp_path / "network", repr(options)]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **threads},
    )
    peak = int(done.stdout.splitlines()[-1])
    assert 0.5 < found.memory_bytes / peak < 2.0
    assert 0.5 < found.disk / used(tmp_path / "run") < 2.0
