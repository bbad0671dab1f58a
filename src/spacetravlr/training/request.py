"""What was asked for, made definite: settings, sample, network, run directory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spacetravlr.config import RunConfig, load_config, merge_extras
from spacetravlr.errors import InputError, UsageError, listing
from spacetravlr.events import Listener, Notice
from spacetravlr.niche import read_gene_set, require_torch
from spacetravlr.prior import PriorNetwork, infer_species
from spacetravlr.run import default_output_dir
from spacetravlr.tissue import Tissue
from spacetravlr.tissue.units import known_scale, measure_units, read_scale

if TYPE_CHECKING:
    from anndata import AnnData


def settle(
    config: RunConfig | str | Path | None,
    genes: Sequence[str] | str | None,
    overrides: dict[str, object],
    told: Listener,
) -> RunConfig:
    """Return the settings with everything decided that depends on settings alone.

    Parameters
    ----------
    config
        Settings, or a TOML file; relative paths in it count from its directory.
    genes
        Targets; a text is split at commas.
    overrides
        Single settings by name.
    told
        Receives a notice for every setting that is ignored or implies another.

    Raises
    ------
    ConfigError
        If a setting is unknown, not allowed, contradicts another, or is not available.
    """
    if genes is not None:
        overrides = {**overrides, "genes": genes if isinstance(genes, str) else list(genes)}
    if isinstance(config, RunConfig):
        merged, notices = merge_extras(config.replace(overrides) if overrides else config)
        notices = (*notices, *merged.implied())
    else:
        loaded = load_config(None if config is None else Path(config), overrides=overrides)
        merged, notices = loaded.config, loaded.notices
        if loaded.path is not None:
            merged = merged.absolute(loaded.path.parent)
    for notice in notices:
        told(Notice(notice, "warning"))
    settings = merged.resolved()
    _refuse_unavailable(settings)
    return settings


def _refuse_unavailable(settings: RunConfig) -> None:
    if settings.training.mode == "seed":
        return
    require_torch()
    hybrid = settings.training.hybrid
    if settings.training.mode == "hybrid":
        for path in (hybrid.cnn_force_genes_file, hybrid.cnn_skip_genes_file):
            read_gene_set(path)


def open_sample(adata: AnnData | str | Path, settings: RunConfig, told: Listener) -> Tissue:
    """View the sample by the `[data]` settings, and tell what a person may not expect of it."""
    data = settings.data
    if isinstance(adata, str | Path):
        tissue = Tissue.open(adata, data.layer, data.cluster_annot, sample_key=data.sample)
    else:
        tissue = Tissue.from_anndata(adata, data.layer, data.cluster_annot, sample_key=data.sample)
    told(Notice(f"clusters from obs[{tissue.clusters.column!r}]: {len(tissue.clusters.labels)} clusters"))
    if tissue.samples is not None:
        parts = zip(tissue.samples.labels, tissue.samples.sizes, strict=True)
        shown = listing((f"{label} ({size} cells)" for label, size in parts), 5)
        told(Notice(f"samples from obs[{data.sample!r}]: {shown}; no signal passes between them"))
    if tissue.n_without_position:
        n = tissue.n_without_position
        told(Notice(f"{n} cells have no position: they neither send nor receive ligands", "warning"))
    _tell_units(adata, tissue, settings.spatial.radius, told)
    return tissue


def _tell_units(adata: AnnData | str | Path, tissue: Tissue, radius: float, told: Listener) -> None:
    scale = (
        read_scale(adata, tissue.xy) if isinstance(adata, str | Path) else known_scale(adata.uns, adata.obs, tissue.xy)
    )
    codes = None if tissue.samples is None else tissue.samples.codes
    units = measure_units(tissue.xy, radius, scale=scale, samples=codes)
    told(Notice(units.line))
    for warning in units.warnings:
        told(Notice(warning, "warning"))


def load_network(tissue: Tissue, settings: RunConfig, told: Listener) -> PriorNetwork:
    """Load the prior network of the sample's species, restricted to its genes.

    Raises
    ------
    InputError
        If no relation is left.
    """
    species = settings.data.spatial_species or infer_species(tissue.genes)
    network = PriorNetwork.load(species, settings.grn.network_data_dir).restrict(tissue.genes)
    for notice in network.notices:
        told(Notice(notice, "warning"))
    if not sum(network.counts().values()):
        raise InputError(
            f"the {species} network ({network.source}) has no relation among the {tissue.n_genes} measured genes; "
            "check that they are gene symbols, or set [data].spatial_species"
        )
    return network


def output_directory(out: str | Path | None, settings: RunConfig, tissue: Tissue) -> Path:
    """Return the run directory: as given, as set, or named after the file.

    Raises
    ------
    UsageError
        If there is neither.
    """
    if out is not None:
        return Path(out).expanduser().absolute()
    if settings.execution.output_dir:
        return Path(settings.execution.output_dir).expanduser().absolute()
    if tissue.path is None:
        raise UsageError("data in memory have no file name to call the run after; give `out`")
    return default_output_dir(tissue.path).absolute()


def recorded(settings: RunConfig, tissue: Tissue, network: PriorNetwork, adata_path: Path, root: Path) -> RunConfig:
    """Return the settings as they are recorded: with everything that was found out, so that a joiner finds the same."""
    decided = {key: value for key, value in settings.flat().items() if key in _DECIDED}
    where = (
        settings.grn.network_data_dir if network.source == "starter" else str(Path(network.source).absolute().parent)
    )
    return settings.replace(
        decided
        | {
            "data.adata_path": str(adata_path),
            "data.cluster_annot": tissue.clusters.column,
            "data.spatial_species": network.species,
            "grn.network_data_dir": where,
            "execution.output_dir": str(root),
        }
    ).resolved()


# `replace` keeps only what was given; these were decided from other settings
_DECIDED = ("lasso.select", "lasso.penalty", "training.score_on", "training.held_out", "training.model_level")
