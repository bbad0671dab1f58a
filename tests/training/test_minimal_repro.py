"""The small copy of a sample in the run directory trains to the same files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest

from spacetravlr.run import Run
from spacetravlr.tissue._file import layer_names
from spacetravlr.training import train

COPY = "spacetravlr_minimal_repro.h5ad"


def files(directory: Path) -> dict[str, bytes]:
    kept = (p for p in directory.rglob("*") if p.suffix in {".feather", ".orphan", ".log", ".json"})
    run_wide = {"run.log", "run_manifest.json"}
    return {str(p.relative_to(directory)): p.read_bytes() for p in kept if p.name not in run_wide}


@pytest.fixture(scope="module")
def odd_sample(tissue_data: anndata.AnnData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tissue in float32 and sparse, with another cluster column, columns of all kinds, and a second layer."""
    from scipy import sparse

    adata = tissue_data.copy()
    rng = np.random.default_rng(4)
    n = adata.n_obs
    kinds = np.array(["T cell", "B-cell (naïve)", "3"])[adata.obs["cell_type_int"].to_numpy()]
    adata.obs = pd.DataFrame(
        {
            "weird column": pd.Categorical(kinds, categories=["3", "never seen", "T cell", "B-cell (naïve)"]),
            "n_counts": rng.poisson(100, n),
            "is_ok": rng.random(n) < 0.5,
            "score": np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n)),
            "note": [None if i % 7 else f"cell {i}" for i in range(n)],
            "batch": pd.Categorical(rng.choice(["a", "b"], n), ordered=True, categories=["b", "a"]),
        },
        index=adata.obs_names,
    )
    values = adata.layers["imputed_count"]
    adata.layers["imputed_count"] = sparse.csr_matrix(values.astype(np.float32))
    # not to be had in single precision, and not what the modulators are read from
    adata.layers["normalized_count"] = sparse.csr_matrix(np.where(values > 1.0, values * 1.1, 0.0))
    adata.layers["unused"] = values + 1.0
    adata.obsm["X_spatial"] = adata.obsm.pop("spatial")
    adata.obsm["X_umap"] = rng.normal(size=(n, 2))
    adata.uns["anything"] = {"at": "all"}
    path = tmp_path_factory.mktemp("odd") / "odd.h5ad"
    adata.write_h5ad(path)
    return path


@pytest.mark.parametrize("solver", [{"n_bootstraps": 4}, {"solver": "fista", "n_iter": 60, "held_out": True}])
@pytest.mark.parametrize("response", [None, "same", "normalized_count"])
def test_the_copy_trains_to_the_same_bytes(
    solver: dict[str, Any], response: str | None, odd_sample: Path, network_dir: Path, tmp_path: Path
) -> None:
    run = train(
        odd_sample, tmp_path / "run", network_data_dir=str(network_dir), cluster_annot="weird column",
        response_layer=response, max_ligands=1, write_minimal_repro_h5ad=True, score_threshold=-1.0, **solver,
    )  # fmt: skip
    # cross-validated scores predict the measured layer unless told otherwise; the README's settings know no other layer
    judge = response or ("same" if "solver" in solver else "normalized_count")
    assert run.config.data.response_layer == judge
    whole = files(run.path)
    assert sum(name.endswith("_betadata.feather") for name in whole) >= 4
    assert (run.path / COPY).stat().st_size < odd_sample.stat().st_size
    copied = anndata.read_h5ad(run.path / COPY)
    assert set(layer_names(copied)) == {"imputed_count"} | ({judge} - {"same"})
    assert list(copied.obs) == ["weird column"]
    assert set(copied.obsm) == {"spatial"}
    # somebody else gets the copy and the settings, and nothing else
    (tmp_path / "elsewhere").mkdir()
    for name in (COPY, "spacetravlr_run_repro.toml"):
        (tmp_path / "elsewhere" / name).write_bytes((run.path / name).read_bytes())
    again = train(
        tmp_path / "elsewhere" / COPY, tmp_path / "again", config=tmp_path / "elsewhere" / "spacetravlr_run_repro.toml"
    )
    assert files(again.path) == whole
    assert again.config.result_settings() == run.config.result_settings()
    # the run itself goes on from its copy when the sample is gone
    (run.path / "T1_betadata.feather").unlink()
    assert files(train(run.path / COPY, run.path, config=run.path / "spacetravlr_run_repro.toml").path) == whole


def test_the_run_of_a_copy_can_be_perturbed(odd_sample: Path, network_dir: Path, tmp_path: Path) -> None:
    options = {"network_data_dir": str(network_dir), "cluster_annot": "weird column", "genes": ["T1", "T4"]}
    run = train(odd_sample, tmp_path / "run", write_minimal_repro_h5ad=True, **options)
    effect = run.perturb({"Tf1": 0.0})
    from_copy = Run.open(run.path, adata=run.path / COPY).perturb({"Tf1": 0.0})
    np.testing.assert_array_equal(from_copy.delta, effect.delta)
    assert effect.delta.any()
