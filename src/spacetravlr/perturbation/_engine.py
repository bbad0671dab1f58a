"""One simulation, from what is done to the genes to their simulated expression: no names, no remarks, no files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from spacetravlr.errors import ConfigError, InputError, SpaceTravLRError
from spacetravlr.perturbation._convergence import StepChange
from spacetravlr.perturbation._features import FloatArray, IntArray
from spacetravlr.perturbation._inputs import Expression
from spacetravlr.perturbation._propagate import Limits, Pinned, Start, Tissue, propagate
from spacetravlr.perturbation._step import StepRules
from spacetravlr.perturbation.profiles import Profile
from spacetravlr.perturbation.targets import Intervention


class SimulationCancelledError(SpaceTravLRError):
    """A simulation was stopped between two steps; there is no result."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a simulation gives.

    Attributes
    ----------
    columns
        ``(n_changeable,)`` genes that can change.
    values
        ``(n_changeable, n_cells)`` their simulated expression, cells in their original order.
    steps
        How much each step has changed.
    """

    columns: IntArray
    values: FloatArray
    steps: tuple[StepChange, ...]


@dataclass(frozen=True, eq=False)
class Engine:
    """All that simulations share; nothing in it changes, so several threads may use it.

    Attributes
    ----------
    profile, rules, tissue
        The rules, the models, and the tissue before any perturbation (cells in sorted order).
    expression
        The baseline, cells in their original order.
    trained
        ``(n_targets, n_cells)`` baseline of the genes with a model, cells in sorted order.
    limits
        Range of simulated expression.
    """

    profile: Profile
    rules: StepRules
    tissue: Tissue
    expression: Expression
    trained: FloatArray
    limits: tuple[float, float]

    @property
    def order(self) -> IntArray:
        """``(n_cells,)`` original row of each sorted cell."""
        return self.rules.coefficients.order

    def run(
        self, interventions: Sequence[Intervention], n_steps: int, after_step: Callable[[int], None] = lambda _: None
    ) -> Outcome:
        """Simulate.

        Parameters
        ----------
        interventions
            What is done, at most one per gene.
        n_steps
            Number of steps.
        after_step
            Called with the number of steps done; may raise to stop.

        Returns
        -------
        The outcome.

        Raises
        ------
        InputError
            If a value runs out of range.
        ConfigError
            If a desired value lies outside the limits.
        """
        start = self._start(interventions)
        with np.errstate(over="ignore", invalid="ignore"):  # a simulation that runs away is reported below
            simulated, steps = propagate(
                *(self.rules, self.tissue, start), profile=self.profile, n_steps=n_steps, after_step=after_step
            )
        if not np.isfinite(simulated).all():
            raise InputError(
                "the simulated expression runs out of range: limit it with bounds or beta_cap, use a smaller dose, "
                "or use fewer steps"
            )
        values = np.empty_like(simulated)
        values[:, self.order] = simulated
        return Outcome(start.genes, values, steps)

    def _start(self, interventions: Sequence[Intervention]) -> Start:
        """Lay out the genes that can change: those with a model, the perturbed ones, those the limits move."""
        trained, observed = self.rules.coefficients.trained, self.expression
        lower, upper = self.limits
        moved = np.flatnonzero((observed.lowest < lower) | (observed.highest > upper))
        if self.profile.clip == "observed":
            moved = moved[:0]
        perturbed = np.array([item.gene for item in interventions], dtype=np.int64)
        extra = np.setdiff1d(np.union1d(moved, perturbed), trained)
        genes = np.concatenate([trained, extra])
        row_of = {int(gene): row for row, gene in enumerate(genes)}
        place = np.empty(len(self.order), dtype=np.int64)
        place[self.order] = np.arange(len(self.order))
        for item in interventions:
            if ((item.values < lower) | (item.values > upper)).any():
                raise ConfigError(
                    f"the desired expression of {observed.genes[item.gene]} lies outside the bounds "
                    f"{lower:g} to {upper:g}"
                )
        limits = Limits(lower, upper)
        if self.profile.clip == "observed":
            limits = Limits(observed.lowest[genes, None], observed.highest[genes, None])
        return Start(
            genes=genes,
            state=np.concatenate([self.trained, observed.rows(extra, self.order)]),
            pinned=[Pinned(row_of[item.gene], place[item.rows], item.values) for item in interventions],
            limits=limits,
        )
