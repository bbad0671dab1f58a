"""What is lost of a run with networks comes back the same: files, processes, targets, the encoder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spacetravlr.run import Run
from spacetravlr.training import train, trainer

pytest.importorskip("torch")

Contents = Callable[[Path], dict[str, bytes]]


def test_what_is_lost_of_a_block_comes_back_the_same(
    contents: Contents, full: Run, varied: Path, settings: dict[str, Any], tmp_path: Path
) -> None:
    before = contents(full.path)
    shutil.copytree(full.path, tmp_path / "run")
    for name in ("T2_betadata.feather", "T4_betadata.feather"):
        (tmp_path / "run" / name).unlink()
    again = train(varied, tmp_path / "run", mode="full", save_cnn_weights=True, **settings)
    assert contents(again.path) == before


SCRIPT = """
import sys
from spacetravlr.training import train, trainer
trainer.BLOCK = 2
train(sys.argv[1], sys.argv[2], mode="full", network_data_dir=sys.argv[3], n_parallel=1, n_bootstraps=2, random_seed=1,
      diagnostics=False, genes=sys.argv[4].split(","))
"""


def start(varied: Path, out: Path, network: Path, genes: list[str]) -> subprocess.Popen[bytes]:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    command = [sys.executable, "-c", SCRIPT, str(varied), str(out), str(network), ",".join(genes)]
    return subprocess.Popen(command, env={**os.environ, **threads})


def test_a_killed_run_continues_and_two_processes_share_one(
    contents: Contents,
    varied: Path,
    network_dir: Path,
    settings: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trainer, "BLOCK", 2)
    whole = contents(train(varied, tmp_path / "whole", mode="full", **settings).path)
    out = tmp_path / "killed"
    process = start(varied, out, network_dir, settings["genes"])
    until = time.monotonic() + 60
    # as soon as the encoder is there it is at work on the first block
    while not (out / "niche" / "encoder.npz").exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (out / "niche" / "encoder.npz").exists()
    both = [start(varied, out, network_dir, settings["genes"]) for _ in range(2)]
    assert [one.wait() for one in both] == [0, 0]
    assert contents(out) == whole
    assert not list(out.rglob(".tmp-*"))


def test_an_encoder_that_is_there_is_used(full: Run, varied: Path, settings: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "run"
    train(varied, out, mode="full", **{**settings, "genes": ["T4"]})
    first = (out / "niche" / "encoder.npz").read_bytes()
    assert first != (full.path / "niche" / "encoder.npz").read_bytes()
    train(varied, out, mode="full", **settings)
    assert (out / "niche" / "encoder.npz").read_bytes() == first


def test_a_failing_target_does_not_take_its_block_along(
    varied: Path, settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = trainer.RefiningSolver._fit

    def faulty(self: Any, targets: Any, wanted: Any) -> Any:
        if any(want and gene == "T3" for gene, want in zip(targets, wanted, strict=True)):
            raise ValueError("no luck")
        return true(self, targets, wanted)

    monkeypatch.setattr(trainer.RefiningSolver, "_fit", faulty)
    run = train(varied, tmp_path / "run", mode="full", **settings)
    assert run.status().failed == {"T3": "ValueError: no luck"}
    assert {"T1", "T4"} <= set(run.genes)
    assert run.betas("T4").by == "cell"


@pytest.mark.parametrize("damage", ["cut", "empty", "other"])
def test_damaged_encoders_are_named(damage: str, tmp_path: Path) -> None:
    from spacetravlr.errors import RunDirectoryError
    from spacetravlr.training.encoders import Encoders

    path = tmp_path / "encoder.npz"
    np.savez(path, cluster_ids=np.arange(2), table=np.zeros((5, 3)))
    whole = path.read_bytes()
    path.write_bytes({"cut": whole[: len(whole) // 2], "empty": b"", "other": b"not an archive"}[damage])
    with pytest.raises(RunDirectoryError, match=r"encoder\.npz cannot be used .* remove it to learn"):
        Encoders.read(path, 5)
