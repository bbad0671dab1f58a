"""Whether a process is still there, told only when it is certain."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from spacetravlr import process as _process
from spacetravlr.process import is_gone, this_process


def dead_pid() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
        return process.pid


def test_living_and_dead_processes_of_this_machine() -> None:
    me = this_process()
    assert me.pid == os.getpid()
    assert not is_gone(me)
    assert is_gone(replace(me, pid=dead_pid()))


def test_a_reused_pid_is_another_process() -> None:
    me = this_process()
    if not me.started:
        pytest.skip("no start times here")
    assert is_gone(replace(me, started=str(int(me.started) - 1)))
    assert not is_gone(replace(me, started=""))


@pytest.mark.parametrize("pid", [0, -1])
def test_numbers_that_are_no_pids(pid: int) -> None:
    assert not is_gone(replace(this_process(), pid=pid))


def test_nothing_is_known_of_another_machine_or_container() -> None:
    assert not is_gone(replace(this_process(), pid=dead_pid(), machine="elsewhere"))


def test_a_process_of_somebody_else_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int, number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert not is_gone(this_process())


def test_where_signals_are_dangerous_only_heartbeats_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    me = replace(this_process(), pid=dead_pid())
    monkeypatch.setattr(_process.os, "name", "nt")
    assert not is_gone(me)


def test_a_system_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *args: object, **options: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", refuse)
    machine = _process._machine.__wrapped__()
    identity = _process._identity.__wrapped__(os.getpid())
    monkeypatch.undo()
    assert machine
    assert " " not in machine
    assert identity.started == ""
    assert not is_gone(identity)


def test_an_import_that_takes_the_keyboard_gives_it_back(tmp_path, monkeypatch):
    import signal
    import sys

    from spacetravlr.process import import_quietly

    (tmp_path / "greedy_module.py").write_text("import signal\nsignal.signal(signal.SIGINT, lambda *_: None)\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = signal.getsignal(signal.SIGINT)
    assert import_quietly("greedy_module").__name__ == "greedy_module"
    assert signal.getsignal(signal.SIGINT) is before
    sys.modules.pop("greedy_module")
