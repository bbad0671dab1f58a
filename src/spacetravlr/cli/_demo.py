"""`spacetravlr demo` on a terminal and elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from spacetravlr.cli._perturb_voice import Advance, Voice, can_draw
from spacetravlr.pace import Pace

if TYPE_CHECKING:
    from spacetravlr.events import Event


def show_demo(out: Path, *, seed: int, n_cells: int) -> int:
    """Run the demo with a bar for its trainings, and return the exit code.

    Parameters
    ----------
    out
        Where everything is written.
    seed, n_cells
        The tissue.

    Raises
    ------
    SpaceTravLRError
        As `spacetravlr.bench.demo.run_demo`.
    """
    from spacetravlr.bench.demo import run_demo

    if not (can_draw() and sys.stdout.isatty()):
        run_demo(out, seed=seed, n_cells=n_cells, say=typer.echo)
        return 0
    voice = Voice(verbose=False)
    with voice.counting() as advance:
        run_demo(out, seed=seed, n_cells=n_cells, say=voice.verbatim, listener=_Trainings(advance))
    return 0


class _Trainings:
    """Moves a bar by the events of one training after the other."""

    def __init__(self, advance: Advance) -> None:
        self._advance = advance
        self._pace = Pace()

    def __call__(self, event: Event) -> None:
        from spacetravlr.events import RunStarted

        if isinstance(event, RunStarted):
            self._pace.restart()
        self._pace.update(event)
        if self._pace.total:
            last = self._pace.last
            self._advance(self._pace.done, self._pace.total, "" if last is None else last.gene)
