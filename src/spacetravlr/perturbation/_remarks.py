"""Remarks on a simulation that its reader should see."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from spacetravlr.errors import listing
from spacetravlr.perturbation._convergence import growth
from spacetravlr.perturbation._engine import Engine, Outcome
from spacetravlr.perturbation._inputs import Expression
from spacetravlr.perturbation._listeners import why_unheard
from spacetravlr.perturbation.scopes import Cells, is_region
from spacetravlr.perturbation.targets import Intervention

logger = logging.getLogger("spacetravlr")

# a simulated value this many times above everything observed or asked for is worth a remark
_RUNAWAY = 10.0
_ADVICE = "set bounds (or beta_cap), use a smaller dose, or fewer steps"


def remarks(
    engine: Engine, interventions: Sequence[Intervention], outcome: Outcome, ligand_radii: Mapping[str, float]
) -> tuple[str, ...]:
    """Return what is worth saying about a result.

    Parameters
    ----------
    engine
        Baseline and models.
    interventions
        What was done.
    outcome
        What came of it.
    ligand_radii
        Radius of each ligand that is received.

    Returns
    -------
    One remark per perturbed gene that no model listens to (with the reason) or whose scope is empty, one if nothing
    follows a knocked-out receptor, one if values run away, and one if the steps grow instead of settling.
    """
    names = engine.expression.genes
    features, coefficients = engine.rules.features, engine.rules.coefficients
    notes = []
    for item in interventions:
        if not len(item.rows):
            notes.append(f"no cell is in the scope of {names[item.gene]}: it is not perturbed")
            continue
        why = why_unheard(
            *(item.gene, item.rows),
            features=features,
            coefficients=coefficients,
            ligand_radii=ligand_radii,
            names=names,
        )
        if why is not None:
            notes.append(f"no model listens to {names[item.gene]}: only its own column changes ({why})")
    if not notes:
        notes += _silent_receptors(engine, interventions, outcome)
    return (*notes, *_runaway(engine.expression, interventions, outcome), *_growing(outcome))


def region_remarks(
    scopes: Iterable[Cells], interventions: Sequence[Intervention], samples: NDArray[np.int64] | None
) -> tuple[str, ...]:
    """Return a remark if a region lies on several pieces of tissue: who drew it on one may not think of the others.

    Parameters
    ----------
    scopes
        What the scopes were given as.
    interventions
        What came of them.
    samples
        ``(n_cells,)`` piece of tissue of each cell; None for one piece.
    """
    if samples is None or not any(map(is_region, scopes)):
        return ()
    touched = np.unique(np.concatenate([samples[item.rows] for item in interventions]))
    if len(touched) < 2:
        return ()
    return (
        f"the region holds cells of {len(touched)} pieces of tissue, whose coordinates overlap; all of them are "
        "perturbed. To keep to one, also give the target a scope, such as {'sample': 'left'}",
    )


def dose_remarks(expression: Expression, interventions: Sequence[Intervention]) -> tuple[str, ...]:
    """Return, and log as warnings, which doses lie outside the observed range of their gene.

    A model is an extrapolation there. A value of 0 is a knock-out and never counts.

    Parameters
    ----------
    expression
        The baseline.
    interventions
        What is to be done.

    Returns
    -------
    One remark per such gene, with minimum, median, 99th percentile and maximum of its expression.
    """
    notes = []
    for item in interventions:
        lowest, highest = float(expression.lowest[item.gene]), float(expression.highest[item.gene])
        outside = (item.values > highest) | ((item.values < lowest) & (item.values > 0))
        if not outside.any():
            continue
        middle, high = np.quantile(np.asarray(expression.values[:, item.gene], dtype=np.float64), [0.5, 0.99])
        beyond = item.values[outside]
        worst = float(beyond.max() if beyond.max() > highest else beyond.min())
        some = "" if outside.all() else f" in {int(outside.sum())} of {len(item.rows)} cells"
        notes.append(
            f"the dose {worst:.4g} of {expression.genes[item.gene]}{some} is outside its observed expression (min "
            f"{lowest:.4g}, median {middle:.4g}, p99 {high:.4g}, max {highest:.4g}): no model has seen such values"
        )
    for note in notes:
        logger.warning("%s", note)
    return tuple(notes)


def _silent_receptors(engine: Engine, interventions: Sequence[Intervention], outcome: Outcome) -> list[str]:
    """Explain why nothing follows a receptor at 0: the second step on sees its pairs switched off."""
    threshold = engine.tissue.min_expression
    receptors = [
        engine.expression.genes[item.gene]
        for item in interventions
        if item.gene in engine.rules.features.lr_receptor and (item.values <= threshold).all()
    ]
    if len(outcome.steps) < 2 or not receptors or _others_move(engine, interventions, outcome):
        return []
    return [
        f"nothing else changes: the pairs of a receptor at 0 are switched off from the second step on, so what follows "
        f"the loss of {listing(receptors)} shows with n_propagation=1, or with a dose above 0"
    ]


def _others_move(engine: Engine, interventions: Sequence[Intervention], outcome: Outcome) -> bool:
    perturbed = {item.gene for item in interventions}
    return any(
        not np.array_equal(outcome.values[row], engine.expression.values[:, gene])
        for row, gene in enumerate(outcome.columns)
        if int(gene) not in perturbed
    )


def _runaway(expression: Expression, interventions: Sequence[Intervention], outcome: Outcome) -> list[str]:
    desired = max((float(item.values.max(initial=0.0)) for item in interventions), default=0.0)
    usual = max(float(expression.highest.max()), desired)
    if not outcome.values.size or usual <= 0:
        return []
    gene, cell = np.unravel_index(int(np.argmax(outcome.values)), outcome.values.shape)
    largest = float(outcome.values[gene, cell])
    if largest <= _RUNAWAY * usual:
        return []
    name = expression.genes[outcome.columns[gene]]
    return [f"{name} reaches {largest:.3g}, {largest / usual:.0f} times the largest value before: {_ADVICE}"]


def _growing(outcome: Outcome) -> list[str]:
    factors = growth(outcome.steps)
    if factors is None:
        return []
    return [
        f"the change grows from step to step instead of settling (by x{factors[0]:.3g} and x{factors[1]:.3g} in the "
        f"last two of {len(outcome.steps)}), so the result depends on their number: {_ADVICE}"
    ]
