"""Figures of the compiled edition 1.2.0, reproduced by the commands a person would type."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest

from spacetravlr.betas import Betas
from spacetravlr.run import Run

F32 = 2e-6
"""The compiled edition computes in float32: agreement relative to the largest value."""


def load(path: Path) -> dict[str, Any]:
    with np.load(path) as data:
        return {key: data[key] for key in data.files}


@pytest.fixture(scope="module")
def design_h5ad(golden: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = load(golden / "design_tissue.npz")
    path = tmp_path_factory.mktemp("design") / "design.h5ad"
    anndata.AnnData(
        X=data["imputed_count"],
        obs=pd.DataFrame({"cell_type_int": data["clusters"]}, index=[f"cell_{i}" for i in range(len(data["xy"]))]),
        var=pd.DataFrame(index=data["var_names"]),
        obsm={"spatial": data["xy"]},
        layers={"imputed_count": data["imputed_count"]},
    ).write_h5ad(path)
    return path


@pytest.mark.parametrize("case", ["readme", "strong"])
def test_training(case: str, cli: Callable[..., Any], design_h5ad: Path, golden: Path, tmp_path: Path) -> None:
    given = load(golden / f"v1_train_{case}.npz")
    genes = [str(gene) for gene in given["genes"]]
    (tmp_path / "data").mkdir()
    shutil.copy(golden / "v1_mouse_network.parquet", tmp_path / "data" / "mouse_network.parquet")
    (tmp_path / "settings.toml").write_text(f"[grn]\ntf_ligand_cutoff = {float(given['tf_ligand_cutoff'])}\n")
    ended = cli(
        "spacetravlr", "--plain", "--config", "settings.toml", "--h5ad", design_h5ad, "--output-dir", "run",
        "--genes", ",".join(genes), "--solver", "fista", "--select", "fixed", "--l1-reg", float(given["l1_reg"]),
        "--group-reg", float(given["group_reg"]), "--n-iter", int(given["n_iter"]), "--tol", float(given["tol"]),
        "--radius", float(given["radius"]), "--max-ligands", int(given["max_ligands"]), "--score-threshold", -1e9,
        cwd=tmp_path, SPACETRAVLR_DATA_DIR=str(tmp_path / "data"),
    )  # fmt: skip
    assert ended.code == 0, ended.err
    run = Run.open(tmp_path / "run")
    assert sorted(run.genes) == sorted(genes)
    for gene in genes:
        betas = run.betas(gene)
        ours = {"beta0": betas.intercept} | {
            f"beta_{m}": v for m, v in zip(betas.modulators, betas.values.T, strict=True)
        }
        names = [str(name) for name in given[f"cols_{gene}"] if str(name).startswith("beta")]
        theirs = given[f"beta_{gene}"][:, -len(names) :]
        assert [name for name in ours if ours[name].any()] == names
        for name, column in zip(names, theirs.T, strict=True):
            assert np.abs(ours[name] - column).max() <= 1e-9 * np.abs(theirs).max()


def make_run(folder: Path, golden: Path, case: dict[str, Any]) -> Path:
    """A run directory of the reference tissue and coefficients, with the settings of a case."""
    data = load(golden / "tissue.npz")
    tables = load(golden / "cluster_betas.npz")
    anndata.AnnData(
        X=data["imputed_count"],
        obs=pd.DataFrame({"cell_type_int": data["clusters"]}, index=[f"cell_{i}" for i in range(len(data["xy"]))]),
        var=pd.DataFrame(index=data["var_names"]),
        obsm={"spatial": data["xy"]},
        layers={"imputed_count": data["imputed_count"]},
    ).write_h5ad(folder / "tissue.h5ad")
    gene_without, label_without = (str(part) for part in case["dropped_row"])
    for k, gene in enumerate(tables["genes"]):
        beta = tables[f"beta_{k}"]
        rows = [row for row in range(len(beta)) if not (str(gene) == gene_without and str(row) == label_without)]
        names = tuple(str(name) for name in tables[f"cols_{k}"])
        Betas(str(gene), "cluster", tuple(map(str, rows)), beta[rows, 0], names, beta[rows, 1:]).write(
            folder / f"{gene}_betadata.feather"
        )
    cap = "" if np.isnan(case["beta_cap"]) else f"beta_cap = {float(case['beta_cap'])}\n"
    (folder / "spacetravlr_run_repro.toml").write_text(
        '[data]\nadata_path = "tissue.h5ad"\nlayer = "imputed_count"\ncluster_annot = "cell_type_int"\n'
        f"[spatial]\nradius = {float(case['radius'])}\n"
        f"weighted_ligand_scale_factor = {float(case['weighted_ligand_scale_factor'])}\n"
        f"[perturbation]\nbeta_scale_factor = {float(case['beta_scale_factor'])}\n{cap}"
        f"ligand_grid_factor = {float(case['ligand_grid_factor'])}\n"
    )
    return folder / "spacetravlr_run_repro.toml"


@pytest.mark.parametrize(
    "name", ["a_ko_tf", "b_oe_ligand", "c_ko_receptor_cells", "d_ko_ligand_grid", "e_ko_tf_scaled_capped"]
)
def test_perturbation(name: str, cli: Callable[..., Any], golden: Path, tmp_path: Path) -> None:
    case = load(golden / f"v1_perturb_{name}.npz")
    toml = make_run(tmp_path, golden, case)
    scope: list[object] = []
    if len(case["cells"]):
        listed = "\n".join(str(name) for name in case["cells"])
        (tmp_path / "cells.csv").write_text(f"chosen\n{listed}\n")
        scope = ["--cells-csv", "cells.csv", "--cells-csv-column", "chosen"]
    ended = cli(
        "spacetravlr-perturb", "--run-toml", toml, "--gene", str(case["gene"]), "--desired-expr",
        float(case["desired_expr"]), "--n-propagation", int(case["n_propagation"]), "--profile", "v1",
        "--out", "ko.feather", *scope, cwd=tmp_path,
    )  # fmt: skip
    assert ended.code == 0, ended.err
    compare(tmp_path / "ko.feather", case["changed_genes"], case["simulated"], golden)


def compare(path: Path, changed: np.ndarray, simulated: np.ndarray, golden: Path | None) -> None:
    table = pd.read_feather(path)
    assert table.columns[0] == "CellID"
    names = [str(gene) for gene in changed]
    assert np.abs(table[names].to_numpy() - simulated).max() <= F32 * np.abs(simulated).max()
    if golden is not None:
        data = load(golden / "tissue.npz")
        others = [str(gene) for gene in data["var_names"] if str(gene) not in names]
        columns = [list(data["var_names"]).index(gene) for gene in others]
        assert np.array_equal(table[others].to_numpy(), data["imputed_count"][:, columns])


@pytest.mark.parametrize("which", ["ko_tf", "oe_ligand"])
def test_perturbation_from_a_directory_of_the_compiled_edition(
    which: str, cli: Callable[..., Any], golden: Path, tmp_path: Path
) -> None:
    case = load(golden / "v1_run_perturb.npz")
    shutil.copytree(golden / "v1_run", tmp_path / "run")
    ended = cli(
        "spacetravlr-perturb", "--run-toml", tmp_path / "run" / "spacetravlr_run_repro.toml", "--gene",
        str(case[f"{which}_gene"]), "--desired-expr", float(case[f"{which}_value"]), "--n-propagation",
        int(case[f"{which}_T"]), "--profile", "v1", "--export", "ko.feather", cwd=tmp_path,
    )  # fmt: skip
    assert ended.code == 0, ended.err
    compare(tmp_path / "ko.feather", case[f"{which}_changed"], case[f"{which}_simulated"], None)
