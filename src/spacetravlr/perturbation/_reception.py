"""What cells receive of each ligand: the baseline, and how it changes with expression."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spacetravlr.perturbation._features import FloatArray, IntArray
from spacetravlr.perturbation._gather import turn_into, turned

Receive = Callable[[FloatArray], FloatArray]
"""From ligands expressed ``(n_cells, k)`` to ligands received, same shape; linear."""

# ligands passed to the operator at a time: its working arrays grow with the number of columns
_COLUMNS = 128


@dataclass(frozen=True, eq=False)
class Channel:
    """Ligands that share a radius: their rows, and the operator that spreads them."""

    rows: IntArray
    receive: Receive


@dataclass(frozen=True, eq=False)
class Reception:
    """Received ligands of the baseline, with what is needed to follow changes; arrays ``(n_ligands, n_cells)``.

    Attributes
    ----------
    channels
        The operators; a ligand in none of them is received by nobody.
    masks
        Which cells' expression of a ligand counts in ligand-receptor pairs; None for all cells.
    in_lr, in_tfl
        ``(n_ligands,)`` whether a ligand takes part in pairs of either kind.
    lr, tfl
        Baseline received in ligand-receptor and in ligand-TF pairs (the same array without masks).
    largest
        The larger of the two where a ligand is in both.
    """

    channels: tuple[Channel, ...]
    masks: NDArray[np.bool_] | None
    in_lr: NDArray[np.bool_]
    in_tfl: NDArray[np.bool_]
    lr: FloatArray
    tfl: FloatArray
    largest: FloatArray

    def change(self, expressed: FloatArray, rows: IntArray) -> FloatArray:
        """Return how what is received differs from the baseline.

        The operators are linear, so the error of an approximate one is relative to the difference, not to the level:
        that of the unchanged part cancels.

        Parameters
        ----------
        expressed
            ``(k, n_cells)`` expression of some ligands, as it counts (thresholds applied).
        rows
            ``(k,)`` which ligands.

        Returns
        -------
        ``(k, n_cells)`` change of `largest`.
        """
        received = _spread(self.channels, expressed, rows)
        if self.masks is not None:
            lr = _spread(self.channels, expressed * self.masks[rows], rows)
            received = _larger(lr, received, self.in_lr[rows], self.in_tfl[rows])
        received -= self.largest[rows]
        return received


def build_reception(
    channels: Sequence[Channel],
    expressed: FloatArray,
    *,
    masks: NDArray[np.bool_] | None,
    in_lr: NDArray[np.bool_],
    in_tfl: NDArray[np.bool_],
) -> Reception:
    """Compute the baseline.

    Parameters
    ----------
    channels
        The operators, with the rows of `expressed` that each one spreads.
    expressed
        ``(n_ligands, n_cells)`` baseline expression of the ligands, 0 where at or below the threshold.
    masks
        ``(n_ligands, n_cells)`` which values count in ligand-receptor pairs; None for all.
    in_lr, in_tfl
        ``(n_ligands,)`` in which kinds of pairs each ligand is.

    Returns
    -------
    The reception. Cost: one evaluation of the operator per ligand, two with masks.
    """
    rows = np.arange(len(expressed))
    tfl = _spread(channels, expressed, rows)
    if masks is None:
        return Reception(tuple(channels), None, in_lr, in_tfl, tfl, tfl, tfl)
    lr = _spread(channels, expressed * masks, rows)
    largest = _larger(lr, tfl, in_lr, in_tfl)
    return Reception(tuple(channels), masks, in_lr, in_tfl, lr, tfl, largest)


def _spread(channels: Sequence[Channel], expressed: FloatArray, rows: IntArray) -> FloatArray:
    out = np.zeros(expressed.shape)
    for channel in channels:
        mine = np.flatnonzero(np.isin(rows, channel.rows))
        for start in range(0, len(mine), _COLUMNS):
            part = mine[start : start + _COLUMNS]
            turn_into(out, part, channel.receive(turned(expressed[part])))
    return out


def _larger(lr: FloatArray, tfl: FloatArray, in_lr: NDArray[np.bool_], in_tfl: NDArray[np.bool_]) -> FloatArray:
    """Return the larger of two receptions where a ligand is in both, else that of its kind."""
    out = np.where(in_lr[:, None], lr, np.maximum(tfl, 0.0))
    both = in_lr & in_tfl
    out[both] = np.maximum(lr[both], tfl[both])
    return out
