"""Editing, history and completion of what is typed, where the system's library for it is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spacetravlr.cli._prompt_commands import Session

_KEPT = 500
_MOST = 200


def candidates(session: Session, line: str, word: str) -> list[str]:
    """Return how the last word of a line can go on: a command, then a gene, then cells.

    Parameters
    ----------
    session
        Knows commands, genes and labels.
    line
        All before the cursor.
    word
        The last word.
    """
    before = line[: len(line) - len(word)].split()
    if not before:
        return [name for name in session.commands if name.startswith(word)]
    if len(before) == 1 and before[0] in session.gene_commands:
        folded = word.casefold()
        known = ["all", *session.bench.by_interest] if before[0] != "mark" else session.bench.by_interest
        return [gene for gene in known if gene.casefold().startswith(folded)][:_MOST]
    if len(before) >= 2 and before[0] in session.cell_commands:
        labels = ["all", *session.bench.grouping(session.bench.columns[0]).labels]
        return [label for label in labels if label.startswith(word)]
    return []


@contextmanager
def editing(session: Session) -> Iterator[None]:
    """Edit lines with completion of commands, genes and labels, and with the history of earlier sessions."""
    from spacetravlr.run.nearby import state_directory

    place = state_directory() / "perturb_history"
    with _completer(lambda line, word: candidates(session, line, word)) as there:
        if not there:
            yield
            return
        import readline

        with suppress(OSError):
            readline.read_history_file(place)
        readline.set_history_length(_KEPT)
        try:
            yield
        finally:
            with suppress(OSError):
                place.parent.mkdir(parents=True, exist_ok=True)
                readline.write_history_file(place)


@contextmanager
def completing_paths() -> Iterator[None]:
    """Complete paths while one is asked for."""
    from spacetravlr.run.nearby import path_completions

    with _completer(lambda _, word: path_completions(word)):
        yield


@contextmanager
def _completer(complete: Callable[[str, str], list[str]]) -> Iterator[bool]:
    """Have Tab complete; tells whether there is a library for it."""
    try:
        import readline
    except ImportError:
        yield False
        return
    found: list[str] = []

    def answer(word: str, number: int) -> str | None:
        if number == 0:
            found[:] = complete(readline.get_line_buffer()[: readline.get_endidx()], word)
        return found[number] if number < len(found) else None

    before, delimiters = readline.get_completer(), readline.get_completer_delims()
    readline.set_completer(answer)
    readline.set_completer_delims(" \t\n,")
    readline.parse_and_bind("tab: complete")
    try:
        yield True
    finally:
        readline.set_completer(before)
        readline.set_completer_delims(delimiters)
