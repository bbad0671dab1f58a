"""`solver = "fista"` reproduces the compiled edition's training, file by file."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from spacetravlr.training import train


@pytest.fixture(scope="module")
def network_of_the_compiled_edition(golden: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("network")
    (folder / "mouse_network.parquet").write_bytes((golden / "v1_mouse_network.parquet").read_bytes())
    return folder


@pytest.fixture(scope="module")
def design_tissue(golden: Path) -> anndata.AnnData:
    with np.load(golden / "design_tissue.npz") as data:
        return anndata.AnnData(
            X=data["imputed_count"],
            obs=pd.DataFrame(
                {"cell_type_int": data["clusters"]}, index=[f"cell_{i}" for i in range(len(data["clusters"]))]
            ),
            var=pd.DataFrame(index=data["var_names"]),
            obsm={"spatial": data["xy"]},
            layers={"imputed_count": data["imputed_count"]},
        )


@pytest.mark.parametrize("case", ["readme", "strong"])
def test_coefficients_are_those_of_the_compiled_edition(
    case: str, design_tissue: anndata.AnnData, network_of_the_compiled_edition: Path, golden: Path, tmp_path: Path
) -> None:
    with np.load(golden / f"v1_train_{case}.npz") as data:
        given = {key: data[key] for key in data.files}
    genes = [str(gene) for gene in given["genes"]]
    run = train(
        design_tissue, tmp_path / "run", genes=genes, solver="fista", score_threshold=-1e9,
        network_data_dir=str(network_of_the_compiled_edition), max_ligands=int(given["max_ligands"]),
        n_iter=int(given["n_iter"]), **{key: float(given[key]) for key in ("l1_reg", "group_reg", "tol", "radius", "tf_ligand_cutoff")},
    )  # fmt: skip
    for gene in genes:
        betas = run.betas(gene)
        ours = dict(
            zip(
                ["beta0", *(f"beta_{name}" for name in betas.modulators)],
                [betas.intercept, *betas.values.T],
                strict=True,
            )
        )
        theirs = given[f"beta_{gene}"]
        names = [str(name) for name in given[f"cols_{gene}"] if str(name).startswith("beta")]
        assert list(betas.row_labels) == [str(label) for label in given[f"rows_{gene}"]]
        assert [name for name in ours if ours[name].any()] == names
        bound = 1e-9 * np.abs(theirs).max()
        for name, column in zip(names, theirs[:, -len(names) :].T, strict=True):
            assert np.abs(ours[name] - column).max() <= bound
