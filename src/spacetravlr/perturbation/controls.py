"""Negative controls: the same simulation in tissues and with genes where it should mean nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spacetravlr.config import N_PROPAGATION
from spacetravlr.errors import ConfigError
from spacetravlr.perturbation._engine import Engine, SimulationCancelledError
from spacetravlr.perturbation._groups import Groups, label_groups
from spacetravlr.perturbation._matching import MatchedGenes
from spacetravlr.perturbation._pool import choose_workers, run_all
from spacetravlr.perturbation._reception import Channel, build_reception
from spacetravlr.perturbation._settings import check_steps
from spacetravlr.perturbation._tables import mean_magnitude
from spacetravlr.perturbation.batch import join_jobs, simulation_bytes
from spacetravlr.perturbation.jobs import Job
from spacetravlr.perturbation.scopes import Cells
from spacetravlr.perturbation.targets import Intervention, Targets, as_targets

if TYPE_CHECKING:
    import pandas as pd

    from spacetravlr.perturbation.model import PropagationModel

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_SHUFFLES, _RANDOM = 0, 1
# two means that differ by less than this share are the same but for rounding and the tolerance of the signals
_TIE = 1e-6


@dataclass(frozen=True, eq=False)
class _Control:
    """One control: with other positions (a permutation of the cells), or with other genes perturbed."""

    kind: str
    permutation: IntArray | None
    interventions: Sequence[Intervention]


def negative_control(
    model: PropagationModel,
    targets: Targets,
    *,
    n_shuffles: int = 99,
    n_random: int = 99,
    seed: int = 42,
    cells: Cells = None,
    n_propagation: int = N_PROPAGATION,
    by: str | NDArray[Any] = "cell_type",
    n_jobs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> pd.DataFrame:
    """Compare an effect with what the same simulation gives where it should mean nothing.

    There are two controls. ``shuffled``: the cells of each cell type exchange their positions at random (within their
    piece of tissue, if there are samples), so that who is whose neighbour means nothing while types stay where they
    are; the same cells are perturbed. It asks whether the effect depends on the arrangement of single cells, and says
    nothing about effects inside a cell. ``random_targets``: other genes that some model listens to, alike in mean and
    90th percentile of expression in the perturbed cells, are perturbed instead (doses as numbers are scaled by the
    ratio of means). It asks whether this gene does more than others like it.

    Parameters
    ----------
    model
        The model.
    targets, cells, n_propagation
        As for `PropagationModel.simulate`.
    n_shuffles, n_random
        Number of controls of either kind; 0 for none. The smallest p value is 1 / (number + 1). With fewer genes
        to draw from there are fewer of the second kind, with a warning.
    seed
        Seed of all random numbers; same seed, same table.
    by
        Cell types: a column of obs, or ``(n_cells,)`` labels.
    n_jobs
        Simulations at once; results do not depend on it.
    progress
        Called with the number of simulations done and of all.
    cancelled
        Asked before each step; true stops everything.

    Returns
    -------
    Columns ``gene``, (the cell type,) ``control``, ``mean_abs_delta`` (over the cells of the type),
    ``control_mean``, ``control_max``, ``n_controls``, ``p_value`` = (1 + controls that reach it) / (1 + controls).
    One row per control, cell type and gene with a model that changes there, without the perturbed genes. A control
    that perturbs a gene itself does not count for that gene. Cost: one simulation per control, and for shuffled
    ones the received ligands of the baseline.

    Raises
    ------
    InputError, ConfigError
        As `PropagationModel.simulate`, and if a number is impossible.
    SimulationCancelledError
        If it was cancelled.

    Examples
    --------
    >>> from spacetravlr.perturbation import negative_control
    >>> table = negative_control(run.model(), {"Pax6": 0.0}, n_shuffles=4, n_random=4)
    >>> sorted(table["control"].unique()), bool(table["p_value"].between(0.2, 1.0).all())
    (['random_targets', 'shuffled'], True)
    """
    for name, number in (("n_shuffles", n_shuffles), ("n_random", n_random), ("seed", seed)):
        if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < 0:
            raise ConfigError(f"{name} must be a whole number of at least 0, not {number!r}")
    engine = model._engine
    n_steps = max(check_steps(n_propagation), model.profile.min_iterations)
    fixed = as_targets(join_jobs(model, [Job(targets, cells)]).targets)
    interventions = model._resolve(fixed, None)[1]
    groups = label_groups(by, len(model.cells), model.obs, model.labels[0])
    controls = [
        _Control("shuffled", _permutation(groups, seed, number, model.samples), interventions)
        for number in range(int(n_shuffles))
    ]
    matched = MatchedGenes(model, fixed, interventions, seed=seed, n_wanted=int(n_random))
    controls += [_Control("random_targets", None, matched.draw(number)) for number in range(matched.n_draws)]
    shown = np.flatnonzero(~np.isin(engine.rules.coefficients.trained, [item.gene for item in interventions]))

    def work(control: _Control | None, stopped: Callable[[], bool]) -> FloatArray:
        def after_step(step: int) -> None:
            if stopped() or (cancelled is not None and cancelled()):
                raise SimulationCancelledError(f"the negative control was cancelled (after step {step} of a run)")

        after_step(0)
        return _magnitudes(
            engine, control, interventions, n_steps=n_steps, shown=shown, groups=groups, after_step=after_step
        )

    jobs: list[_Control | None] = [None, *controls]
    n_done = 0

    def done(_: int, __: FloatArray) -> None:
        nonlocal n_done
        n_done += 1
        if progress is not None:
            progress(n_done, len(jobs))

    workers = choose_workers(n_jobs, len(jobs), simulation_bytes(model))
    observed, *null = run_all(work, jobs, workers=workers, done=done)
    names = [model.genes[gene] for gene in engine.rules.coefficients.trained[shown]]
    return _table(observed, null, [control.kind for control in controls], names, groups)


def _magnitudes(
    engine: Engine,
    control: _Control | None,
    interventions: Sequence[Intervention],
    *,
    n_steps: int,
    shown: IntArray,
    groups: Groups,
    after_step: Callable[[int], None],
) -> FloatArray:
    """Return ``(n_shown, n_groups)`` mean absolute changes; NaN for a gene that the control itself perturbs."""
    if control is not None:
        interventions = control.interventions
        if control.permutation is not None:
            engine = shuffled(engine, control.permutation)
    outcome = engine.run(interventions, n_steps, after_step)
    means = mean_magnitude(engine.expression.values, outcome.columns, outcome.values, shown, groups)
    means[np.isin(outcome.columns[shown], [item.gene for item in interventions])] = np.nan
    return means


def shuffled(engine: Engine, permutation: IntArray) -> Engine:
    """Return an engine in whose tissue cell ``i`` lies where cell ``permutation[i]`` lay.

    The positions are the same as before, so the plans of the signals serve again; only the baseline of what cells
    receive is computed anew.

    Parameters
    ----------
    engine
        The engine.
    permutation
        ``(n_cells,)`` original rows.
    """
    order, features, tissue = engine.order, engine.rules.features, engine.tissue
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    seat = place[permutation[order]]

    def moved(receive: Callable[[FloatArray], FloatArray]) -> Callable[[FloatArray], FloatArray]:
        def received(values: FloatArray) -> FloatArray:
            seated = np.empty_like(values)
            seated[seat] = values
            return receive(seated)[seat]

        return received

    expressed = engine.expression.rows(features.ligands, order)
    expressed[expressed <= tissue.min_expression] = 0.0
    old = tissue.reception
    channels = [Channel(channel.rows, moved(channel.receive)) for channel in old.channels]
    reception = build_reception(channels, expressed, masks=old.masks, in_lr=old.in_lr, in_tfl=old.in_tfl)
    return replace(engine, tissue=replace(tissue, reception=reception))


def _permutation(groups: Groups, seed: int, number: int, samples: IntArray | None = None) -> IntArray:
    """Return a random permutation of the cells that mixes each group, in each piece of tissue, only with itself."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_SHUFFLES, number)))
    permutation = np.arange(len(groups.codes))
    pieces = [np.arange(len(groups.codes))]
    if samples is not None:
        pieces = [np.flatnonzero(samples == sample) for sample in np.unique(samples)]
    for piece in pieces:
        for group in range(len(groups.labels)):
            mine = piece[groups.codes[piece] == group]
            permutation[mine] = rng.permutation(mine)
    return permutation


