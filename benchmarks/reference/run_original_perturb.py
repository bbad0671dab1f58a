"""Receive ligands, derive and perturb with the original Python package; runs in that package's own environment.

    run_original_perturb.py TISSUE BETAS JOB RESULT

TISSUE holds arrays (npz), BETAS is a directory of coefficients by cell (parquet), JOB says what to do (JSON), and
RESULT is the file (npz) for the results and for the seconds that each part took.

The package reads a list of ligand-receptor pairs that ships with it; the pairs of the job take its place.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from importlib import metadata
from pathlib import Path

import run_original


def timed(work, repeats):
    """Return what the work returns, and the seconds of each repeat."""
    walls = []
    for _ in range(repeats):
        began = time.perf_counter()
        result = work()
        walls.append(time.perf_counter() - began)
    return result, walls


def annotated(arrays):
    """Return the tissue as the package wants it."""
    import anndata
    import numpy as np
    import pandas as pd

    cells, genes = arrays["cells"].tolist(), arrays["genes"].tolist()
    adata = anndata.AnnData(arrays["expression"].copy(), pd.DataFrame(index=cells), pd.DataFrame(index=genes))
    for layer in ("normalized_count", "imputed_count"):
        adata.layers[layer] = arrays["expression"].copy()
    adata.obsm["spatial"] = arrays["xy"]
    adata.obs["cell_type_int"] = arrays["labels"].astype(int)
    adata.uns["cell_thresholds"] = pd.DataFrame(np.ones(adata.shape), cells, genes)
    return adata


def main(arguments):
    parallel = run_original.load_module()
    import numpy as np
    import pandas as pd
    from SpaceTravLR import gene_factory

    tissue, betas, job_file, result = map(Path, arguments)
    arrays, job = dict(np.load(tissue)), json.loads(job_file.read_text(encoding="utf-8"))
    pairs = pd.DataFrame(job["pairs"], columns=["ligand", "receptor"])
    gene_factory.get_cellchat_db = lambda _species: pairs.assign(pathway="simulated", signaling="Secreted Signaling")
    adata = annotated(arrays)
    options = {"annot": "cell_type_int", "radius": job["radius"], "contact_distance": job["radius"]}
    with contextlib.redirect_stdout(io.StringIO()):
        factory = gene_factory.GeneFactory(adata, models_dir=str(betas), **options)
        _, load = timed(factory.load_betas, 1)
        frame = adata.to_df(layer="imputed_count")
        sent = parallel.get_filtered_df(frame, None, job["ligands"])

        def receive():
            return parallel.received_ligands(xy=adata.obsm["spatial"], ligands_df=sent, lr_info=factory.lr)

        receive()
        received, receive_walls = timed(receive, job["repeats"])
        levels = parallel.get_filtered_df(frame, None, list(frame.columns))[frame.columns]

        def derive():
            derived = None
            for table in factory.beta_dict.data.values():
                derived = table.splash(received, received, levels)
            return derived

        _, splash_walls = timed(derive, job["repeats"])
        own = factory.beta_dict.data[job["derived"]].splash(received, received, levels)
        steps, target = job["steps"], job["target"]
        simulated, perturb_walls = timed(lambda: factory.perturb(target, n_propagation=steps, gene_expr=0), 1)
    np.savez(
        result,
        versions=json.dumps({name: metadata.version(name) for name in ("spacetravlr", "numpy", "pandas", "numba")}),
        load=load,
        received=received[job["ligands"]].to_numpy(),
        received_walls=receive_walls,
        splash=own.to_numpy(),
        splash_columns=own.columns.to_numpy().astype(str),
        splash_walls=splash_walls,
        perturb=simulated.to_numpy(),
        perturb_walls=perturb_walls,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
