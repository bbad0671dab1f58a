"""Processes that are killed, disks that fill up, files that vanish: nothing is lost, nothing is done twice.

The processes of the crash tests are real ones. To save the seconds of their imports they are forked from one that has
made them; each has a clock of its own that is up to a year off, pauses around its file operations, so that a kill at
a random moment often meets one in the middle, and counts a result that is written a second time as a violation.
"""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from spacetravlr.betas import Betas
from spacetravlr.errors import RunDirectoryError
from spacetravlr.events import Event, GeneClaimed, GeneOrphan, GeneSkipped, GeneWritten, Notice, RunFinished
from spacetravlr.pace import Pace
from spacetravlr.run import Run, RunDirectory, read_log
from spacetravlr.training import StopRequest, train, trainer

N_TARGETS = 36
BLOCK = 4
SETTINGS = {"random_seed": 1, "n_parallel": 1, "n_bootstraps": 2, "stale_lock_secs": 120}

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


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """150 cells in two clusters, 36 targets of three TFs and a pair, some of them without a model."""
    folder = tmp_path_factory.mktemp("crash")
    rng = np.random.default_rng(3)
    n = 150
    tfs, targets = [f"Tf{i}" for i in range(4)], [f"T{i}" for i in range(N_TARGETS - 4)]
    genes = [*tfs, "Lig", "Rec", *targets]
    E = pd.DataFrame(np.exp(rng.normal(0.0, 0.5, (n, len(genes)))), columns=genes)
    for number, gene in enumerate(targets):
        if number % 5:
            E[gene] = 0.3 * E[gene] + E[tfs[number % 4]]
    obs = pd.DataFrame({"cell_type": np.repeat(["a", "b"], [80, 70])}, index=[f"c{i}" for i in range(n)])
    adata = anndata.AnnData(X=E.to_numpy(), obs=obs, var=pd.DataFrame(index=genes))
    adata.obsm["spatial"] = rng.uniform(0, 1000, (n, 2))
    adata.layers["imputed_count"] = adata.X
    adata.write_h5ad(folder / "tissue.h5ad")
    rows = [(tf, target, "grn", 1.0) for target in [*targets, *tfs] for tf in tfs if tf != target]
    rows += [("Lig", "Rec", "lr", 1.0), ("Lig", "Tf0", "nichenet", 0.9)]
    network = pd.DataFrame(rows, columns=["source", "target", "edge_type", "weight"])
    network.to_parquet(folder / "mouse_network.parquet")
    return {"h5ad": str(folder / "tissue.h5ad"), "network": str(folder)}


def in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "BLOCK", BLOCK)


def train_here(sample: dict[str, str], out: Path, **more: object) -> Run:
    return train(sample["h5ad"], out, network_data_dir=sample["network"], **{**SETTINGS, **more})


TABLES = ("scores.feather", "path.feather")
"""Made of what is finished whenever a process concludes; what they hold in between is a part of the whole."""


def results(directory: Path, *, tables: bool = True) -> dict[str, bytes]:
    """What must not depend on how a run came about, and what a reader may look at at any time."""
    found = {}
    for path in directory.rglob("*"):
        wanted = path.suffix in {".feather", ".orphan", ".log"} or path.parent.name == "scores"
        if wanted and path.name[0] != "." and path.name != "run.log" and (tables or path.name not in TABLES):
            found[str(path.relative_to(directory))] = path.read_bytes()
    return found


def rows(content: bytes) -> set[str]:
    return set(pd.read_feather(io.BytesIO(content)).astype(str).agg("|".join, axis=1))


