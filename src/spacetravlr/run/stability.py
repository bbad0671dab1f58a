"""The file of a target in `stability/`: how firmly each of its coefficients is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spacetravlr.betas.names import escape_gene

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXTRAS = ("beta", "low", "high", "effect", "group", "group_size")
"""Lists beside the fractions in a stability file, one value per coefficient column of the row."""


@dataclass(frozen=True, slots=True)
class Stability:
    """The stability of one target: C clusters, p modulators."""

    clusters: tuple[str, ...]
    modulators: tuple[str, ...]
    fraction: NDArray[np.float64]
    """(C, p) share of bootstraps with the sign of the fit."""
    lists: Mapping[str, NDArray[Any]]
    """(C, p) each, as `EXTRAS`."""


def stability_file(root: Path, gene: str) -> Path:
    """Return where the stability of a target lies."""
    return root / "stability" / f"{escape_gene(gene)}.feather"


def read_stability(path: Path) -> Stability | None:
    """Return what a file tells; None if it is an older one, which holds no more than fractions.

    Raises
    ------
    OSError
        If it is not there or cannot be read.
    ValueError
        If it is damaged.
    """
    import pyarrow as pa

    # small files are read at once three times as fast as by the threads of Arrow
    content = pa.BufferReader(path.read_bytes())
    try:
        reader = pa.ipc.open_file(content, options=pa.ipc.IpcReadOptions(use_threads=False))
        # one batch is what is written; another program may cut it
        batches = [reader.get_batch(number) for number in range(reader.num_record_batches)]
        for batch in batches:
            # a damaged file can hold offsets that point outside the text
            batch.validate(full=True)
        names = [name for name in reader.schema.names if name.startswith("beta_")]
        if not names or not batches or not {"Cluster", *EXTRAS} <= set(reader.schema.names):
            return None
        parts = [_arrays(batch, names) for batch in batches]
    except (OSError, TypeError, pa.ArrowException) as error:
        raise ValueError(str(error)) from error
    return Stability(
        tuple(str(label) for batch in batches for label in batch.column("Cluster").to_pylist()),
        tuple(name.removeprefix("beta_") for name in names),
        np.concatenate([part["fraction"] for part in parts]),
        {name: np.concatenate([part[name] for part in parts]) for name in EXTRAS},
    )


def _arrays(batch: Any, names: Iterable[str]) -> dict[str, NDArray[Any]]:
    fractions = np.column_stack([batch.column(name).to_numpy() for name in names])
    shape = fractions.shape
    lists = {name: batch.column(name).flatten().to_numpy(zero_copy_only=False).reshape(shape) for name in EXTRAS}
    return {"fraction": fractions, **lists}
