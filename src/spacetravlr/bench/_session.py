"""One benchmark being run: its options, its points, its lines of text and its record."""

from __future__ import annotations

import json
import sys
import tempfile
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from spacetravlr.bench._host import host_facts, thread_environment, versions
from spacetravlr.bench._process import Finished, run_program
from spacetravlr.bench._text import megabytes, seconds
from spacetravlr.bench._timing import summary

SCHEMA = "spacetravlr-bench/1"
Say = Callable[[str], None]
Point = Mapping[str, Any]


@dataclass
class Session:
    """What a benchmark works with.

    Attributes
    ----------
    name
        Of the benchmark.
    options
        As parsed: its own, and repeats, quick, threads, timeout.
    say
        Prints a line.
    scratch
        A directory that is removed at the end.
    extra
        Arguments that are not the benchmark's own.
    """

    name: str
    options: Namespace
    say: Say
    scratch: Path
    extra: Sequence[str] = ()
    dataset: dict[str, Any] = field(default_factory=dict)
    runs: list[dict[str, Any]] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)
    failed: int = 0
    blas: list[str] = field(default_factory=list)
    host: dict[str, Any] = field(default_factory=host_facts)

    @property
    def repeats(self) -> int:
        """How often each point is timed."""
        return int(self.options.repeats)

    @property
    def threads(self) -> int:
        """Threads of BLAS, of numba and of training."""
        return int(self.options.threads)

    def program(self, argv: Sequence[str], **environment: str) -> Finished:
        """Run a program with the threads of this session."""
        env = {**thread_environment(self.threads), **environment}
        return run_program(argv, env=env, timeout=self.options.timeout)

    def measure(self, point: Point, *, module: str | None = None) -> dict[str, Any] | None:
        """Measure a point by `measure(point)` of the benchmark's module, in a process of its own.

        Parameters
        ----------
        point
            Plain values; `threads` and `repeats` are added.
        module
            Where `measure` is; by default the module of the benchmark.

        Returns
        -------
        What it returned and `peak_rss_mb`; None if it failed, which is recorded.
        """
        spec = {"threads": self.threads, "repeats": self.repeats, **point}
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            result = Path(folder) / "result.json"
            where = module or f"spacetravlr.bench.{self.name}"
            argv = [sys.executable, "-m", "spacetravlr.bench._worker", where, str(result)]
            env = thread_environment(spec["threads"])
            done = run_program(argv, env=env, timeout=self.options.timeout, given=json.dumps(spec).encode())
            if done.returncode or not result.exists():
                self.fail(point, done)
                return None
            measured: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        self.blas = measured.pop("blas", self.blas)
        return measured

    def fail(self, point: Point, done: Finished) -> None:
        """Record a point that could not be measured, and go on."""
        self.failed += 1
        self.runs.append(
            {
                **point,
                "returncode": done.returncode,
                "timed_out": done.timed_out,
                "wall_s": done.wall_s,
                "stderr_tail": done.stderr_tail,
            }
        )
        self.say(f"  {described(point)}: failed: {done.problem}")

    def record(self, point: Point, walls: Sequence[float], **found: Any) -> dict[str, Any]:
        """Record a measured point: a run for every repeat, and a summary with its median.

        Parameters
        ----------
        point
            What was measured.
        walls
            Seconds of each repeat.
        found
            Everything else that was measured.

        Returns
        -------
        The summary.
        """
        for repeat, wall in enumerate(walls):
            self.runs.append({**point, "repeat": repeat, "wall_s": wall, "returncode": 0})
        result = {**point, **summary(walls), **found}
        self.results.append(result)
        return result

    def skip(self, point: Point, reason: str) -> None:
        """Say and record why a point was not measured."""
        self.results.append({**point, "skipped": reason})
        self.say(f"  {described(point)}: not measured, {reason}")

    def document(self, command: Sequence[str]) -> dict[str, Any]:
        """Return the record of the whole benchmark, as it is written to the JSON file."""
        return {
            "schema": SCHEMA,
            "benchmark": self.name,
            "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": list(command),
            "host": self.host,
            "threads": {"count": self.threads, "blas": self.blas},
            "versions": versions(),
            "dataset": self.dataset,
            "runs": self.runs,
            "summary": self.results,
        }


def described(point: Point) -> str:
    """Return a point as `name value` pairs in a line."""
    return ", ".join(f"{name} {value}" for name, value in point.items())


def cost(result: Mapping[str, Any]) -> str:
    """Return time and memory of a summary in one phrase."""
    spread = f"{seconds(result['median_s'])} (best {seconds(result['min_s'])})"
    return f"{spread}  {megabytes(result.get('peak_rss_mb'))}"
