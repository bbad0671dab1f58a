"""Many perturbations of one model."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.errors import SpaceTravLRError, UsageError
from spacetravlr.perturbation._engine import SimulationCancelledError
from spacetravlr.perturbation._pool import choose_workers, run_all
from spacetravlr.perturbation._settings import check_number
from spacetravlr.perturbation.jobs import Job, JobResult, name_outputs
from spacetravlr.perturbation.scopes import resolve_cells
from spacetravlr.perturbation.targets import Target, Targets, as_targets

if TYPE_CHECKING:
    from spacetravlr.perturbation.effect import Effect
    from spacetravlr.perturbation.model import PropagationModel

# arrays of the size of the genes that can change that a simulation holds at a time
_ARRAYS = 5

Progress = Callable[[int, int, JobResult], None]
"""Called with the number of jobs done, of all jobs, and the latest result."""


def simulate_many(
    model: PropagationModel,
    jobs: Sequence[Job | Targets],
    *,
    out_dir: Path | str | None = None,
    outs: Sequence[Path | str] | None = None,
    joint: bool = False,
    n_propagation: int | None = None,
    n_jobs: int | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> list[JobResult]:
    """Do many simulations with one model, some at a time.

    A job that fails stops no other one. All that does not depend on the perturbation (received ligands and expression
    of the baseline, the plan of the signals, coefficients in the layout of the products) is in the model and is
    computed once.

    Parameters
    ----------
    model
        The model.
    jobs
        The jobs; ``{"gene": dose}`` stands for `Job` with its defaults.
    out_dir
        Directory for one file per job, ``{gene}_perturb_expr.feather`` (``joint_perturb_expr.feather`` for several
        genes at once); created if missing. Jobs with a file of their own keep it.
    outs
        One file per job instead (a single one with `joint`).
    joint
        Do all that the jobs ask for in **one** simulation of the tissue.
    n_propagation
        Number of steps of all jobs; None for that of each job.
    n_jobs
        Simulations at once; None for one per core, at most 8 and as many as fit into half of the memory. Results do
        not depend on it.
    progress
        Called on the calling thread after each job.
    cancelled
        Asked before each step of each job; once true, running and waiting jobs end as cancelled.

    Returns
    -------
    One result per job, in order; a failed one has its `error` set, and the log has a warning.

    Raises
    ------
    UsageError
        If a job has no targets of a known kind, files are missing for some jobs, two jobs would write the same file, or
        jobs cannot be joined.
    ConfigError
        If `n_jobs` is impossible.

    Examples
    --------
    >>> from spacetravlr.perturbation import simulate_many
    >>> results = simulate_many(run.model(), [{"Pax6": 0.0}, {"Pax6": "x2", "Foxo1": 0.0}])
    >>> [result.effect.delta.shape for result in results]
    [(300, 60), (300, 60)]
    """
    given = [job if isinstance(job, Job) else Job(job) for job in jobs]
    for job in given:
        as_targets(job.targets)  # what is no target at all is the caller's slip, not the failure of a job
    if n_propagation is not None:
        given = [replace(job, n_propagation=n_propagation) for job in given]
    if joint and given:
        given = [join_jobs(model, given)]
    given = name_outputs(given, out_dir=out_dir, outs=outs)

    def work(job: Job, stopped: Callable[[], bool]) -> JobResult:
        return do_job(model, job, lambda: stopped() or (cancelled is not None and cancelled()))

    n_done = 0

    def done(_: int, result: JobResult) -> None:
        nonlocal n_done
        n_done += 1
        result.log()
        if progress is not None:
            progress(n_done, len(given), result)

    workers = choose_workers(n_jobs, len(given), simulation_bytes(model))
    return run_all(work, given, workers=workers, done=done)


def do_job(
    model: PropagationModel,
    job: Job,
    cancelled: Callable[[], bool],
    use: Callable[[Effect], None] = lambda _: None,
) -> JobResult:
    """Do a job and return its result, whatever happens.

    Parameters
    ----------
    model, job
        What to do.
    cancelled
        Asked before each step.
    use
        Called with the effect once it is written.
    """
    began = time.perf_counter()
    try:
        if cancelled():
            raise SimulationCancelledError(f"the simulation of {job.name} was cancelled before it began")
        if job.beta_scale_factor is not None:
            model = rescaled(model, job.beta_scale_factor)
        effect = model.simulate(job.targets, n_propagation=job.n_propagation, cells=job.cells, cancelled=cancelled)
        verify(effect, lowest=lowest_value(model))
        path = None if job.out is None else effect.write(job.out)
        use(effect)
    except Exception as error:  # noqa: BLE001 - reported as the failure of this job; the others go on
        return JobResult(job, None, None, error, (), time.perf_counter() - began)
    kept = effect if path is None else None
    return JobResult(job, kept, path, None, effect.notes, time.perf_counter() - began)


def verify(effect: Effect, *, lowest: float = 0.0) -> None:
    """Check a result before it is written.

    Parameters
    ----------
    effect
        The result.
    lowest
        Lower limit of all values.

    Raises
    ------
    SpaceTravLRError
        If a value is not finite or below the limit, or a perturbed entry is not at its desired value: a fault of this
        program.
    """
    wrong = None
    if not np.isfinite(effect.values).all():
        wrong = "values that are not finite"
    elif effect.values.min(initial=lowest) < lowest:
        wrong = f"values below {lowest:g}"
    row_of = {int(gene): row for row, gene in enumerate(effect.columns)}
    for item in effect.interventions:
        if not np.array_equal(effect.values[row_of[item.gene], item.rows], item.values):
            wrong = f"{effect.genes[item.gene]} not at its desired expression"
    if wrong is not None:
        raise SpaceTravLRError(f"the result is not written: it has {wrong}; please report this with the command")


def join_jobs(model: PropagationModel, jobs: Sequence[Job]) -> Job:
    """Return one job that does all that some jobs ask for, each in its own cells.

    Raises
    ------
    UsageError
        If the jobs differ in their number of steps or in the factor of the derivatives.
    """
    for what in ("n_propagation", "beta_scale_factor"):
        values = list(dict.fromkeys(getattr(job, what) for job in jobs))
        if len(values) > 1:
            raise UsageError(f"jobs with different {what} ({values[0]} and {values[1]}) cannot be one joint simulation")
    targets = []
    for job in jobs:
        for target in as_targets(job.targets):
            rows = [
                resolve_cells(scope, model.cells, obs=model.obs, xy=model.xy, labels=model.labels[0])
                for scope in (job.cells, target.cells)
                if scope is not None
            ]
            cells = reduce(np.intersect1d, rows) if rows else None
            targets.append(Target(target.gene, target.value, cells))
    outs = list(dict.fromkeys(job.out for job in jobs if job.out is not None))
    return replace(jobs[0], targets=targets, cells=None, out=outs[0] if len(outs) == 1 else None)


def rescaled(model: PropagationModel, factor: float) -> PropagationModel:
    """Return the same model with another factor of all derivatives except those of plain TFs; nothing is copied.

    Raises
    ------
    ConfigError
        If the factor is not finite or below 0.
    """
    scale = check_number("beta_scale_factor", factor, zero=True)
    other = copy(model)
    other._engine = replace(model._engine, rules=replace(model._engine.rules, scale=scale))
    return other


def lowest_value(model: PropagationModel) -> float:
    """Return the smallest value that a simulation with a model may give."""
    if model.profile.clip == "observed":
        return min(0.0, float(model._engine.expression.lowest.min()))
    return model._engine.limits[0]


def simulation_bytes(model: PropagationModel) -> float:
    """Return the memory of one simulation of a model, bytes."""
    return 8.0 * _ARRAYS * len(model.cells) * (len(model.targets) + 1)
