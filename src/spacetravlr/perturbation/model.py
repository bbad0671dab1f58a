"""Simulate what setting genes to a value does to every cell of a tissue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spacetravlr.betas import Betas, CellKeys
from spacetravlr.errors import ConfigError, InputError, SpaceTravLRError
from spacetravlr.perturbation import _inputs as inputs
from spacetravlr.perturbation._capped import plan_cap
from spacetravlr.perturbation._coefficients import arrange
from spacetravlr.perturbation._models import number_models
from spacetravlr.perturbation._propagate import Limits, Pinned, Start, propagate
from spacetravlr.perturbation._remarks import remarks
from spacetravlr.perturbation._settings import check_settings, ligand_radii
from spacetravlr.perturbation._setup import build_signals, build_tissue
from spacetravlr.perturbation._step import StepRules
from spacetravlr.perturbation.effect import Effect
from spacetravlr.perturbation.profiles import Profile, ProfileName, get_profile
from spacetravlr.perturbation.scopes import Cells
from spacetravlr.perturbation.targets import Intervention, Targets, resolve_targets
from spacetravlr.signaling import KernelName

if TYPE_CHECKING:
    import pandas as pd

MAX_PROPAGATION = 32
Thresholds = Any
"""A data frame of cells x genes, or a pair (array, gene names)."""


class SimulationCancelledError(SpaceTravLRError):
    """A simulation was stopped between two steps; there is no result."""


class PropagationModel:
    r"""Trained coefficients and signals of one tissue, ready to simulate perturbations.

    In a step, the change ``d`` of a trained gene is the sum over its modulators of derivative x change; a ligand acts
    by the change of what cells receive, ``(scale / n) * sum_j K(i, j) * expression_j``. With per-cluster coefficients
    a step is one matrix product per cluster. The baseline of received ligands is computed once, here.

    Parameters
    ----------
    expression
        ``(n_cells, n_genes)`` baseline, all finite; not copied if float64 or float32.
    genes
        ``(n_genes,)`` unique names.
    xy
        ``(n_cells, 2)`` coordinates, in the unit of the radii.
    betas
        A table per target, as a Betabase, a mapping or a list. Targets that are not measured are left out.
    radii
        Radius of all ligands, or one by ligand.
    cluster_labels
        ``(n_cells,)`` labels by which cells find their rows in tables by cluster, or a tuple of such arrays in order
        of precedence.
    cell_names
        ``(n_cells,)`` names; needed for tables by cell.
    kernel
        ``"gaussian"`` or ``"truncated"``; None for that of the profile.
    cutoff
        Distance beyond which a sender is not received; None or 0 for none.
    thresholds
        Where expression counts: values above 0 in a data frame of cells x genes, or a pair (array, gene names). Genes
        without a column count everywhere. Received ligands of ligand-receptor pairs and the expression of receptors
        and regulators are masked, received ligands of TF-ligand pairs are not.
    profile
        ``"default"``, ``"v1"``, ``"python"`` or a `Profile`.
    scale
        Factor of all received ligands.
    beta_scale_factor
        Factor of all derivatives except those of plain TFs.
    beta_cap
        Largest absolute derivative of a target by one modulator gene in one cell; None for no limit.
    ligand_grid_factor
        Receive ligands on a bilinear grid of this share of the radius; None or 0 for the tolerance instead.
    signal_tol
        Error allowed in received ligands, relative to the largest value.
    bounds
        Smallest and largest value of simulated expression (None for 0 and for no limit).
    min_expression
        Expression at or below counts as 0.
    default_radius
        Radius of ligands that a mapping of radii does not name; without it they are received by nobody.
    obs
        ``(n_cells, ...)`` table of cells, for scopes given as queries and for summaries.
    memory
        Upper limit of the working arrays of one block of cells, bytes.

    Attributes
    ----------
    profile, genes, cells, obs
        As given; `cells` are the cell names.
    labels
        The arrays of cluster labels.
    ligand_radii
        Radius of each ligand that some model listens to.
    signals
        The operator of each radius (`SignalField`), for cells in the model's own order.

    Raises
    ------
    InputError
        If shapes disagree, values are not finite, names repeat or (under ``"python"``) cells or modulators are missing.
    ConfigError
        If a setting is out of its range or contradicts another one.

    Notes
    -----
    Memory: 8 bytes x cells x (receptors, regulators, ligands, trained genes), and about four times 8 bytes x cells x
    trained genes during a simulation. A model does not change; several threads may simulate with it at once.
    """

    def __init__(
        self,
        expression: Any,
        genes: Sequence[str],
        xy: ArrayLike,
        betas: Mapping[str, Betas] | Iterable[Betas],
        *,
        radii: float | Mapping[str, float],
        cluster_labels: NDArray[Any] | Sequence[str] | tuple[NDArray[Any], ...],
        cell_names: Sequence[str] | None = None,
        kernel: KernelName | None = None,
        cutoff: float | None = None,
        thresholds: Thresholds | None = None,
        profile: ProfileName | Profile = "default",
        scale: float = 1.0,
        beta_scale_factor: float = 1.0,
        beta_cap: float | None = None,
        ligand_grid_factor: float | None = None,
        signal_tol: float = 1e-6,
        bounds: tuple[float | None, float | None] | None = None,
        min_expression: float = 1e-9,
        default_radius: float | None = None,
        obs: pd.DataFrame | None = None,
        memory: float = 256e6,
    ) -> None:
        self.profile = get_profile(profile)
        settings = check_settings(
            self.profile,
            kernel=kernel,
            cutoff=cutoff,
            scale=scale,
            beta_scale_factor=beta_scale_factor,
            beta_cap=beta_cap,
            ligand_grid_factor=ligand_grid_factor,
            signal_tol=signal_tol,
            bounds=bounds,
            min_expression=min_expression,
            memory=memory,
        )
        if thresholds is not None and not self.profile.allows_thresholds:
            raise ConfigError(f"the profile {self.profile.name!r} knows no thresholds")
        self._settings = settings
        self._expression = inputs.check_expression(expression, genes)
        n_cells = len(self._expression.values)
        self.genes = self._expression.genes
        self.cells = inputs.check_names(cell_names, n_cells)
        self.labels = inputs.check_labels(cluster_labels, n_cells)
        self.obs = obs
        positions = inputs.check_coordinates(xy, n_cells)
        masks = None if thresholds is None else inputs.check_masks(thresholds, self.genes, cell_names, n_cells)
        tables = list(betas.values() if isinstance(betas, Mapping) else betas)
        _need_names(tables, cell_names)
        models, features = number_models(tables, self.genes, self.profile)
        self.ligand_radii = ligand_radii([self.genes[gene] for gene in features.ligands], radii, default_radius)

        coefficients = arrange(models, CellKeys(self.labels, self.cells), features.size, self.profile)
        self._order = coefficients.order
        self._rules = StepRules(
            features=features,
            coefficients=coefficients,
            scale=settings.beta_scale,
            cap=None if settings.cap is None else (settings.cap, plan_cap(features, coefficients)),
            memory=settings.memory,
        )
        self.signals = build_signals(positions[self._order], self.ligand_radii.values(), settings)
        self._tissue = build_tissue(
            self._expression,
            features,
            self._order,
            fields=self.signals,
            radii=self.ligand_radii,
            masks=masks,
            min_expression=settings.min_expression,
        )
        self._trained = self._expression.rows(coefficients.trained, self._order)

    @property
    def targets(self) -> tuple[str, ...]:
        """Genes with a model, sorted."""
        return tuple(sorted(self.genes[gene] for gene in self._rules.coefficients.trained))

    @property
    def modulators(self) -> tuple[str, ...]:
        """Genes that some model listens to, sorted: perturbing any other gene changes only itself."""
        return tuple(sorted(self.genes[gene] for gene in self._rules.features.modulators))

    def simulate(
        self,
        targets: Targets,
        *,
        n_propagation: int = 4,
        cells: Cells = None,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Effect:
        """Set genes to values and follow the consequences.

        Parameters
        ----------
        targets
            ``{"gene": value}``, or `Target` objects with scopes of their own.
        n_propagation
            Number of steps, 0 to 32. With 0 only the targets change (under ``"v1"`` it means 1).
        cells
            Scope of all targets: a mask, row indices, names, or an obs query; None for the whole tissue. Other cells
            still feel what they receive.
        progress
            Called before the first step and after each one with the number of steps done and their total.
        cancelled
            Asked before each step; true stops the simulation.

        Returns
        -------
        The effect.

        Raises
        ------
        InputError
            For an unknown gene, an impossible value or scope, or a simulation that runs out of range.
        ConfigError
            If the number of steps is out of range or a value lies outside the bounds.
        SimulationCancelledError
            If it was cancelled.
        """
        wanted, interventions = resolve_targets(targets, self.genes, self.cells, cells=cells, obs=self.obs)
        n_steps = max(_check_steps(n_propagation), self.profile.min_iterations)
        start = self._start(interventions)

        def after_step(step: int) -> None:
            if progress is not None:
                progress(step, n_steps)
            if cancelled is not None and step < n_steps and cancelled():
                raise SimulationCancelledError(f"the simulation was cancelled after step {step} of {n_steps}")

        after_step(0)
        with np.errstate(over="ignore", invalid="ignore"):  # a simulation that runs away is reported below
            simulated = propagate(
                *(self._rules, self._tissue, start), profile=self.profile, n_steps=n_steps, after_step=after_step
            )
        if not np.isfinite(simulated).all():
            raise InputError(
                "the simulated expression runs out of range: limit it with bounds or beta_cap, or use fewer steps"
            )
        values = np.empty_like(simulated)
        values[:, self._order] = simulated
        return Effect(
            baseline=self._expression.values,
            genes=self.genes,
            cells=self.cells,
            targets=wanted,
            n_propagation=n_steps,
            profile=self.profile.name,
            columns=start.genes,
            values=values,
            labels=self.labels[0],
            obs=self.obs,
            notes=remarks(self._expression, self._rules.features, interventions, start.genes, values),
        )

    def _start(self, interventions: Sequence[Intervention]) -> Start:
        """Lay out the genes that can change: those with a model, the perturbed ones, those the limits move."""
        trained, observed = self._rules.coefficients.trained, self._expression
        lower, upper = self._settings.bounds or (0.0, np.inf)
        moved = np.flatnonzero((observed.lowest < lower) | (observed.highest > upper))
        if self.profile.clip == "observed":
            moved = moved[:0]
        perturbed = np.array([item.gene for item in interventions], dtype=np.int64)
        extra = np.setdiff1d(np.union1d(moved, perturbed), trained)
        genes = np.concatenate([trained, extra])
        row_of = {int(gene): row for row, gene in enumerate(genes)}
        place = np.empty(len(self._order), dtype=np.int64)
        place[self._order] = np.arange(len(self._order))
        for item in interventions:
            if ((item.values < lower) | (item.values > upper)).any():
                raise ConfigError(
                    f"the desired expression of {self.genes[item.gene]} lies outside the bounds {lower:g} to {upper:g}"
                )
        limits = Limits(lower, upper)
        if self.profile.clip == "observed":
            limits = Limits(observed.lowest[genes, None], observed.highest[genes, None])
        return Start(
            genes=genes,
            state=np.concatenate([self._trained, observed.rows(extra, self._order)]),
            pinned=[Pinned(row_of[item.gene], place[item.rows], item.values) for item in interventions],
            limits=limits,
        )


def _need_names(tables: Sequence[Betas], cell_names: Sequence[str] | None) -> None:
    for table in tables:
        if table.by == "cell" and cell_names is None:
            raise InputError(f"the coefficients of {table.target} are per cell: give cell_names to find their rows")


def _check_steps(n_propagation: int) -> int:
    if isinstance(n_propagation, bool) or not isinstance(n_propagation, int | np.integer):
        raise ConfigError(f"n_propagation must be a whole number, not {n_propagation!r}")
    if not 0 <= n_propagation <= MAX_PROPAGATION:
        raise ConfigError(f"n_propagation must be between 0 and {MAX_PROPAGATION}, not {n_propagation}")
    return int(n_propagation)
