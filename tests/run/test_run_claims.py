"""Claims, with real processes: races, kills, heartbeats and take-overs."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from spacetravlr.errors import RunDirectoryError
from spacetravlr.run import _exclusive
from spacetravlr.run._exclusive import Stamp
from spacetravlr.run._lockfile import read_lock
from spacetravlr.run.claims import Claims
from spacetravlr.run.paths import RunPaths

Aid = Any
"""What the fixture `aid` gives."""

RACER = """
import json, sys, time
from pathlib import Path
from spacetravlr.run.claims import Claims
root, gate, genes = Path(sys.argv[1]), Path(sys.argv[2]), [f"G{n}" for n in range(int(sys.argv[3]))]
claims = Claims(root, is_done=lambda gene: (root / f"{gene}.orphan").exists(), stale_lock_secs=0)
print("ready", flush=True)
while not gate.exists():
    time.sleep(0.001)
mine = []
for start in range(0, len(genes), 8):
    taken = claims.claim(genes[start : start + 8])
    mine += taken
    if len(sys.argv) > 4:
        for gene in taken:
            (root / f"{gene}.orphan").touch()
        claims.release(taken)
print(json.dumps(mine), flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("finish", [(), ("finish",)])
def test_racing_processes_get_disjoint_targets_and_together_all(
    aid: Aid, tmp_path: Path, finish: tuple[str, ...]
) -> None:
    root = tmp_path / "run"
    root.mkdir()
    racers = [aid.start(RACER, root, tmp_path / "gate", 64, *finish) for _ in range(4)]
    try:
        assert [aid.line(racer) for racer in racers] == ["ready"] * 4
        (tmp_path / "gate").touch()
        taken = [gene for racer in racers for gene in json.loads(aid.line(racer))]
        assert sorted(taken) == sorted(f"G{n}" for n in range(64))
    finally:
        for racer in racers:
            racer.communicate()
    assert {name for name in aid.names(root) if not name.endswith(".orphan")} == set()


def test_a_killed_holder_is_succeeded_at_once_without_any_stale_time(aid: Aid, tmp_path: Path) -> None:
    holder = aid.start(aid.HOLDER, tmp_path, 0, "A,B/C")
    with Claims(tmp_path, is_done=aid.never, stale_lock_secs=0) as mine:
        assert aid.line(holder) == "A B/C"
        assert mine.claim(["A", "B/C"]) == ()
        by_gene = {lock.gene: lock for lock in mine.locked()}
        assert set(by_gene) == {"A", "B/C"}
        assert (by_gene["A"].pid, by_gene["A"].gone, by_gene["A"].host) == (holder.pid, False, os.uname().nodename)
        assert by_gene["A"].since == pytest.approx(time.time(), abs=60)
        holder.send_signal(signal.SIGKILL)
        # not waited for: a zombie holds nothing either
        aid.wait_for(lambda: all(lock.gone for lock in mine.locked()))
        assert mine.claim(["A", "B/C"]) == ("A", "B/C")
        assert {lock.pid for lock in mine.locked()} == {os.getpid()}
    holder.communicate()
    assert [name.startswith(".heartbeat-") for name in aid.names(tmp_path)] == [True], "that of the killed process"
    with Claims(tmp_path, is_done=aid.never) as again:
        assert again.claim(["A"]) == ("A",)
    assert aid.names(tmp_path) == set()


def test_many_processes_racing_for_the_claims_of_a_killed_one(aid: Aid, tmp_path: Path) -> None:
    root = tmp_path / "run"
    root.mkdir()
    genes = [f"G{n}" for n in range(40)]
    holder = aid.start(aid.HOLDER, root, 0, ",".join(genes))
    assert aid.line(holder).split() == genes
    holder.kill()
    holder.communicate()
    racers = [aid.start(RACER, root, tmp_path / "gate", 40) for _ in range(4)]
    try:
        assert [aid.line(racer) for racer in racers] == ["ready"] * 4
        (tmp_path / "gate").touch()
        taken = [gene for racer in racers for gene in json.loads(aid.line(racer))]
        # a racer that meets another in the middle of a take-over leaves the target to it
        assert sorted(taken) == sorted(genes)
    finally:
        for racer in racers:
            racer.communicate()


def test_every_exit_of_a_process_gives_its_claims_back(aid: Aid, tmp_path: Path) -> None:
    holder = aid.start(aid.HOLDER, tmp_path, 120, "A,B", "raise")
    assert aid.line(holder) == "A B"
    holder.communicate()
    assert holder.returncode == 3
    assert aid.names(tmp_path) == set()


def test_a_beating_holder_is_never_succeeded_and_a_silent_one_after_the_limit(aid: Aid, tmp_path: Path) -> None:
    clock = aid.Clock()
    holder = aid.start(aid.HOLDER, tmp_path, 120, "A")
    assert aid.line(holder) == "A"
    lock = read_lock(tmp_path / "A.lock")
    assert lock is not None
    beat = tmp_path / str(lock.heartbeat)
    with Claims(tmp_path, is_done=aid.never, stale_lock_secs=120, clock=clock) as mine:
        assert mine.claim(["A"]) == ()
        for _ in range(3):
            before = beat.read_bytes()
            aid.wait_for(lambda before=before: beat.read_bytes() != before)  # type: ignore[misc]
            clock.now += 1000
            assert mine.claim(["A"]) == ()
        holder.send_signal(signal.SIGSTOP)
        aid.wait_for(lambda: Path(f"/proc/{holder.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
        assert mine.claim(["A"]) == ()
        clock.now += 119
        assert mine.claim(["A"]) == ()
        clock.now += 2
        assert mine.claim(["A"]) == ("A",)
        # the old holder wakes up and leaves: what is ours now must stay
        holder.send_signal(signal.SIGCONT)
        holder.communicate()
        assert {info.pid for info in mine.locked()} == {os.getpid()}
    assert aid.names(tmp_path) == set()


def test_a_holder_on_another_host_is_judged_by_its_heartbeat_only(aid: Aid, tmp_path: Path) -> None:
    clock = aid.Clock()
    beat = tmp_path / ".heartbeat-elsewhere-17"
    beat.write_text("1")
    aid.foreign(tmp_path / "A.lock", heartbeat=beat.name)
    aid.foreign(tmp_path / "B.lock", heartbeat="../outside")
    with Claims(tmp_path, is_done=aid.never, stale_lock_secs=60, clock=clock) as mine:
        assert mine.claim(["A", "B"]) == ()
        first = mine.locked()[0]
        assert (first.host, first.pid, first.since, first.gone, first.beats) == (
            *("elsewhere", 17, 1714550400.5),
            *(False, True),
        )
        clock.now += 59
        beat.write_text("2")
        assert mine.claim(["A", "B"]) == ()
        clock.now += 2
        assert mine.claim(["A", "B"]) == ("B",)
        clock.now += 57
        assert mine.claim(["A"]) == ()
        clock.now += 2
        assert mine.claim(["A"]) == ("A",)
    # a clock that is years off, on either side, plays no part
    aid.foreign(tmp_path / "C.lock", started_unix="1.0")
    os.utime(tmp_path / "C.lock", (1.0, 1.0))
    with Claims(tmp_path, is_done=aid.never, stale_lock_secs=60, clock=clock) as mine:
        assert mine.claim(["C"]) == ()


@pytest.mark.parametrize("seconds", [0, 60])
def test_an_empty_claim_of_the_compiled_edition(aid: Aid, tmp_path: Path, seconds: int) -> None:
    clock = aid.Clock()
    lock = tmp_path / "A.lock"
    lock.touch()
    with Claims(tmp_path, is_done=aid.never, stale_lock_secs=seconds, clock=clock) as mine:
        assert mine.claim(["A"]) == ()
        info = mine.locked()[0]
        assert (info.gene, info.host, info.pid, info.since, info.gone, info.beats) == (
            *("A", None, None, None),
            *(False, False),
        )
        clock.now += 61
        os.utime(lock, (5.0, 5.0))
        assert mine.claim(["A"]) == ()
        clock.now += 61
        assert mine.claim(["A"]) == (("A",) if seconds else ())


def test_a_target_that_was_finished_between_look_and_claim_is_not_taken(aid: Aid, tmp_path: Path) -> None:
    looks: list[str] = []

    def is_done(gene: str) -> bool:
        looks.append(gene)
        return gene == "A" and looks.count("A") > 1

    with Claims(tmp_path, is_done=is_done) as mine:
        assert mine.claim(["A", "B"]) == ("B",)
        assert mine.held == {"B"}
        assert "A.lock" not in aid.names(tmp_path)


def test_claims_are_in_order_without_repeats_and_released_one_by_one(aid: Aid, tmp_path: Path) -> None:
    with Claims(tmp_path, is_done=lambda gene: gene == "D") as mine, Claims(tmp_path, is_done=aid.never) as other:
        assert mine.claim(["C", "A", "C", "D"]) == ("C", "A")
        assert mine.claim(["A", "B"]) == ("B",)
        assert other.claim(["A", "B", "D"]) == ("D",)
        mine.release(["A", "unknown"])
        assert mine.held == {"B", "C"}
        assert other.claim(["A", "B"]) == ("A",)
        mine.release()
        assert other.claim(["C", "B"]) == ("C", "B")
    assert aid.names(tmp_path) == set()
    mine.close()


def test_a_rival_that_died_in_the_middle_of_a_take_over_is_succeeded_as_well(
    aid: Aid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = aid.start(aid.HOLDER, tmp_path, 0, "A")
    assert aid.line(holder) == "A"
    holder.kill()
    holder.communicate()
    content = (tmp_path / "A.lock").read_bytes()

    def crash(path: Path, text: bytes) -> None:
        # what a killed process leaves: its right to take over, in the name of a process that is gone
        right = next(tmp_path.glob(".takeover-*"))
        right.unlink()
        right.write_bytes(content)
        monkeypatch.setattr(Path, "unlink", lambda self, missing_ok=False: None)
        raise RunDirectoryError("killed")

    with Claims(tmp_path, is_done=aid.never, stale_lock_secs=0) as mine:
        monkeypatch.setattr(_exclusive, "write_bytes", crash)
        with pytest.raises(RunDirectoryError, match="killed"):
            mine.claim(["A"])
        monkeypatch.undo()
        assert len(list(tmp_path.glob(".takeover-*"))) == 1
        assert mine.claim(["A"]) == ("A",)
        assert not list(tmp_path.glob(".takeover-*"))


def test_a_claim_that_changed_since_it_was_found_stale_is_left_alone(
    aid: Aid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = aid.start(aid.HOLDER, tmp_path, 0, "A")
    assert aid.line(holder) == "A"
    holder.kill()
    holder.communicate()
    put = Stamp.put

    def overtake(stamp: Stamp, path: Path) -> bool:
        if path.name.startswith(".takeover-"):
            (tmp_path / "A.lock").unlink()
            aid.foreign(tmp_path / "A.lock")
        return put(stamp, path)

    monkeypatch.setattr(Stamp, "put", overtake)
    with Claims(tmp_path, is_done=aid.never, stale_lock_secs=0) as mine:
        assert mine.claim(["A"]) == ()
        assert "elsewhere" in (tmp_path / "A.lock").read_text()


def test_a_block_goes_to_one_process_as_a_whole(tmp_path: Path) -> None:
    def is_done(gene: str) -> bool:
        return gene == "A"

    with Claims(tmp_path, is_done=is_done) as mine, Claims(tmp_path, is_done=is_done) as other:
        assert other.claim(["B"], together=True) == ("B",)
        assert mine.claim(["A", "B", "C", "D"], together=True) == ()
        # somebody has it, and did not take all of it: later looks take what is free
        assert mine.claim(["A", "B", "C", "D"]) == ("C", "D")
        other.release()
        assert other.claim(["B", "C", "E"], together=True) == ("B", "E")


def test_a_heartbeat_that_was_removed_counts_as_silence(aid: Aid, tmp_path: Path) -> None:
    clock = aid.Clock()
    aid.foreign(tmp_path / "A.lock", heartbeat=".heartbeat-elsewhere-17")
    with Claims(tmp_path, is_done=aid.never, stale_lock_secs=60, clock=clock) as mine:
        assert mine.claim(["A"]) == ()
        clock.now += 61
        assert mine.claim(["A"]) == ("A",)


def test_threads_of_one_process_share_claims_without_doubles(aid: Aid, tmp_path: Path) -> None:
    genes, taken = [f"G{n}" for n in range(50)], []
    with Claims(tmp_path, is_done=aid.never) as mine:
        threads = [threading.Thread(target=lambda: taken.extend(mine.claim(genes))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(taken) == sorted(genes)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_neither_holds_nor_gives_back_what_its_parent_holds(aid: Aid, tmp_path: Path) -> None:
    with Claims(tmp_path, is_done=aid.never) as mine:
        mine.claim(["A"])
        child = os.fork()
        if not child:
            good = mine.held == frozenset() and mine.claim(["A", "B"]) == ("B",)
            mine.close()
            os._exit(0 if good else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert RunPaths(tmp_path).lock("A").exists()
        assert not RunPaths(tmp_path).lock("B").exists()
        assert mine.held == {"A"}
