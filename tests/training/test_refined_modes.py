"""`full`: coefficients by cell, from shared encoders or networks of their own."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest

from spacetravlr.betas import Betas
from spacetravlr.errors import InputError, MissingExtraError
from spacetravlr.events import Event, StageFinished
from spacetravlr.run import Run
from spacetravlr.training import estimate_training, train, trainer

pytest.importorskip("torch")

from spacetravlr import niche

Contents = Callable[[Path], dict[str, bytes]]


def aligned(by_cell: Betas, by_cluster: Betas, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both tables with a row per cell and the same columns, intercept first."""
    names = list(dict.fromkeys([*by_cell.modulators, *by_cluster.modulators]))
    frames = [
        betas.to_frame().reindex(columns=["beta0", *(f"beta_{name}" for name in names)], fill_value=0.0)
        for betas in (by_cell, by_cluster)
    ]
    return frames[0].to_numpy(), frames[1].to_numpy()[codes]


def clusters(path: Path) -> np.ndarray:
    return anndata.read_h5ad(path).obs["cell_type_int"].to_numpy()


def test_a_full_run_has_a_row_for_every_cell(full: Run, seed: Run, varied: Path) -> None:
    assert full.genes == seed.genes
    assert full.orphans == seed.orphans
    assert set(full.genes) >= {"T1", "T2", "T4"}
    codes, cells = clusters(varied), tuple(anndata.read_h5ad(varied).obs_names)
    table = full.scores().set_index(["gene", "cluster"])
    stands = 0
    for gene in full.genes:
        betas = full.betas(gene)
        assert (betas.by, betas.row_labels, betas.values.dtype) == ("cell", cells, np.float32)
        ours, theirs = aligned(betas, seed.betas(gene), codes)
        for code in range(3):
            row, at = table.loc[(gene, str(code))], codes == code
            if row["refined"] == True:  # noqa: E712 - None is neither
                stands += 1
                assert (ours[at] != theirs[at]).any()
                assert np.ptp(ours[at], axis=0).max() > 0
                # factors of sigmoidx2 are 0 to 2
                assert (np.abs(ours[at, 1:]) <= 2.0 * np.abs(theirs[at, 1:]) * (1 + 1e-6)).all()
            else:
                assert pd.isna(row["refined"]) is not bool(row["kept"])
                np.testing.assert_array_equal(ours[at], theirs[at].astype(np.float32))
    assert stands >= 2
    assert table.loc[("T4", "0"), "r2_niche_out"] > table.loc[("T4", "0"), "r2_out"]


def test_the_coefficient_that_varies_is_found(full: Run, varied: Path) -> None:
    frame = full.betas("T4").to_frame()["beta_Tf2"]
    adata, log = anndata.read_h5ad(varied), full.log("T4")
    assert log is not None
    varying = [int(entry.cluster) for entry in log.clusters if entry.niche_reason == "coefficients vary"]
    assert varying
    for code in varying:
        at = (adata.obs["cell_type_int"] == code).to_numpy()
        assert np.corrcoef(frame[at], adata.obsm["spatial"][at, 0])[0, 1] > 0.8


def test_seed_runs_know_nothing_of_networks(seed: Run) -> None:
    scores = seed.scores()
    assert scores["refined"].isna().all()
    assert scores["r2_niche_out"].isna().all()
    assert not (seed.path / "niche").exists()
    assert "# niche" not in (seed.path / "log" / "T1.log").read_text()


def test_the_log_and_the_scores_say_what_became_of_the_networks(full: Run) -> None:
    scores = full.scores().set_index(["gene", "cluster"])
    log = full.log("T4")
    assert log is not None
    assert not log.seed_only
    for entry in log.clusters:
        row = scores.loc[("T4", entry.cluster)]
        assert entry.refined == (None if pd.isna(row["refined"]) else row["refined"])
        if entry.refined is not None:
            assert np.isclose(entry.r2_niche, row["r2_niche_out"], atol=1e-6, equal_nan=True)
            assert entry.niche_reason
    reasons = {entry.niche_reason for gene in full.genes for entry in full.log(gene).clusters}
    assert reasons >= {"coefficients vary", "30 cells, fewer than 60"}


def test_heads_that_were_saved_give_the_coefficients(full: Run, varied: Path) -> None:
    import torch

    codes = clusters(varied)
    path = full.path / "CNN_weights" / "T4_cnn_weights.npz"
    betas = full.betas("T4").to_frame()
    with np.load(full.path / "niche" / "encoder.npz") as file:
        table = file["table"]
    with np.load(path) as file:
        names, known = file["modulator_names"].tolist(), file["cluster_ids"].tolist()
    assert known
    for code in known:
        head = niche.load(path, code)
        found = head(torch.as_tensor(table[codes == code])).numpy()
        want = betas.reindex(columns=["beta0", *(f"beta_{name}" for name in names)], fill_value=0.0)[codes == code]
        np.testing.assert_allclose(found, want, rtol=2e-5, atol=2e-6)
    with pytest.raises(InputError, match="no network of cluster 7"):
        niche.load(path, 7)