@pytest.fixture(scope="module")
def undisturbed(sample: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        in_blocks(monkeypatch)
        run = train_here(sample, tmp_path_factory.mktemp("undisturbed") / "run")
    found = results(run.path)
    assert len(run.genes) > 15
    assert len(run.orphans) > 5
    for gene in run.genes:
        assert f"stability/{gene}.feather" in found
    for gene in (*run.genes, *run.orphans):
        assert f"scores/{gene}.json" in found
    assert found.keys() >= set(TABLES)
    return found


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
def begin(nursery: subprocess.Popen[str], sample: dict[str, str], tmp_path: Path) -> Iterator[Begin]:
    """Start a process that trains into a directory; returns its number."""
    begun: list[int] = []

    def start(out: Path, seed: int) -> int:
        job = {**sample, "out": str(out), "seed": seed, "block": BLOCK, "settings": SETTINGS}
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


def finished(directory: Path) -> list[str]:
    names = [path.name for path in directory.iterdir()] if directory.exists() else []
    return [name for name in names if name.endswith(("_betadata.feather", ".orphan")) and name[0] != "."]


@dataclass
class Kill:
    """A process is killed some time after its run has got so far."""

    pid: int
    n_done: int
    delay: float
    due: float | None = None

    @classmethod
    def draw(cls, chance: random.Random, pid: int) -> Kill:
        # of three, one dies before anything is done: in the set-up, while claiming, in the first fit
        if chance.random() < 0.3:
            return cls(pid, 0, chance.uniform(0.0, 1.0))
        return cls(pid, chance.randint(1, N_TARGETS), chance.uniform(0.0, 0.06))

    def strike(self, n_done: int) -> bool:
        """Kill if the time has come; return whether it is over."""
        if self.due is None and n_done >= self.n_done:
            self.due = time.monotonic() + self.delay
        if self.due is None or time.monotonic() < self.due:
            return False
        if lives(self.pid):
            os.kill(self.pid, signal.SIGKILL)
        return True


def everything_in(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if not path.is_dir()}


def read_all(directory: Path, undisturbed: dict[str, bytes]) -> None:
    """Every file that is there can be read, and is what it will be in the end."""
    for name in list(undisturbed):
        try:
            content = (directory / name).read_bytes()
        except FileNotFoundError:
            continue
        if name in TABLES and content != undisturbed[name]:
            assert rows(content) < rows(undisturbed[name]), name
        else:
            assert content == undisturbed[name], name
    if (directory / "run_manifest.json").exists():
        json.loads((directory / "run_manifest.json").read_text())


@pytest.mark.parametrize("seed", [*range(5), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(100, 130))])
def test_killed_at_any_moment_every_gene_is_trained_once_and_nothing_is_left_over(
    seed: int,
    begin: Begin,
    sample: dict[str, str],
    undisturbed: dict[str, bytes],
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
    kills = [Kill.draw(chance, pid) for pid in victims]
    survived, end = True, time.monotonic() + 60
    while any(lives(pid) for pid in at_work):
        assert time.monotonic() < end, sorted(everything_in(out) - undisturbed.keys())
        read_all(out, undisturbed)
        n_done, left = len(finished(out)), len(kills)
        kills = [kill for kill in kills if not kill.strike(n_done)]
        if len(kills) < left:
            # something was left to do for the others, so their account comes later
            survived = survived and len(finished(out)) < N_TARGETS + 2
        time.sleep(0.002)
    assert not problems.exists(), problems.read_text()
    everything = {*undisturbed, "run_manifest.json", "spacetravlr_run_repro.toml"}
    if len(victims) < 3:
        assert Run.open(out).status().state == "complete"
        assert results(out) == undisturbed
        if survived:
            # what the dead left behind is gone as well
            assert everything_in(out) == everything
    # resume
    last = begin(out, 10 * seed + 9)
    while lives(last):
        assert time.monotonic() < end
        time.sleep(0.01)
    assert not problems.exists(), problems.read_text()
    assert results(out) == undisturbed
    assert everything_in(out) == everything
    manifest = RunDirectory.open(out).manifest
    assert manifest is not None
    assert (manifest.status, sum(manifest.counts.values())) == ("complete", len(manifest.targets))
    run = Run.open(out)
    for gene in run.genes:
        assert Betas.read(out / f"{gene}_betadata.feather").values.any()
        assert read_log(out / "log" / f"{gene}.log").gene == gene


class Told(list[Event]):
    """Events, and what to do when one of a kind arrives."""

    def __init__(self, react: Callable[[Event], None] | None = None) -> None:
        super().__init__()
        self._react = react

    def __call__(self, event: Event) -> None:
        self.append(event)
        if self._react is not None:
            self._react(event)

    def notices(self) -> list[str]:
        return [event.message for event in self if isinstance(event, Notice) and "waiting" in event.message]


def foreign_claims(out: Path, genes: list[str]) -> Path:
    """Claims of a process on another host; returns its heartbeat."""
    beat = out / ".heartbeat-elsewhere-17"
    beat.write_text("beat 0\n")
    fields = f"host elsewhere\npid 17\nstarted_unix 17.5\nmachine other/1\nheartbeat {beat.name}\n"
    for gene in genes:
        (out / f"{gene}.lock").write_text(f"spacetravlr_gene 1\n{fields}")
    return beat


@pytest.fixture
def begun(sample: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that was stopped when the first targets had coefficients; the last ones are free."""
    in_blocks(monkeypatch)
    stop = StopRequest()
    train_here(
        sample,
        tmp_path / "run",
        stop=stop,
        listener=Told(lambda e: stop.finish.set() if isinstance(e, GeneWritten) else None),
    )
    assert len(finished(tmp_path / "run")) in range(BLOCK, N_TARGETS)
    return tmp_path / "run"


def test_genes_in_the_hands_of_others_are_waited_for_and_the_account_ends_at_all(
    begun: Path, sample: dict[str, str], undisturbed: dict[str, bytes]
) -> None:
    held = ["T25", "T26", "T31"]
    other = RunDirectory(begun, stale_lock_secs=120)
    assert other.claim(held) == tuple(held)

    def finish(event: Event) -> None:
        if isinstance(event, Notice) and "waiting" in event.message:
            for gene in held:
                for name in (
                    f"log/{gene}.log",
                    f"scores/{gene}.json",
                    f"stability/{gene}.feather",
                    f"{gene}_betadata.feather",
                    f"{gene}.orphan",
                ):
                    if name in undisturbed:
                        (begun / name).write_bytes(undisturbed[name])
            other.close()

    told = Told(finish)
    run = train_here(sample, begun, listener=told)
    assert told.notices() == [f"waiting for 3 genes held by {os.uname().nodename}/{os.getpid()}"]
    pace = Pace()
    for event in told:
        pace.update(event)
    assert pace.by_others == 3
    assert (pace.done, len(pace.elsewhere)) == (pace.total, 0)
    told_of = {
        reason: {e.gene for e in told if isinstance(e, GeneSkipped) and e.reason == reason}
        for reason in ("locked", "elsewhere")
    }
    assert told_of["elsewhere"] == set(held)
    assert told_of["elsewhere"] <= told_of["locked"]
    end = told[-1]
    assert isinstance(end, RunFinished)
    assert (end.status, end.written + end.orphan + end.skipped) == ("complete", len(run.genes) + len(run.orphans))
    assert results(begun) == undisturbed


def test_a_silent_host_is_succeeded_after_the_limit_and_a_beating_one_is_not(
    begun: Path, sample: dict[str, str], undisturbed: dict[str, bytes]
) -> None:
    beat = foreign_claims(begun, ["T27", "T28"])
    silent_from: list[float] = []
    stop = threading.Event()

    def go_on_beating() -> None:
        end = time.monotonic() + 2.5
        while time.monotonic() < end and not stop.wait(0.1):
            beat.write_text(f"beat {time.monotonic()}\n")
        silent_from.append(time.monotonic())

    taken: list[float] = []
    heart = threading.Thread(target=go_on_beating)
    heart.start()
    told = Told(lambda e: taken.append(time.monotonic()) if isinstance(e, GeneClaimed) and e.gene == "T27" else None)
    try:
        run = train_here(sample, begun, listener=told, stale_lock_secs=1)
    finally:
        stop.set()
        heart.join()
    assert told.notices() == ["waiting for 2 genes held by elsewhere/17"]
    assert taken[0] > silent_from[0] + 0.8
    assert results(begun) == undisturbed
    assert run.directory.manifest.status == "complete"
    assert not list(begun.glob("*.lock"))


def test_with_a_limit_of_0_a_host_is_never_succeeded_and_the_way_out_is_told(
    begun: Path, sample: dict[str, str]
) -> None:
    foreign_claims(begun, ["T27"])
    stop = StopRequest()
    told = Told(lambda e: stop.finish.set() if isinstance(e, Notice) and "waiting" in e.message else None)
    run = train_here(sample, begun, listener=told, stop=stop, stale_lock_secs=0)
    assert "waiting for 1 gene held by elsewhere/17; if it has ended, delete its .lock files" in told.notices()[0]
    assert [path.name for path in begun.glob("*.lock")] == ["T27.lock"]
    # it may be at work for all anybody knows
    assert run.directory.manifest.status == "running"
    assert run.status().remaining == ("T27",)


def test_a_stop_while_waiting_ends_at_once(
    begun: Path, sample: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "_FIRST_POLL", 60.0)
    foreign_claims(begun, ["T27"])
    stop = StopRequest()
    timers: list[threading.Timer] = []

    def later(event: Event) -> None:
        if isinstance(event, Notice) and "waiting" in event.message:
            timers.append(threading.Timer(0.2, stop.finish.set))
            timers[0].start()

    began = time.monotonic()
    train_here(sample, begun, listener=Told(later), stop=stop)
    assert time.monotonic() - began < 30
    timers[0].join()


def remount(place: Path, options: str) -> None:
    command = ["mount", "-o", f"remount,{options}", "tmpfs", str(place)]
    # it is busy while any thread has a file there open for writing, which none has for long
    for _ in range(200):
        if subprocess.run(command, check=False, capture_output=True).returncode == 0:
            return
        time.sleep(0.02)
    subprocess.run(command, check=True)


def test_a_disk_that_fills_up_and_is_freed(
    small_disk: Path, sample: dict[str, str], undisturbed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    in_blocks(monkeypatch)
    out = small_disk / "run"
    with pytest.raises(
        RunDirectoryError, match="no space left on the disk; free some and repeat the command"
    ) as caught:
        train_here(sample, out)
    assert "\n" not in str(caught.value)
    there = results(out, tables=False)
    assert 0 < len(there) < len(undisturbed)
    assert there.items() <= undisturbed.items()
    assert not [name for name in everything_in(out) if ".lock" in name or ".tmp-" in name or ".heartbeat" in name]
    remount(small_disk, "size=4m")
    run = train_here(sample, out)
    assert results(out) == undisturbed
    assert run.directory.manifest.status == "complete"


def test_a_disk_that_becomes_read_only(
    small_disk: Path, sample: dict[str, str], undisturbed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    in_blocks(monkeypatch)
    remount(small_disk, "size=4m")
    out = small_disk / "run"
    protect = Told(lambda e: remount(small_disk, "ro") if isinstance(e, GeneWritten | GeneOrphan) else None)
    with pytest.raises(RunDirectoryError, match="the file system is read-only; choose another --output-dir"):
        train_here(sample, out, listener=protect)
    assert len(finished(out)) == 1
    with pytest.raises(RunDirectoryError, match="the file system is read-only"):
        train_here(sample, out)
    with pytest.raises(RunDirectoryError, match="the file system is read-only"):
        train_here(sample, small_disk / "other")
    remount(small_disk, "rw")
    train_here(sample, out)
    assert results(out) == undisturbed


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_without_permission_to_write(sample: dict[str, str], tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(RunDirectoryError, match="permission denied; choose another --output-dir"):
            train_here(sample, tmp_path / "run")
    finally:
        tmp_path.chmod(0o700)


def remove(out: Path, what: str) -> None:
    for path in out.glob(what):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.parametrize(
    "what", ["log", "scores", "stability", "*.lock", ".heartbeat-*", "run_manifest.json", "spacetravlr_run_repro.toml"]
)
def test_files_that_are_removed_underneath(
    what: str, sample: dict[str, str], undisturbed: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_blocks(monkeypatch)
    out = tmp_path / "run"
    ended: list[Event] = []

    def take_away(event: Event) -> None:
        if isinstance(event, GeneWritten | GeneOrphan):
            ended.append(event)
            if len(ended) == 3 * BLOCK - 1:
                remove(out, what)

    run = train_here(sample, out, listener=Told(take_away))
    manifest = run.directory.manifest
    assert (manifest.status, sum(manifest.counts.values())) == ("complete", N_TARGETS + 2)
    # without their records, the scores of targets are taken from the logs, which are rounded
    found = results(out, tables=what != "scores")
    lost = undisturbed.keys() - found.keys() - set(TABLES)
    # Lig and Rec have no modulators, so nothing was fitted, and their records were all there was
    unknown = {"Lig", "Rec"} if what == "scores" else set()
    assert set(run.scores()["gene"]) == {*run.genes, *run.orphans} - unknown
    assert all(name.startswith(what) for name in lost), "only what was removed is missing"
    assert found.items() <= undisturbed.items()
    assert everything_in(out) - found.keys() - set(TABLES) == {"run_manifest.json", "spacetravlr_run_repro.toml"}
    assert Run.open(out).config == run.config


def test_results_that_are_removed_underneath_are_made_again_by_the_next_run(
    sample: dict[str, str], undisturbed: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_blocks(monkeypatch)
    out = tmp_path / "run"

    def take_away(event: Event) -> None:
        if isinstance(event, GeneWritten) and event.gene == "T11":
            remove(out, "T[1-9]_betadata.feather")

    run = train_here(sample, out, listener=Told(take_away))
    assert run.directory.manifest.status == "partial"
    assert not (out / "T1_betadata.feather").exists()
    assert train_here(sample, out).directory.manifest.status == "complete"
    assert results(out) == undisturbed


def test_a_run_directory_that_is_removed_underneath(
    sample: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    in_blocks(monkeypatch)
    out = tmp_path / "run"
    take_away = Told(lambda e: shutil.rmtree(out, ignore_errors=True) if isinstance(e, GeneWritten) else None)
    with pytest.raises(RunDirectoryError, match="was it removed while the run was going on") as caught:
        train_here(sample, out, listener=take_away)
    assert str(out) in str(caught.value)
    assert not [path for path in out.rglob("*") if path.suffix in {".lock", ".feather"}]
