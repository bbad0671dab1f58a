"""`train`: from a sample to a run directory."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from spacetravlr.errors import NothingWrittenError
from spacetravlr.events import Event, Listener, Notice, RunStarted, silent
from spacetravlr.run import InputData, Manifest, Run, RunDirectory
from spacetravlr.training.account import finished, first_manifest, why_nothing
from spacetravlr.training.executor import Executor, Threads, Work
from spacetravlr.training.fresh import FreshStart
from spacetravlr.training.input_copy import INPUT_COPY, write_input_copy
from spacetravlr.training.inputs import read_inputs
from spacetravlr.training.plan import Plan, make_plan
from spacetravlr.training.request import load_network, open_sample, output_directory, recorded, settle
from spacetravlr.training.trainer import StopRequest

if TYPE_CHECKING:
    from anndata import AnnData

    from spacetravlr.config import RunConfig
    from spacetravlr.tissue import Tissue

_LOG = logging.getLogger("spacetravlr")


def train(
    adata: AnnData | str | Path,
    out: str | Path | None = None,
    genes: Sequence[str] | str | None = None,
    config: RunConfig | str | Path | None = None,
    *,
    listener: Listener | None = None,
    stop: StopRequest | None = None,
    executor: Executor | None = None,
    **overrides: object,
) -> Run:
    """Learn how every gene depends on its modulators, in every cluster, and write the coefficients.

    A directory that holds a run of the same settings is continued: results that exist are kept.

    Parameters
    ----------
    adata
        The sample: an AnnData, or the path of an h5ad file. Data in memory are copied (the layer, the clusters, the
        coordinates) into the run directory, so that the run can be opened later.
    out
        Run directory; by default `{file stem}_spacetravlr` in the working directory.
    genes
        Targets; by default every measured gene.
    config
        Settings, or the path of a TOML file; by default the defaults.
    listener
        Receives the events of the run; by default notices go to the log.
    stop
        Lets another thread ask for an early end.
    executor
        Who does the work; by default threads of this process, and with `spacetravlr.tl.train` whoever
        `[cluster].scheduler` names.
    overrides
        Single settings by name, `max_ligands=100`.

    Returns
    -------
    The run.

    Raises
    ------
    ConfigError
        If a setting is unknown, not allowed, or contradicts another.
    InputError
        If the sample or the network cannot be used.
    RunDirectoryError
        If the directory holds another run, or cannot be written.
    NothingWrittenError
        If the run is over and no gene has coefficients.

    Examples
    --------
    >>> import spacetravlr as stl
    >>> adata = stl.datasets.simulated_tissue(n_cells=400, n_genes=60)
    >>> run = stl.tl.train(adata, out="my_run", max_genes=10)  # doctest: +SKIP
    """
    told = log_notice if listener is None else listener
    began = time.perf_counter()
    workforce = executor or Threads()
    settings = settle(config, genes, overrides, told)
    workforce.check(settings)
    tissue = open_sample(adata, settings, told)
    network = load_network(tissue, settings, told)
    root = output_directory(out, settings, tissue)
    settings = recorded(settings, tissue, network, tissue.path or root / INPUT_COPY, root)
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
        if tissue.path is None or settings.execution.write_minimal_repro_h5ad:
            write_input_copy(tissue, root / INPUT_COPY, response_layer=settings.data.response_layer)
        plan = make_plan(tissue, settings, inputs, told)
        work = workforce.assign(plan, directory, told, stop or StopRequest())
        # a process that began this run and failed may have taken the record back meanwhile
        RunDirectory.create(root, settings, sample=sample)
        _run(work, first_manifest(plan, directory, sample, network), told, began)
    except BaseException:
        fresh.roll_back(directory)
        raise
    return Run.open(root)


def plan_training(tissue: Tissue, settings: RunConfig, listener: Listener = silent) -> Plan:
    """Compute what all targets share, without training: modulators, columns, received ligands, held-out regions.

    Parameters
    ----------
    tissue
        The sample.
    settings
        Resolved settings, for example those of a run.
    listener
        Receives notices and the time of each stage.

    Raises
    ------
    InputError
        If the sample or the network cannot be used.
    """
    network = load_network(tissue, settings, listener)
    return make_plan(tissue, settings, read_inputs(tissue, settings, network, listener), listener)


def log_notice(event: Event) -> None:
    """Send notices to the log and ignore everything else."""
    if isinstance(event, Notice):
        _LOG.log(logging.WARNING if event.level == "warning" else logging.INFO, event.message)


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
    return work.directory.conclude(manifest, failures=work.tally.failures, stopped=stopped, wall_seconds=seconds)
