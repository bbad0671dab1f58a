"""Simulations and fields as jobs: memory is estimated before, progress is told, and cancelling is heard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spacetravlr.perturbation import Effect, PropagationModel, SimulationCancelledError, Target
from spacetravlr.perturbation.transition import TransitionField, transition_field
from spacetravlr.viewer._memory import available_memory
from spacetravlr.viewer._problem import ProblemError
from spacetravlr.words import size

_COPIES = 5
"""Arrays of cells x changeable genes that a simulation holds at its peak."""
_SHARE = 0.9


def simulation_memory(model: PropagationModel, n_targets: int) -> int:
    """Return the bytes that a simulation needs beside its model."""
    return 8 * len(model.cells) * (len(model.targets) + n_targets) * _COPIES


def check_memory(needed: int, what: str) -> None:
    """Refuse what does not fit.

    Raises
    ------
    ProblemError
        507 with the numbers.
    """
    left = available_memory()
    if needed > _SHARE * left:
        raise ProblemError(
            507,
            f"{what} needs about {size(needed)} of memory, and {size(left)} are left: close other "
            "results, or use a machine with more memory",
        )


def simulate(
    model: PropagationModel,
    targets: Sequence[Target],
    *,
    n_propagation: int,
    cells: NDArray[np.int64] | None,
    at: Callable[[float, str], None],
    cancelled: Callable[[], bool],
) -> Effect:
    """Run a simulation.

    Parameters
    ----------
    model
        Of the run.
    targets
        What is done, all in the same cells.
    n_propagation
        Number of steps.
    cells
        Rows; None for all.
    at
        Told the share that is done, and what is being done.
    cancelled
        Asked before every step.

    Raises
    ------
    ProblemError
        507 if it does not fit into memory.
    SimulationCancelledError
        If it was cancelled.
    InputError, ConfigError
        For an impossible dose.
    """
    check_memory(simulation_memory(model, len(targets)), f"a simulation of {len(model.cells):,} cells")

    def progress(done: int, of: int) -> None:
        at(0.02 + 0.93 * done / max(of, 1), f"step {min(done + 1, of)} of {of}")

    effect = model.simulate(
        list(targets), n_propagation=n_propagation, cells=cells, progress=progress, cancelled=cancelled
    )
    if cancelled():
        raise SimulationCancelledError("cancelled")
    return effect


def arrows(
    effect: Effect,
    embedding: NDArray[np.float64],
    *,
    at: Callable[[float, str], None],
    cancelled: Callable[[], bool],
    **settings: Any,
) -> TransitionField:
    """Return the field of an effect.

    Raises
    ------
    ProblemError
        507 if it does not fit into memory, 400 if cells have no place in the embedding.
    SimulationCancelledError
        If it was cancelled, at the latest after a block of cells.
    InputError, ConfigError
        As `transition_field`.
    """
    contiguous = effect.baseline.flags.c_contiguous
    copies = 1 if contiguous else 2
    check_memory(8 * effect.baseline.size * (copies - 1) + 64 * len(embedding), "a transition field")

    def progress(done: int, of: int) -> None:
        at(0.02 + 0.93 * done / max(of, 1), f"cells {100 * done // max(of, 1)} %")

    return transition_field(effect, embedding=embedding, progress=progress, cancelled=cancelled, **settings)


def direct_effect(effect: Effect) -> Effect:
    """Return an effect in which only the perturbed genes have changed."""
    genes = np.array([item.gene for item in effect.interventions], dtype=np.int64)
    values = np.array(effect.baseline[:, genes].T, dtype=np.float64)
    for place, item in enumerate(effect.interventions):
        values[place, item.rows] = item.values
    return replace(effect, columns=genes, values=values, n_propagation=0, changes=(), notes=())
