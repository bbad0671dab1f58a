"""Processes that hold claims, and claims of hosts that are not here."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

HOLDER = """
import sys
from pathlib import Path
from spacetravlr.run.claims import Claims
claims = Claims(sys.argv[1], is_done=lambda gene: False, stale_lock_secs=float(sys.argv[2]), beat_seconds=0.05)
print(*claims.claim(sys.argv[3].split(",")), flush=True)
sys.stdin.read()
if len(sys.argv) > 4:
    raise SystemExit(3)
"""


class Clock:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Aid:
    """What tests of claims do again and again."""

    HOLDER = HOLDER
    """A program that claims targets and holds them until its input ends."""
    Clock = Clock

    @staticmethod
    def never(gene: str) -> bool:
        """No target is done."""
        return False

    @staticmethod
    def start(code: str, *arguments: object) -> subprocess.Popen[str]:
        """Start a program of Python."""
        command = [sys.executable, "-c", code, *map(str, arguments)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    @staticmethod
    def line(process: subprocess.Popen[str]) -> str:
        """Return the next line that a program has printed."""
        assert process.stdout is not None
        return process.stdout.readline().strip()

    @staticmethod
    def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> None:
        """Wait until something is so, with a limit."""
        limit = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < limit, "waited in vain"
            time.sleep(0.005)

    @staticmethod
    def names(directory: Path) -> set[str]:
        """Return the names of the files in a directory."""
        return {path.name for path in directory.iterdir()}

    @staticmethod
    def foreign(path: Path, **changes: str) -> None:
        """Write a claim of a process on another host."""
        fields = {"host": "elsewhere", "pid": "17", "started_unix": "1714550400.5", "machine": "other/1"}
        path.write_text(
            "spacetravlr_gene 1\n" + "".join(f"{key} {value}\n" for key, value in {**fields, **changes}.items())
        )


@pytest.fixture(scope="session")
def aid() -> Aid:
    """Starts programs that hold claims, and writes claims of others."""
    return Aid()