def _table(
    observed: FloatArray, null: Sequence[FloatArray], kinds: Sequence[str], names: Sequence[str], groups: Groups
) -> pd.DataFrame:
    import pandas as pd

    tables = []
    for kind in dict.fromkeys(kinds):
        stack = np.stack([values for values, own in zip(null, kinds, strict=True) if own == kind])
        known = np.isfinite(stack)
        n_known = known.sum(axis=0)
        reached = (known & (stack >= observed * (1 - _TIE))).sum(axis=0)
        gene, group = np.nonzero(observed > 0)  # NaN, of a group without cells, is not above 0
        sums = np.where(known, stack, 0.0).sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            means = np.where(n_known > 0, sums / n_known, np.nan)
        table = {
            "gene": np.array(names, dtype=object)[gene],
            str(groups.name): np.array(groups.labels, dtype=object)[group],
            "control": kind,
            "mean_abs_delta": observed[gene, group],
            "control_mean": means[gene, group],
            "control_max": np.where(known, stack, -np.inf).max(axis=0)[gene, group],
            "n_controls": n_known[gene, group],
            "p_value": (1 + reached[gene, group]) / (1 + n_known[gene, group]),
        }
        tables.append(pd.DataFrame(table).sort_values([str(groups.name), "p_value", "gene"], kind="stable"))
    columns = ["gene", str(groups.name), "control", "mean_abs_delta", "control_mean", "control_max", "n_controls"]
    empty = pd.DataFrame({name: [] for name in (*columns, "p_value")})
    return pd.concat(tables, ignore_index=True) if tables else empty
