"""Processes that are killed: nothing is lost, nothing is done twice, nothing is left over.

The processes are real ones. To save the seconds of their imports they are forked from one that has made them; each has
a clock of its own that is up to a year off, pauses around its file operations, so that a kill at a random moment often
meets one in the middle, and counts a result that is written a second time as a violation.
"""

from __future__ import annotations

import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from spacetravlr.betas import Betas
from spacetravlr.run import Run, RunDirectory, read_log

Steady = Any
"""What the fixture `steady` gives."""

NURSERY = """
import json, os, random, signal, sys, time, traceback
from pathlib import Path
import anndata, pandas, pyarrow.feather, pyarrow.parquet
import spacetravlr.regression._path_kernels
from spacetravlr.training import train, trainer

signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def work(job):
    chance = random.Random(job["seed"])
    wall, skew = time.time, chance.uniform(-3e7, 3e7)
    time.time = lambda: wall() + skew
    trainer.BLOCK = job["block"]
    replace, link, unlink = Path.replace, Path.hardlink_to, Path.unlink

    def pause():
        if chance.random() < 0.2:
            time.sleep(chance.uniform(0.0, 0.01))

    def replace_once(self, target):
        pause()
        name = Path(target).name
        if name.endswith(("_betadata.feather", ".orphan")):
            try:
                os.link(self, target)
            except FileExistsError:
                with open(job["problems"], "a") as stream:
                    stream.write(f"{name} was written twice\\n")
            unlink(self)
        else:
            replace(self, target)
        pause()

    def slow(operation):
        def slowed(self, *arguments, **keywords):
            pause()
            operation(self, *arguments, **keywords)
            pause()
        return slowed

    Path.replace, Path.hardlink_to, Path.unlink = replace_once, slow(link), slow(unlink)
    train(job["h5ad"], job["out"], network_data_dir=job["network"], **job["settings"])


for line in sys.stdin:
    job = json.loads(line)
    pid = os.fork()
    if not pid:
        try:
            work(job)
        except BaseException:
            with open(job["problems"], "a") as stream:
                traceback.print_exc(file=stream)
        finally:
            os._exit(0)
    print(pid, flush=True)
"""


def rows(content: bytes) -> set[str]:
    return set(pd.read_feather(io.BytesIO(content)).astype(str).agg("|".join, axis=1))


@pytest.fixture(scope="module")
def nursery() -> Iterator[subprocess.Popen[str]]:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    process = subprocess.Popen(
        [sys.executable, "-c", NURSERY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **threads},
    )
    yield process
    process.communicate()


Begin = Callable[[Path, int], int]


@pytest.fixture
def begin(nursery: subprocess.Popen[str], steady: Steady, tmp_path: Path) -> Iterator[Begin]:
    """Start a process that trains into a directory; returns its number."""
    begun: list[int] = []

    def start(out: Path, seed: int) -> int:
        job = {**steady.sample, "out": str(out), "seed": seed, "block": steady.block, "settings": steady.settings}
        assert nursery.stdin is not None
        assert nursery.stdout is not None
        nursery.stdin.write(json.dumps({**job, "problems": str(tmp_path / "problems")}) + "\n")
        nursery.stdin.flush()
        begun.append(int(nursery.stdout.readline()))
        return begun[-1]

    yield start
    for pid in begun:
        if lives(pid):
            os.kill(pid, signal.SIGKILL)


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@dataclass
class Kill:
    """A process is killed some time after its run has got so far."""

    pid: int
    n_done: int
    delay: float
    due: float | None = None

    @classmethod
    def draw(cls, chance: random.Random, pid: int, n_targets: int) -> Kill:
        # of three, one dies before anything is done: in the set-up, while claiming, in the first fit
        if chance.random() < 0.3:
            return cls(pid, 0, chance.uniform(0.0, 1.0))
        return cls(pid, chance.randint(1, n_targets), chance.uniform(0.0, 0.06))

    def strike(self, n_done: int) -> bool:
        """Kill if the time has come; return whether it is over."""
        if self.due is None and n_done >= self.n_done:
            self.due = time.monotonic() + self.delay
        if self.due is None or time.monotonic() < self.due:
            return False
        if lives(self.pid):
            os.kill(self.pid, signal.SIGKILL)
        return True


def read_all(directory: Path, steady: Steady) -> None:
    """Every file that is there can be read, and is what it will be in the end."""
    for name in list(steady.undisturbed):
        try:
            content = (directory / name).read_bytes()
        except FileNotFoundError:
            continue
        if name in steady.tables and content != steady.undisturbed[name]:
            assert rows(content) < rows(steady.undisturbed[name]), name
        else:
            assert content == steady.undisturbed[name], name
    if (directory / "run_manifest.json").exists():
        json.loads((directory / "run_manifest.json").read_text())


@pytest.mark.parametrize("seed", [*range(5), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(100, 130))])
def test_killed_at_any_moment_every_gene_is_trained_once_and_nothing_is_left_over(
    seed: int,
    begin: Begin,
    steady: Steady,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chance = random.Random(seed)
    out, problems = tmp_path / "run", tmp_path / "problems"
    at_work = []
    for number in range(3):
        at_work.append(begin(out, 10 * seed + number))
        time.sleep(chance.choice([0.0, 0.1, 0.3]))
    victims = chance.sample(at_work, chance.choice([1, 1, 2, 3]))
    kills = [Kill.draw(chance, pid, steady.n_targets) for pid in victims]
    survived, end = True, time.monotonic() + 60
    while any(lives(pid) for pid in at_work):
        assert time.monotonic() < end, sorted(steady.everything_in(out) - steady.undisturbed.keys())
        read_all(out, steady)
        n_done, left = len(steady.finished(out)), len(kills)
        kills = [kill for kill in kills if not kill.strike(n_done)]
        if len(kills) < left:
            # something was left to do for the others, so their account comes later
            survived = survived and len(steady.finished(out)) < steady.n_targets + 2
        time.sleep(0.002)
    assert not problems.exists(), problems.read_text()
    everything = {*steady.undisturbed, "run_manifest.json", "spacetravlr_run_repro.toml"}
    if len(victims) < 3:
        assert Run.open(out).status().state == "complete"
        assert steady.results(out) == steady.undisturbed
        if survived:
            # what the dead left behind is gone as well
            assert steady.everything_in(out) == everything
    # resume
    last = begin(out, 10 * seed + 9)
    while lives(last):
        assert time.monotonic() < end
        time.sleep(0.01)
    assert not problems.exists(), problems.read_text()
    assert steady.results(out) == steady.undisturbed
    assert steady.everything_in(out) == everything
    manifest = RunDirectory.open(out).manifest
    assert manifest is not None
    assert (manifest.status, sum(manifest.counts.values())) == ("complete", len(manifest.targets))
    run = Run.open(out)
    for gene in run.genes:
        assert Betas.read(out / f"{gene}_betadata.feather").values.any()
        assert read_log(out / "log" / f"{gene}.log").gene == gene
