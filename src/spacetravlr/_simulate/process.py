"""The generating process of a simulated tissue: one cell's genes from its regulators and what it receives.

In cell i of type c, gene g has the expression

    E_ig = softplus(b_cg + sum_t a_ctg f_t(i) + e_ig)

with draws e (nuisance and noise) that are the same in every simulation of the tissue, and the terms

    TF    f = H(E_T),              H(x) = x^h / (x^h + K^h)
    LR    f = E_R o(r_L),          o(r) = r / (r + D)
    TFL   f = o(r_L) H(E_T)

(where coefficients depend on the position, a_ctg is multiplied by a factor m_itg, see `position`)
where r_L is the ligand received from the neighbourhood. The equations hold for all genes of all cells together: they
are solved to a steady state. A knock-out is the same with one gene held at 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spacetravlr._simulate.fields import Array
from spacetravlr._simulate.position import Modulation
from spacetravlr._simulate.received import NeighbourSum
from spacetravlr._simulate.schedule import Stage
from spacetravlr._simulate.terms import Indices, Terms
from spacetravlr.errors import InputError

TOLERANCE = 1e-9
"""Largest change of an expression value in the last sweep."""

_SWEEPS = 200
_INNER_SWEEPS = 6


@dataclass(frozen=True)
class Curves:
    """Constants of the saturating curves; (n_genes,) each, used where a gene is a TF or a ligand.

    Attributes
    ----------
    hill
        Exponent h.
    half_tf
        Expression K at which a TF has half of its effect.
    half_ligand
        Received amount D at which half of the receptors are occupied.
    """

    hill: Array
    half_tf: Array
    half_ligand: Array

    @classmethod
    def draw(cls, n_genes: int, rng: np.random.Generator) -> Curves:
        """Draw exponents of 1.5 to 3, and half-effect points of 0.7 to 1.4, to be multiplied by the usual level."""
        return cls(
            hill=np.asarray(rng.uniform(1.5, 3.0, n_genes)),
            half_tf=np.asarray(rng.uniform(0.7, 1.4, n_genes)),
            half_ligand=np.asarray(rng.uniform(0.7, 1.4, n_genes)),
        )


@dataclass
class State:
    """One simulation on its way to the steady state.

    Attributes
    ----------
    expression
        (n_cells, n_genes).
    received
        (n_cells, n_genes) received amounts, only filled for ligands that occur in a term.
    free
        (n_genes,) genes that are computed; the others stay as they are.
    held
        A free gene that stays as it is in some cells, and (n_cells,) which ones; None if there is no such gene.
    """

    expression: Array
    received: Array
    free: NDArray[np.bool_]
    held: tuple[int, NDArray[np.bool_]] | None = None


@dataclass(frozen=True)
class Process:
    """Everything that decides the expression of a tissue; see the module for the equations.

    Attributes
    ----------
    cells_of
        For every type the cells of it, sorted.
    terms
        The regulating terms.
    coefficients
        (n_types, n_terms, n_genes), the a of the equations.
    intercepts
        (n_types, n_genes), the b.
    draws
        (n_cells, n_genes), the e.
    curves
        Constants of the terms.
    reach
        How far ligands travel.
    stages
        The order in which genes can be computed.
    modulation
        Factors on the coefficients of single cells; None where they are the same in all cells of a type.
    """

    cells_of: tuple[Indices, ...]
    terms: Terms
    coefficients: Array
    intercepts: Array
    draws: Array
    curves: Curves
    reach: NeighbourSum
    stages: tuple[Stage, ...] = field(repr=False)
    modulation: Modulation | None = None

    def features(self, state: State, terms: Indices) -> Array:
        """Return (n_cells, len(terms)) values of the terms f."""
        return term_values(self.terms, self.curves, state, terms)

    def inputs_of(self, state: State, genes: Indices, terms: Indices) -> Array:
        """Return (n_cells, len(genes)) total inputs, the argument of the softplus."""
        values = self.features(state, terms)
        total = self.draws[:, genes]
        for code, cells in enumerate(self.cells_of):
            weights = self.coefficients[code][np.ix_(terms, genes)]
            if self.modulation is None:
                acting = values[cells] @ weights
            else:
                pattern = self.modulation.pattern[np.ix_(terms, genes)]
                acting = self.modulation.combine(values[cells], cells, weights, pattern)
            total[cells] += self.intercepts[code, genes] + acting
        return total

    def start(self) -> State:
        """Return the state a simulation starts from: every gene at what its draws and intercept alone give."""
        total = self.draws.copy()
        for code, cells in enumerate(self.cells_of):
            total[cells] += self.intercepts[code]
        expression = softplus(total)
        state = State(expression, np.zeros_like(expression), np.ones(expression.shape[1], dtype=bool))
        self.receive([state], np.unique(self.terms.ligand[self.terms.ligand >= 0]))
        return state

    def clamp(
        self,
        steady: State,
        gene: int,
        value: float,
        *,
        downstream: NDArray[np.bool_],
        cells: NDArray[np.bool_] | None = None,
    ) -> State:
        """Return a state in which one gene is held at a value; only what is downstream of it will move.

        Parameters
        ----------
        steady
            The tissue as it was.
        gene
            Index of the gene.
        value
            Its expression from now on.
        downstream
            (n_genes,) whom the gene reaches along the edges of the network.
        cells
            (n_cells,) where it is held; None for every cell. Elsewhere it moves if it is downstream of itself.
        """
        free = downstream.copy()
        if cells is None:
            free[gene] = False
        state = State(steady.expression.copy(), steady.received.copy(), free)
        if cells is None:
            state.expression[:, gene] = value
        else:
            state.held = (gene, cells)
            state.expression[cells, gene] = value
        self.receive([state], np.intersect1d([gene], self.terms.ligand))
        return state

    def receive(self, states: Sequence[State], ligands: Indices) -> None:
        """Bring the received amounts of some ligands up to date in several simulations at once."""
        if not len(ligands) or not states:
            return
        sums = self.reach.apply(np.hstack([state.expression[:, ligands] for state in states]))
        for state, columns in zip(states, np.split(sums, len(states), axis=1), strict=True):
            state.received[:, ligands] = columns

    def settle(self, states: Sequence[State], *, at_most: int | None = None) -> None:
        """Bring simulations to their steady state, stage by stage; the sums over neighbours are shared.

        Parameters
        ----------
        states
            Changed in place.
        at_most
            Stop every feedback loop after this many sweeps, at rest or not.

        Raises
        ------
        InputError
            If a feedback loop does not come to rest and no such limit was given.
        """
        for stage in self.stages:
            busy = [(state, stage.genes[state.free[stage.genes]]) for state in states]
            busy = [(state, genes) for state, genes in busy if len(genes)]
            if stage.loop:
                self._settle_loop(busy, stage, at_most)
                continue
            for state, genes in busy:
                state.expression[:, genes] = self._computed(state, genes, stage.terms)
            self.receive([state for state, _ in busy], stage.ligands)

    def _settle_loop(self, busy: list[tuple[State, Indices]], stage: Stage, at_most: int | None) -> None:
        for sweep in range(at_most or _SWEEPS):
            still = []
            for state, genes in busy:
                first = self._sweep(state, genes, stage.terms, damped=sweep > _SWEEPS // 4)
                if first < TOLERANCE:
                    continue
                # what happens within the cells costs no sums over neighbours, so it is brought to rest first
                for _ in range(_INNER_SWEEPS):
                    if self._sweep(state, genes, stage.terms, damped=sweep > _SWEEPS // 4) < 0.1 * first:
                        break
                still.append((state, genes))
            if not still:
                return
            busy = still
            self.receive([state for state, _ in busy], stage.ligands)
        if at_most is None:
            raise InputError(
                f"the feedback loop of {len(stage.genes)} genes has no steady state after {_SWEEPS} sweeps; "
                "use another seed or fewer knock-outs"
            )

    def _sweep(self, state: State, genes: Indices, terms: Indices, *, damped: bool) -> float:
        old = state.expression[:, genes]
        new = self._computed(state, genes, terms)
        change = float(np.abs(new - old).max())
        state.expression[:, genes] = 0.5 * (old + new) if damped else new
        return change

    def _computed(self, state: State, genes: Indices, terms: Indices) -> Array:
        new = softplus(self.inputs_of(state, genes, terms))
        if state.held is not None and state.held[0] in genes:
            gene, cells = state.held
            new[cells, np.flatnonzero(genes == gene)] = state.expression[cells, gene]
        return new


def term_values(terms: Terms, curves: Curves, state: State, chosen: Indices) -> Array:
    """Return (n_cells, len(chosen)) values of some terms; a TF or ligand that occurs often is evaluated once."""
    tfs, tf_slot = np.unique(terms.tf[chosen], return_inverse=True)
    ligands, ligand_slot = np.unique(terms.ligand[chosen], return_inverse=True)
    hill = activity(state.expression[:, tfs], curves.hill[tfs], curves.half_tf[tfs])
    bound = state.received[:, ligands] / (state.received[:, ligands] + curves.half_ligand[ligands])
    # -1 (no such part) picks the last gene's column above: replaced by the neutral factor here
    hill[:, tfs < 0] = 1.0
    bound[:, ligands < 0] = 1.0
    values = hill[:, tf_slot] * bound[:, ligand_slot]
    pairs = np.flatnonzero(terms.receptor[chosen] >= 0)
    values[:, pairs] *= state.expression[:, terms.receptor[chosen][pairs]]
    return values


def activity(x: Array, exponent: Array, half: Array) -> Array:
    """Return the Hill curve x^h / (x^h + K^h) for the columns of x >= 0."""
    powered: Array = (x / half) ** exponent
    return powered / (powered + 1.0)


def softplus(x: Array) -> Array:
    """Return log(1 + exp(x))."""
    # several times faster than logaddexp, and as exact as needed where the result is not tiny
    out: Array = np.maximum(x, 0.0) + np.log(1.0 + np.exp(-np.abs(x)))
    return out
