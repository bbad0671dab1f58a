"""The model that simulates perturbations: loaded in the background, once for a dataset."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from threading import Lock, Thread
from typing import TYPE_CHECKING, Literal

from spacetravlr.betas import Betabase, betadata_files
from spacetravlr.errors import SpaceTravLRError
from spacetravlr.viewer._memory import available_memory
from spacetravlr.viewer._problem import ProblemError, plain_message
from spacetravlr.words import size

if TYPE_CHECKING:
    from spacetravlr.perturbation import PropagationModel
    from spacetravlr.run import Run

_LOG = logging.getLogger("spacetravlr")
State = Literal["none", "loading", "ready", "failed"]
_SHARE = 0.85
"""Part of the available memory that a model may take."""


class Runtime:
    """The simulating model of a run, and how far it is loaded.

    Parameters
    ----------
    run
        The run.
    n_obs
        Cells of the open sample.
    n_genes
        Its genes.
    holds
        Says whether a file may be opened; None lets all be.
    """

    def __init__(self, run: Run, *, n_obs: int, n_genes: int, holds: Callable[[Path], bool] | None = None) -> None:
        self.run = run
        self._holds = holds
        self.state: State = "none"
        self.permille = 0
        self.label = ""
        self.message: str | None = None
        self.phase: tuple[str, int, int] | None = None
        """What is done with the coefficient files, how many are done, and of how many."""
        self._shape = n_obs, n_genes
        self._model: PropagationModel | None = None
        self._generation = 0
        self._thread: Thread | None = None
        self._lock = Lock()

    @property
    def model(self) -> PropagationModel | None:
        """The model, once it is ready."""
        return self._model

    def ready(self) -> PropagationModel:
        """Return the model.

        Raises
        ------
        ProblemError
            503, saying why there is none.
        """
        if self._model is not None:
            return self._model
        if self.state == "failed":
            raise ProblemError(503, f"the perturbation model could not be loaded: {self.message}", code="load_failed")
        if self.state == "loading":
            raise ProblemError(503, "the perturbation model is being loaded; ask again in a moment", code="loading")
        raise ProblemError(
            503, "loading of the perturbation model was cancelled; open the data again", code="cancelled"
        )

    def start(self) -> None:
        """Begin to load, unless that is going on or done."""
        with self._lock:
            if self.state in ("loading", "ready"):
                return
            self._generation += 1
            self.state, self.message, self.permille, self.label = "loading", None, 20, "Reading the configuration"
            self._thread = Thread(target=self._load, args=(self._generation,), name="viewer-model", daemon=True)
            self._thread.start()

    def cancel(self) -> None:
        """Throw away what is being loaded; it can be started again at once."""
        with self._lock:
            if self.state == "loading":
                self._generation += 1
                self.state, self.permille, self.label, self.phase = "none", 0, "Cancelled.", None

    def join(self, timeout: float | None = None) -> None:
        """Wait for the loading thread."""
        if self._thread is not None:
            self._thread.join(timeout)

    def _load(self, generation: int) -> None:
        try:
            model = self._build(generation)
        except _StoppedError:
            return
        except SpaceTravLRError as error:
            self._fail(generation, plain_message(str(error)))
        except MemoryError:
            self._fail(generation, "not enough memory for the expression of all genes in all cells")
        except Exception:  # noqa: BLE001 - whatever it is, the page must hear of it, and the log tells the rest
            _LOG.exception("the perturbation model cannot be loaded")
            self._fail(generation, "internal error, see the log of the server")
        else:
            with self._lock:
                if generation == self._generation:
                    self._model, self.state, self.permille = model, "ready", 1000
                    self.label, self.phase = "Perturbation runtime ready.", None

    def _fail(self, generation: int, message: str) -> None:
        with self._lock:
            if generation == self._generation:
                self.state, self.message, self.permille, self.label, self.phase = "failed", message, 0, message, None

    def _build(self, generation: int) -> PropagationModel:
        n_obs, n_genes = self._shape
        self._step(generation, 40, "Opening the sample")
        needed, left = 8 * n_obs * n_genes, available_memory()
        if 2 * needed > _SHARE * left:
            raise _too_large(n_obs, n_genes, 2 * needed, left)
        tissue = self.run.tissue()
        if tissue.n_cells != n_obs:
            raise ProblemMessageError(
                f"the run is about {tissue.n_cells} cells, the sample has {n_obs}: open the sample of these cells"
            )
        if self.run.config.data.perturb_obs_subset_file is not None:
            raise ProblemMessageError("the run simulates a part of the cells only ([data].perturb_obs_subset_file)")
        files = betadata_files(self.run.path)
        # a link in the directory may lead out of the data roots, and what a model computes tells what is in its tables
        targets = [gene for gene, path in files.items() if self._holds is None or self._holds(path)]
        n_files = len(targets)

        def read(done: int, of: int) -> None:
            self._step(generation, 120 + 700 * done // max(of, 1), f"Reading coefficients: {done} of {of} targets")
            self.phase = ("reading", done, of)

        read(0, n_files)
        self.run.betabase = Betabase.load(self.run.path, targets, on_read=read)
        features = len(self.run.betabase.modulator_genes)
        self.phase = ("expanding", n_files, n_files)
        needed = 8 * n_obs * (n_genes + 4 * features + 2 * n_files)
        left = available_memory()
        if needed > _SHARE * left:
            raise _too_large(n_obs, n_genes, needed, left)
        self._step(generation, 830, "Reading expression and computing received ligands")
        return self.run.model()

    def _step(self, generation: int, permille: int, label: str) -> None:
        with self._lock:
            if generation != self._generation:
                raise _StoppedError
            self.permille, self.label = permille, label


class ProblemMessageError(SpaceTravLRError):
    """Why a run cannot be simulated on this sample."""


class _StoppedError(Exception):
    """Nobody waits for this model any more."""


def _too_large(n_obs: int, n_genes: int, needed: int, left: int) -> ProblemMessageError:
    return ProblemMessageError(
        f"the model of {n_obs:,} cells x {n_genes:,} genes needs about {size(needed)} of memory, and "
        f"{size(left)} are left"
    )
