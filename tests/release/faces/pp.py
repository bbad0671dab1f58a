"""Extra pp: counts as an instrument leaves them become a sample that can be trained on, with Leiden clusters."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import anndata
import numpy as np

PROGRAM = str(Path(sys.executable).parent / "spacetravlr")

tissue = anndata.read_h5ad("tissue.h5ad")
raw = anndata.AnnData(np.asarray(tissue.layers["counts"], dtype=np.float32))
raw.obs_names, raw.var_names = tissue.obs_names, tissue.var_names
raw.obsm["spatial"] = np.asarray(tissue.obsm["spatial"])
raw.write_h5ad("raw.h5ad")
subprocess.run(
    [PROGRAM, "prepare", "raw.h5ad", "-o", "ready.h5ad", "--um-per-unit", "1", "--network-data-dir", "data"], check=True
)
ready = anndata.read_h5ad("ready.h5ad")
assert {"counts", "normalized_count", "imputed_count"} <= set(ready.layers)
assert "X_umap" in ready.obsm
clusters, types = ready.obs["leiden"].to_numpy(), tissue.obs.loc[ready.obs_names, "cell_type"].to_numpy()
# cells of a cluster are of one type, far more often than those of a random one would be
most = sum(np.unique(types[clusters == one], return_counts=True)[1].max() for one in np.unique(clusters))
assert most > 0.6 * len(ready)
