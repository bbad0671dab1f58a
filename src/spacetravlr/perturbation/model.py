"""Simulate what setting genes to a value does to every cell of a tissue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike, NDArray

from spacetravlr.betas import Betas, CellKeys
from spacetravlr.config import N_PROPAGATION
from spacetravlr.errors import ConfigError
from spacetravlr.perturbation import _inputs as inputs
from spacetravlr.perturbation._engine import SimulationCancelledError
from spacetravlr.perturbation._remarks import dose_remarks, region_remarks, remarks
from spacetravlr.perturbation._settings import (
    MAX_PROPAGATION,
    check_settings,
    check_steps,
    usual_radius,
)
from spacetravlr.perturbation._setup import build_parts
from spacetravlr.perturbation.effect import Effect
from spacetravlr.perturbation.profiles import Profile, ProfileName, get_profile
from spacetravlr.perturbation.scopes import Cells
from spacetravlr.perturbation.targets import Intervention, Target, Targets, resolve_targets
from spacetravlr.signaling import KernelName

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MAX_PROPAGATION", "PropagationModel", "SimulationCancelledError", "Thresholds"]

Thresholds = Any
"""A data frame of cells x genes, or a pair (array, gene names)."""


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
        ``(n_cells, 2)`` or ``(n_cells, 3)`` coordinates, in the unit of the radii. The profile ``"v1"`` looks at the
        first two columns, as the compiled edition does.
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
        and regulators are masked, received ligands of ligand-TF pairs are not.
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
    samples
        ``(n_cells,)`` label of the piece of tissue (slice, animal) each cell is in, texts or whole numbers: cells of
        different pieces exchange nothing, whatever their coordinates. The n in the factor of received ligands stays
        the number of all cells, as in training. None for one piece.
    memory
        Upper limit of the working arrays of one block of cells, bytes.

    Attributes
    ----------
    profile, genes, cells, obs
        As given; `cells` are the cell names.
    labels
        The arrays of cluster labels.
    xy
        ``(n_cells, 2)`` or ``(n_cells, 3)`` coordinates that count.
    ligand_radii
        Radius of each ligand that some model listens to.
    samples
        ``(n_cells,)`` number of the piece of tissue, or None.
    radius
        The radius in which distances are thought of: that of all ligands, else the default one, else the largest.
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

    Examples
    --------
    >>> tissue = stl.Tissue.from_anndata(adata)
    >>> model = stl.PropagationModel(
    ...     tissue.columns(tissue.genes),
    ...     tissue.genes,
    ...     tissue.xy,
    ...     stl.Betabase.load("my_run"),
    ...     radii=200.0,
    ...     cluster_labels=tissue.row_keys,
    ...     cell_names=tissue.cells,
    ... )
    >>> effect = model.simulate({"Pax6": 0.0}, n_propagation=3)
    >>> effect.delta.shape, len(effect.steps)
    ((300, 60), 3)
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
        samples: ArrayLike | None = None,
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
        self._settings, self.obs = settings, obs
        values = inputs.check_expression(expression, genes)
        n_cells = len(values.values)
        self.genes = values.genes
        self.cells = inputs.check_names(cell_names, n_cells)
        self.labels = inputs.check_labels(cluster_labels, n_cells)
        self.xy = inputs.check_coordinates(xy, n_cells, flat=self.profile.name == "v1")
        self.samples = inputs.check_samples(samples, n_cells)
        masks = None if thresholds is None else inputs.check_masks(thresholds, self.genes, cell_names, n_cells)
        parts = build_parts(
            *(values, inputs.check_tables(betas, cell_names), CellKeys(self.labels, self.cells), self.xy),
            radii=radii,
            default_radius=default_radius,
            samples=self.samples,
            masks=masks,
            profile=self.profile,
            settings=settings,
        )
        self._engine, self.signals, self.ligand_radii = parts.engine, parts.signals, parts.ligand_radii
        self.radius = usual_radius(self.ligand_radii, radii, default_radius)

    @property
    def targets(self) -> tuple[str, ...]:
        """Genes with a model, sorted."""
        return tuple(sorted(self.genes[gene] for gene in self._engine.rules.coefficients.trained))

    @property
    def modulators(self) -> tuple[str, ...]:
        """Genes that some model listens to, sorted; perturbing any other gene changes only itself."""
        return tuple(sorted(self.genes[gene] for gene in self._engine.rules.features.modulators))

    def simulate(
        self,
        targets: Targets,
        *,
        n_propagation: int = N_PROPAGATION,
        cells: Cells = None,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Effect:
        """Set genes to values and follow the consequences.

        Parameters
        ----------
        targets
            ``{"gene": dose}``, or `Target` objects with scopes of their own. A dose is a number (0 is a knock-out),
            ``"x2"``, ``"q95"``, ``"+1.5"``, ``"-0.5"``, or an array with a value per cell (see `Dose`).
        n_propagation
            Number of steps, 0 to 32. With 0 only the targets change (under ``"v1"`` it means 1).
        cells
            Scope of all targets: a mask, row indices, names, ``{"cell_type": labels}``, an obs query, or a region (see
            `resolve_cells`); None for the whole tissue. Other cells still feel what they receive. A region means the
            cells there in all pieces of tissue (samples); where these are several, a note says so.
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
            For an unknown gene, an impossible dose or scope, or a simulation that runs out of range.
        ConfigError
            If the number of steps is out of range or a value lies outside the bounds.
        SimulationCancelledError
            If it was cancelled.
        """
        wanted, interventions = self._resolve(targets, cells)
        n_steps = max(check_steps(n_propagation), self.profile.min_iterations)
        notes = (
            *dose_remarks(self._engine.expression, interventions),
            *region_remarks([cells, *(target.cells for target in wanted)], interventions, self.samples),
        )

        def after_step(step: int) -> None:
            if progress is not None:
                progress(step, n_steps)
            if cancelled is not None and step < n_steps and cancelled():
                raise SimulationCancelledError(f"the simulation was cancelled after step {step} of {n_steps}")

        after_step(0)
        outcome = self._engine.run(interventions, n_steps, after_step)
        return Effect(
            baseline=self._engine.expression.values,
            genes=self.genes,
            cells=self.cells,
            targets=wanted,
            n_propagation=n_steps,
            profile=self.profile.name,
            columns=outcome.columns,
            values=outcome.values,
            labels=self.labels[0],
            obs=self.obs,
            notes=(*notes, *remarks(self._engine, interventions, outcome, self.ligand_radii)),
            interventions=interventions,
            changes=outcome.steps,
            xy=self.xy,
            radius=self.radius,
            samples=self.samples,
        )

    def _resolve(self, targets: Targets, cells: Cells) -> tuple[tuple[Target, ...], tuple[Intervention, ...]]:
        return resolve_targets(
            targets,
            self.genes,
            self.cells,
            cells=cells,
            obs=self.obs,
            xy=self.xy,
            labels=self.labels[0],
            expression=self._engine.expression.values,
            limits=self._engine.limits,
        )

    def negative_control(self, targets: Targets, **options: Any) -> pd.DataFrame:
        """Return empirical p values of an effect, by gene and cell type: `spacetravlr.perturbation.negative_control`.

        Parameters
        ----------
        targets
            As for `simulate`.
        options
            Keywords of that function: ``n_shuffles``, ``n_random``, ``seed``, ``cells``, ``n_propagation``, ``by``, ...
        """
        from spacetravlr.perturbation.controls import negative_control

        return negative_control(self, targets, **options)
