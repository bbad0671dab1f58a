"""Effects as files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spacetravlr.atomic import make_directory, replacing

if TYPE_CHECKING:
    import anndata

    from spacetravlr.perturbation.doses import Dose
    from spacetravlr.perturbation.effect import Effect

# rows per record batch: bounds the memory of writing, and is large enough to compress well
_BATCH = 65536


def to_anndata(effect: Effect) -> anndata.AnnData:
    """Return an AnnData of an effect (see `Effect.to_anndata`)."""
    import anndata
    import pandas as pd

    names = pd.Index(effect.cells, dtype=object)
    obs = pd.DataFrame(index=names) if effect.obs is None else effect.obs.set_axis(names, axis=0)
    if effect.obs is None and effect.labels is not None:
        obs["cluster"] = pd.Categorical(effect.labels.astype(str))
    return anndata.AnnData(
        X=effect.baseline,
        obs=obs,
        var=pd.DataFrame(index=pd.Index(effect.genes, dtype=object)),
        layers={"simulated": effect.simulated, "delta": effect.delta},
        obsm={} if effect.xy is None else {"spatial": np.array(effect.xy)},
        uns={"perturbation": _request(effect)},
    )


def _request(effect: Effect) -> dict[str, Any]:
    return {
        "genes": np.array([target.gene for target in effect.targets], dtype=object),
        "doses": np.array([target.dose.label for target in effect.targets], dtype=object),
        "values": np.array([_number(target.dose) for target in effect.targets]),
        "n_propagation": effect.n_propagation,
        "profile": effect.profile,
        "notes": np.array(effect.notes, dtype=object),
    }


def _number(dose: Dose) -> float:
    return dose.amount if dose.kind == "absolute" else math.nan


def write_feather(effect: Effect, path: Path) -> None:
    """Write the simulated expression as an Arrow IPC file, some rows at a time."""
    import pyarrow as pa

    schema = pa.schema([("CellID", pa.string()), *((gene, pa.float64()) for gene in effect.genes)])
    row_of = {int(gene): row for row, gene in enumerate(effect.columns)}
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    make_directory(path.parent)
    with replacing(path) as temporary, pa.ipc.new_file(str(temporary), schema, options=options) as writer:
        for start in range(0, len(effect.cells), _BATCH):
            rows = slice(start, start + _BATCH)
            columns = [pa.array(effect.cells[rows], pa.string())]
            for gene in range(len(effect.genes)):
                values = effect.values[row_of[gene], rows] if gene in row_of else effect.baseline[rows, gene]
                columns.append(pa.array(np.asarray(values, dtype=np.float64)))
            writer.write_batch(pa.record_batch(columns, schema=schema))


def write_h5ad(effect: Effect, path: Path) -> None:
    """Write the AnnData of an effect."""
    data = to_anndata(effect)
    make_directory(path.parent)
    with replacing(path) as temporary:
        data.write_h5ad(temporary)
