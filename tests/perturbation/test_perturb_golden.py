"""What the original package and the compiled edition computed on one tissue.

The files hold the genes that change in the reference; it left every other gene as it was, and so must we.
"""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pytest

from spacetravlr.betas import Betabase, Betas
from spacetravlr.perturbation import PropagationModel, Target


@pytest.fixture(scope="module")
def tissue(golden: Path) -> dict[str, np.ndarray]:
    return dict(np.load(golden / "tissue.npz"))


@pytest.fixture(scope="module")
def tables(golden: Path) -> list[tuple[str, tuple[str, ...], np.ndarray]]:
    file = np.load(golden / "cluster_betas.npz")
    return [(str(gene), tuple(file[f"cols_{k}"].tolist()), file[f"beta_{k}"]) for k, gene in enumerate(file["genes"])]


def unchanged(effect, tissue, run) -> bool:
    others = ~np.isin(tissue["var_names"], run["changed_genes"])
    return np.array_equal(effect.simulated[:, others], tissue["imputed_count"][:, others])


def python_model(tissue, tables, run) -> PropagationModel:
    names = [f"cell_{i}" for i in range(len(tissue["xy"]))]
    betas = []
    for k, (gene, columns, table) in enumerate(tables):
        values = table[tissue["clusters"]] * tissue["beta_factor"][:, [k]]
        betas.append(Betas(gene, "cell", tuple(names), values[:, 0], columns, values[:, 1:]))
    radii: dict[str, float] = {}
    for ligand, radius in zip(run["lr_ligand"].tolist(), run["lr_radius"].tolist(), strict=True):
        radii.setdefault(ligand, float(radius))
    return PropagationModel(
        tissue["imputed_count"],
        tissue["var_names"].tolist(),
        tissue["xy"],
        betas,
        radii=radii,
        cluster_labels=tissue["clusters"].astype(str),
        cell_names=names,
        kernel="truncated",
        thresholds=(tissue["thresholds"], tissue["threshold_genes"].tolist()),
        profile="python",
    )


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_original_package(golden, tissue, tables, name):
    run = dict(np.load(golden / f"python_perturb_{name}.npz"))
    model = python_model(tissue, tables, run)
    gene, cells = str(run["targets"][0]), (run["cells"] if len(run["cells"]) else None)
    changed = [tissue["var_names"].tolist().index(g) for g in run["changed_genes"]]
    steps = int(run["n_propagation"])
    for step in range(1, steps + 1):
        effect = model.simulate([Target(gene, float(run["gene_expr"][0]), cells)], n_propagation=step)
        assert unchanged(effect, tissue, run)
        after = run["step_gex"][step - 1].copy()
        overwritten = run["changed_genes"] == gene
        rows = np.arange(len(after)) if cells is None else cells
        after[np.ix_(rows, np.flatnonzero(overwritten))] = run["gene_expr"][0]
        np.testing.assert_allclose(effect.simulated[:, changed], after, rtol=1e-6, atol=1e-6)
    error = np.abs(effect.simulated[:, changed] - run["simulated"]).max()
    assert error < 1e-9


def test_original_package_baseline_of_received_ligands(golden, tissue, tables):
    run = dict(np.load(golden / "python_perturb_a.npz"))
    model = python_model(tissue, tables, run)
    reception, features = model._engine.tissue.reception, model._engine.rules.features
    place = {model.genes[gene]: row for row, gene in enumerate(features.ligands)}
    back = np.argsort(model._engine.order)
    for kind, ours in (("", reception.lr), ("_tfl", reception.tfl)):
        columns = run[f"baseline_received{kind}_cols"].tolist()
        assert set(columns) == set(place)
        expected = run[f"baseline_received{kind}"]
        found = ours[[place[ligand] for ligand in columns]][:, back].T
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


def v1_model(tissue, tables, run) -> PropagationModel:
    gene_without, cluster_without = run["dropped_row"].tolist()
    betas = []
    for gene, columns, table in tables:
        kept = [c for c in range(len(table)) if not (gene == gene_without and str(c) == cluster_without)]
        labels = tuple(map(str, kept))
        betas.append(Betas(gene, "cluster", labels, table[kept, 0], columns, table[kept, 1:]))
    cutoff, cap = float(run["contact_distance"]), float(run["beta_cap"])
    return PropagationModel(
        tissue["imputed_count"],
        tissue["var_names"].tolist(),
        tissue["xy"],
        betas,
        radii=float(run["radius"]),
        cluster_labels=tissue["clusters"].astype(str),
        cell_names=[f"cell_{i}" for i in range(len(tissue["xy"]))],
        cutoff=None if np.isnan(cutoff) else cutoff,
        profile="v1",
        scale=float(run["weighted_ligand_scale_factor"]),
        beta_scale_factor=float(run["beta_scale_factor"]),
        beta_cap=None if np.isnan(cap) else cap,
        ligand_grid_factor=float(run["ligand_grid_factor"]),
    )


V1 = [
    "a_ko_tf",
    "b_oe_ligand",
    "c_ko_receptor_cells",
    "d_ko_ligand_grid",
    "e_ko_tf_scaled_capped",
    "f_oe_ligand_cutoff",
]


@pytest.mark.parametrize("name", V1)
def test_compiled_edition(golden, tissue, tables, name):
    run = dict(np.load(golden / f"v1_perturb_{name}.npz"))
    model = v1_model(tissue, tables, run)
    cells = run["cells"].tolist() or None
    effect = model.simulate(
        {str(run["gene"]): float(run["desired_expr"])}, n_propagation=int(run["n_propagation"]), cells=cells
    )
    changed = [tissue["var_names"].tolist().index(g) for g in run["changed_genes"]]
    assert unchanged(effect, tissue, run)
    error = np.abs(effect.simulated[:, changed] - run["simulated"]).max()
    assert error < 2e-6 * np.abs(run["simulated"]).max()


def test_compiled_edition_from_its_own_run_directory(shared):
    folder = shared / "golden" / "v1"
    data = anndata.read_h5ad(folder / "run" / "tissue.h5ad")
    runs = np.load(folder / "run_perturb.npz")
    model = PropagationModel(
        data.layers["imputed_count"],
        data.var_names.tolist(),
        data.obsm["spatial"],
        Betabase.load(folder / "run"),
        radii=200.0,
        cluster_labels=data.obs["cell_type_int"].astype(str).to_numpy(),
        cell_names=data.obs_names.tolist(),
        profile="v1",
    )
    assert {table.by for table in Betabase.load(folder / "run").values()} == {"cell", "cluster"}
    for run in ("ko_tf", "oe_ligand"):
        effect = model.simulate(
            {str(runs[f"{run}_gene"]): float(runs[f"{run}_value"])}, n_propagation=int(runs[f"{run}_T"])
        )
        changed = data.var_names.get_indexer(runs[f"{run}_changed"])
        expected = runs[f"{run}_simulated"]
        assert np.abs(effect.simulated[:, changed] - expected).max() < 2e-6 * np.abs(expected).max()
        assert not np.delete(effect.delta, changed, axis=1).any()
