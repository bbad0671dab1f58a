"""`train`: from a sample to a run directory."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, overload

from spacetravlr.events import Event, Listener, Notice, silent
from spacetravlr.run import ConditionRuns, Run, condition_label, own_cells
from spacetravlr.training.conditions import refuse_mixture, train_conditions
from spacetravlr.training.executor import Executor, Threads
from spacetravlr.training.inputs import read_inputs
from spacetravlr.training.plan import Plan, make_plan
from spacetravlr.training.request import load_network, open_sample, output_directory, settle
from spacetravlr.training.response import decide_response
from spacetravlr.training.single import Hands, train_one
from spacetravlr.training.stages import stage
from spacetravlr.training.trainer import StopRequest

if TYPE_CHECKING:
    from anndata import AnnData

    from spacetravlr.config import RunConfig
    from spacetravlr.tissue import Tissue

_LOG = logging.getLogger("spacetravlr")


@overload
def train(
    adata: AnnData | str | Path,
    out: str | Path | None = None,
    genes: Sequence[str] | str | None = None,
    config: RunConfig | str | Path | None = None,
    *,
    listener: Listener | None = None,
    stop: StopRequest | None = None,
    executor: Executor | None = None,
    condition: None = None,
    **overrides: object,
) -> Run: ...


@overload
def train(
    adata: AnnData | str | Path,
    out: str | Path | None = None,
    genes: Sequence[str] | str | None = None,
    config: RunConfig | str | Path | None = None,
    *,
    listener: Listener | None = None,
    stop: StopRequest | None = None,
    executor: Executor | None = None,
    condition: str,
    **overrides: object,
) -> ConditionRuns: ...


def train(
    adata: AnnData | str | Path,
    out: str | Path | None = None,
    genes: Sequence[str] | str | None = None,
    config: RunConfig | str | Path | None = None,
    *,
    listener: Listener | None = None,
    stop: StopRequest | None = None,
    executor: Executor | None = None,
    condition: str | None = None,
    **overrides: object,
) -> Run | ConditionRuns:
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
    condition
        obs column: the cells of each of its values are trained as a run of their own (setting `[data].condition`).
        Cells without a value form a group called `_na`; groups that are too small are skipped, with a notice.
    overrides
        Single settings by name, `max_ligands=100`. `sample="slide"` names the obs column of the pieces of tissue,
        where there are several in one file: no signal passes from one to another.

    Returns
    -------
    The run. With a condition, also one that the configuration names, a `ConditionRuns`: a mapping from the values of
    the column to their runs, which are in `{out}/conditions/`.

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
    >>> adata = stl.datasets.simulated_tissue(n_cells=300, n_genes=60, seed=2)
    >>> stl.datasets.write_network(adata, "network").name
    'mouse_network.parquet'
    >>> run = stl.tl.train(adata, out="small_run", genes=["Adm", "Agr2"], network_data_dir="network", n_bootstraps=0)
    >>> run.genes
    ('Adm', 'Agr2')
    >>> run.betas("Agr2").row_labels
    ('0', '1', '2', '3', '4')
    """
    told = log_notice if listener is None else listener
    hands = Hands(executor or Threads(), told, stop or StopRequest())
    if condition is not None:
        overrides["condition"] = condition
    settings = settle(config, genes, overrides, told)
    hands.executor.check(settings)
    with stage("sample", told) as done:
        tissue = open_sample(adata, settings, told)
        done(f"{len(tissue.cells):,} cells, {len(tissue.genes):,} genes")
    settings = decide_response(settings, tissue, told)
    root = output_directory(out, settings, tissue)
    column = settings.data.condition
    refuse_mixture(root, column)
    network = load_network(tissue, settings, told)
    if column is not None and condition_label(root) is None:
        return train_conditions(tissue, settings, network, column=column, root=root, hands=hands)
    return train_one(own_cells(tissue, root, column), settings, network, root=root, hands=hands)


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
    settings = decide_response(settings, tissue, listener)
    network = load_network(tissue, settings, listener)
    return make_plan(tissue, settings, read_inputs(tissue, settings, network, listener), listener)


def log_notice(event: Event) -> None:
    """Send notices to the log and ignore everything else."""
    if isinstance(event, Notice):
        _LOG.log(logging.WARNING if event.level == "warning" else logging.INFO, event.message)
