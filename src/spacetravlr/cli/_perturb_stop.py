"""Ctrl-C and its relatives while many simulations are done: first finish those at work, then stop them too."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from spacetravlr.cli._errors import Interrupted
from spacetravlr.cli._handlers import Handlers
from spacetravlr.config import N_PROPAGATION
from spacetravlr.perturbation import Effect, PropagationModel, Targets


class Stopping(Handlers):
    """While active, a first signal lets no further simulation begin, and a second one ends those at work.

    Parameters
    ----------
    say
        Told what happens.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__()
        self.asked = threading.Event()
        """No further simulation is to begin."""
        self.at_once = threading.Event()
        """Simulations at work are to end after their current step."""
        self._first = 0
        self._say = say

    @property
    def exit_code(self) -> int:
        """Code of a command that was stopped before all was done; 0 if there was no signal."""
        return 128 + self._first if self._first else 0

    def _receive(self, number: int) -> None:
        if self._first:
            self.at_once.set()
            raise Interrupted(number)
        self._first = number
        self.asked.set()
        # the main thread may be in the middle of saying something, so a handler must not wait for its lock
        threading.Thread(
            target=self._say,
            args=("finishing the simulations at work; press Ctrl-C again to stop at once",),
            daemon=True,
        ).start()


class PatientModel(PropagationModel):
    """A model whose simulations, once begun, ask for themselves whether to stop.

    `screen` and `simulate_many` ask one question before a job and before each of its steps; here the answer to it lets
    no job begin, while a job at work goes on.

    Parameters
    ----------
    model
        The model; nothing is copied.
    cancelled
        Asked before each step.
    """

    def __init__(self, model: PropagationModel, cancelled: Callable[[], bool]) -> None:
        self.__dict__.update(vars(model))
        self._cancelled = cancelled

    def simulate(
        self,
        targets: Targets,
        *,
        n_propagation: int = N_PROPAGATION,
        cells: Any = None,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,  # noqa: ARG002 - answered by another question
    ) -> Effect:
        """Simulate; as `PropagationModel.simulate`."""
        return super().simulate(
            targets, n_propagation=n_propagation, cells=cells, progress=progress, cancelled=self._cancelled
        )
