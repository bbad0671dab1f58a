"""Run a program and tell how long it took and how much memory it held."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from spacetravlr.bench import _launcher
from spacetravlr.bench._host import rusage_mb

_TAIL = 2000
_GRACE = 10.0


@dataclass(frozen=True, slots=True)
class Finished:
    """A program that has ended.

    Attributes
    ----------
    returncode
        0 for success; negative if a signal ended it.
    wall_s
        From the start to the end, seconds.
    peak_rss_mb
        Largest resident memory, MB; None where the system does not tell.
    stderr_tail
        The end of what it said on stderr.
    timed_out
        Whether it was stopped because it took too long.
    """

    returncode: int
    wall_s: float
    peak_rss_mb: float | None
    stderr_tail: str
    timed_out: bool = False

    @property
    def problem(self) -> str:
        """One line that says what went wrong."""
        if self.timed_out:
            return f"stopped after {self.wall_s:.0f} s"
        lines = self.stderr_tail.strip().splitlines()
        return lines[-1] if lines else f"ended with exit code {self.returncode}"


def run_program(argv: Sequence[str], *, env: Mapping[str, str], timeout: float, given: bytes | None = None) -> Finished:
    """Run a program to its end; its standard output is dropped.

    Parameters
    ----------
    argv
        Program and arguments.
    env
        The whole environment.
    timeout
        Seconds after which it is killed.
    given
        What it reads from its standard input.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryFile() as words,
        tempfile.TemporaryFile() as read,
    ):
        read.write(given or b"")
        read.seek(0)
        result = Path(folder) / "result.json"
        launcher = [sys.executable, "-I", "-S", str(_launcher.__file__), str(result), str(timeout), *argv]
        with subprocess.Popen(launcher, env=dict(env), stdin=read, stdout=subprocess.DEVNULL, stderr=words) as process:
            try:
                process.wait()
            except BaseException:
                _end(process)
                raise
        words.seek(0)
        tail = words.read()[-_TAIL:].decode(errors="replace")
        if not result.exists():
            return Finished(process.returncode or 1, float("nan"), None, tail)
        found = json.loads(result.read_text(encoding="utf-8"))
    peak = None if found["ru_maxrss"] is None else rusage_mb(found["ru_maxrss"])
    return Finished(found["returncode"], found["wall_s"], peak, tail, found["timed_out"])


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
