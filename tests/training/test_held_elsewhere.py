"""Targets that other processes hold are waited for, taken over or left alone."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from spacetravlr.events import Event, GeneClaimed, GeneSkipped, Notice, RunFinished
from spacetravlr.pace import Pace
from spacetravlr.run import RunDirectory
from spacetravlr.training import StopRequest, trainer

Steady = Any
"""What the fixture `steady` gives."""


def foreign_claims(out: Path, genes: list[str]) -> Path:
    """Claims of a process on another host; returns its heartbeat."""
    beat = out / ".heartbeat-elsewhere-17"
    beat.write_text("beat 0\n")
    fields = f"host elsewhere\npid 17\nstarted_unix 17.5\nmachine other/1\nheartbeat {beat.name}\n"
    for gene in genes:
        (out / f"{gene}.lock").write_text(f"spacetravlr_gene 1\n{fields}")
    return beat


def test_genes_in_the_hands_of_others_are_waited_for_and_the_account_ends_at_all(begun: Path, steady: Steady) -> None:
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
                    if name in steady.undisturbed:
                        (begun / name).write_bytes(steady.undisturbed[name])
            other.close()

    told = steady.Told(finish)
    run = steady.train(begun, listener=told)
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
    assert steady.results(begun) == steady.undisturbed


def test_a_silent_host_is_succeeded_after_the_limit_and_a_beating_one_is_not(begun: Path, steady: Steady) -> None:
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
    told = steady.Told(
        lambda e: taken.append(time.monotonic()) if isinstance(e, GeneClaimed) and e.gene == "T27" else None
    )
    try:
        run = steady.train(begun, listener=told, stale_lock_secs=1)
    finally:
        stop.set()
        heart.join()
    assert told.notices() == ["waiting for 2 genes held by elsewhere/17"]
    assert taken[0] > silent_from[0] + 0.8
    assert steady.results(begun) == steady.undisturbed
    assert run.directory.manifest.status == "complete"
    assert not list(begun.glob("*.lock"))


def test_with_a_limit_of_0_a_host_is_never_succeeded_and_the_way_out_is_told(begun: Path, steady: Steady) -> None:
    foreign_claims(begun, ["T27"])
    stop = StopRequest()
    told = steady.Told(lambda e: stop.finish.set() if isinstance(e, Notice) and "waiting" in e.message else None)
    run = steady.train(begun, listener=told, stop=stop, stale_lock_secs=0)
    assert "waiting for 1 gene held by elsewhere/17; if it has ended, delete its .lock files" in told.notices()[0]
    assert [path.name for path in begun.glob("*.lock")] == ["T27.lock"]
    # it may be at work for all anybody knows
    assert run.directory.manifest.status == "running"
    assert run.status().remaining == ("T27",)


def test_a_stop_while_waiting_ends_at_once(begun: Path, steady: Steady, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "_FIRST_POLL", 60.0)
    foreign_claims(begun, ["T27"])
    stop = StopRequest()
    timers: list[threading.Timer] = []

    def later(event: Event) -> None:
        if isinstance(event, Notice) and "waiting" in event.message:
            timers.append(threading.Timer(0.2, stop.finish.set))
            timers[0].start()

    began = time.monotonic()
    steady.train(begun, listener=steady.Told(later), stop=stop)
    assert time.monotonic() - began < 30
    timers[0].join()
