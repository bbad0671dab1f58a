"""`spacetravlr-perturb` without `--out`: which face is opened, and on what."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacetravlr.cli._perturb import EXAMPLE, doses_of
from spacetravlr.cli._perturb_run import open_run, read_sample
from spacetravlr.cli._perturb_scope import rows_to_perturb, split_words, stored_table
from spacetravlr.cli._perturb_voice import Voice
from spacetravlr.cli._terminal import draws, is_terminal
from spacetravlr.errors import UsageError, install_command

if TYPE_CHECKING:
    from spacetravlr.cli._perturb_config import ConfigFile
    from spacetravlr.perturbation.workbench import Draft, Scope, Workbench
    from spacetravlr.run import Run
    from spacetravlr.run.loading import LoadProgress

_EXTRA = f"the full screen needs the extra tui ({install_command('tui')}); here is the prompt"


def run_interactive(given: Mapping[str, Any], config: ConfigFile | None) -> int:
    """Let a person choose, on screens or at a prompt, and return the exit code.

    Parameters
    ----------
    given
        Value of every flag by its name, None for those that were not given.
    config
        The file of `--config`.

    Raises
    ------
    SpaceTravLRError
        If something is wrong with flags or run, or with a script that is piped in.
    """
    path = given["run_toml"] or (None if config is None else config.run_toml)
    at_terminal = is_terminal(sys.stdin)
    lines = iter(()) if at_terminal else _lines()
    if not at_terminal:
        lines = _something(lines)
        if path is None:
            raise UsageError(f"--run-toml is missing: commands from a pipe are for one run. For example: {EXAMPLE}")
    load = _loader(given, config)
    if draws(sys.stdin, sys.stdout) and not given["plain"]:
        if find_spec("textual") is not None:
            return _screens(given, path, load)
        sys.stderr.write(f"{_EXTRA}\n")
    from spacetravlr.cli._prompt import run_prompt

    return run_prompt(load, path=None if path is None else Path(path), script=None if at_terminal else lines)


def _screens(given: Mapping[str, Any], path: str | Path | None, load: Loader) -> int:
    from spacetravlr.run import Run

    if path is not None:
        # what is wrong with the command line is told there, not on a screen
        Run.open(path, adata=given["h5ad"])
    from spacetravlr.tui.perturb import PerturbApp

    where = None if path is None else Path(path).expanduser()
    return PerturbApp(load, path=where, timings=bool(given["verbose"])).run_screens()


Loader = Callable[[Path, "LoadProgress", Callable[[], bool]], "tuple[Workbench, Draft]"]


class _LoggedVoice(Voice):
    """Says everything to the log, which every face shows in its own way."""

    def __init__(self) -> None:
        super().__init__(verbose=False)
        self._write = lambda text: logging.getLogger("spacetravlr").warning("%s", text)

    def note(self, text: str, about: str = "") -> None:  # noqa: ARG002 - no other remark is about something else
        """Say a remark."""
        self.say(text)

    def warn(self, text: str) -> None:
        """Say a warning."""
        self.say(text)


def _loader(given: Mapping[str, Any], config: ConfigFile | None) -> Loader:
    """Return what loads a run with the settings of flags and files, whichever run it is."""

    def load(path: Path, progress: LoadProgress, cancelled: Callable[[], bool]) -> tuple[Workbench, Draft]:
        from spacetravlr.run.loading import load_workbench

        voice = _LoggedVoice()
        run = open_run(path, given, voice=voice, config=config)
        bench = load_workbench(run, progress=progress, cancelled=cancelled)
        return bench, _first_draft(given, run=run, bench=bench, voice=voice)

    return load


def _first_draft(given: Mapping[str, Any], *, run: Run, bench: Workbench, voice: Voice) -> Draft:
    """Return what the flags choose already."""
    from spacetravlr.perturbation import Dose
    from spacetravlr.perturbation.workbench import Draft

    draft = Draft(n_propagation=bench.n_propagation)
    rows = rows_to_perturb(given, run=run, sample=read_sample(run), voice=voice)
    if rows is not None:
        draft = replace(draft, scope=_scope(given, run=run, bench=bench))
    genes, doses = split_words(given["gene"] or []), split_words(given["desired_expr"] or ["0"])
    if not genes and len(doses) > 1:
        raise UsageError(f"--desired-expr has {len(doses)} values and there is no --gene: give one")
    for gene, dose in (doses_of(genes, doses) if genes else {}).items():
        name = bench.gene_named(gene)
        draft = draft.marked(name, dose=Dose.parse(dose, gene=name))
    return draft if genes else replace(draft, dose=Dose.parse(doses[0]))


def _scope(given: Mapping[str, Any], *, run: Run, bench: Workbench) -> Scope:
    """Return the cells that flags and run name, which were found to be there."""
    from spacetravlr.perturbation.workbench import Scope, Table

    types = split_words(given["cell_type"] or [], known=set(bench.grouping().labels))
    described = bool(types) or given["where"] is not None or given["region"] is not None
    table, named = None, given["cells_csv"] is not None or given["cells_csv_column"] is not None
    stored = stored_table(run)
    column = given["cells_csv_column"] or run.config.perturbation.cells_csv_column
    if column and (named or (stored is not None and not described)):
        path = given["cells_csv"] if given["cells_csv"] is not None else None if stored is None else stored.path
        table = None if path is None else Table(Path(path).expanduser(), column)
    return Scope(
        column="cell_type" if types else None,
        labels=tuple(types),
        table=table,
        query=given["where"],
        region=None if given["region"] is None else Path(given["region"]).expanduser(),
    )


def _lines() -> Iterator[str]:
    """Yield what is piped in, line by line as it comes; nothing where there is no input at all."""
    try:
        yield from sys.stdin or ()
    except OSError:
        return


def _something(lines: Iterator[str]) -> Iterator[str]:
    """Return the same lines, or refuse if there are none.

    Raises
    ------
    UsageError
        If so.
    """
    first = next(lines, None)
    if first is None:
        raise UsageError(
            "there is no terminal to choose at, and nothing to do: give --out FILE or --top N, or pipe commands into "
            f"it (echo help). For example: {EXAMPLE}"
        )

    def both() -> Iterator[str]:
        yield first
        yield from lines

    return both()
