"""Which catalogue columns each target of a block may use, per cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.regression import ColumnSets

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacetravlr.prior import Modulators
    from spacetravlr.training.plan import Plan

N_GROUPS = 4
"""Kinds of modulators: TF, ligand-receptor, ligand-TF, extra."""


def column_sets(
    plan: Plan, modulators: Sequence[Modulators], *, kinds: Sequence[int] | None = None
) -> list[ColumnSets]:
    """Return, per cluster, which columns each target may use there.

    Parameters
    ----------
    plan
        The shared part.
    modulators
        Of each target.
    kinds
        Kinds of modulators to use; None for all.
    """
    columns = [plan.inputs.catalogue.positions(one.names) for one in modulators]
    groups = [one.groups for one in modulators]
    wanted = [None if kinds is None else np.isin(group, kinds) for group in groups]
    shared: ColumnSets | None = None
    sets = []
    for c in range(len(plan.rows)):
        masks = [plan.mask(one.target, c) for one in modulators]
        if any(mask is not None for mask in masks):
            both = [_both(mask, want) for mask, want in zip(masks, wanted, strict=True)]
            sets.append(ColumnSets.build(columns, groups, N_GROUPS, both))
        else:
            shared = shared or ColumnSets.build(columns, groups, N_GROUPS, None if kinds is None else wanted)
            sets.append(shared)
    return sets


def _both(mask: NDArray[np.bool_] | None, wanted: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    if mask is None or wanted is None:
        return wanted if mask is None else mask
    return mask & wanted
