"""What a propagation model is made of: signal operators, what cells express and receive, and the models."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spacetravlr.betas import Betas, CellKeys
from spacetravlr.perturbation._capped import plan_cap
from spacetravlr.perturbation._coefficients import arrange
from spacetravlr.perturbation._engine import Engine
from spacetravlr.perturbation._features import Features, FloatArray, IntArray
from spacetravlr.perturbation._inputs import Expression
from spacetravlr.perturbation._models import number_models
from spacetravlr.perturbation._propagate import Tissue
from spacetravlr.perturbation._reception import Channel, build_reception
from spacetravlr.perturbation._settings import Settings, ligand_radii
from spacetravlr.perturbation._step import StepRules
from spacetravlr.perturbation.profiles import Profile
from spacetravlr.signaling import FieldOptions, SignalField

Masks = Mapping[int, NDArray[np.bool_]]


@dataclass(frozen=True, eq=False)
class Parts:
    """The engine of a model, with its operators by radius and the radius of each ligand that is listened to."""

    engine: Engine
    signals: dict[float, SignalField]
    ligand_radii: dict[str, float]


def build_parts(
    expression: Expression,
    tables: Sequence[Betas],
    keys: CellKeys,
    xy: FloatArray,
    *,
    radii: float | Mapping[str, float],
    default_radius: float | None,
    samples: IntArray | None,
    masks: Masks | None,
    profile: Profile,
    settings: Settings,
) -> Parts:
    """Arrange models and cells, plan the operators, and compute what the tissue receives.

    Parameters
    ----------
    expression, tables, keys, xy
        Checked baseline, coefficients, keys by which cells find their rows, and coordinates.
    radii, default_radius
        As given to the model.
    samples
        ``(n_cells,)`` piece of tissue of each cell; None for one piece.
    masks
        Where the expression of a gene counts, by gene index; None for everywhere.
    profile, settings
        The rules.

    Raises
    ------
    InputError, ConfigError
        As `PropagationModel`.
    """
    models, features = number_models(tables, expression.genes, profile)
    chosen = ligand_radii([expression.genes[gene] for gene in features.ligands], radii, default_radius)
    coefficients = arrange(models, keys, features.size, profile)
    order = coefficients.order
    signals = build_signals(xy[order], chosen.values(), settings, samples=None if samples is None else samples[order])
    tissue = build_tissue(
        *(expression, features, coefficients.order),
        fields=signals,
        radii=chosen,
        masks=masks,
        min_expression=settings.min_expression,
    )
    rules = StepRules(
        features=features,
        coefficients=coefficients,
        scale=settings.beta_scale,
        cap=None if settings.cap is None else (settings.cap, plan_cap(features, coefficients)),
        memory=settings.memory,
    )
    engine = Engine(
        profile=profile,
        rules=rules,
        tissue=tissue,
        expression=expression,
        trained=expression.rows(coefficients.trained, coefficients.order),
        limits=settings.bounds or (0.0, math.inf),
    )
    return Parts(engine, signals, chosen)


def build_signals(
    xy: FloatArray, radii: Iterable[float], settings: Settings, *, samples: IntArray | None = None
) -> dict[float, SignalField]:
    """Return one signal operator per distinct radius.

    Parameters
    ----------
    xy
        ``(n_cells, 2)`` or ``(n_cells, 3)`` coordinates.
    radii
        The radii that occur.
    settings
        Kernel, cut-off, tolerance or grid, and scale.
    samples
        ``(n_cells,)`` piece of tissue of each cell: those of different pieces exchange nothing.

    Returns
    -------
    The operators by radius.
    """
    options = FieldOptions(
        kernel=settings.kernel, cutoff=settings.cutoff, tol=settings.tol, scale=settings.scale, samples=samples
    )
    if settings.grid_factor is not None:
        options = {**options, "method": "grid", "grid_factor": settings.grid_factor}
    return {radius: SignalField(xy, radius, **options) for radius in sorted(set(radii))}


def build_tissue(
    expression: Expression,
    features: Features,
    order: IntArray,
    *,
    fields: Mapping[float, SignalField],
    radii: Mapping[str, float],
    masks: Masks | None,
    min_expression: float,
) -> Tissue:
    """Return what cells express and receive before any perturbation.

    Parameters
    ----------
    expression, features
        The baseline and the models.
    order
        ``(n_cells,)`` original row of each cell in the order of the operators.
    fields, radii
        The operators by radius, and the radius of each ligand; a ligand without one is received by nobody.
    masks
        Where the expression of a gene counts, by gene index; None for everywhere.
    min_expression
        Values at or below count as 0.

    Returns
    -------
    The tissue, cells in the given order.
    """
    own = np.array([radii.get(expression.genes[gene], np.nan) for gene in features.ligands])
    channels = [Channel(np.flatnonzero(own == radius), field.apply) for radius, field in fields.items()]

    def counting(genes: IntArray) -> FloatArray:
        values = expression.rows(genes, order)
        values[values <= min_expression] = 0.0
        return values

    reception = build_reception(
        channels,
        counting(features.ligands),
        masks=_stack(masks, features.ligands, order),
        in_lr=np.isin(features.ligands, features.lr_ligands),
        in_tfl=np.isin(features.ligands, features.tfl_ligands),
    )
    levels = counting(features.expressed)
    level_masks = _stack(masks, features.expressed, order)
    if level_masks is not None:
        levels *= level_masks
    return Tissue(levels, level_masks, min_expression, reception)


def _stack(masks: Masks | None, genes: IntArray, order: IntArray) -> NDArray[np.bool_] | None:
    """Return the masks of some genes, or None if none of them has one."""
    if masks is None or not any(int(gene) in masks for gene in genes):
        return None
    everywhere = np.ones(len(order), dtype=bool)
    return np.stack([masks.get(int(gene), everywhere)[order] for gene in genes])
