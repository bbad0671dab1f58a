"""How much each step still changes, and whether it grows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spacetravlr.perturbation._features import FloatArray
from spacetravlr.threads import for_each_block

# a change that is this much larger than that of the step before, twice in a row, is called growth
_GROWTH = 1.1
# changes below this share of the effect are rounding, however they develop
_NEGLIGIBLE = 1e-3
_CHUNK = 1 << 18


@dataclass(frozen=True)
class StepChange:
    """What one step has changed.

    Attributes
    ----------
    step
        Number of the step, from 1.
    max_change
        Largest absolute difference to the step before, over genes and cells, expression units.
    norm
        Root of the sum of squares of the differences.
    relative
        `norm` as a share of that of the whole effect after the step; 0 where nothing changes.
    """

    step: int
    max_change: float
    norm: float
    relative: float


def compare_steps(step: int, before: FloatArray, after: FloatArray) -> StepChange:
    """Return how an effect has changed in a step.

    Parameters
    ----------
    step
        Number of the step.
    before, after
        ``(n_genes, n_cells)`` changes of expression.

    Returns
    -------
    The change. Cost: one pass over both arrays, without a copy of them; the same bits on any number of threads.
    """
    rows = max(1, _CHUNK // max(1, before.shape[1]))
    starts = range(0, len(before), rows)
    parts = np.zeros((len(starts), 3))

    def work(number: int) -> None:
        chunk = slice(starts[number], starts[number] + rows)
        with np.errstate(over="ignore", invalid="ignore"):  # holds for one thread only
            difference = after[chunk] - before[chunk]
            squares = np.square(difference).sum(), np.square(after[chunk]).sum()
            parts[number] = np.abs(difference).max(initial=0.0), *squares

    for_each_block(work, len(starts))
    norm, size = (math.sqrt(parts[:, column].sum()) for column in (1, 2))
    return StepChange(step, float(parts[:, 0].max(initial=0.0)), norm, norm / size if size > 0 else 0.0)


def growth(steps: Sequence[StepChange]) -> tuple[float, float] | None:
    """Return by which factors the change has grown in the last two steps, or None where it has not.

    Parameters
    ----------
    steps
        All steps, at least three for an answer other than None.

    Returns
    -------
    The factors of the last step but one and of the last, both above 1.1, if the last change matters at all.
    """
    if len(steps) < 3 or steps[-1].relative < _NEGLIGIBLE:
        return None
    third, second, last = (step.norm for step in steps[-3:])
    if not third > 0 or not second > _GROWTH * third or not last > _GROWTH * second:
        return None
    return second / third, last / second
