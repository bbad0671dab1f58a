"""Train some targets with the original Python package; runs in that package's own environment.

    run_original.py --check                     say whether it can be imported
    run_original.py TISSUE NETWORK JOB RESULT   train; JOB and RESULT are JSON files

The package downloads a table of ligand-TF scores and reads a list of ligand-receptor pairs that ships with it. Both are
replaced by the edges of the simulated tissue's network, so that it works on the inputs of the comparison.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
import types
from importlib import metadata
from pathlib import Path

PACKAGE = "SpaceTravLR"


def load_module():
    """Import the module of the estimator without the package's own ``__init__``, which needs all its dependencies."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None:
        raise SystemExit(f"{PACKAGE} is not installed here; see benchmarks/reference/setup.sh")
    package = types.ModuleType(PACKAGE)
    package.__path__ = list(found.submodule_search_locations)
    sys.modules[PACKAGE] = package
    from SpaceTravLR.models import parallel_estimators

    return parallel_estimators


def pairs_of(network):
    """Return the ligand-receptor edges in the columns of the list that ships with the package."""
    edges = network[network["edge_type"] == "lr"]
    return edges[["source", "target"]].set_axis(["ligand", "receptor"], axis=1).assign(
        pathway="simulated", signaling="Secreted Signaling"
    )  # fmt: skip


def scores_of(network):
    """Return the ligand-TF edges as a table of TFs by ligands."""
    edges = network[network["edge_type"] == "nichenet"]
    return edges.pivot_table(index="target", columns="source", values="weight", fill_value=0.0)


def links_of(network, clusters):
    """Return the TF edges as the links of every cluster."""
    edges = network[network["edge_type"] == "grn"]
    links = edges[["source", "target"]].assign(p=0.0, coef_mean=1.0)
    return dict.fromkeys(clusters, links)


def give_inputs(module, network):
    """Let the module read the given network instead of its own files."""
    pairs, scores = pairs_of(network), scores_of(network)
    read_parquet = module.pd.read_parquet
    module.get_cellchat_db = lambda _species: pairs.copy()
    module.pd.read_parquet = lambda path, *rest, **options: (
        scores.copy() if "ligand_target" in str(path) else read_parquet(path, *rest, **options)
    )


def limit_steps(module, n_iter, tol):
    """Give its lasso another number of steps, None keeps the package's own; return what to put back."""
    original = module.GroupLasso
    if n_iter is not None:
        module.GroupLasso = lambda **options: original(**{**options, "n_iter": n_iter, "tol": tol})
    return original


def train(module, adata, links, job, setting):
    """Train the targets of a job with one setting; return a record for each."""
    original = limit_steps(module, setting.get("n_iter"), setting.get("tol"))
    records = []
    try:
        for target in job["targets"]:
            began = time.perf_counter()
            estimator = module.SpatialCellularProgramsEstimator(
                adata,
                target,
                spatial_dim=job["spatial_dim"],
                cluster_annot="cell_type_int",
                layer="imputed_count",
                radius=job["radius"],
                contact_distance=job["contact_distance"],
                tf_ligand_cutoff=job["tf_ligand_cutoff"],
                grn=module.RegulatoryFactory(links=links),
                scale_factor=1,
            )
            estimator.fit(num_epochs=0, **setting["penalties"])
            records.append(
                {
                    "target": target,
                    "seconds": time.perf_counter() - began,
                    "modulators": len(estimator.modulators),
                    "r2": {str(cluster): float(r2) for cluster, r2 in estimator.scores.items()},
                }
            )
    finally:
        module.GroupLasso = original
    return records


def main(arguments):
    began = time.perf_counter()
    module = load_module()
    imported = time.perf_counter() - began
    names = ("spacetravlr", "group-lasso", "torch", "numpy", "numba", "pandas", "anndata", "scikit-learn")
    versions = {name: metadata.version(name) for name in names}
    if arguments == ["--check"]:
        print(f"spacetravlr {versions['spacetravlr']} can be imported ({imported:.1f} s)")
        return
    tissue, network_file, job_file, result_file = map(Path, arguments)
    import anndata
    import pandas as pd

    adata, network = anndata.read_h5ad(tissue), pd.read_parquet(network_file)
    job = json.loads(job_file.read_text(encoding="utf-8"))
    give_inputs(module, network)
    links = links_of(network, sorted(adata.obs["cell_type_int"].unique()))
    found = {}
    for name, setting in job["settings"].items():
        own = adata.copy()
        # what all targets share, and what is compiled, is timed apart: the first target is trained twice
        first = train(module, own, links, {**job, "targets": job["targets"][:1]}, setting)
        found[name] = {"first_s": first[0]["seconds"], "targets": train(module, own, links, job, setting)}
    result = {"import_s": imported, "versions": versions, "settings": found}
    result_file.write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
