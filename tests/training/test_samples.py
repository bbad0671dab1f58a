"""Several pieces of tissue in one file: nothing passes from one to another, in training and after it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pytest

from spacetravlr.errors import InputError, SettingsChangedError
from spacetravlr.events import Event, Notice
from spacetravlr.regression import spatial_blocks
from spacetravlr.run import ConditionRuns, Run
from spacetravlr.tissue import Tissue
from spacetravlr.training import plan_training, train
from spacetravlr.training.plan import Plan
from spacetravlr.training.request import settle

N = 260
FAR = 1e6


@pytest.fixture(scope="module")
def slides() -> np.ndarray:
    """Three pieces in one place; all clusters are in all of them."""
    return np.array([("left", "right", "left", "far")[i % 4] for i in range(N)])


@pytest.fixture(scope="module")
def overlapping(tissue_data: anndata.AnnData, slides: np.ndarray) -> anndata.AnnData:
    adata = tissue_data.copy()
    # a simulation lifts negative expression wherever it is, which would look like a leak
    adata.X = adata.layers["imputed_count"] = np.maximum(tissue_data.X, 0.0)
    adata.obs["slide"] = slides
    adata.obs["genotype"] = np.where(np.arange(N) % 3 == 0, "KO", "WT")
    return adata


@pytest.fixture(scope="module")
def apart(overlapping: anndata.AnnData, slides: np.ndarray) -> anndata.AnnData:
    """The same cells with the pieces far from each other on one slide."""
    adata = overlapping.copy()
    adata.obsm["spatial"] = (
        adata.obsm["spatial"] + FAR * np.where(slides == "left", 0, np.where(slides == "far", 1, 2))[:, None]
    )
    return adata


@pytest.fixture(scope="module")
def options(network_dir: Path) -> dict[str, Any]:
    # an exact sum, so that the comparison is one of what is computed, not of how well
    return {"network_data_dir": str(network_dir), "n_parallel": 1, "n_bootstraps": 4, "signal_tol": 0.0}


@pytest.fixture(scope="module")
def run(overlapping: anndata.AnnData, options: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(overlapping, tmp_path_factory.mktemp("out") / "run", sample="slide", **options)


def plan(adata: anndata.AnnData, options: dict[str, Any], **more: object) -> Plan:
    told: list[Event] = []
    config = settle(None, None, {**options, **more}, told.append)
    tissue = Tissue.from_anndata(adata, cluster_key="cell_type_int", sample_key=config.data.sample)
    return plan_training(tissue, config)


def same_coefficients(one: Run, other: Run) -> None:
    assert one.genes == other.genes
    assert "T2" in one.genes
    for gene in one.genes:
        a, b = one.betas(gene), other.betas(gene)
        assert a.modulators == b.modulators
        np.testing.assert_allclose(a.values, b.values, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(a.intercept, b.intercept, rtol=1e-6, atol=1e-9)


def test_pieces_in_one_place_are_trained_as_pieces_far_apart(run: Run, apart, options, tmp_path: Path) -> None:
    other = train(apart, tmp_path / "run", sample="slide", **options)
    same_coefficients(run, other)
    found, expected = (one.perturb({"Lig1": 0.0, "Tf1": "x2"}) for one in (run, other))
    np.testing.assert_allclose(found.delta, expected.delta, rtol=1e-6, atol=1e-9)


def test_far_apart_is_what_it_means_with_fixed_penalties_too(overlapping, apart, options, tmp_path: Path) -> None:
    """Without held-out regions a tissue of far pieces needs no column of pieces: an oracle without this feature."""
    fixed = {**options, "select": "fixed", "l1_reg": 0.01, "group_reg": 0.01, "genes": ["T1", "T2", "T4"]}
    found = train(overlapping, tmp_path / "a", sample="slide", **fixed)
    same_coefficients(found, train(apart, tmp_path / "b", **fixed))
    merged = train(overlapping, tmp_path / "c", **fixed)
    assert merged.betas("T2").modulators != found.betas("T2").modulators
    effect, expected = found.perturb({"Lig1": 0.0}), Run.open(tmp_path / "b").perturb({"Lig1": 0.0})
    np.testing.assert_allclose(effect.delta, expected.delta, rtol=1e-6, atol=1e-9)


def test_received_ligands_are_the_sums_within_a_piece_over_the_number_of_all_cells(
    overlapping, slides, options
) -> None:
    made = plan(overlapping, options, sample="slide")
    xy = overlapping.obsm["spatial"]
    d2 = ((xy[:, None] - xy[None]) ** 2).sum(axis=-1)
    for ligand, radius in (("Lig1", 200.0), ("Lig2", 50.0)):
        weights = np.exp(-d2 / (2 * radius**2)) * (slides[:, None] == slides[None])
        expected = weights @ overlapping[:, ligand].X.ravel() / N
        column = made.inputs.catalogue.ligands.index(ligand)
        np.testing.assert_allclose(made.received[:, column], expected, rtol=1e-10)


def test_a_ligand_in_one_piece_changes_nothing_in_another(overlapping, slides, options) -> None:
    louder = overlapping.copy()
    values = louder.layers["imputed_count"].copy()
    values[slides == "left", list(louder.var_names).index("Lig1")] *= 50.0
    louder.layers["imputed_count"] = values
    one, other = (plan(adata, options, sample="slide").received for adata in (overlapping, louder))
    assert np.array_equal(one[slides != "left"], other[slides != "left"])
    assert not np.allclose(one[slides == "left"], other[slides == "left"])
    merged = [plan(adata, options).received for adata in (overlapping, louder)]
    assert not np.allclose(merged[0][slides != "left"], merged[1][slides != "left"])


def test_regions_belong_to_one_piece_and_folds_have_regions_of_all(overlapping, slides, options) -> None:
    made = plan(overlapping, options, sample="slide")
    for block in np.unique(made.blocks):
        assert len(np.unique(slides[made.blocks == block])) == 1
        assert len(np.unique(made.folds[made.blocks == block])) == 1
    for slide in np.unique(slides):
        own = slides == slide
        alone = spatial_blocks(overlapping.obsm["spatial"][own], radius=200.0)
        together = np.unique(made.blocks[own], return_inverse=True)[1]
        assert np.array_equal(together, alone)
        assert len(np.unique(made.folds[own])) == 5
    merged = plan(overlapping, options).blocks
    assert any(len(np.unique(slides[merged == block])) > 1 for block in np.unique(merged))


def test_a_run_knows_its_pieces(run: Run, slides: np.ndarray) -> None:
    assert run.config.data.sample == "slide"
    copy = anndata.read_h5ad(run.path / "spacetravlr_minimal_repro.h5ad")
    assert copy.obs["slide"].tolist() == slides.tolist()
    samples = Run.open(run.path).tissue().samples
    assert samples is not None
    assert np.asarray(samples.labels)[samples.codes].tolist() == slides.tolist()
    left = np.flatnonzero(slides == "left")
    effect = run.perturb({"Lig1": "x2"}, cells=left, n_propagation=6)
    assert not effect.delta[slides != "left"].any()
    assert effect.delta[left][:, list(effect.genes).index("T2")].any()
    subset = run.perturb({"Lig1": 0.0}, cells="slide == 'right'")
    assert not subset.delta[slides != "right"].any()


def test_a_tissue_in_memory_must_have_the_same_pieces(run: Run, overlapping: anndata.AnnData) -> None:
    expected = run.perturb({"Lig1": 0.0}).delta
    given = Tissue.from_anndata(overlapping, cluster_key="cell_type_int", sample_key="slide")
    np.testing.assert_array_equal(Run.open(run.path, adata=given).perturb({"Lig1": 0.0}).delta, expected)
    for key in (None, "genotype"):
        other = Tissue.from_anndata(overlapping, cluster_key="cell_type_int", sample_key=key)
        with pytest.raises(InputError, match=rf"has the pieces of sample_key={key!r}, and the run those of 'slide'"):
            Run.open(run.path, adata=other).tissue()


def test_loading_some_cells_keeps_their_pieces(run: Run, slides: np.ndarray, tmp_path: Path) -> None:
    chosen = np.flatnonzero(np.arange(N) % 5 > 0)
    (tmp_path / "cells.txt").write_text("\n".join(f"c{i}" for i in chosen))
    config = run.config.replace({"perturb_obs_subset_file": str(tmp_path / "cells.txt")})
    some = Run(run.directory, toml=run.toml, config=config)
    codes = some.model().samples
    assert codes is not None
    assert np.unique(slides)[codes].tolist() == slides[chosen].tolist()


def test_pieces_are_told(overlapping, options: dict[str, Any], tmp_path: Path) -> None:
    told: list[Event] = []
    train(overlapping, tmp_path / "run", ["T1"], sample="slide", listener=told.append, **options)
    notices = [event.message for event in told if isinstance(event, Notice)]
    expected = "samples from obs['slide']: far (65 cells), left (130 cells), right (65 cells); no signal passes between"
    assert any(text.startswith(expected) for text in notices)


def test_other_pieces_on_an_old_directory_are_refused(run: Run, overlapping, slides, options) -> None:
    with pytest.raises(SettingsChangedError, match=r"\[data\].sample: slide -> unset"):
        train(overlapping, run.path, **options)
    with pytest.raises(SettingsChangedError, match=r"\[data\].sample: slide -> genotype"):
        train(overlapping, run.path, sample="genotype", **options)
    other = overlapping.copy()
    other.obs["slide"] = np.roll(slides, 1)
    with pytest.raises(SettingsChangedError, match="expression, positions, clusters or samples"):
        train(other, run.path, sample="slide", **options)
    assert train(overlapping, run.path, sample="slide", **options).genes == run.genes


def test_a_cell_without_a_piece_is_refused(overlapping, options: dict[str, Any], tmp_path: Path) -> None:
    adata = overlapping.copy()
    adata.obs["slide"] = adata.obs["slide"].astype(object)
    adata.obs.loc[adata.obs_names[:3], "slide"] = None
    with pytest.raises(InputError, match=r"3 of 260 cells have no value in obs\['slide'\], so it is not known"):
        train(adata, tmp_path / "run", sample="slide", **options)
    with pytest.raises(InputError, match="no column 'slid'; did you mean 'slide'"):
        train(adata, tmp_path / "run", sample="slid", **options)
    assert not (tmp_path / "run").exists()


def test_pieces_within_conditions(overlapping, options: dict[str, Any], tmp_path: Path) -> None:
    """A condition split with pieces is one run with pieces for each condition."""
    found = train(overlapping, tmp_path / "split", condition="genotype", sample="slide", **options)
    assert isinstance(found, ConditionRuns)
    wild = overlapping[overlapping.obs["genotype"] == "WT"].copy()
    alone = train(wild, tmp_path / "alone", sample="slide", **options)
    kept = {p.name: p.read_bytes() for p in alone.path.glob("*_betadata.feather")}
    assert kept
    assert kept == {p.name: p.read_bytes() for p in found["WT"].path.glob("*_betadata.feather")}
    np.testing.assert_array_equal(found["WT"].perturb({"Lig1": 0.0}).delta, alone.perturb({"Lig1": 0.0}).delta)
    copy = anndata.read_h5ad(found.path / "spacetravlr_minimal_repro.h5ad")
    assert {"slide", "genotype"} <= set(copy.obs.columns)
