"""The benchmarks behind `spacetravlr bench NAME`."""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from spacetravlr.bench._host import usable_cores
from spacetravlr.bench._session import Session
from spacetravlr.bench._text import to_json
from spacetravlr.errors import RunDirectoryError, UsageError, did_you_mean, listing


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One benchmark: its module offers `add_options(parser)` and `run(session)`."""

    name: str
    summary: str

    @property
    def module(self) -> str:
        """Where it is."""
        return f"spacetravlr.bench.{self.name}"


BENCHMARKS = {
    benchmark.name: benchmark
    for benchmark in (
        Benchmark("train", "train 200 targets in 2,000 simulated cells, the whole command (recipe synth-v1)"),
        Benchmark("tissue", "train a file of yours, the whole command: bench tissue FILE"),
        Benchmark("slide", "train 2,905 targets in a simulated slide of 11,940 cells, the whole command"),
        Benchmark("sweep", "how the cost of training grows with cells and targets, with line charts"),
        Benchmark("signal", "received ligands by every method: time and error"),
        Benchmark("splash", "derivatives of 50 targets by up to 423 modulator genes"),
        Benchmark("perturb", "a knock-out in 3 steps, 50 trained of 468 genes"),
        Benchmark("transition", "arrows on an embedding: 150 neighbours, 500 genes of which some or all change"),
        Benchmark("truth", "are the answers true? arms compared on tissues whose regulation and knock-outs are known"),
        Benchmark("real", "held-out regions of files of yours, against simpler ways to predict: bench real FILE ..."),
        Benchmark("cnn", "coefficients of single cells: a network for each target, or one encoder for all"),
        Benchmark(
            "viewer", "the viewer's server with up to 1,000,000 cells: start, first picture, colouring by a gene"
        ),
        Benchmark("help", "how long `--help` and `import spacetravlr` take"),
    )
}


def main(name: str, args: Sequence[str], json_out: Path | None) -> int:
    """Run a benchmark, or list them.

    Parameters
    ----------
    name
        Of the benchmark, or `list`.
    args
        Its own arguments.
    json_out
        Where the record goes; None writes none.

    Returns
    -------
    0, or 1 if a point could not be measured.

    Raises
    ------
    UsageError
        For an unknown name or argument.
    RunDirectoryError
        If the record cannot be written.
    """
    if name == "list":
        for line in catalogue():
            _say(line)
        return 0
    if name not in BENCHMARKS:
        hint = did_you_mean(name, BENCHMARKS)
        raise UsageError(f"there is no benchmark {name!r}{hint} (there are: {listing(BENCHMARKS)})")
    benchmark = BENCHMARKS[name]
    module = importlib.import_module(benchmark.module)
    parser = _Parser(prog=f"spacetravlr bench {name}", description=module.__doc__, allow_abbrev=False)
    _common_options(parser)
    module.add_options(parser)
    try:
        options, extra = parser.parse_known_args(list(args))
    except SystemExit as stopped:  # --help
        return int(stopped.code or 0)
    if extra and not getattr(module, "PASSES_ON", False):
        raise UsageError(f"spacetravlr bench {name}: unknown arguments {' '.join(extra)}")
    if options.repeats is None:
        options.repeats = 1 if options.quick else 3
    _check(options, name)
    if json_out is not None and not json_out.absolute().parent.is_dir():
        raise RunDirectoryError(f"cannot write {json_out}: there is no directory {json_out.absolute().parent}")
    with tempfile.TemporaryDirectory(prefix="spacetravlr-bench-") as folder:
        session = Session(name, options, _say, Path(folder), extra)
        _announce(session, benchmark)
        module.run(session)
    if json_out is not None:
        _write(json_out, session, ["spacetravlr", "bench", name, *args])
        _say(f"written: {json_out}")
    return 1 if session.failed else 0


def catalogue() -> list[str]:
    """Return the lines of the table of benchmarks."""
    width = max(len(name) for name in BENCHMARKS)
    lines = [f"  {one.name:<{width}}  {one.summary}" for one in BENCHMARKS.values()]
    return [*lines, "", "  spacetravlr bench NAME --help shows the options of one."]


class _Parser(argparse.ArgumentParser):
    """Reports mistakes in the way of all other commands."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {message}")


def _common_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repeats", type=int, help="how often each point is timed (default 3, 1 with --quick)")
    parser.add_argument("--quick", action="store_true", help="small shapes: to try it, not to quote it")
    parser.add_argument("--threads", type=int, default=usable_cores(), help="threads (default: one per usable core)")
    parser.add_argument("--timeout", type=float, default=3600.0, help="seconds after which a point is given up")


def _check(options: argparse.Namespace, name: str) -> None:
    for option in ("repeats", "threads"):
        if getattr(options, option) < 1:
            raise UsageError(f"spacetravlr bench {name}: --{option} must be at least 1")
    if not options.timeout > 0:
        raise UsageError(f"spacetravlr bench {name}: --timeout must be positive")


def _announce(session: Session, benchmark: Benchmark) -> None:
    host = session.host
    session.say(f"{benchmark.name}: {benchmark.summary}")
    session.say(
        f"  {host['cpu']}, {host['usable_cores']} of {host['cores']} cores usable, {host['ram_gb']} GB, "
        f"load {host['load_average']} before the start"
    )
    session.say(
        f"  {session.threads} threads (BLAS and numba pinned to that), warm-up first, "
        f"median of {session.repeats} {'repeats' if session.repeats > 1 else 'repeat'}"
    )


def _write(path: Path, session: Session, command: Sequence[str]) -> None:
    from spacetravlr.atomic import write_text

    write_text(path, to_json(session.document(command)))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
