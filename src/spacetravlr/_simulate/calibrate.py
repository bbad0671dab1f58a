"""Constants of the generating process, set so that every kind of term explains a fixed share of the variance."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spacetravlr._simulate.fields import Array, SmoothField, standardised
from spacetravlr._simulate.position import Modulation
from spacetravlr._simulate.process import Curves, Process, State
from spacetravlr._simulate.received import NeighbourSum
from spacetravlr._simulate.schedule import make_stages
from spacetravlr._simulate.terms import Indices
from spacetravlr._simulate.wiring import Wiring
from spacetravlr.errors import InputError

Shares = tuple[float, float, float]
SHARES: Shares = (0.41, 0.20, 0.05)
"""Share of the variance of a regulated gene's input, within a cell type, of the TF, LR and TFL terms."""

NUISANCE = 0.12
_N_NUISANCE = 4
_FEEDBACK = 0.4
"""Strength of an edge inside a feedback loop relative to the others of the same target."""

_ROUNDS = (2, 3, 4, None)
"""Sweeps through the feedback loops between two settings of the constants; the last time, until they rest."""


@dataclass(frozen=True)
class Levels:
    """How high and how variable the input of every gene is meant to be.

    Attributes
    ----------
    mean
        (n_types, n_genes) mean input of a type.
    sd
        (n_genes,) standard deviation of the input within a type.
    """

    mean: Array
    sd: Array

    @classmethod
    def draw(cls, is_ligand: NDArray[np.bool_], n_types: int, rng: np.random.Generator) -> Levels:
        """Draw levels; ligands differ most between types, so that what a cell receives depends on where it is."""
        n_genes = len(is_ligand)
        spread = np.where(is_ligand, 0.9, 0.5)
        mean = rng.normal(1.0, 0.4, n_genes) + spread * rng.standard_normal((n_types, n_genes))
        return cls(np.clip(mean, -0.5, 3.0), rng.uniform(0.55, 0.85, n_genes))


def draw_inputs(
    xy: Array,
    sd: Array,
    regulated: NDArray[np.bool_],
    is_ligand: NDArray[np.bool_],
    rng: np.random.Generator,
    *,
    shares: Shares = SHARES,
    nuisance: float = NUISANCE,
) -> Array:
    """Draw what the network does not explain: shared spatial nuisance, an own spatial pattern, and noise of the cell.

    The nuisance is a mixture of the same few smooth fields in every gene, so that genes are correlated in space without
    regulating each other. Unregulated genes also have a pattern of their own.

    Parameters
    ----------
    xy
        (n_cells, 2).
    sd
        (n_genes,), of the input of each gene within a type.
    regulated, is_ligand
        (n_genes,).
    rng
        Source of the randomness.
    shares, nuisance
        Parts of the variance: of the three kinds of terms in a regulated gene, and of the nuisance in every gene.

    Returns
    -------
    (n_cells, n_genes); for a regulated gene the variance that the terms leave, for another one all of it.
    """
    n_cells, n_genes = len(xy), len(sd)
    shared = standardised(np.column_stack([SmoothField.draw(120.0, rng).at(xy) for _ in range(_N_NUISANCE)]))
    loading = rng.standard_normal((_N_NUISANCE, n_genes))
    loading *= np.sqrt(nuisance) / np.sqrt((loading**2).sum(axis=0))
    own = np.where(regulated, 0.0, np.where(is_ligand, 0.45, 0.25))
    # not sum(): it rounds differently from Python 3.12 on, and a seed has to give the same tissue everywhere
    tf, lr, tfl = shares
    left = np.where(regulated, 1.0 - (tf + lr + tfl), 1.0) - nuisance - own
    draws = rng.standard_normal((n_cells, n_genes)) * np.sqrt(left)
    draws += shared @ loading
    for gene in np.flatnonzero(own):
        pattern = standardised(SmoothField.draw(250.0, rng).at(xy)[:, None])[:, 0]
        draws[:, gene] += np.sqrt(own[gene]) * pattern
    draws *= sd
    return draws


def calibrate(
    wiring: Wiring,
    levels: Levels,
    *,
    draws: Array,
    cells_of: tuple[Indices, ...],
    reach: NeighbourSum,
    rng: np.random.Generator,
    modulation: Modulation | None = None,
    shares: Shares = SHARES,
) -> tuple[Process, State]:
    """Set the constants of the process and return it with the steady state of the untouched tissue.

    The constants depend on the expression and the expression on the constants: a few rounds of setting one from the
    other, after which the constants are final and the tissue is brought to rest. Should the feedback be too strong for
    that, the loops are weakened until it comes to rest.
    """
    regulates = (wiring.strength != 0.0).any(axis=0)
    stages = make_stages(wiring.terms, regulates)
    n_genes = draws.shape[1]
    shape = Curves.draw(n_genes, rng)
    process = Process(
        cells_of, wiring.terms, np.zeros_like(wiring.strength), levels.mean, draws, shape, reach, stages, modulation
    )
    in_loop = _loop_edges(process)
    strength = np.where(in_loop, _FEEDBACK * wiring.strength, wiring.strength)
    gain = np.ones(regulates.shape)
    while True:
        state = process.start()
        try:
            for at_most in _ROUNDS:
                process = _adjusted(process, state, levels, strength=strength, gain=gain, shape=shape, shares=shares)
                process.settle([state], at_most=at_most)
        except InputError:
            gain[in_loop] *= 0.6
            continue
        return process, state


def _loop_edges(process: Process) -> NDArray[np.bool_]:
    mask = np.zeros(process.coefficients.shape[1:], dtype=bool)
    inputs = process.terms.inputs
    for stage in process.stages:
        if stage.loop:
            mask[np.ix_(np.isin(inputs, stage.genes).any(axis=1), stage.genes)] = True
    return mask


def _adjusted(
    process: Process, state: State, levels: Levels, *, strength: Array, gain: Array, shape: Curves, shares: Shares
) -> Process:
    curves = replace(
        shape,
        half_tf=shape.half_tf * state.expression.mean(axis=0),
        half_ligand=shape.half_ligand * np.maximum(state.received.mean(axis=0), 1e-9),
    )
    terms = process.terms
    values = replace(process, curves=curves).features(state, np.arange(len(terms)))
    means = np.stack([values[cells].mean(axis=0) for cells in process.cells_of])
    spreads = [values[cells] - mean for cells, mean in zip(process.cells_of, means, strict=True)]
    sd = np.sqrt(sum((spread**2).sum(axis=0) for spread in spreads) / len(values))
    coefficients = strength / np.where(sd > 0.0, sd, 1.0)[:, None]
    for kind, share in enumerate(shares):
        rows = np.flatnonzero(terms.kind == kind)
        variance = sum(
            ((spread[:, rows] @ coefficients[code][rows]) ** 2).sum(axis=0) for code, spread in enumerate(spreads)
        ) / len(values)
        scale = np.sqrt(share / np.where(variance > 0.0, variance, np.inf))
        coefficients[:, rows] *= scale * levels.sd
    coefficients *= gain
    intercepts = levels.mean - np.einsum("ct,ctg->cg", means, coefficients)
    return replace(process, coefficients=coefficients, intercepts=intercepts, curves=curves)
