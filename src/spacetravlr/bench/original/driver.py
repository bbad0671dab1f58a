"""Train with the original Python package (`spacetravlr` of the package index); runs in that package's environment.

    driver.py --check                     say whether it can be imported
    driver.py TISSUE NETWORK JOB RESULT   train; JOB and RESULT are JSON files

Nothing of this project is imported here: it need not be installed there. The package downloads a table of ligand-TF
scores and reads a list of ligand-receptor pairs that ships with it. Both are replaced by the edges of the given
network, so that it works on the inputs of the comparison.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
import time
import types
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGE = "SpaceTravLR"
VERSIONS_OF = ("spacetravlr", "group-lasso", "torch", "numpy", "numba", "pandas", "anndata", "scikit-learn")


def load_module() -> Any:
    """Import the module of the estimator without the package's own ``__init__``, which needs all its dependencies."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None:
        raise SystemExit(f"{PACKAGE} is not installed here; see benchmarks/reference/setup.sh")
    package = types.ModuleType(PACKAGE)
    package.__path__ = list(found.submodule_search_locations or ())
    sys.modules[PACKAGE] = package
    return importlib.import_module(f"{PACKAGE}.models.parallel_estimators")


def versions() -> dict[str, str]:
    """Return the versions of the package and of what its results rest on."""
    known = {}
    for name in VERSIONS_OF:
        try:
            known[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            known[name] = "unknown"
    return known


def pairs_of(network: Any) -> Any:
    """Return the ligand-receptor edges in the columns of the list that ships with the package."""
    edges = network[network["edge_type"] == "lr"]
    named = edges[["source", "target"]].set_axis(["ligand", "receptor"], axis=1)
    return named.assign(pathway="simulated", signaling="Secreted Signaling")


def scores_of(network: Any) -> Any:
    """Return the ligand-TF edges as a table of TFs by ligands."""
    edges = network[network["edge_type"] == "nichenet"]
    return edges.pivot_table(index="target", columns="source", values="weight", fill_value=0.0)


def links_of(network: Any, clusters: Any) -> dict[Any, Any]:
    """Return the TF edges as the links of every cluster."""
    edges = network[network["edge_type"] == "grn"]
    links = edges[["source", "target"]].assign(p=0.0, coef_mean=1.0)
    return dict.fromkeys(clusters, links)


def give_inputs(module: Any, network: Any) -> None:
    """Let the module read the given network instead of its own files."""
    pairs, scores = pairs_of(network), scores_of(network)
    read_parquet = module.pd.read_parquet
    module.get_cellchat_db = lambda _species: pairs.copy()
    module.pd.read_parquet = lambda path, *rest, **options: (
        scores.copy() if "ligand_target" in str(path) else read_parquet(path, *rest, **options)
    )


def limit_steps(module: Any, n_iter: int | None, tol: float | None) -> Any:
    """Give its lasso another number of steps, None keeps the package's own; return what to put back."""
    original = module.GroupLasso
    if n_iter is not None:
        module.GroupLasso = lambda **options: original(**{**options, "n_iter": n_iter, "tol": tol})
    return original


def coefficients_of(estimator: Any) -> dict[str, Any]:
    """Return the coefficients of every cluster before any network changed them: intercept first, then modulators."""
    return {
        "names": [str(name) for name in estimator.modulators],
        "values": {
            str(cluster): [float(value) for value in model.anchors] for cluster, model in estimator.models.items()
        },
    }


def train(module: Any, adata: Any, links: Any, job: dict[str, Any], setting: dict[str, Any]) -> list[dict[str, Any]]:
    """Train the targets of a job with one setting; return a record for each.

    Without ``coefficients`` in the job a record has seconds, number of modulators and R2 only. No network is trained
    (``num_epochs=0``): the coefficients are those of the group lasso.
    """
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
            record = {
                "target": target,
                "seconds": time.perf_counter() - began,
                "modulators": len(estimator.modulators),
                "r2": {str(cluster): float(r2) for cluster, r2 in estimator.scores.items()},
            }
            records.append(record | (coefficients_of(estimator) if job.get("coefficients") else {}))
    finally:
        module.GroupLasso = original
    return records


def main(arguments: list[str]) -> None:
    """Check, or train the job for each of its settings."""
    began = time.perf_counter()
    module = load_module()
    imported = time.perf_counter() - began
    if arguments == ["--check"]:
        sys.stdout.write(f"spacetravlr {versions()['spacetravlr']} can be imported ({imported:.1f} s)\n")
        return
    anndata, pandas = importlib.import_module("anndata"), importlib.import_module("pandas")
    tissue, network_file, job_file, result_file = map(Path, arguments)
    adata, network = anndata.read_h5ad(tissue), pandas.read_parquet(network_file)
    job = json.loads(job_file.read_text(encoding="utf-8"))
    give_inputs(module, network)
    links = links_of(network, sorted(adata.obs["cell_type_int"].unique()))
    found = {}
    for name, setting in job["settings"].items():
        own = adata.copy()
        first = None
        if not job.get("coefficients"):
            # what all targets share, and what is compiled, is timed apart: the first target is trained twice
            first = train(module, own, links, {**job, "targets": job["targets"][:1]}, setting)[0]["seconds"]
        found[name] = {"first_s": first, "targets": train(module, own, links, job, setting)}
    result = {"import_s": imported, "versions": versions(), "settings": found}
    result_file.write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