def test_the_number_of_workers_does_not_change_a_bit(
    contents: Contents, varied: Path, settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "BLOCK", 2)
    one = train(varied, tmp_path / "one", mode="full", **settings)
    three = train(varied, tmp_path / "three", mode="full", **{**settings, "n_parallel": 3})
    assert contents(one.path) == contents(three.path)


PER_GENE = {
    "mode": "full",
    "encoder": "per_gene",
    "epochs": 15,
    "spatial_dim": 8,
    "learning_rate": 0.01,
    "cnn_minibatch_size": 16,
}


def test_networks_for_each_target(
    contents: Contents,
    seed: Run,
    varied: Path,
    settings: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch

    options = {**settings, **PER_GENE, "genes": ["T1", "T4"], "save_cnn_weights": True}
    run = train(varied, tmp_path / "run", **options)
    assert not (run.path / "niche").exists()
    codes, adata = clusters(varied), anndata.read_h5ad(varied)
    xy, scores = adata.obsm["spatial"], run.scores().set_index(["gene", "cluster"])
    counts = niche.neighbour_counts(xy, codes, 100.0, n_clusters=3)
    stands = [(gene, int(code)) for gene, code in scores.index if scores.loc[(gene, code), "refined"] == True]  # noqa: E712
    assert stands
    for gene, code in stands:
        path = run.path / "CNN_weights" / f"{gene}_cnn_weights.npz"
        network = niche.load(path, code)
        grid, style = niche.map_grid(path, xy)
        at = codes == code
        maps = niche.spatial_maps(grid, xy[at], style=style)[:, None]
        with torch.no_grad():
            found = network(torch.as_tensor(maps), torch.as_tensor(counts[at], dtype=torch.float32)).numpy()
        with np.load(path) as file:
            columns = ["beta0", *(f"beta_{name}" for name in file["modulator_names"])]
        want = run.betas(gene).to_frame().reindex(columns=columns, fill_value=0.0)[at]
        np.testing.assert_allclose(found, want, rtol=1e-4, atol=1e-5)
    log = run.log("T4")
    assert log is not None
    assert 1 < len(log.clusters[0].cnn_mse) <= 15
    monkeypatch.setattr(trainer, "BLOCK", 1)
    again = train(varied, tmp_path / "again", **options)
    names = [name for name in contents(run.path) if name.endswith(".npz")]
    assert names
    assert {name: contents(run.path)[name] for name in names} == {name: contents(again.path)[name] for name in names}


def test_without_epochs_a_network_of_its_own_changes_nothing(
    seed: Run, varied: Path, settings: dict[str, Any], tmp_path: Path
) -> None:
    options = {**settings, **PER_GENE, "epochs": 0}
    run = train(varied, tmp_path / "run", **options)
    for gene in seed.genes:
        assert (run.path / f"{gene}_betadata.feather").read_bytes() == (
            seed.path / f"{gene}_betadata.feather"
        ).read_bytes()


def slow_knock_out(run: Run, adata: anndata.AnnData, gene: str, steps: int) -> np.ndarray:
    """The change that a knock-out makes, cell by cell and term by term, from the files of a run."""
    X, xy, names = np.asarray(adata.layers["imputed_count"]), adata.obsm["spatial"], list(adata.var_names)
    at = {name: number for number, name in enumerate(names)}
    d2 = ((xy[:, None] - xy[None]) ** 2).sum(axis=-1)
    kernels = {
        ligand: np.exp(-d2 / (2 * radius**2)) / len(X) for ligand, radius in {"Lig1": 200.0, "Lig2": 50.0}.items()
    }

    def received(E: np.ndarray) -> dict[str, np.ndarray]:
        counting = np.where(E > 1e-9, E, 0.0)
        return {ligand: kernel @ counting[:, at[ligand]] for ligand, kernel in kernels.items()}

    tables = {target: pd.read_feather(run.directory.files.betadata(target)).set_index("CellID") for target in run.genes}
    first = received(X)
    d = np.zeros_like(X)
    d[:, at[gene]] = -X[:, at[gene]]
    E, at_receptors = X, first
    for _ in range(steps):
        now = received(X + d)
        change = d.copy()
        for ligand in kernels:
            change[:, at[ligand]] = now[ligand] - first[ligand]
        counting, new = np.where(E > 1e-9, E, 0.0), np.zeros_like(X)
        for target, table in tables.items():
            for i, cell in enumerate(adata.obs_names):
                for column, beta in table.loc[cell].items():
                    name = str(column).removeprefix("beta_")
                    if "$" in name:
                        ligand, receptor = name.split("$")
                        present = counting[i, at[receptor]] > 0
                        new[i, at[target]] += beta * at_receptors[ligand][i] * change[i, at[receptor]] * present
                        new[i, at[target]] += beta * counting[i, at[receptor]] * change[i, at[ligand]]
                    elif "#" in name:
                        ligand, tf = name.split("#")
                        new[i, at[target]] += beta * counting[i, at[tf]] * change[i, at[ligand]]
                        new[i, at[target]] += beta * first[ligand][i] * change[i, at[tf]]
                    elif name != "beta0":
                        new[i, at[target]] += beta * change[i, at[name]]
        new[:, at[gene]] = -X[:, at[gene]]
        d, E, at_receptors = np.maximum(X + new, 0.0) - X, X + d, now
    return d


@pytest.mark.parametrize(("gene", "steps", "moves"), [("Tf2", 1, "T4"), ("Lig1", 2, "T2")])
def test_a_knock_out_uses_the_coefficients_of_each_cell(
    full: Run, varied: Path, gene: str, steps: int, moves: str
) -> None:
    adata = anndata.read_h5ad(varied)
    want = slow_knock_out(full, adata, gene, steps)
    effect = full.perturb({gene: 0.0}, n_propagation=steps, signal_tol=0.0)
    np.testing.assert_allclose(effect.delta, want, atol=1e-6)
    assert np.abs(effect.delta[:, adata.var_names.get_loc(moves)]).max() > 0.1


def test_without_torch_the_extra_is_named_before_anything_is_read(
    varied: Path, settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=re.escape("'spacetravlr-py[cnn]'")) as caught:
        train(tmp_path / "not there.h5ad", tmp_path / "run", mode="full", **settings)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()
    assert train(varied, tmp_path / "seed", **{**settings, "genes": ["T1"]}).genes == ("T1",)


def test_a_list_of_genes_that_is_missing_is_told_at_once(settings: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        train(
            tmp_path / "not there.h5ad", tmp_path / "run", mode="hybrid", cnn_skip_genes_file="nowhere.txt", **settings
        )


def test_the_set_up_is_told_once_and_not_again(full: Run, varied: Path, settings: dict[str, Any]) -> None:
    told: list[Event] = []
    train(varied, full.path, mode="full", save_cnn_weights=True, listener=told.append, **settings)
    assert not [event for event in told if isinstance(event, StageFinished) and event.stage == "niche networks"]


def test_nothing_of_a_neighbourhood_crosses_to_another_piece() -> None:
    rng = np.random.default_rng(0)
    xy, codes = rng.uniform(0, 100, (90, 2)), rng.integers(0, 2, 90)
    samples = rng.integers(0, 3, 90)
    apart = xy + 1e5 * samples[:, None]
    options = {"n_clusters": 2, "radius": 30.0}
    counts = niche.NicheInputs.build(xy, codes, side=8, samples=samples, **options).counts
    np.testing.assert_array_equal(counts, niche.neighbour_counts(apart, codes, 30.0, n_clusters=2))
    assert (counts < niche.neighbour_counts(xy, codes, 30.0, n_clusters=2)).any()
    found = niche.niche_table(xy, codes, position=False, samples=samples, **options)
    exact = np.hstack([
        np.exp(-((xy[:, None] - xy[None]) ** 2).sum(-1) / (2 * (30.0 * factor) ** 2)) * (samples[:, None] == samples) @ np.eye(2)[codes]
        for factor in (0.25, 0.5, 1.0)
    ])  # fmt: skip
    np.testing.assert_allclose(found, exact, atol=1e-4)
    graph = niche.SpatialGraph.nearest(xy, 4, samples=samples)
    assert (graph.weights != niche.SpatialGraph.nearest(apart, 4).weights).nnz == 0


def test_pieces_of_tissue_do_not_touch_wherever_they_lie(
    varied: Path, settings: dict[str, Any], tmp_path: Path
) -> None:
    adata = anndata.read_h5ad(varied)
    slide = np.arange(adata.n_obs) % 2
    adata.obs["slide"] = np.array(["left", "right"])[slide]
    moved = adata.copy()
    # a power of two, so that differences within a piece keep their bits
    moved.obsm["spatial"] = adata.obsm["spatial"] + 2.0**20 * slide[:, None]
    options = {**settings, "mode": "full", "sample": "slide", "signal_tol": 0.0}
    runs = [train(one, tmp_path / str(n), **options) for n, one in enumerate((adata, moved))]
    assert "T4" in runs[0].genes
    assert runs[0].genes == runs[1].genes
    assert (runs[0].scores()["refined"] == True).any()  # noqa: E712
    for gene in runs[0].genes:
        np.testing.assert_allclose(runs[0].betas(gene).values, runs[1].betas(gene).values, rtol=1e-3, atol=1e-4)


def test_the_estimate_counts_the_rows_of_cells(full: Run, varied: Path, settings: dict[str, Any]) -> None:
    of_seed = estimate_training(varied, **settings)
    of_full = estimate_training(varied, mode="full", **settings)
    by_cell = sum((full.path / f"{gene}_betadata.feather").stat().st_size for gene in full.genes)
    assert of_seed.disk + 0.3 * by_cell < of_full.disk < of_seed.disk + 3e6
    assert of_full.memory_bytes > of_seed.memory_bytes
    # what is measured differs from time to time; what is counted does not
    assert of_full.times["niche networks"] > 0.0
    assert of_full.times.keys() - of_seed.times.keys() == {"niche networks"}
