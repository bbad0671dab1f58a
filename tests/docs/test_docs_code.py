"""Code that a page shows without output, because it wants files of the reader's, runs on files that are made for it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"

# what somebody who works with scanpy has: counts, places, clusters and a UMAP of their own, and a network
A_SAMPLE = """
import anndata
import numpy as np
import spacetravlr as stl

tissue = stl.datasets.simulated_tissue(n_cells=600, n_genes=60, n_types=3, seed=2, depth=8.0, knock_outs=())
stl.datasets.write_network(tissue, "network")
adata = anndata.AnnData(
    tissue.layers["counts"].astype("float32"), obs=tissue.obs[[]].copy(), var=tissue.var[[]].copy(),
    obsm={"spatial": tissue.obsm["spatial"], "X_umap": np.random.default_rng(0).normal(size=(600, 2))},
)
adata.obs["leiden"] = tissue.obs["cell_type_int"].astype(str).astype("category")
"""
# what a training of networks leaves
A_WEIGHT_FILE = """
from pathlib import Path
import numpy as np
from spacetravlr import niche

xy = np.random.default_rng(0).uniform(0, 1000, (60, 2))
inputs = niche.NicheInputs.build(xy, np.arange(60) % 2, n_clusters=2, side=16, radius=100.0)
Path("my_run/CNN_weights").mkdir(parents=True)
niche.save_weights(
    "my_run/CNN_weights/Pax5_cnn_weights.npz", {0: niche.NicheNetwork(np.array([0.5, 1.0, -1.0]), 2)},
    modulators=["Foxo1", "Irf4"], inputs=inputs,
)
"""


def run_code_of(page: str, before: str, after: str, place: Path) -> str:
    (code,) = re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    done = subprocess.run(
        [sys.executable, "-c", f"{before}\n{code}\n{after}"],
        cwd=place,
        env={**os.environ, "MPLBACKEND": "agg", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_from_a_scanpy_object_to_a_knock_out_and_back(tmp_path: Path) -> None:
    said = run_code_of(
        "howto/own-data.md",
        A_SAMPLE,
        "assert not {'imputed_count', 'normalized_count'} & set(adata.layers), 'the object given was changed'\n"
        "at = list(ready.var_names).index('Foxo1')\n"
        "others = abs(ready.layers['ko_delta']).max(axis=0) > 0\n"
        "print(len(run.genes), ready.layers['ko_delta'].shape == ready.shape, int(others.sum()) > 1,\n"
        "      abs(changed.layers['simulated'][:, at]).max())",
        tmp_path,
    )
    genes, shape, moved, left = said.split()[-4:]
    assert int(genes) > 5
    assert (shape, moved, float(left)) == ("True", "True", 0.0)


def test_networks_are_loaded_from_their_file(tmp_path: Path) -> None:
    said = run_code_of("concepts/niche.md", A_WEIGHT_FILE, "print(type(network).__name__, network.training)", tmp_path)
    assert said.split() == ["NicheNetwork", "False"]
