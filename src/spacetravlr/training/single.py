"""One run on one sample: set-up, training, account."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from spacetravlr.errors import NothingWrittenError
from spacetravlr.events import Notice, RunStarted
from spacetravlr.run import InputData, Manifest, Run, RunDirectory
from spacetravlr.run.mending import free_damaged
from spacetravlr.training.account import finished, first_manifest, why_nothing
from spacetravlr.training.fresh import FreshStart
from spacetravlr.training.input_copy import INPUT_COPY, write_input_copy
from spacetravlr.training.inputs import read_inputs
from spacetravlr.training.plan import make_plan
from spacetravlr.training.request import recorded

if TYPE_CHECKING:
    from spacetravlr.config import RunConfig
    from spacetravlr.events import Listener
    from spacetravlr.prior import PriorNetwork
    from spacetravlr.tissue import Tissue
    from spacetravlr.training.executor import Executor, Work
    from spacetravlr.training.trainer import StopRequest


@dataclass(frozen=True)
class Hands:
    """Who trains, who hears of it, and who may stop it."""

    executor: Executor
    told: Listener
    stop: StopRequest


def train_one(
    tissue: Tissue,
    settings: RunConfig,
    network: PriorNetwork,
    *,
    root: Path,
    hands: Hands,
    source: Path | None = None,
) -> Run:
    """Train one run.

    Parameters
    ----------
    tissue, network
        The cells to train on, and the network restricted to their genes.
    settings
        Resolved.
    root
        Run directory.
    hands
        Executor, listener and stop request.
    source
        A file that holds these cells; None takes the one behind the tissue, or makes a copy in the run directory.

    Raises
    ------
    SpaceTravLRError
        As `train`.
    """
    told, began = hands.told, time.perf_counter()
    own_copy = source is None and (tissue.path is None or settings.execution.write_minimal_repro_h5ad)
    settings = recorded(settings, tissue, network, source or tissue.path or root / INPUT_COPY, root)
    inputs = read_inputs(tissue, settings, network, told)
    sample = replace(
        InputData.describe(tissue.path, cells=tissue.cells, genes=tissue.genes),
        content_sha256=inputs.fingerprint,
        network_sha256=network.digest,
    )
    fresh = FreshStart(root)
    directory = RunDirectory.create(root, settings, sample=sample)
    try:
        # from here on other processes see this one at work
        directory.claims.start()
        for notice in directory.notices:
            told(Notice(notice, "warning"))
        freed = free_damaged(directory, inputs.targets)
        if freed is not None:
            told(Notice(freed, "warning"))
        if own_copy:
            copy_sample(tissue, settings, root)
        plan = make_plan(tissue, settings, inputs, told)
        work = hands.executor.assign(plan, directory, told, hands.stop)
        # a process that began this run and failed may have taken the record back meanwhile
        RunDirectory.create(root, settings, sample=sample)
        _run(work, first_manifest(plan, directory, sample, network), told, began)
    except BaseException:
        fresh.roll_back(directory)
        raise
    return Run.open(root)


def copy_sample(tissue: Tissue, settings: RunConfig, root: Path) -> None:
    """Write what training reads of a sample into a run directory; see `write_input_copy`."""
    data = settings.data
    write_input_copy(tissue, root / INPUT_COPY, response_layer=data.own_response, columns=(data.sample, data.condition))


def _run(work: Work, manifest: Manifest, told: Listener, began: float) -> None:
    plan, directory, stop = work.plan, work.directory, work.stop
    with directory:
        manifest = directory.begin(manifest)
        targets = plan.inputs.targets
        done_before = len(directory.scan().finished & set(targets))
        n_cells, n_genes = plan.tissue.n_cells, plan.tissue.n_genes
        told(RunStarted(str(directory.path), n_cells, n_genes, len(targets), len(plan.rows), done_before))
        try:
            work.run()
        except BaseException:
            # the record is worth having whatever happened; the error itself is what the user must see
            with suppress(OSError):
                _conclude(work, manifest, stopped=True, began=began)
            raise
        final = _conclude(work, manifest, stopped=stop.asked, began=began)
    told(finished(final, work.tally, time.perf_counter() - began))
    if not stop.asked and not directory.scan().done:
        raise NothingWrittenError(why_nothing(directory, work.tally))


def _conclude(work: Work, manifest: Manifest, *, stopped: bool, began: float) -> Manifest:
    seconds = round(time.perf_counter() - began, 3)
    if work.tally.device_given_up:
        manifest = replace(manifest, device=f"{manifest.device}, given up after failures: the rest on the CPU")
    return work.directory.conclude(manifest, failures=work.tally.failures, stopped=stopped, wall_seconds=seconds)
