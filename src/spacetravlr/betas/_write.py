"""Betadata as Arrow IPC files, written under a temporary name and renamed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from spacetravlr.atomic import write_bytes
from spacetravlr.betas._columns import CELL_ID, CLUSTER_ID, INTERCEPT, PREFIX
from spacetravlr.betas.table import Betas
from spacetravlr.errors import InputError


def write_betas(betas: Betas, path: Path) -> None:
    """Write a table; see `Betas.write`."""
    kept = betas.nonzero()
    if not kept.modulators:
        raise InputError(f"betas of {betas.target}: no coefficient other than 0, so there is no table to write")
    ids = pa.array(kept.row_labels, type=pa.utf8())
    # half the size, and the difference between cells is far above the rounding
    dtype = np.float32 if kept.by == "cell" and kept.values.dtype == np.float32 else np.float64
    # Arrow wants columns; one transposed copy is cheaper than a strided copy per column
    columns = np.ascontiguousarray(kept.values.T, dtype=dtype)
    fields = {CELL_ID if kept.by == "cell" else CLUSTER_ID: ids}
    if kept.intercept.any():
        fields[INTERCEPT] = pa.array(kept.intercept.astype(dtype, copy=False))
    fields |= {PREFIX + name: pa.array(column) for name, column in zip(kept.modulators, columns, strict=True)}
    write_bytes(path, memoryview(_serialise(pa.record_batch(list(fields.values()), names=list(fields)))))


def _serialise(batch: pa.RecordBatch) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
    with pa.ipc.new_file(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    return sink.getvalue()
