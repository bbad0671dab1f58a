"""From a run directory to a model that is ready for whoever sits at a screen, with progress on the way."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from spacetravlr.betas import Betabase
from spacetravlr.errors import InputError, SpaceTravLRError

if TYPE_CHECKING:
    from spacetravlr.perturbation.workbench import Workbench
    from spacetravlr.run.run import Run

LoadProgress = Callable[[str, float], None]
"""Called with what is being done and the share that is done, 0 to 1; may raise to stop."""

_READ_SAMPLE, _READ_MODELS, _PREPARE = 0.05, 0.35, 0.75


class LoadingCancelledError(SpaceTravLRError):
    """Loading was stopped; nothing is kept."""


def require_models(run: Run) -> tuple[str, ...]:
    """Return the genes of a run that have a model.

    Raises
    ------
    InputError
        If there are none.
    """
    done = tuple(run.directory.scan().done)
    if not done:
        again = f"spacetravlr --join-output-dir {shlex.quote(str(run.path))}"
        raise InputError(f"there are no models in {run.path}: train first, for example with {again}")
    return done


def load_workbench(
    run: Run, *, progress: LoadProgress = lambda *_: None, cancelled: Callable[[], bool] = lambda: False
) -> Workbench:
    """Load sample and coefficients of a run and prepare its model.

    Parameters
    ----------
    run
        The run, with the settings that are to hold.
    progress
        Told how far it is.
    cancelled
        Asked between the stages and after each file of coefficients.

    Raises
    ------
    InputError, ConfigError
        If nothing is trained, or sample, coefficients or settings cannot be used.
    LoadingCancelledError
        If it was cancelled.
    """

    def tell(what: str, share: float) -> None:
        if cancelled():
            raise LoadingCancelledError("loading was cancelled")
        progress(what, share)

    def read(done: int, of: int) -> None:
        tell(f"reading models {done:,} of {of:,}", _READ_MODELS + (_PREPARE - _READ_MODELS) * done / of)

    tell("looking at the run", 0.0)
    done = require_models(run)
    tell("reading the sample", _READ_SAMPLE)
    from spacetravlr.perturbation.workbench import Workbench  # what takes long to import is needed from here on

    tissue = run.tissue()
    tell(f"reading models 0 of {len(done):,}", _READ_MODELS)
    run.betabase = Betabase.load(run.path, on_read=read)
    tell(f"preparing {len(run.betabase):,} models and the signals between {tissue.n_cells:,} cells", _PREPARE)
    rules = run.config.perturbation
    model = run.model(profile=rules.profile)
    table = None if rules.cells_csv is None else run.toml.parent / Path(rules.cells_csv).expanduser()
    bench = Workbench(
        model,
        place=run.path if os.access(run.path, os.W_OK) else Path.cwd(),
        title=run.path.name,
        n_propagation=rules.n_propagation,
        left_out=tissue.left_out,
        table=table,
        table_column=rules.cells_csv_column,
    )
    tell("ready", 1.0)
    return bench
