"""What a training will take, without doing it: memory, disk and time."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.errors import InputError
from spacetravlr.events import Listener
from spacetravlr.regression import Catalogue
from spacetravlr.regression import Path as Penalties
from spacetravlr.training._memory import Sizes, descriptions, kept_draws, memory, with_grams
from spacetravlr.training._niche_estimate import NicheSizes, niche_disk, niche_memory, niche_seconds
from spacetravlr.training._probe import Probe, gram_flop, take_probe
from spacetravlr.training.account import device_of
from spacetravlr.training.api import log_notice
from spacetravlr.training.conditions import trained_parts
from spacetravlr.training.fits import is_tested
from spacetravlr.training.inputs import choose_targets, select_modulators
from spacetravlr.training.request import load_network, open_sample, settle
from spacetravlr.training.response import decide_response
from spacetravlr.training.trainer import block_size
from spacetravlr.training.workers import worker_count

if TYPE_CHECKING:
    from anndata import AnnData

    from spacetravlr.config import RunConfig
    from spacetravlr.prior import Modulators, PriorNetwork
    from spacetravlr.tissue import Tissue

_START = 1.3
"""Seconds until Python and its libraries are loaded."""
_FILES = 2.5e-3
"""Seconds for the files of a target."""
_FURTHER_WORKER = 0.7
"""What each worker after the first adds."""
_SECTOR = 4096
"""Disks hand out space in pieces of this size."""
_SINGLE = 0.6
"""Time of a product in float32 relative to one in float64."""


@dataclass(frozen=True)
class Estimate:
    """Size and cost of a training."""

    n_cells: int
    n_clusters: int
    n_targets: int
    n_without: int
    """Targets without a modulator, which become orphans at once."""
    modulators: tuple[int, int, int]
    """Smallest, median and largest number of modulators of a target."""
    n_columns: int
    """Distinct modulators of all targets."""
    workers: int
    memory: Mapping[str, float]
    """Bytes at the peak, by part; see `spacetravlr.training._memory.memory` for the formula."""
    disk: float
    """Bytes that the run directory will take, at most."""
    times: Mapping[str, float]
    """Seconds, by part."""
    n_parts: int = 1
    """Runs of a condition split, 1 without one; cells, disk and time are of all, memory is of the largest."""
    device: str = "cpu"
    """Where the work would be done, in words."""

    @property
    def memory_bytes(self) -> float:
        """Bytes at the peak."""
        return sum(self.memory.values())

    @property
    def seconds(self) -> float:
        """Seconds from start to end."""
        return sum(self.times.values())


def estimate_training(
    adata: AnnData | str | Path,
    genes: Sequence[str] | str | None = None,
    config: RunConfig | str | Path | None = None,
    *,
    listener: Listener | None = None,
    **overrides: object,
) -> Estimate:
    """Tell what `train` with the same arguments would take; nothing is written.

    Memory follows from a formula of the sizes. Time is measured on a few targets and scaled; both are meant to be
    right within a factor of 2, time on this machine when it has nothing else to do.

    Parameters
    ----------
    adata, genes, config, listener, overrides
        As for `train`.

    Raises
    ------
    ConfigError
        If a setting is unknown, not allowed, or contradicts another.
    InputError
        If the sample or the network cannot be used.

    Notes
    -----
    Takes a few seconds, and the memory of the sample's genes that a block of targets needs.
    """
    told = log_notice if listener is None else listener
    began = time.perf_counter()
    settings = settle(config, genes, dict(overrides), told)
    device = device_of(settings)
    tissue = open_sample(adata, settings, told)
    settings = decide_response(settings, tissue, told)
    network = load_network(tissue, settings, told)
    parts = trained_parts(tissue, settings, told)
    # the probe counts cells out; the largest part tells most about all of them
    tissue = max(parts, key=lambda part: part.n_cells)
    targets = choose_targets(tissue, settings, told)
    modulators = select_modulators(tissue, settings, network, targets)
    catalogue = Catalogue.from_modulators(modulators.values())
    opened = time.perf_counter() - began
    fitted = [target for target in targets if modulators[target].names]
    if not fitted:
        raise InputError("no target has a modulator in the prior network: nothing would be trained")
    probe = take_probe(tissue, settings, network, fitted)
    edges = _file_rows(network)
    of_parts = [_sizes(part, settings, modulators, catalogue, probe=probe, edges=edges) for part in parts]
    sizes = _sizes(tissue, settings, modulators, catalogue, probe=probe, edges=edges)
    counts = [len(one.names) for one in modulators.values()]
    times = [
        _times(opened if number == 0 else 0.0, len(fitted), len(targets), one, probe)
        | niche_seconds(_niche_sizes(one, probe), settings, len(fitted))
        for number, one in enumerate(of_parts)
    ]
    return Estimate(
        n_parts=len(parts),
        n_cells=sum(part.n_cells for part in parts),
        n_clusters=max(len(one.cells) for one in of_parts),
        n_targets=len(targets),
        n_without=len(targets) - len(fitted),
        modulators=(min(counts), int(np.median(counts)), max(counts)),
        n_columns=sizes.columns,
        workers=sizes.workers,
        device=device,
        memory=max(
            (memory(one) | niche_memory(_niche_sizes(one, probe), settings) for one in of_parts),
            key=lambda one: sum(one.values()),
        ),
        disk=sum(
            _disk(len(targets), one, probe) + niche_disk(_niche_sizes(one, probe), settings, len(targets))
            for one in of_parts
        ),
        times={name: sum(one[name] for one in times) for name in times[0]},
    )


def _sizes(
    tissue: Tissue,
    settings: RunConfig,
    modulators: Mapping[str, Modulators],
    catalogue: Catalogue,
    *,
    probe: Probe,
    edges: int,
) -> Sizes:
    lasso, n_targets = settings.lasso, len(modulators)
    cv = lasso.select == "cv"
    workers = min(worker_count(settings.execution.n_parallel), -(-n_targets // block_size(settings)))
    own_layer = settings.data.own_response is not None
    return Sizes(
        cells=[int(size) for size in tissue.clusters.sizes],
        columns=len(catalogue),
        width=max(len(one.names) for one in modulators.values()),
        genes=len({*catalogue.genes, *catalogue.ligands, *modulators}),
        response_genes=n_targets if own_layer else 0,
        itemsize=probe.itemsize,
        ligands=len(catalogue.ligands),
        edges=edges,
        block=min(block_size(settings), n_targets),
        workers=workers,
        n_folds=lasso.n_folds if cv or settings.training.held_out else 0,
        n_draws=lasso.n_bootstraps if cv else 0,
        single=cv and Penalties(lasso.penalty or "enet").ridge_part > 0.0,
        readme=lasso.solver == "fista",
        tested=cv and (settings.training.diagnostics or is_tested(settings)),
        diagnosed=cv and settings.training.diagnostics,
    )


def _niche_sizes(sizes: Sizes, probe: Probe) -> NicheSizes:
    return NicheSizes(sizes.cells, sizes.columns, probe.active, sizes.width, sizes.workers)


def _file_rows(network: PriorNetwork) -> int:
    """Return the rows of the network's file; 0 for the starter network, which is small."""
    import pyarrow.parquet

    path = Path(network.source)
    return int(pyarrow.parquet.read_metadata(path).num_rows) if path.suffix == ".parquet" and path.is_file() else 0


