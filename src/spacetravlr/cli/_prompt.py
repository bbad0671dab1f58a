"""The `perturb>` prompt: choosing and running perturbations line by line, at a terminal or from a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from spacetravlr.cli._perturb_voice import Voice
from spacetravlr.errors import SpaceTravLRError
from spacetravlr.words import count, one_line

if TYPE_CHECKING:
    from spacetravlr.cli._perturb_interactive import Loader
    from spacetravlr.cli._prompt_commands import Session

PROMPT = "perturb> "
_ASK = "Path to spacetravlr_run_repro.toml: "
_N_NEARBY = 8


class ScriptError(SpaceTravLRError):
    """A command from a pipe failed; what follows it is not done."""

    def __init__(self, number: int, line: str, error: SpaceTravLRError) -> None:
        super().__init__(f"line {number} ({line}): {error}")
        self.exit_code = error.exit_code


def run_prompt(load: Loader, *, path: Path | None, script: Iterator[str] | None) -> int:
    """Read commands until the end, and return the exit code.

    Parameters
    ----------
    load
        Loads a run.
    path
        The run; None asks for it.
    script
        The commands; None asks for them at the terminal. There a failing command is told and the next one is asked
        for; a script ends at it.

    Raises
    ------
    SpaceTravLRError
        If the run cannot be loaded, or a command of a script fails.
    """
    voice = Voice(verbose=False)
    with voice.hearing_logs():
        session = _opened(load, path=path, voice=voice) if path is not None else _ask_for_run(load, voice)
        if session is None:
            return 0
        if script is not None:
            return _follow(session, script)
        _welcome(session)
        from spacetravlr.cli._prompt_line import editing

        with editing(session):
            return _converse(session)


def _follow(session: Session, script: Iterator[str]) -> int:
    for number, line in enumerate(script, start=1):
        words = line.strip()
        if not words or words.startswith("#"):
            continue
        try:
            if not session.do(words):
                break
        except SpaceTravLRError as error:
            raise ScriptError(number, words, error) from error
    return 0


def _converse(session: Session) -> int:
    while True:
        try:
            words = input(PROMPT).strip()
        except EOFError:
            _say("")
            return 0
        except KeyboardInterrupt:
            _say("\nquit leaves")
            continue
        if not words or words.startswith("#"):
            continue
        try:
            if not session.do(words):
                return 0
        except SpaceTravLRError as error:
            _say(f"{one_line(str(error))}")
        except KeyboardInterrupt:
            _say("\nstopped")


def _ask_for_run(load: Loader, voice: Voice) -> Session | None:
    """Ask for a path until it is a run; None if there are no more answers."""
    from spacetravlr.cli._prompt_line import completing_paths
    from spacetravlr.run.nearby import nearby_runs

    found = nearby_runs(limit=_N_NEARBY)
    if found:
        _say("runs near here:")
        for run in found:
            _say(f"  {run.path} ({count(run.n_models, 'model')})")
    while True:
        try:
            with completing_paths():
                text = input(_ASK).strip()
        except (EOFError, KeyboardInterrupt):
            _say("")
            return None
        if text in ("quit", "exit"):
            return None
        if not text:
            continue
        try:
            return _opened(load, path=Path(text).expanduser(), voice=voice)
        except SpaceTravLRError as error:
            _say(one_line(str(error)))


def _opened(load: Loader, *, path: Path, voice: Voice) -> Session:
    from spacetravlr.cli._prompt_commands import Session
    from spacetravlr.run.nearby import remember_run

    with voice.counting() as advance:
        bench, draft = load(path, lambda what, share: advance(round(share * 100), 100, what), _never)
    remember_run(bench.place)
    return Session(bench, draft, say=_say, note=voice.note, ask=_ask_back if sys.stdin and sys.stdin.isatty() else None)


def _never() -> bool:
    return False


def _ask_back(question: str) -> bool:
    try:
        return input(f"{question} [y/N] ").strip().casefold() in ("y", "yes")
    except EOFError:
        return False


def _welcome(session: Session) -> None:
    bench = session.bench
    cells, genes = count(len(bench.model.cells), "cell"), count(len(bench.genes), "gene")
    _say(f"{bench.title}: {cells} × {genes}, {count(len(bench.targets), 'model')}; results go to {bench.place}")
    for column in bench.columns[:3]:
        labels = bench.grouping(column).labels
        _say(f"cells by {column}: {', '.join(labels[:12])}{f' (+{len(labels) - 12} more)' if len(labels) > 12 else ''}")
    _say("help tells the commands; for example: search tcf, mark GENE, run 0, result, export ko.feather, quit")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
