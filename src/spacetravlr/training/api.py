"""`train`: from a sample to a run directory."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spacetravlr.config import RunConfig, load_config
from spacetravlr.errors import ConfigError, NothingWrittenError, UsageError
from spacetravlr.events import Event, Listener, Notice, RunFinished, RunStarted
from spacetravlr.run import InputData, Manifest, Run, RunDirectory, RunPaths, default_output_dir, environment
from spacetravlr.tissue import Tissue
from spacetravlr.training.input_copy import INPUT_COPY, write_input_copy
from spacetravlr.training.plan import make_plan
from spacetravlr.training.trainer import StopRequest, Tally, Trainer
from spacetravlr.training.workers import worker_count

if TYPE_CHECKING:
    from anndata import AnnData

_LOG = logging.getLogger("spacetravlr")


def train(
    adata: AnnData | str | Path,
    out: str | Path | None = None,
    genes: Sequence[str] | None = None,
    config: RunConfig | str | Path | None = None,
    *,
    listener: Listener | None = None,
    stop: StopRequest | None = None,
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
    told = listener or log_notice
    began = time.perf_counter()
    settings = _settings(config, genes, overrides).resolved()
    for notice in settings.implied():
        told(Notice(notice))
    _refuse_unavailable(settings)
    tissue = _open(adata, settings)
    told(Notice(f"clusters from obs[{tissue.clusters.column!r}]: {len(tissue.clusters.labels)} clusters"))
    if tissue.n_without_position:
        told(
            Notice(
                f"{tissue.n_without_position} cells have no position: they neither send nor receive ligands", "warning"
            )
        )
    root = _output(out, settings, tissue)
    settings = _completed(settings, tissue, root)
    sample = InputData.describe(tissue.path, cells=tissue.cells, genes=tissue.genes)
    fresh = _Fresh(root)
    directory = RunDirectory.create(root, settings, sample=sample)
    try:
        if tissue.path is None or settings.execution.write_minimal_repro_h5ad:
            write_input_copy(tissue, root / INPUT_COPY)
        plan = make_plan(tissue, settings, told)
        for notice in directory.notices:
            told(Notice(notice, "warning"))
        _run(Trainer(plan, directory, told, stop or StopRequest()), sample, told, began)
    except BaseException:
        fresh.roll_back(directory)
        raise
    return Run.open(root)


def log_notice(event: Event) -> None:
    """Send notices to the log and ignore everything else."""
    if isinstance(event, Notice):
        _LOG.log(logging.WARNING if event.level == "warning" else logging.INFO, event.message)


def _settings(
    config: RunConfig | str | Path | None, genes: Sequence[str] | None, overrides: dict[str, Any]
) -> RunConfig:
    if genes is not None:
        overrides["genes"] = list(genes)
    if isinstance(config, RunConfig):
        return config.replace(overrides) if overrides else config
    path = None if config is None else Path(config)
    return load_config(path, overrides=overrides).config


def _refuse_unavailable(settings: RunConfig) -> None:
    if settings.training.mode != "seed":
        raise ConfigError(f"[training].mode = {settings.training.mode!r} is not available in this version; use 'seed'")
    for key in ("condition", "sample"):
        if getattr(settings.data, key) is not None:
            raise ConfigError(f"[data].{key} is not available in this version; split the file and train each part")


def _open(adata: AnnData | str | Path, settings: RunConfig) -> Tissue:
    data = settings.data
    if isinstance(adata, str | Path):
        return Tissue.open(adata, data.layer, data.cluster_annot)
    return Tissue.from_anndata(adata, data.layer, data.cluster_annot)


def _output(out: str | Path | None, settings: RunConfig, tissue: Tissue) -> Path:
    if out is not None:
        return Path(out).expanduser().absolute()
    if settings.execution.output_dir:
        return Path(settings.execution.output_dir).expanduser().absolute()
    if tissue.path is None:
        raise UsageError("data in memory have no file name to call the run after; give `out`")
    return default_output_dir(tissue.path).absolute()


def _completed(settings: RunConfig, tissue: Tissue, root: Path) -> RunConfig:
    """Return the settings with everything that was decided here, as they are recorded."""
    return settings.replace(
        {
            **{key: value for key, value in settings.flat().items() if key.startswith(("lasso.", "training."))
               and key in _DECIDED},
            "data.adata_path": str(tissue.path or root / INPUT_COPY),
            "data.cluster_annot": tissue.clusters.column,
            "execution.output_dir": str(root),
        }
    ).resolved()  # fmt: skip


_DECIDED = ("lasso.select", "lasso.penalty", "training.score_on", "training.held_out")


class _Fresh:
    """Remembers what a directory held before, so that a failed set-up can take back what it wrote, and nothing else."""

    def __init__(self, root: Path) -> None:
        files = RunPaths(root)
        own = (files.toml, root / INPUT_COPY, files.run_log)
        self.root = root
        self.began_here = not files.toml.exists()
        self.files = [path for path in own if not path.exists()]
        self.directories = [path for path in (files.log_directory, root) if not path.exists()]

    def roll_back(self, directory: RunDirectory) -> None:
        """Remove the files of this set-up unless training has begun, here or in another process."""
        directory.close()
        found = directory.scan()
        if not self.began_here or found.finished or found.locked or directory.files.manifest.exists():
            return
        for path in self.files:
            with suppress(OSError):
                path.unlink(missing_ok=True)
        for path in self.directories:
            with suppress(OSError):
                # only goes if it is empty
                path.rmdir()


def _run(trainer: Trainer, sample: InputData, told: Listener, began: float) -> None:
    plan, directory, stop = trainer.plan, trainer.directory, trainer.stop
    tissue, settings = plan.tissue, plan.config
    manifest = Manifest(
        run_id=directory.path.name,
        training_mode=settings.training.mode,
        epochs=settings.training.epochs,
        n_parallel=worker_count(settings.execution.n_parallel),
        targets=plan.targets,
        clusters={label: int(n) for label, n in zip(tissue.clusters.labels, tissue.clusters.sizes, strict=True)},
        ligand_radii=dict(plan.ligand_radii),
        network=plan.network_source,
        input=sample,
        config=settings.model_dump(mode="json"),
        device="cpu",
        seed=settings.execution.random_seed,
        **environment(),
    )
    with directory:
        manifest = directory.begin(manifest)
        done_before = len(directory.scan().finished & set(plan.targets))
        told(
            RunStarted(
                str(directory.path), tissue.n_cells, tissue.n_genes, len(plan.targets), len(tissue.clusters.labels),
                done_before,
            )
        )  # fmt: skip
        try:
            trainer.run()
        except BaseException:
            # the record is worth having whatever happened; the error itself is what the user must see
            with suppress(OSError):
                _conclude(directory, manifest, trainer.tally, stopped=True, seconds=time.perf_counter() - began)
            raise
        seconds = time.perf_counter() - began
        final = _conclude(directory, manifest, trainer.tally, stopped=stop.asked, seconds=seconds)
    told(_finished(final, trainer.tally, seconds))
    if not stop.asked and not directory.scan().done:
        raise NothingWrittenError(_why_nothing(directory, trainer.tally))


def _conclude(directory: RunDirectory, manifest: Manifest, tally: Tally, *, stopped: bool, seconds: float) -> Manifest:
    return directory.conclude(manifest, failures=tally.failures, stopped=stopped, wall_seconds=round(seconds, 3))


def _finished(manifest: Manifest, tally: Tally, seconds: float) -> RunFinished:
    status = "partial" if manifest.status == "running" else manifest.status
    return RunFinished(
        status=status,
        written=tally.written,
        orphan=tally.orphan,
        failed=len(tally.failures),
        skipped=tally.skipped,
        seconds=seconds,
        median_r2_in=_median(tally.r2_in),
        median_r2_out=_median(tally.r2_out),
    )


def _median(values: list[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.median(known)) if known else float("nan")


def _why_nothing(directory: RunDirectory, tally: Tally) -> str:
    scan = directory.scan()
    reasons: dict[str, int] = {}
    for gene in scan.orphan:
        reason = (directory.orphan_reason(gene) or "no model").split(" is ")[0]
        reasons[reason] = reasons.get(reason, 0) + 1
    for reason in tally.failures.values():
        reasons[reason] = reasons.get(reason, 0) + 1
    shown = "; ".join(f"{reason} ({count})" for reason, count in sorted(reasons.items(), key=lambda item: -item[1])[:3])
    return (
        f"no gene was written to {directory.path}: {len(scan.orphan)} without a model, {len(tally.failures)} failed "
        f"[{shown}]; lower [training].score_threshold, or check the network and the layer"
    )
