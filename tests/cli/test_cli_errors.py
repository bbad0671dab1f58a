"""Whatever goes wrong, standard error gets one line and the process an exit code."""

from __future__ import annotations

import errno
import re
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import typer

from spacetravlr.cli._errors import Guard, Interrupted
from spacetravlr.errors import (
    ConfigError,
    InputError,
    NothingWrittenError,
    RunDirectoryError,
    SettingsChangedError,
    UsageError,
)


def raising(error: BaseException) -> Callable[[Guard], int]:
    def action(_: Guard) -> int:
        raise error

    return action


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("x"), 1),
        (ConfigError("x"), 1),
        (RunDirectoryError("x"), 1),
        (SettingsChangedError("x"), 1),
        (UsageError("x"), 2),
        (NothingWrittenError("x"), 3),
    ],
)
def test_own_errors_are_one_line_with_the_code_of_their_class(capsys, error: Exception, code: int):
    assert Guard().run(raising(error)) == code
    assert capsys.readouterr() == ("", "Error: x\n")


def test_a_message_of_several_lines_becomes_one(capsys):
    Guard().run(raising(InputError("one\ntwo\x1b[0m")))
    assert capsys.readouterr().err == "Error: one two [0m\n"


def test_success_and_early_leave():
    assert Guard().run(lambda _: 0) == 0
    assert Guard().run(raising(typer.Exit(7))) == 7


def test_interrupts(capsys):
    assert Guard().run(raising(KeyboardInterrupt())) == 130
    assert Guard().run(raising(Interrupted(signal.SIGTERM))) == 143
    assert capsys.readouterr().err == "Interrupted.\nInterrupted.\n"


def test_memory(capsys):
    assert Guard().run(raising(MemoryError())) == 1
    assert capsys.readouterr().err.startswith("Error: not enough memory; use fewer --parallel workers")

    def too_large(_: Guard) -> int:
        return len(np.empty((1 << 50,)))

    assert Guard().run(too_large) == 1
    assert "not enough memory (Unable to allocate 8.00 PiB" in capsys.readouterr().err


def test_a_full_disk(capsys):
    assert Guard().run(raising(OSError(errno.ENOSPC, "No space left on device", "/data/x"))) == 1
    assert capsys.readouterr().err.startswith("Error: no space left on the disk (/data/x); free some")


def test_an_unexpected_error_leaves_its_traceback_in_a_file(capsys, tmp_path: Path):
    def action(guard: Guard) -> int:
        guard.log_directory = tmp_path
        raise TypeError("two\nlines")

    assert Guard().run(action) == 1
    err = capsys.readouterr().err
    found = re.fullmatch(
        r"Error: internal error \(TypeError: two lines\); please report it with the traceback in (.*)\n", err
    )
    assert found is not None
    path = Path(found[1])
    assert path.parent == tmp_path
    assert "in action" in path.read_text()


def test_without_a_run_directory_the_traceback_goes_to_the_temporary_directory(
    capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    Guard().run(raising(ZeroDivisionError()))
    [path] = tmp_path.iterdir()
    assert capsys.readouterr().err == (
        f"Error: internal error (ZeroDivisionError); please report it with the traceback in {path}\n"
    )
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    Guard().run(raising(ZeroDivisionError()))
    assert "could not be written anywhere" in capsys.readouterr().err
