"""How a cost grows with the number of cells and of targets."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

AXES = ("n_cells", "n_targets")


def exponents(points: Sequence[Mapping[str, Any]], cost: str) -> dict[str, float | None]:
    """Fit ``cost ~ n_cells^a n_targets^b`` by least squares of the logarithms.

    Parameters
    ----------
    points
        Measured ones: `n_cells`, `n_targets` and the cost.
    cost
        Name of the cost; points without a positive one are left out.

    Returns
    -------
    The exponent of each axis, None for one that does not vary; for each axis also ``{axis}_steepest``, the largest
    exponent between two neighbouring points that differ in that axis alone.
    """
    usable = [one for one in points if (one.get(cost) or 0.0) > 0.0]
    varying = [axis for axis in AXES if len({one[axis] for one in usable}) > 1]
    found: dict[str, float | None] = dict.fromkeys((*AXES, *(f"{axis}_steepest" for axis in AXES)))
    if not varying:
        return found
    logs = np.log([[one[axis] for axis in varying] for one in usable])
    response = np.log([one[cost] for one in usable])
    solution = np.linalg.lstsq(np.column_stack([np.ones(len(usable)), logs]), response, rcond=None)[0]
    for axis, slope in zip(varying, solution[1:], strict=True):
        found[axis] = float(slope)
        found[f"{axis}_steepest"] = _steepest(usable, axis, cost)
    return found


def lines(points: Sequence[Mapping[str, Any]], axis: str, cost: str) -> dict[int, list[tuple[int, float]]]:
    """Return, for every value of the other axis, the points along an axis in ascending order."""
    (other,) = (name for name in AXES if name != axis)
    found: dict[int, list[tuple[int, float]]] = {}
    for one in sorted(points, key=lambda point: (point[other], point[axis])):
        found.setdefault(one[other], []).append((one[axis], one[cost]))
    return found


def _steepest(points: Sequence[Mapping[str, Any]], axis: str, cost: str) -> float | None:
    slopes = [
        float(np.log(after / before) / np.log(larger / smaller))
        for line in lines(points, axis, cost).values()
        for (smaller, before), (larger, after) in itertools.pairwise(line)
        if larger > smaller
    ]
    return max(slopes, default=None)
