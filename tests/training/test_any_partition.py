"""Who fits what, when and beside whom does not matter: to the bit at one partition into blocks, to rounding at others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from spacetravlr.run import Run
from spacetravlr.training import train, trainer

SOLVERS: dict[str, dict[str, Any]] = {
    "cd": {"n_bootstraps": 4},
    "cd, fixed": {"select": "fixed", "l1_reg": 0.02, "group_reg": 0.01, "held_out": True},
    "fista": {"solver": "fista", "n_iter": 60, "score_threshold": -1e9, "held_out": True},
}
PROCESS = """
import json, sys
from spacetravlr.training import train, trainer
job = json.loads(sys.argv[1])
trainer.BLOCK = 3
train(job["h5ad"], job["out"], **job["options"])
"""


def files(directory: Path) -> dict[str, bytes]:
    kept = (p for p in directory.rglob("*") if p.suffix in {".feather", ".orphan", ".log", ".json"})
    run_wide = {"run.log", "run_manifest.json"}
    return {str(p.relative_to(directory)): p.read_bytes() for p in kept if p.name not in run_wide}


class Setting:
    """One solver, and what it gives with one thread and blocks of three in file order."""

    def __init__(self, options: dict[str, Any], h5ad: Path, network_dir: Path, folder: Path) -> None:
        self.h5ad = h5ad
        self.options = {"network_data_dir": str(network_dir), "random_seed": 1, **options}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(trainer, "BLOCK", 3)
            self.plain = files(self.train(folder / "plain", n_parallel=1).path)

    def train(self, out: Path, **more: object) -> Run:
        return train(self.h5ad, out, **{**self.options, **more})


@pytest.fixture(scope="module", params=SOLVERS)
def setting(
    request: pytest.FixtureRequest, h5ad: Path, network_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Setting:
    found = Setting(SOLVERS[request.param], h5ad, network_dir, tmp_path_factory.mktemp("partition"))
    assert sum(name.endswith("_betadata.feather") for name in found.plain) > 3
    assert "scores.feather" in found.plain
    return found


@pytest.fixture
def blocks_of_three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "BLOCK", 3)


@pytest.mark.usefixtures("blocks_of_three")
@pytest.mark.parametrize("workers", [2, 5])
def test_any_number_of_threads(setting: Setting, workers: int, tmp_path: Path) -> None:
    assert files(setting.train(tmp_path / "run", n_parallel=workers).path) == setting.plain


@pytest.mark.usefixtures("blocks_of_three")
@pytest.mark.parametrize("seed", [None, 0, 1])
def test_any_order(setting: Setting, seed: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def shuffled(targets: Sequence[str], size: int, real=trainer.partition) -> list[Sequence[str]]:
        blocks = real(targets, size)
        order = reversed(range(len(blocks))) if seed is None else np.random.default_rng(seed).permutation(len(blocks))
        return [blocks[i] for i in order]

    monkeypatch.setattr(trainer, "partition", shuffled)
    assert files(setting.train(tmp_path / "run", n_parallel=1).path) == setting.plain


@pytest.mark.usefixtures("blocks_of_three")
def test_what_is_done_already_does_not_matter(setting: Setting, tmp_path: Path) -> None:
    out = tmp_path / "run"
    setting.train(out)
    ends = sorted([*out.glob("*_betadata.feather"), *out.glob("*.orphan")])
    rng = np.random.default_rng(0)
    for _ in range(3):
        for path in rng.choice(np.array(ends, dtype=object), 4, replace=False):
            path.unlink()
        setting.train(out)
        assert files(out) == setting.plain


def test_any_number_of_processes(setting: Setting, tmp_path: Path) -> None:
    job = {"h5ad": str(setting.h5ad), "out": str(tmp_path / "run"), "options": setting.options}
    processes = []
    for threads in ("1", "2", "3"):
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
        environment = {**os.environ, **dict.fromkeys(names, threads)}
        job["options"] = {**setting.options, "n_parallel": int(threads)}
        processes.append(subprocess.Popen([sys.executable, "-c", PROCESS, json.dumps(job)], env=environment))
    assert [process.wait(timeout=120) for process in processes] == [0, 0, 0]
    assert files(tmp_path / "run") == setting.plain


def close(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.abs(a - b).max(initial=0.0) <= 1e-9 * np.abs(b).max(initial=0.0))


@pytest.mark.parametrize("size", [1, 4, 64])
def test_other_blocks_give_the_same_up_to_rounding(
    setting: Setting, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plain").mkdir()
    for name, content in setting.plain.items():
        if "/" not in name:
            (tmp_path / "plain" / name).write_bytes(content)
    monkeypatch.setattr(trainer, "BLOCK", size)
    run = setting.train(tmp_path / "run")
    names = {name for name in setting.plain if "/" not in name}
    assert names == {path.name for path in run.path.iterdir() if path.name in names or path.suffix == ".feather"}
    for name in names:
        if name.endswith("_betadata.feather"):
            own, other = (pd.read_feather(folder / name) for folder in (run.path, tmp_path / "plain"))
            assert list(own) == list(other)
            assert close(own.iloc[:, 1:].to_numpy(), other.iloc[:, 1:].to_numpy()), name
    for name in {"scores.feather", "path.feather"} & names:
        own, other = (pd.read_feather(folder / name) for folder in (run.path, tmp_path / "plain"))
        # the same steps were taken, so even their number and the choice of the penalty agree
        pd.testing.assert_frame_equal(own, other, rtol=1e-9, atol=1e-12)
