"""FISTA on a device where that pays, and otherwise, or if the device fails, on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spacetravlr.regression._fista_batch import ROUND, Columns, Settings, Solution, first_lipschitz, solve
from spacetravlr.regression._fista_device import GramMoments, RowMoments, solve_on_device
from spacetravlr.regression._fista_products import GramSource, Layout, RowSource

if TYPE_CHECKING:
    from spacetravlr.device import Accelerator

_Real = NDArray[np.float64]
_MOST_SINGLE = 200
"""Iterations up to which float32 agrees with float64 to 1e-4 of a target's largest coefficient (measured: below 2e-5
after 100, 5e-5 after 200, 5e-4 after 500). With fewer cells than half the columns it does not: the restart test reads a
loss near zero there."""


def solve_anywhere(
    source_of: Callable[[Layout], GramSource | RowSource],
    moments: GramMoments | RowMoments,
    columns: Columns,
    *,
    xy: _Real,
    y_mean: _Real,
    n: int,
    settings: Settings,
    accelerator: Accelerator | None,
) -> Solution:
    """Run FISTA for all targets.

    Parameters
    ----------
    source_of, moments
        What products are made from, for the CPU and for the device.
    columns, xy, y_mean, n, settings
        As for `solve`.
    accelerator
        The device; None for the CPU.
    """

    def on_cpu() -> Solution:
        return solve(source_of, columns, xy=xy, y_mean=y_mean, n=n, settings=settings)

    if accelerator is None or not _suits(accelerator, moments, settings):
        return on_cpu()

    def on_device() -> Solution:
        first = None
        if not accelerator.double:
            first = first_lipschitz(source_of, columns, xy=xy, y_mean=y_mean, n=n, settings=settings)
        return solve_on_device(
            accelerator, moments, columns, xy=xy, y_mean=y_mean, n=n, settings=settings, lipschitz=first
        )

    return accelerator.attempt(on_device, on_cpu)


def _suits(accelerator: Accelerator, moments: GramMoments | RowMoments, settings: Settings) -> bool:
    if not accelerator.double and (isinstance(moments, RowMoments) or settings.n_iter > _MOST_SINGLE):
        return False
    each = 4.0 * moments.columns.size if isinstance(moments, RowMoments) else 2.0 * moments.gram.size
    # some hundred rounds, and each takes ten times as many launches as a product alone
    return accelerator.pays(10.0 * ROUND * each)