def _times(opened: float, n_fitted: int, n_targets: int, sizes: Sizes, probe: Probe) -> dict[str, float]:
    """Scale what was measured to the whole run."""
    P, workers = sizes.columns, 1.0 + _FURTHER_WORKER * (sizes.workers - 1)
    grams = [n for n, has in zip(sizes.cells, with_grams(sizes), strict=True) if has]
    n_blocks = -(-n_targets // sizes.block)
    # the matrices of the bootstraps, once for all blocks or anew for each
    kept = sum(n for n, keep in zip(sizes.cells, kept_draws(sizes), strict=True) if keep)
    drawn = kept + n_blocks * (sum(grams) - kept)
    drawing = 2.0 * 0.64 * drawn * P**2 * sizes.n_draws * probe.flop_s * (_SINGLE if sizes.single else 1.0)
    # the probe has fewer columns, which matters for the products with the responses
    products = 2.0 * sizes.n_cells * max(0, P - probe.columns) * (descriptions(sizes) + sizes.n_draws) * probe.flop_s
    each = probe.fit_s + sizes.n_draws * probe.draw_s + products
    # the last blocks keep some workers waiting
    in_turn = -(-n_blocks // sizes.workers) * sizes.workers / n_blocks if n_blocks < 4 * sizes.workers else 1.0
    held_out = bool(sizes.n_folds) and not sizes.readme
    return {
        "start and set-up": _START + opened + probe.read_s * sizes.genes,
        "received ligands": probe.receive_s * sizes.ligands,
        "Gram matrices": descriptions(sizes) * gram_flop(grams, P, folds=held_out) * probe.flop_s + drawing,
        "fits": n_fitted * each * in_turn / workers,
        "files": n_targets * _FILES * in_turn / workers,
    }


def _disk(n_targets: int, sizes: Sizes, probe: Probe) -> float:
    """Return what coefficient, stability, log and score files take; sizes as observed."""
    C = len(sizes.cells)
    table = 1000.0 + probe.kept * (190.0 + 5.0 * C)
    log = 800.0 + 60.0 * C
    tables = 2 if sizes.n_draws else 1
    # intervals, effects and groups beside the stabilities
    beside = -(-15.0 * probe.kept * C // _SECTOR) if sizes.n_draws else 0.0
    record = 1200.0 + 90.0 * C
    in_sectors = beside + tables * -(-table // _SECTOR) + -(-log // _SECTOR) + -(-record // _SECTOR)
    return n_targets * in_sectors * _SECTOR + 50e3 + 20.0 * n_targets
