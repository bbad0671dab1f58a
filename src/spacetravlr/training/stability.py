"""`stability/{gene}.feather`: how far each coefficient can be trusted, by block bootstraps.

Columns of the coefficient file with fractions in place of coefficients, and beside them, for every row, lists in the
order of these columns: what an edge table needs without the sample (`Run.edges`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.atomic import make_directory, write_bytes
from spacetravlr.betas import Betas
from spacetravlr.betas.names import escape_gene
from spacetravlr.run.stability import EXTRAS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacetravlr.config import RunConfig
    from spacetravlr.tissue import Clusters
    from spacetravlr.training.fits import TargetFit

INTERVAL = 1.96
"""Half the width of an interval, in standard deviations over bootstraps: 95 % of a normal distribution."""


def write_stability(
    directory: Path, fit: TargetFit, kept: NDArray[np.bool_], clusters: Clusters, config: RunConfig
) -> None:
    """Write the stability of a target, in the layout of its coefficient file (columns of zeros are left out).

    Parameters
    ----------
    directory
        Run directory.
    fit
        With `stability`, (C, p), fractions 0..1.
    kept
        (C,), clusters whose coefficients are written.
    clusters
        Row labels.
    config
        Says which coefficients are exported.
    """
    from spacetravlr.training.fits import exported

    if fit.stability is None:
        return
    stability = np.where(kept[:, None], fit.stability, 0.0)
    coef = np.where(kept[:, None], np.nan_to_num(exported(fit, config)[0]), 0.0)
    # the mean over bootstraps may have coefficients where the fit to all cells has none
    used = np.flatnonzero(coef.any(axis=0) | stability.any(axis=0))
    if not len(used):
        return
    table = Betas(
        target=fit.modulators.target,
        by="cluster",
        row_labels=clusters.labels,
        intercept=np.zeros(len(clusters.labels)),
        modulators=tuple(fit.modulators.names[k] for k in used),
        values=stability[:, used],
    )
    extras = _extras(fit, coef, used)
    path = directory / "stability" / f"{escape_gene(fit.modulators.target)}.feather"
    make_directory(path.parent)
    write_bytes(path, memoryview(_serialise(table, extras)))


def _extras(fit: TargetFit, coef: NDArray[np.float64], used: NDArray[np.int64]) -> dict[str, NDArray[np.generic]]:
    """Return, (C, k) each, what `EXTRAS` names, of the columns that are written."""
    spread = np.zeros_like(coef) if fit.boot_sd is None else fit.boot_sd
    ratio = np.zeros_like(coef) if fit.ratio is None else fit.ratio
    groups = np.zeros(coef.shape, dtype=np.int64) if fit.groups is None else fit.groups
    sizes = np.zeros_like(groups)
    for row, own in enumerate(groups):
        sizes[row] = np.where(own > 0, np.bincount(own)[own], 1)
    found: dict[str, NDArray[np.generic]] = {
        "beta": coef,
        "low": coef - INTERVAL * spread,
        "high": coef + INTERVAL * spread,
        "effect": (np.abs(coef) * ratio).astype(np.float32),
        "group": groups.astype(np.int32),
        "group_size": sizes.astype(np.int32),
    }
    return {name: found[name][:, used] for name in EXTRAS}


def _serialise(table: Betas, extras: dict[str, NDArray[np.generic]]) -> bytes:
    import pyarrow as pa

    # there is no intercept to speak of
    columns = table.to_frame().iloc[:, 1:].reset_index()
    frame = pa.Table.from_pandas(columns, preserve_index=False)
    for name, values in extras.items():
        flat = pa.array(np.ascontiguousarray(values).reshape(-1))
        frame = frame.append_column(name, pa.FixedSizeListArray.from_arrays(flat, values.shape[1]))
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
    # what pandas notes beside the data would be larger than some of the tables
    frame = frame.replace_schema_metadata(None).combine_chunks()
    with pa.ipc.new_file(sink, frame.schema, options=options) as writer:
        writer.write_table(frame)
    content: bytes = sink.getvalue().to_pybytes()
    return content
