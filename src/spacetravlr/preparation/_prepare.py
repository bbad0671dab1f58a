"""From a raw sample to one that can be trained on."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spacetravlr.errors import ConfigError, InputError, did_you_mean
from spacetravlr.events import Listener, Notice, StageFinished, StageStarted, silent
from spacetravlr.preparation._work import COUNTS, IMPUTED, NORMALISED, Work
from spacetravlr.preparation.coordinates import positions
from spacetravlr.preparation.counts import find_source
from spacetravlr.preparation.labels import (
    check_column,
    choose_type_column,
    labels_digest,
    possible_type_columns,
    use_symbols,
)
from spacetravlr.preparation.options import PrepareOptions
from spacetravlr.preparation.record import Record, content_digest
from spacetravlr.tissue.units import RECORD, check_length, known_scale, measure_units

if TYPE_CHECKING:
    from anndata import AnnData

    from spacetravlr.prior import PriorNetwork

_KEPT = ("unit", "um_per_unit", "leiden", "types")
"""What a record says of coordinates and columns, whatever is done with the counts."""


def prepare(
    adata: AnnData | str | os.PathLike[str],
    options: PrepareOptions | None = None,
    *,
    layer: str | None = None,
    cluster_key: str | None = None,
    sample: str | None = None,
    species: str | None = None,
    network: PriorNetwork | None = None,
    network_data_dir: str | os.PathLike[str] | None = None,
    um_per_unit: float | None = None,
    radius: float = 200.0,
    listener: Listener | None = None,
    **changes: Any,
) -> AnnData:
    """Make a raw sample ready for training.

    Cells and genes that say too little are left out; counts are normalised to 10,000 a cell and log(1 + x) is taken;
    genes are the variable ones and all measured ones of the network; principal components, neighbours, UMAP and Leiden
    clusters are scanpy's; expression is imputed by diffusion among cells that resemble each other; coordinates are
    brought to micrometres where it is known how long a unit is.

    Every step is recorded with its parameters in ``uns["spacetravlr_prepare"]``. What was done before with the same
    parameters is not done again, so preparing twice changes nothing.

    Parameters
    ----------
    adata
        The sample, which is not changed; or a path that `read_raw` understands.
    options
        All parameters; by default their defaults.
    layer
        Where the counts are; by default ``counts``, X or raw, whichever holds counts.
    cluster_key
        Column of obs with the cell types; by default ``cell_type`` or a similar name, else the Leiden clusters.
    sample
        Column of obs that tells tissue samples apart: nothing is imputed from one into another.
    species
        Of the gene names; inferred from them by default.
    network
        The prior network; loaded for the species by default.
    network_data_dir
        Where it lies, as for training.
    um_per_unit
        Length of a unit of the coordinates, micrometres; by default what the file tells.
    radius
        Radius to check against the density of the cells, micrometres.
    listener
        Receives a `StageStarted` and a `StageFinished` for each step, and notices.
    changes
        Single parameters of `PrepareOptions` by name: ``magic_t=3``.

    Returns
    -------
    AnnData with ``X`` and ``layers["normalized_count"]`` (logarithms), ``layers["counts"]``,
    ``layers["imputed_count"]`` (dense, float32), ``obs["cell_type"]`` and ``obs["cell_type_int"]``,
    ``obs["leiden"]``, ``obsm["spatial"]``, ``obsm["X_pca"]``, ``obsm["X_umap"]``.

    Raises
    ------
    InputError
        If the sample has no usable matrix or coordinates, a column does not exist, or nothing would be left.
    ConfigError
        If a parameter is unknown or out of range.
    MissingExtraError
        If scanpy (extra ``pp``) or a reader is not installed.

    Notes
    -----
    Memory: the raw counts twice, and the imputed layer, n_cells * n_genes * 4 bytes. Same input, same bits.

    Examples
    --------
    >>> import spacetravlr as stl
    >>> raw = stl.datasets.simulated_tissue(n_cells=300, n_genes=60, knock_outs=())
    >>> ready = stl.pp.prepare(raw, layer="counts", umap=False)
    >>> sorted(name for name in ready.layers if name)
    ['counts', 'imputed_count', 'normalized_count']
    """
    told = silent if listener is None else listener
    settled = _settle(options, changes)
    check_length("radius", radius)
    check_length("um_per_unit", um_per_unit)
    if isinstance(adata, str | os.PathLike):
        adata = _read(Path(adata), told)
    _check(adata, sample=sample, cluster_key=cluster_key)
    if adata.isbacked:
        adata = adata.to_memory()

    def note(message: str) -> None:
        told(Notice(message))

    work = _begin(adata, layer, options=settled, sample=sample, told=told)
    work.network = _network(work.adata, species, network, network_data_dir, told)
    work.facts["species"], work.facts["network"] = work.network.species, work.network.source
    work.filter()
    work.normalise()
    work.choose_genes()
    work.embed()
    work.impute()
    work.name_types(_types_from(work, cluster_key, note))
    scale = work.place(um_per_unit)
    work.finish(scale)
    _tell_units(work.adata, radius, sample, told)
    return work.adata


def _read(path: Path, told: Listener) -> AnnData:
    from spacetravlr.preparation.readers import read_raw

    told(StageStarted("reading"))
    began = time.perf_counter()
    adata = read_raw(path, told=told)
    shape = f"{adata.n_obs:,} cells x {adata.n_vars:,} genes"
    told(StageFinished("reading", time.perf_counter() - began, f"{shape} from {path}"))
    return adata


def _settle(options: PrepareOptions | None, changes: dict[str, Any]) -> PrepareOptions:
    base = PrepareOptions() if options is None else options
    known = list(PrepareOptions.__dataclass_fields__)
    for name in changes:
        if name not in known:
            raise ConfigError(f"unknown parameter {name!r}{did_you_mean(name, known)}")
    return replace(base, **changes)


def _check(adata: AnnData, *, sample: str | None, cluster_key: str | None) -> None:
    """Find out what cannot go well before anything is computed, which may take long."""
    if not adata.n_obs or not adata.n_vars:
        raise InputError(f"the sample is empty: {adata.n_obs} cells x {adata.n_vars} genes")
    for column, name in ((sample, "sample column"), (cluster_key, "cluster column")):
        if column is not None:
            check_column(adata.obs, column, f"the {name}")
            labels_digest(adata.obs, column)
    positions(adata, lambda _: None)


def _begin(adata: AnnData, layer: str | None, *, options: PrepareOptions, sample: str | None, told: Listener) -> Work:
    """Return a copy of the sample to work on, with the record of what was done to it before."""

    def note(message: str) -> None:
        told(Notice(message))

    stored = adata.uns.get(RECORD)
    if stored is not None:
        kind = str(stored.get("kind", "counts"))
        name = COUNTS if kind == "counts" else NORMALISED
        if name in adata.layers and layer in {None, name, str(stored.get("source", ""))}:
            record = Record(stored)
            if content_digest(adata, adata.layers[name]) != stored.get("content"):
                note("the sample was changed after it was prepared: everything is computed anew")
                # coordinates that were converted stay converted
                record.steps = {name: text for name, text in record.steps.items() if name == "units"}
            return Work(adata.copy(), record, options, sample, told, kind=kind)
    source = find_source(adata, layer)
    if source.kind != "counts":
        form = "logarithms" if source.kind == "log" else "normalised values without logarithm"
        told(Notice(f"no counts were found; {source.name} holds {form} and is taken as such", "warning"))
    else:
        note(f"counts from {source.name if source.name in {'X', 'raw'} else f'layer {source.name!r}'}")
    copy = source.adata.copy()
    copy.raw = None
    if IMPUTED in copy.layers:
        note(f"layer {IMPUTED!r} of the sample is replaced: it is computed from these values")
    for old in (IMPUTED, NORMALISED, COUNTS):
        copy.layers.pop(old, None)
    copy.uns.pop(RECORD, None)
    use_symbols(copy, note)
    copy.layers[COUNTS if source.kind == "counts" else NORMALISED] = source.matrix
    copy.X = None
    record = Record()
    if stored is not None:
        # coordinates that were converted stay converted
        record.facts.update({name: stored[name] for name in _KEPT if name in stored})
        record.steps.update({name: str(text) for name, text in stored.get("steps", {}).items() if name == "units"})
    record.facts.update({"source": source.name, "kind": source.kind, "measured": int(copy.n_vars)})
    return Work(copy, record, options, sample, told, kind=source.kind)


def _network(
    adata: AnnData,
    species: str | None,
    network: PriorNetwork | None,
    data_dir: str | os.PathLike[str] | None,
    told: Listener,
) -> PriorNetwork:
    from spacetravlr.prior import PriorNetwork, infer_species

    if network is not None:
        return network
    found = PriorNetwork.load(species or infer_species(map(str, adata.var_names)), data_dir)
    for notice in found.notices:
        told(Notice(notice, "warning"))
    return found


def _types_from(work: Work, cluster_key: str | None, note: Callable[[str], None]) -> str:
    before = work.types_before
    if cluster_key is None and before is not None:
        return before
    column = choose_type_column(work.adata.obs, cluster_key)
    if column is None:
        others = [name for name in possible_type_columns(work.adata.obs) if name != work.leiden_column]
        hint = f"; or name a column with --cluster-key: {', '.join(others[:5])}" if others else ""
        note(f"no column of cell types: Leiden clusters are used{hint}")
    return column or work.leiden_column


def _tell_units(adata: AnnData, radius: float, sample: str | None, told: Listener) -> None:
    xy = np.asarray(adata.obsm["spatial"], dtype=np.float64)
    codes = None if sample is None else adata.obs[sample].astype("category").cat.codes.to_numpy()
    units = measure_units(xy, radius, scale=known_scale(adata.uns, adata.obs, xy), samples=codes)
    told(Notice(units.line))
    for warning in units.warnings:
        told(Notice(warning, "warning"))
