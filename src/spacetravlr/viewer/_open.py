"""Open a sample and its run: every path is checked against the data roots before anything is read."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from spacetravlr.errors import ConfigError, InputError, SpaceTravLRError
from spacetravlr.viewer._coefficients import Coefficients
from spacetravlr.viewer._dataset import Dataset, cell_keys, dataset_id
from spacetravlr.viewer._expression import Expression
from spacetravlr.viewer._h5ad import H5adFile
from spacetravlr.viewer._memory import ByteCache
from spacetravlr.viewer._options import DEFAULT_CLUSTERS, DEFAULT_LAYER, MEGABYTE, ViewerOptions, default_cache_dir
from spacetravlr.viewer._problem import ProblemError, of_error
from spacetravlr.viewer._runtime import Runtime

if TYPE_CHECKING:
    from spacetravlr.prior import PriorNetwork
    from spacetravlr.run import Run

_LOG = logging.getLogger("spacetravlr")
_LARGEST_TOML = 1 << 20


@dataclass(frozen=True, kw_only=True)
class OpenRequest:
    """What is to be opened; paths are real ones that may be opened."""

    h5ad: Path | None = None
    run_toml: Path | None = None
    layer: str | None = None
    """None for that of the run, else the usual one."""
    cluster_annot: str | None = None
    """None for that of the run, else the usual one."""
    network_dir: Path | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """Equal for equal requests."""
        parts = (self.h5ad, self.run_toml, self.layer, self.cluster_annot, self.network_dir)
        return tuple("" if part is None else str(part) for part in parts)


def open_dataset(request: OpenRequest, options: ViewerOptions, holds: Callable[[Path], bool]) -> Dataset:
    """Open what is asked for; tables, positions and network are read now, expression when it is shown.

    Parameters
    ----------
    request
        What.
    options
        Sizes and directories.
    holds
        Says whether a file may be opened: also the sample and the tables that a TOML leads to.

    Raises
    ------
    ProblemError
        400 with one line that says why not.
    """
    if request.h5ad is None and request.run_toml is None:
        raise ProblemError(400, "name a sample (adata_path) or a run (run_toml)")
    notices: list[str] = []
    run = None if request.run_toml is None else _open_run(request.run_toml, holds)
    path = _sample(request, run, holds, notices)
    file, layer, clusters = _read_sample(path, request, run, notices)
    expression = Expression(
        file,
        folder=(options.cache_dir or default_cache_dir()) / "columns",
        disk=options.column_disk_mb * MEGABYTE,
        memory=options.column_memory_mb * MEGABYTE,
    )
    expression.ready(layer)
    network, found_in = _network(file.genes, request, run, holds, notices)
    identity = identify(path, layer, clusters, run)
    dataset = Dataset(
        id=identity,
        identity=identity,
        file=file,
        expression=expression,
        layer=layer,
        cluster_column=clusters,
        inputs=request.key,
        memory=ByteCache(options.column_memory_mb * MEGABYTE),
        network=network,
        network_dir=found_in,
    )
    if run is not None:
        _give_run(dataset, run, request.run_toml, options=options, holds=holds)
        notices += _differences(run, layer, clusters)
    dataset.notices = tuple(notices)
    for notice in notices:
        _LOG.warning("%s", notice)
    return dataset


def _read_sample(path: Path, request: OpenRequest, run: Run | None, notices: list[str]) -> tuple[H5adFile, str, str]:
    """Return the file, its layer and its column of clusters, after reading of each what would show that it is damaged.

    Raises
    ------
    ProblemError
        400 if something is missing or cannot be read.
    """
    try:
        file = H5adFile(path)
        layer = _layer(file, request.layer or (run and run.config.data.layer) or DEFAULT_LAYER, notices)
        clusters = request.cluster_annot or (run and run.config.data.cluster_annot) or DEFAULT_CLUSTERS
        file.obs(clusters)
        file.spatial()
        file.matrix(layer)
    except InputError as error:
        raise of_error(error, code="cannot_open") from error
    except (OSError, RuntimeError, ValueError, MemoryError) as error:
        # readers raise whatever a damaged file makes them raise
        raise ProblemError(400, f"{path.name} cannot be read; is the file complete?", code="cannot_open") from error
    return file, layer, clusters


def _give_run(
    dataset: Dataset, run: Run, run_toml: Path | None, *, options: ViewerOptions, holds: Callable[[Path], bool]
) -> None:
    """Add a run to a sample that has just been opened: its coefficients, and its model, which is not loaded yet."""
    from spacetravlr.run import Run

    file = dataset.file
    run = Run.open(run.toml if run.toml.exists() else run.path, adata=file.path)
    dataset.run, dataset.run_toml = run, run_toml
    dataset.coefficients = Coefficients(
        run.path, keys=cell_keys(lambda: dataset), holds=holds, memory=options.column_memory_mb * MEGABYTE
    )
    dataset.runtime = Runtime(run, n_obs=file.n_obs, n_genes=len(file.genes), holds=holds)


def _open_run(path: Path, holds: Callable[[Path], bool]) -> Run:
    from spacetravlr.run import Run
    from spacetravlr.run.paths import REPRO_TOML

    toml = path / REPRO_TOML if path.is_dir() else path
    try:
        if not toml.is_file() or toml.stat().st_size > _LARGEST_TOML or toml.suffix != ".toml" or not holds(toml):
            raise ProblemError(400, f"{toml.name} is no TOML of a run in the data roots", code="cannot_open")
        run = Run.open(toml)
    except (SpaceTravLRError, OSError) as error:
        if isinstance(error, ConfigError) or isinstance(error.__cause__, ConfigError):
            # what a reader of TOML says may quote the file, and this may be any file
            _LOG.info("a run TOML cannot be read: %s", error)
            raise ProblemError(400, f"{toml.name} is not the configuration of a run", code="cannot_open") from error
        raise ProblemError(400, str(error), code="cannot_open") from error
    if not holds(run.path):
        raise ProblemError(400, "the run lies outside the data roots of this server", code="not_in_data_roots")
    return run


def _sample(request: OpenRequest, run: Run | None, holds: Callable[[Path], bool], notices: list[str]) -> Path:
    """Return the sample: that of the run if it is there, else the one named."""
    if run is None:
        if request.h5ad is None:
            raise ProblemError(400, "name a sample (adata_path)")
        return request.h5ad
    found = sample_of(run)
    if found is None:
        if request.h5ad is None:
            raise ProblemError(
                400, "the sample that the run names ([data].adata_path) is not found: name it (adata_path)"
            )
        return request.h5ad
    if not holds(found):
        if request.h5ad is not None:
            return request.h5ad
        raise ProblemError(400, "the sample of the run lies outside the data roots", code="not_in_data_roots")
    if request.h5ad is not None and found != request.h5ad.resolve():
        notices.append(f"the sample of the run ({found.name}) is shown, not {request.h5ad.name}")
    return found


def sample_of(run: Run) -> Path | None:
    """Return the sample that a run names: relative to the working directory, else to its TOML; None if not found."""
    if not run.config.data.adata_path:
        return None
    named = Path(run.config.data.adata_path).expanduser()
    places = (named.absolute(), (run.toml.parent / named).absolute())
    return next((place.resolve() for place in places if place.is_file()), None)


def network_of(run: Run) -> Path | None:
    """Return the directory of networks that a run names, relative to its TOML."""
    if not run.config.grn.network_data_dir:
        return None
    named = Path(run.config.grn.network_data_dir).expanduser()
    return named if named.is_absolute() else run.toml.parent / named


def _layer(file: H5adFile, wanted: str, notices: list[str]) -> str:
    if wanted in file.layers:
        return wanted
    if "X" not in file.layers:
        file.matrix_node(wanted)  # says which layers there are
    notices.append(f"there is no layer {wanted!r}: X is shown")
    return "X"


def _differences(run: Run, layer: str, clusters: str) -> list[str]:
    pairs = (("layer", run.config.data.layer or "X", layer), ("clusters", run.config.data.cluster_annot, clusters))
    return [
        f"{what}: {shown!r} is shown, the run was trained on {trained!r}"
        for what, trained, shown in pairs
        if trained and trained != shown
    ]


def _network(
    genes: tuple[str, ...],
    request: OpenRequest,
    run: Run | None,
    holds: Callable[[Path], bool],
    notices: list[str],
) -> tuple[PriorNetwork | None, str | None]:
    from spacetravlr.prior import PriorNetwork, infer_species

    folder = request.network_dir
    if folder is None and run is not None:
        folder = network_of(run)
    species = infer_species(genes)
    # the file too: it may be a link
    if folder is not None and not (holds(folder) and holds(folder / f"{species}_network.parquet")):
        notices.append("the directory of networks lies outside the data roots and is not used")
        folder = None
    try:
        network = PriorNetwork.load(species, folder).restrict(genes)
    except SpaceTravLRError as error:
        notices.append(str(of_error(error).message))
        return None, None
    notices += [of_error(InputError(notice)).message for notice in network.notices]
    return network, None if folder is None else str(folder)


def identity_now(dataset: Dataset) -> str:
    """Return the identity that a dataset would have if it were opened now; empty if its files are gone."""
    try:
        return identify(dataset.file.path, dataset.layer, dataset.cluster_column, dataset.run)
    except (OSError, SpaceTravLRError):
        return ""


def identify(path: Path, layer: str, clusters: str, run: Run | None) -> str:
    """Return what tells data apart: files by size and date, layer, clusters."""
    facts = path.stat()
    parts: list[object] = [str(path), facts.st_size, facts.st_mtime_ns, layer, clusters]
    if run is not None:
        from spacetravlr.betas import betadata_files

        total = sha256(run.toml.read_bytes() if run.toml.exists() else b"")
        for gene, file in betadata_files(run.path).items():
            stat = file.stat()
            total.update(f"{gene} {stat.st_size} {stat.st_mtime_ns}\n".encode())
        parts += [str(run.path), total.hexdigest()]
    return dataset_id(*parts)
