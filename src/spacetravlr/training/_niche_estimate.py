"""What niche networks add to the memory, the disk and the time of a training."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.niche.features import DENSITY_RADII, POSITION_ORDER, RECEIVED_COMPONENTS
from spacetravlr.threads import one_blas_thread
from spacetravlr.training.encoders import SAMPLE
from spacetravlr.training.refining import NETWORK_BLOCK, refines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spacetravlr.config import RunConfig

_TORCH = 250e6
"""torch, bytes (measured)."""
_STACKS = 200e6
"""What is fitted at once, bytes: the stacks of targets, and products of their size."""
_HEAD = 2000.0
"""Multiplications for the head of a target, per coefficient, cell and number of the encoder."""
_LEARN = 30.0
"""The same for its share in the encoder, per fold and number of the table."""
_NETWORK = 10e6 / 64**2
"""Multiplications of a network, per cell and pixel, to go forward."""
_STEPS = 4.0
"""Forward passes that an epoch is worth: back again, and the held-out cells."""
_CALLS = 0.15
"""Seconds of a block of targets in a cluster besides the multiplications (measured)."""
_PRODUCT = 768
_SHARE = 0.5
"""Speed of heads and networks relative to that of one large product (measured)."""
_LABEL = 12.0
"""Bytes of the name of a cell."""


@dataclass(frozen=True)
class NicheSizes:
    """What networks depend on.

    Attributes
    ----------
    cells
        Per cluster.
    columns
        Distinct modulator columns of the run.
    active
        Mean number of coefficients of a cell that are not zero, over all cells and targets.
    width
        Most modulators of a target.
    workers
        Blocks at work at a time.
    """

    cells: Sequence[int]
    columns: int
    active: float
    width: int
    workers: int


def niche_memory(sizes: NicheSizes, config: RunConfig) -> dict[str, float]:
    """Return the bytes that networks take, by part; nothing without them.

    Notes
    -----
    With n cells, at most n_c in a cluster, k columns of the table, P columns of the designs, p modulators of a target
    and w workers: torch; the table ``4 n k``; for each worker a design ``8 n_c P`` and what is fitted at once; the
    coefficients by cell that are being written, three times ``4 n p``. Networks of a target's own take the batches of
    maps instead, and keep the coefficients of a block.
    """
    if not refines(config):
        return {}
    n, largest = sum(sizes.cells), max(sizes.cells)
    written = 12.0 * n * sizes.width
    if config.cnn.encoder == "shared":
        at_work = sizes.workers * (8.0 * largest * sizes.columns + _STACKS)
        return {"niche networks": _TORCH + 4.0 * n * _table_width(sizes) + at_work + written}
    maps = 64.0 * 4.0 * config.spatial.spatial_dim**2 * max(config.cnn.cnn_inference_batch_size, 1)
    at_work = sizes.workers * (8.0 * largest * sizes.columns + NETWORK_BLOCK * 4.0 * n * sizes.active + maps)
    return {"niche networks": _TORCH + at_work + written}


def niche_disk(sizes: NicheSizes, config: RunConfig, n_targets: int) -> float:
    """Return the bytes of the coefficients by cell, as if every target got them, and of the shared encoder.

    Coefficients that are zero in many cells take no room: files are compressed.
    """
    if not refines(config):
        return 0.0
    n = sum(sizes.cells)
    encoder = 4.0 * n * _table_width(sizes) if config.cnn.encoder == "shared" else 0.0
    return encoder + n_targets * n * (4.0 * sizes.active + _LABEL)


def niche_seconds(sizes: NicheSizes, config: RunConfig, n_targets: int) -> dict[str, float]:
    """Return the seconds that networks take on the CPU, as if every target got them; a product is timed for it.

    Parameters
    ----------
    sizes, config
        The run.
    n_targets
        Targets that are fitted.
    """
    if not refines(config):
        return {}
    flop_s = _flop_seconds() / _SHARE
    large = [size for size in sizes.cells if size >= config.cnn.min_cells_for_cnn]
    n = sum(large)
    if config.cnn.encoder == "per_gene":
        forward = n * _NETWORK * config.spatial.spatial_dim**2
        seconds = n_targets * config.training.epochs * _STEPS * 2.0 * forward * flop_s / sizes.workers
    else:
        heads = n_targets * _HEAD * sizes.active * n * config.cnn.encoder_size
        folds = config.lasso.n_folds + 1
        sample = min(n_targets, SAMPLE) * config.cnn.encoder_rounds
        learning = sample * folds * _LEARN * sizes.active * n * _table_width(sizes)
        calls = n_targets / 64.0 * _CALLS * len(large)
        seconds = (2.0 * heads * flop_s + calls) / sizes.workers + 2.0 * learning * flop_s
    return {"niche networks": seconds}


def _flop_seconds() -> float:
    """Return the seconds of a floating-point operation in a large product of float32 on one thread."""
    one = np.random.Generator(np.random.PCG64(0)).random((_PRODUCT, _PRODUCT), dtype=np.float32)
    times = []
    with one_blas_thread():
        for _ in range(4):
            began = time.thread_time()
            np.matmul(one, one)
            times.append(time.thread_time() - began)
    return max(min(times), 1e-6) / (2.0 * _PRODUCT**3)


def _table_width(sizes: NicheSizes) -> int:
    position = (POSITION_ORDER + 1) * (POSITION_ORDER + 2) // 2 - 1
    return len(DENSITY_RADII) * len(sizes.cells) + RECEIVED_COMPONENTS + position
