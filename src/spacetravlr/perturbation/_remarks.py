"""Remarks on a simulation that its reader should see."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spacetravlr.perturbation._features import Features, FloatArray, IntArray
from spacetravlr.perturbation._inputs import Expression
from spacetravlr.perturbation.targets import Intervention

# a simulated value this many times above everything observed or asked for is worth a remark
_RUNAWAY = 10.0


def remarks(
    expression: Expression,
    features: Features,
    interventions: Sequence[Intervention],
    columns: IntArray,
    values: FloatArray,
) -> tuple[str, ...]:
    """Return what is worth saying about a result.

    Parameters
    ----------
    expression, features
        The baseline and the models.
    interventions
        What was done.
    columns, values
        The genes that could change, and their simulated expression ``(n_columns, n_cells)``.

    Returns
    -------
    One remark per perturbed gene that no model listens to or whose scope is empty, and one if values run away.
    """
    names = expression.genes
    heard = set(features.modulators.tolist())
    notes = [
        f"no model listens to {names[item.gene]}: only its own column changes"
        for item in interventions
        if item.gene not in heard and len(item.rows)
    ]
    notes += [
        f"no cell is in the scope of {names[item.gene]}: it is not perturbed"
        for item in interventions
        if not len(item.rows)
    ]
    desired = max((float(item.values.max(initial=0.0)) for item in interventions), default=0.0)
    usual = max(float(expression.highest.max()), desired)
    gene, cell = np.unravel_index(int(np.argmax(values)), values.shape)
    largest = float(values[gene, cell])
    if usual > 0 and largest > _RUNAWAY * usual:
        notes.append(
            f"{names[columns[gene]]} reaches {largest:.3g}, {largest / usual:.0f} times the largest value before: "
            "consider bounds or beta_cap"
        )
    return tuple(notes)
