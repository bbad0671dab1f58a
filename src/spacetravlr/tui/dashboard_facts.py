"""The configuration of a run as a few short lines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from spacetravlr.words import count

if TYPE_CHECKING:
    from spacetravlr.config import RunConfig
    from spacetravlr.run import Manifest

_NAMES_SHOWN = 4


def run_facts(config: RunConfig, *, sample: str = "", out: str = "") -> tuple[tuple[str, str], ...]:
    """Return what a person wants to see of the settings, the most important first.

    Parameters
    ----------
    config
        The settings.
    sample
        The file, if it is not the one of the settings.
    out
        The run directory, if it is known.
    """
    data, lasso, training, execution = config.data, config.lasso, config.training, config.execution
    spatial, grn = config.spatial, config.grn
    rows = {
        "sample": str(sample or data.adata_path),
        "results": str(out or execution.output_dir),
        "layer": data.layer + (f", responses {data.response_layer}" if data.response_layer else ""),
        "clusters": data.cluster_annot or "cell_type",
        "condition": data.condition or "",
        "pieces": data.sample or "",
        "targets": _targets(training.genes, training.max_genes),
        "mode": _mode(training.mode, training.epochs),
        "solver": ", ".join(filter(None, (lasso.solver, lasso.penalty, lasso.select))),
        "bootstraps": f"{lasso.n_bootstraps}",
        "radius": f"{spatial.radius:g}",
        "contact": f"{spatial.contact_distance:g}",
        "kernel": "" if spatial.kernel == "gaussian" else spatial.kernel,
        "ligands": "all" if grn.max_ligands is None else f"at most {grn.max_ligands:,}",
        "threshold": f"R2 {training.score_threshold:g}",
        "seed": str(execution.random_seed),
        "workers": _workers(config),
    }
    return tuple((label, value) for label, value in rows.items() if value)


def manifest_facts(manifest: Manifest) -> tuple[tuple[str, str], ...]:
    """Return what only a manifest tells, to be added to the facts of the settings."""
    rows = {
        "workers": "" if manifest.n_parallel is None else count(manifest.n_parallel, "thread"),
        "device": manifest.device,
        "network": _network(manifest.network),
        "version": manifest.versions.get("spacetravlr-py", ""),
    }
    return tuple((label, value) for label, value in rows.items() if value)


def _network(source: str) -> str:
    return Path(source).name if source else ""


def _targets(genes: list[str] | tuple[str, ...] | None, most: int | None) -> str:
    if genes:
        shown = ", ".join(list(genes)[:_NAMES_SHOWN])
        more = len(genes) - _NAMES_SHOWN
        return f"{shown} +{more} more" if more > 0 else shown
    return "all genes" if most is None else f"the first {count(most, 'gene')}"


def _mode(mode: str, epochs: int) -> str:
    return mode if mode == "seed" else f"{mode}, {count(epochs, 'epoch')}"


def _workers(config: RunConfig) -> str:
    if config.cluster.scheduler is not None:
        return f"{config.cluster.scheduler}, {config.cluster.workers or 'as many as fit'}"
    return count(config.execution.n_parallel, "thread") if config.execution.n_parallel else "as many as fit"
