"""One simulated tissue, from its settings to the steady state, with knock-outs by running the process again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spacetravlr._simulate import answers
from spacetravlr._simulate.calibrate import Levels, calibrate, draw_inputs
from spacetravlr._simulate.correlated import correlate
from spacetravlr._simulate.fields import Array
from spacetravlr._simulate.layout import AREA_PER_CELL, assign_types, place_cells, type_names
from spacetravlr._simulate.panel import Panel, choose_panel, quotas
from spacetravlr._simulate.position import Modulation
from spacetravlr._simulate.process import Process, State
from spacetravlr._simulate.received import gaussian_mean, ligand_reach
from spacetravlr._simulate.schedule import arcs, downstream, regulates_itself
from spacetravlr._simulate.settings import Settings
from spacetravlr._simulate.streams import Stream, generator
from spacetravlr._simulate.terms import Indices
from spacetravlr._simulate.wiring import Wiring, forget, wire, without_kinds

if TYPE_CHECKING:
    import pandas as pd

_ROLE_SHARES = (0.10, 0.20, 0.20)


@dataclass(frozen=True)
class Simulation:
    """A tissue at rest, and all that is needed to run it again.

    Attributes
    ----------
    settings
        What it was made of.
    xy
        (n_cells, 2), micrometres.
    codes
        (n_cells,) cell types.
    panel, wiring
        Genes and network.
    process, steady
        The generating process and its steady state.
    """

    settings: Settings
    xy: Array
    codes: Indices
    panel: Panel
    wiring: Wiring
    process: Process
    steady: State

    @classmethod
    def run(cls, settings: Settings, starter: pd.DataFrame) -> Simulation:
        """Draw the tissue and let it come to rest.

        Parameters
        ----------
        settings
            Sizes, seed, and so on.
        starter
            Edges of the starter network, from which real symbols and pairs are taken.
        """
        from threadpoolctl import threadpool_limits

        seed = settings.seed
        xy = place_cells(settings.n_cells, generator(seed, Stream.LAYOUT))
        codes = assign_types(xy, settings.n_types, generator(seed, Stream.TYPES))
        panel = choose_panel(starter, quotas(settings.n_genes, _ROLE_SHARES), generator(seed, Stream.PANEL))
        wiring = wire(
            panel,
            n_types=settings.n_types,
            false_prior=settings.false_prior,
            rng=generator(seed, Stream.WIRING),
        )
        absent = [kind for kind, share in enumerate(settings.shares) if share == 0.0]
        if absent:
            wiring = without_kinds(wiring, absent)
        if settings.missing_prior > 0.0:
            wiring = forget(wiring, panel.genes, settings.missing_prior, generator(seed, Stream.MISSING))
        rng = generator(seed, Stream.EXPRESSION)
        is_ligand = np.array([role == "ligand" for role in panel.roles])
        levels = Levels.draw(is_ligand, settings.n_types, rng)
        reach = ligand_reach(xy, settings.radius, settings.kernel, density=1.0 / AREA_PER_CELL)
        # the number of BLAS threads must not show in the last bits
        with threadpool_limits(1):
            shares = settings.shares
            draws = draw_inputs(
                xy, levels.sd, wiring.regulated, is_ligand, rng, shares=shares, nuisance=settings.nuisance
            )
            for genes, share, stream in (
                (panel.indices("TF"), settings.tf_correlation, Stream.TF_PROGRAMME),
                (panel.indices("ligand"), settings.ligand_correlation, Stream.LIGAND_PROGRAMME),
            ):
                if share > 0.0:
                    correlate(draws, genes, share, xy=xy, rng=generator(seed, stream))
            cells_of = tuple(np.flatnonzero(codes == code) for code in range(settings.n_types))
            process, steady = calibrate(
                wiring,
                levels,
                draws=draws,
                cells_of=cells_of,
                reach=reach,
                rng=rng,
                modulation=_modulation(settings, xy, cells_of, shape=(len(wiring.terms), len(panel.genes))),
                shares=shares,
            )
        return cls(settings, xy, codes, panel, wiring, process, steady)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the cell types by code."""
        return type_names(self.settings.n_types)

    def knock_outs(self, genes: Sequence[str], cells: NDArray[np.bool_] | None = None) -> list[Array]:
        """Return the change of every gene in every cell when a gene is held at 0: for each (n_cells, n_genes).

        The process is run again from the same draws, once for each gene, until it is at rest. Genes downstream of
        nothing that changed keep their value to the last bit.

        Parameters
        ----------
        genes
            Names; one simulation each.
        cells
            (n_cells,) where the gene is held; None holds it everywhere. Elsewhere it follows its regulators, also
            where these change.

        Raises
        ------
        InputError
            If a feedback loop does not come to rest without the gene.
        """
        from threadpoolctl import threadpool_limits

        n_genes = len(self.panel.genes)
        edges = arcs(self.wiring.terms, (self.wiring.strength != 0.0).any(axis=0))
        with threadpool_limits(1):
            states = []
            for name in genes:
                gene = self.panel.genes.index(name)
                reached = downstream(edges, gene, n_genes)
                if cells is None:
                    states.append(self.process.clamp(self.steady, gene, 0.0, downstream=reached))
                    continue
                reached[gene] = regulates_itself(edges, gene, reached)
                states.append(self.process.clamp(self.steady, gene, 0.0, downstream=reached, cells=cells))
            self.process.settle(states)
        return [state.expression - self.steady.expression for state in states]

    @cached_property
    def effects(self) -> Array:
        """(n_types, n_terms, n_genes) local linear effects, in expression units per unit of the model's column."""
        terms = self.wiring.terms
        values = self.process.features(self.steady, np.arange(len(terms)))
        # the slope of softplus(u) is 1 - exp(-softplus(u))
        slopes = -np.expm1(-self.steady.expression)
        return answers.edge_effects(
            values, self.model_columns, self.process.coefficients, slopes, self.process.cells_of
        )

    @cached_property
    def model_columns(self) -> Array:
        """(n_cells, n_terms) columns of the true terms as the linear model under test builds them."""
        from threadpoolctl import threadpool_limits

        terms, expression = self.wiring.terms, self.steady.expression
        ligands = np.unique(terms.ligand[terms.ligand >= 0])
        received = np.zeros_like(expression)
        with threadpool_limits(1):
            received[:, ligands] = gaussian_mean(self.xy, self.settings.radius).apply(expression[:, ligands])
        return answers.modulator_columns(terms, expression, received)

    def edges(self) -> pd.DataFrame:
        """Return the table of true edges; see `answers.edge_table`."""
        cells_of = self.process.cells_of
        modulation = self.process.modulation
        return answers.edge_table(
            self.wiring.terms,
            self.panel.genes,
            self.labels,
            self.effects,
            sd_columns=answers.spread_in_types(self.model_columns, cells_of),
            sd_genes=answers.spread_in_types(self.steady.expression, cells_of),
            pattern=None if modulation is None else modulation.pattern,
        )

    def telling_knock_outs(self) -> list[str]:
        """Return two TFs, two ligands and one receptor, those whose edges have the largest effects together."""
        edges = self.edges()
        weight = dict.fromkeys(self.panel.genes, 0.0)
        for modulator, effect in zip(edges["modulator"], edges["effect_sd"].abs(), strict=True):
            for gene in modulator.replace("#", "$").split("$"):
                weight[gene] += effect
        chosen: list[str] = []
        for role, count in (("TF", 2), ("ligand", 2), ("receptor", 1)):
            names = [gene for gene, found in zip(self.panel.genes, self.panel.roles, strict=True) if found == role]
            names = [gene for gene in names if weight[gene] > 0.0]
            chosen += sorted(names, key=lambda gene: (-weight[gene], gene))[:count]
        return chosen


def _modulation(
    settings: Settings, xy: Array, cells_of: tuple[Indices, ...], *, shape: tuple[int, int]
) -> Modulation | None:
    if settings.position_effect == 0.0:
        return None
    return Modulation.draw(
        xy,
        cells_of,
        shape=shape,
        strength=settings.position_effect,
        kind=settings.position_pattern,
        radius=settings.radius,
        rng=generator(settings.seed, Stream.POSITION),
    )
