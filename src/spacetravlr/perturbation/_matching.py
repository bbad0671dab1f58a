"""Random genes that are expressed like the perturbed ones."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spacetravlr.perturbation.doses import Dose
from spacetravlr.perturbation.targets import Intervention, Target, resolve_targets

if TYPE_CHECKING:
    from spacetravlr.perturbation.model import PropagationModel

logger = logging.getLogger("spacetravlr")

IntArray = NDArray[np.int64]
_HIGH = 0.9
_KEY = 1
# genes to draw from, per draw and at least: more would be less alike, fewer would be the same ones again and again
_POOL_PER_DRAW, _SMALLEST_POOL = 2, 30


class MatchedGenes:
    """For each perturbed gene, other genes that some model listens to and that are expressed like it.

    Genes are alike if mean and 90th percentile of their expression in the perturbed cells are: the measure is
    ``|a - b| / (|a| + |b|)``, summed over both. Candidates are the genes that some model listens to: any other gene
    would do nothing, and that is easily beaten.

    Parameters
    ----------
    model
        The model.
    targets
        What is asked for, scopes as row indices.
    interventions
        What that does, one per perturbed gene.
    seed
        Of the draws.
    n_wanted
        Number of draws wanted.
    """

    def __init__(
        self,
        model: PropagationModel,
        targets: Sequence[Target],
        interventions: Sequence[Intervention],
        *,
        seed: int,
        n_wanted: int,
    ) -> None:
        self._model = model
        self._targets = targets
        self._values = model._engine.expression.values
        self._interventions = {item.gene: item for item in interventions}
        perturbed = np.array(list(self._interventions), dtype=np.int64)
        candidates = np.setdiff1d(model._engine.rules.features.modulators, perturbed)
        size = max(_SMALLEST_POOL, _POOL_PER_DRAW * n_wanted)
        self._pools = {}
        for number, item in enumerate(interventions):
            rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_KEY, number)))
            self._pools[item.gene] = rng.permutation(self._alike(item, candidates)[:size])
        smallest = min(len(pool) for pool in self._pools.values())
        self.n_draws = min(n_wanted, smallest if smallest >= len(interventions) else 0)
        if self.n_draws < n_wanted:
            logger.warning(
                "%d random targets instead of %d: models listen to %d genes besides the perturbed ones",
                *(self.n_draws, n_wanted, len(candidates)),
            )

    def _alike(self, item: Intervention, candidates: IntArray) -> IntArray:
        """Return the candidates, the most alike first."""
        if not len(item.rows):
            return candidates
        levels = np.array([self._levels(int(gene), item.rows) for gene in (*candidates, item.gene)])
        size = np.abs(levels[:-1]) + np.abs(levels[-1])
        apart = np.abs(levels[:-1] - levels[-1]) / np.maximum(size, np.finfo(np.float64).tiny)
        distance = apart.sum(axis=1)
        return candidates[np.argsort(distance, kind="stable")]

    def _levels(self, gene: int, rows: IntArray) -> tuple[float, float]:
        values = np.asarray(self._values[rows, gene], dtype=np.float64)
        return float(values.mean()), float(np.quantile(values, _HIGH))

    def draw(self, number: int) -> tuple[Intervention, ...]:
        """Return the same perturbation with other genes in the same cells.

        A dose as a number (or per cell) is scaled by the ratio of the genes' means in the perturbed cells, so that it
        is as far from the usual level of the one gene as of the other; other doses are relative and stay.

        Parameters
        ----------
        number
            Which draw, below `n_draws`; no gene stands for two perturbed ones.
        """
        replaced: dict[int, int] = {}
        for gene, pool in self._pools.items():
            taken = set(replaced.values())
            replaced[gene] = next(int(other) for other in np.roll(pool, -number) if int(other) not in taken)
        places = {gene: place for place, gene in enumerate(self._model.genes)}
        targets = []
        for target in self._targets:
            gene = places[target.gene]
            dose = self._dose(target.dose, gene, replaced[gene])
            targets.append(Target(self._model.genes[replaced[gene]], dose, target.cells))
        return resolve_targets(
            targets,
            self._model.genes,
            self._model.cells,
            expression=self._values,
            limits=self._model._engine.limits,
        )[1]

    def _dose(self, dose: Dose, gene: int, other: int) -> Dose:
        rows = self._interventions[gene].rows
        if dose.kind not in ("absolute", "per_cell") or not len(rows):
            return dose
        before, after = self._levels(gene, rows)[0], self._levels(other, rows)[0]
        factor = after / before if before > 0 else 1.0
        limits = self._model._engine.limits
        if dose.values is not None:
            return Dose("per_cell", values=np.clip(dose.values * factor, *limits))
        return Dose("absolute", float(np.clip(dose.amount * factor, *limits)))
