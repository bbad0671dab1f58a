"""Many perturbations from one file."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from spacetravlr.cli._perturb_config import Batch, ConfigFile
from spacetravlr.cli._perturb_jobs import Account
from spacetravlr.cli._perturb_run import at_least_one, check_file, open_run, read_sample
from spacetravlr.cli._perturb_scope import SCOPE_FLAGS, stored_table
from spacetravlr.cli._perturb_voice import Voice
from spacetravlr.errors import ConfigError

if TYPE_CHECKING:
    from spacetravlr.perturbation import BatchPlan
    from spacetravlr.run import Run

_NOT_HERE = ("gene", "desired_expr", "out", "top", "negative_control", *SCOPE_FLAGS)


def run_batch(given: Mapping[str, Any], batch: Batch, config: ConfigFile | None) -> int:
    """Do all simulations of a batch, and return the exit code.

    Parameters
    ----------
    given
        Value of every flag by its name, None for those that were not given.
    batch
        The keys of the batch.
    config
        The file of `--config`.

    Raises
    ------
    SpaceTravLRError
        If something is wrong with flags, batch, run, sample or files (nothing is simulated then), or some simulations
        have failed (the others are written).
    """
    stray = [f"--{name.replace('_', '-')}" for name in _NOT_HERE if given[name] not in (None, [])]
    if stray:
        raise ConfigError(
            f"{', '.join(stray)}: not in batch mode; {batch.source} says which genes and cells, how much, and where to "
            "write"
        )
    run_toml = given["run_toml"] or (None if config is None else config.run_toml)
    if run_toml is None:
        raise ConfigError("batch mode needs a run: give --run-toml FILE, or run_toml in the file of --config")
    at_least_one(given, "batch_parallelism")
    voice = Voice(verbose=bool(given["verbose"]))
    began = time.perf_counter()
    with voice.hearing_logs():
        run = open_run(run_toml, given, voice=voice, config=config)
        plan = _plan(given, batch, run)
        return _simulate(plan, run, voice=voice, began=began)


def _plan(given: Mapping[str, Any], batch: Batch, run: Run) -> BatchPlan:
    from spacetravlr.perturbation import BatchPlan

    sample = read_sample(run)
    plan = BatchPlan.parse(
        batch.table,
        sample.genes,
        cells=sample.cells,
        left_out=run.tissue().left_out,
        base=batch.base,
        source=batch.source,
        default_n_propagation=run.config.perturbation.n_propagation,
        parallelism=given["batch_parallelism"],
        cells_csv=stored_table(run),
    )
    for job in plan.jobs:
        if job.out is not None:
            check_file(job.out, f"{batch.source}: out")
    return plan


def _simulate(plan: BatchPlan, run: Run, *, voice: Voice, began: float) -> int:
    from spacetravlr.cli._perturb_stop import PatientModel, Stopping
    from spacetravlr.perturbation import simulate_many

    model = run.model(profile=run.config.perturbation.profile, **plan.overrides)
    voice.detail(f"load: {time.perf_counter() - began:.2f} s")
    account = Account(voice, "job")
    with Stopping(voice.say) as stopping:
        with account.following(notes=True) as progress:
            results = simulate_many(
                PatientModel(model, stopping.at_once.is_set),
                plan.jobs,
                n_jobs=plan.parallelism,
                progress=progress,
                cancelled=stopping.asked.is_set,
            )
        code = account.close(results, stopping, again="the same command does all jobs again")
    if not code:
        toml = shlex.quote(str(run.directory.files.toml))
        voice.say(f"next: spacetravlr-perturb screen --run-toml {toml}")
    return code
