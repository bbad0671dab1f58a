"""Opening a run, reading it, and perturbing from it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from spacetravlr.betas import Betas
from spacetravlr.config import RunConfig
from spacetravlr.errors import ConfigError, InputError, RunDirectoryError
from spacetravlr.run import ClusterLog, GeneLog, InputData, Manifest, Run, RunDirectory
from spacetravlr.tissue import Tissue

GENES = ("TF1", "LIG", "REC", "TARGET")
CELLS = ("near", "far")


def small_adata() -> anndata.AnnData:
    """Two cells one unit apart: the acceptance case of the propagation rules."""
    expression = np.array([[1.0, 10.0, 1.0, 1.0], [1.0, 0.0, 1.0, 1.0]])
    obs = pd.DataFrame({"cell_type": ["B", "T"]}, index=list(CELLS))
    adata = anndata.AnnData(expression, obs=obs, var=pd.DataFrame(index=list(GENES)))
    adata.layers["imputed_count"] = expression
    adata.obsm["spatial"] = np.array([[0.0, 0.0], [1.0, 0.0]])
    return adata


def small_betas() -> Betas:
    return Betas("TARGET", "cluster", ("B", "T"), np.zeros(2), ("TF1", "LIG$REC"), np.array([[0.1, 0.05]] * 2))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A finished run beside its sample."""
    small_adata().write_h5ad(tmp_path / "tissue.h5ad")
    values = {"data.adata_path": str(tmp_path / "tissue.h5ad"), "spatial.radius": 1.0, "spatial.contact_distance": 0.5}
    config = RunConfig.from_flat({**values, "perturbation.n_propagation": 1})
    sample = InputData.describe(tmp_path / "tissue.h5ad", cells=CELLS, genes=GENES)
    with RunDirectory.create(tmp_path / "run", config, sample=sample) as directory:
        manifest = directory.begin(Manifest(targets=("TARGET", "REC", "LIG", "TF1"), input=sample))
        fits = (
            ClusterLog(cluster="B", n_cells=1, n_modulators=2, r2_in=0.5, train_mse=0.1, n_iter=3, converged=True),
            ClusterLog(cluster="T", n_cells=1, n_modulators=2, r2_in=0.1, train_mse=0.2, n_iter=4, converged=False),
        )
        directory.write_log(GeneLog(gene="TARGET", clusters=fits))
        directory.write_betas(small_betas())
        directory.write_orphan("REC", "no modulators")
        directory.conclude(manifest, failures={"LIG": "singular"})
    return tmp_path / "run"


def radii(root: Path, ligand_radii: dict[str, float]) -> None:
    directory = RunDirectory.open(root)
    manifest = directory.manifest
    assert manifest is not None
    directory.write_manifest(Manifest(targets=manifest.targets, input=manifest.input, ligand_radii=ligand_radii))


def test_reading_a_run(root: Path) -> None:
    run = Run.open(root)
    assert run.path == root
    assert run.genes == ("TARGET",)
    assert run.orphans == {"REC": "no modulators"}
    assert run.config.spatial.radius == 1.0
    assert "1 genes, 1 orphans" in repr(run)
    status = run.status()
    assert (status.state, status.done, status.orphan, status.failed) == (
        *("partial", ("TARGET",), ("REC",)),
        {"LIG": "singular"},
    )
    assert run.betas("TARGET").modulators == ("TF1", "LIG$REC")
    scores = run.scores()
    assert scores["r2_in"].tolist() == [0.5, 0.1]
    assert scores["converged"].tolist() == [True, False]
    log = run.log("TARGET")
    assert log is not None
    assert [entry.r2_in for entry in log.clusters] == [0.5, 0.1]
    assert run.log("REC") is None
    assert run.tissue() is run.tissue()
    assert run.tissue().clusters.labels == ("B", "T")


@pytest.mark.parametrize(
    ("gene", "reason"),
    [
        ("REC", "REC has no model: no modulators"),
        ("LIG", "LIG could not be trained: singular"),
        ("TF1", "TF1 is not trained yet"),
        ("Target", "'Target' is no target of the run in .*; did you mean 'TARGET'"),
        ("xyzzy", "'xyzzy' is no target .*; it has 1 others"),
    ],
)
def test_a_gene_without_betas_says_why(root: Path, gene: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        Run.open(root).betas(gene)


def test_a_gene_that_is_being_trained_says_where(root: Path) -> None:
    with RunDirectory.open(root) as directory:
        directory.claim(["TF1"])
        with pytest.raises(InputError, match="TF1 is being trained by process"):
            Run.open(root).betas("TF1")
    (root / "Myc.lock").touch()
    with pytest.raises(InputError, match=r"Myc is being trained$"):
        Run.open(root).betas("Myc")


def test_betas_in_other_formats_are_read(root: Path) -> None:
    small_betas().to_frame().to_csv(root / "Cd4_betadata.csv")
    run = Run.open(root)
    assert run.genes == ("TARGET", "Cd4")
    assert run.betas("Cd4").values.tolist() == [[0.1, 0.05]] * 2


def test_perturbation_gives_the_acceptance_values(root: Path) -> None:
    run = Run.open(root)
    effect = run.perturb({"TF1": 0.0, "LIG": 0.0}, cells=["near"])
    np.testing.assert_allclose(effect.delta[:, 3], [-0.35, -0.25 * np.exp(-0.5)], atol=1e-5)
    np.testing.assert_allclose(effect.simulated[0, :2], 0.0)
    for cells in ("cell_type == 'B'", np.array([True, False]), [0]):
        np.testing.assert_array_equal(run.perturb({"TF1": 0.0, "LIG": 0.0}, cells=cells).delta, effect.delta)
    assert run.perturb({"TF1": 0.0}, n_propagation=0).delta[:, 3].tolist() == [0.0, 0.0]


def test_radii_come_from_the_manifest_except_under_v1(root: Path) -> None:
    radii(root, {"LIG": 0.5})
    run = Run.open(root)
    near, far = run.perturb({"LIG": 0.0}, profile="default").delta[:, 3]
    np.testing.assert_allclose([near, far], [-0.25, -0.25 * np.exp(-1 / (2 * 0.25))], atol=1e-5)
    old = run.perturb({"LIG": 0.0}, profile="v1").delta[:, 3]
    np.testing.assert_allclose(old, [-0.25, -0.25 * np.exp(-0.5)], atol=1e-5)
    wide = run.perturb({"LIG": 0.0}, radius=100.0, radii=100.0).delta[:, 3]
    np.testing.assert_allclose(wide, [-0.25, -0.25], atol=1e-3)


def test_settings_reach_the_model(root: Path) -> None:
    run = Run.open(root)
    half = Run.open(root)
    half.config = half.config.replace(
        {
            "perturbation.beta_scale_factor": 0.5,
            "spatial.weighted_ligand_scale_factor": 3.0,
            "perturbation.max_bound": 20.0,
        }
    )
    target = {"LIG": 0.0}
    np.testing.assert_allclose(
        half.perturb(target).delta[1, 3], 1.5 * run.perturb(target).delta[1, 3], rtol=1e-6, atol=1e-9
    )
    with pytest.raises(ConfigError, match="bounds"):
        half.perturb(target, profile="v1")
    capped = Run.open(root)
    capped.config = capped.config.replace({"perturbation.beta_cap": 0.05})
    np.testing.assert_allclose(capped.perturb({"TF1": 0.0}).delta[:, 3], [-0.05, -0.05])
    exact = Run.open(root)
    exact.config = exact.config.replace({"perturbation.ligand_grid_factor": -1.0})
    np.testing.assert_allclose(exact.perturb(target).delta, run.perturb(target).delta, atol=1e-5)
    assert {field.tol for field in exact.model().signals.values()} == {0.0}
    cut = Run.open(root)
    cut.config = cut.config.replace({"spatial.kernel": "truncated"})
    assert abs(cut.perturb(target).delta[1, 3]) < abs(run.perturb(target).delta[1, 3])


def test_the_last_model_is_kept(root: Path) -> None:
    run = Run.open(root)
    model = run.model()
    assert run.model() is model
    assert run.model(profile=None) is model
    other = run.model(profile="v1", beta_cap=1.0)
    assert other is not model
    assert run.model(beta_cap=1.0, profile="v1") is other
    assert run.model(radii={"LIG": 1.0}) is not run.model(radii={"LIG": 1.0})


def test_a_subset_of_cells(root: Path, tmp_path: Path) -> None:
    (tmp_path / "run" / "cells.txt").write_text("# one\n\nnear\nnear\n")
    run = Run.open(root)
    run.config = run.config.replace({"data.perturb_obs_subset_file": "cells.txt"})
    effect = run.perturb({"LIG": 0.0})
    assert effect.cells == ("near",)
    # one cell alone receives all of what it sends
    np.testing.assert_allclose(effect.delta[:, 3], [-0.5], atol=1e-6)
    run = Run.open(root)
    run.config = run.config.replace({"data.perturb_obs_subset_file": "nowhere.txt"})
    with pytest.raises(InputError, match=r"perturb_obs_subset_file.*tried .*nowhere\.txt"):
        run.model()


def test_the_sample_is_found_or_the_places_are_named(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    toml = root / "spacetravlr_run_repro.toml"
    config = RunConfig.from_toml(toml)
    toml.write_text(config.replace({"data.adata_path": "tissue.h5ad"}).to_toml())
    away = tmp_path / "away"
    away.mkdir()
    monkeypatch.chdir(away)
    with pytest.raises(InputError) as caught:
        Run.open(root).tissue()
    assert str(away / "tissue.h5ad") in str(caught.value)
    assert str(root / "tissue.h5ad") in str(caught.value)
    shutil.copy(tmp_path / "tissue.h5ad", root)
    assert Run.open(root).tissue().path == root / "tissue.h5ad"
    shutil.copy(tmp_path / "tissue.h5ad", away)
    assert Run.open(root).tissue().path == away / "tissue.h5ad"
    toml.write_text(config.replace({"data.adata_path": ""}).to_toml())
    with pytest.raises(InputError, match=r"\[data\].adata_path is empty"):
        Run.open(root).tissue()
    adata = small_adata()
    effects = [
        Run.open(root, adata=given).perturb({"LIG": 0.0}).delta
        for given in (adata, tmp_path / "tissue.h5ad", Tissue.from_anndata(adata))
    ]
    np.testing.assert_array_equal(effects[0], effects[1])
    np.testing.assert_array_equal(effects[0], effects[2])
    assert not caplog.records
    adata.obs_names = ["other", "cells"]
    Run.open(root, adata=adata).tissue()
    assert "is not the one that" in caplog.text


def test_a_run_is_found_by_directory_and_by_toml(root: Path, tmp_path: Path) -> None:
    toml = root / "spacetravlr_run_repro.toml"
    assert Run.open(toml).path == root
    # the user's own file elsewhere, relative to itself, absolute, and useless
    config = RunConfig.from_toml(toml)
    for name, output_dir, found in (
        ("a.toml", "run", root),
        ("b.toml", str(root), root),
        ("c.toml", "nowhere", tmp_path),
        ("d.toml", "", tmp_path),
    ):
        (tmp_path / name).write_text(config.replace({"execution.output_dir": output_dir}).to_toml())
        assert Run.open(tmp_path / name).path == found
    # a copy is a run of its own although its record names the original
    shutil.copytree(root, tmp_path / "copy")
    assert Run.open(tmp_path / "copy").path == tmp_path / "copy"
    assert Run.open(tmp_path / "copy" / toml.name).path == tmp_path / "copy"
    # a record that went astray leads to its run
    (tmp_path / "astray").mkdir()
    shutil.copy(toml, tmp_path / "astray")
    assert Run.open(tmp_path / "astray" / toml.name).path == root
    with pytest.raises(RunDirectoryError, match=r"no such run directory or run TOML.*did you mean .*/run\?"):
        Run.open(tmp_path / "rum")


def test_the_parent_of_a_condition_split_names_its_runs(root: Path, tmp_path: Path) -> None:
    parent = tmp_path / "split"
    (parent / "conditions").mkdir(parents=True)
    shutil.copytree(root, parent / "conditions" / "WT")
    shutil.copy(root / "spacetravlr_run_repro.toml", parent)
    toml = parent / "spacetravlr_run_repro.toml"
    toml.write_text(RunConfig.from_toml(toml).replace({"execution.output_dir": str(parent)}).to_toml())
    for path in (parent, toml):
        with pytest.raises(RunDirectoryError, match=r"condition split; open one of .*conditions/WT \('WT'\)$"):
            Run.open(path)
    # a configuration elsewhere that names the parent is not taken for a run without results
    elsewhere = tmp_path / "mine.toml"
    shutil.copy(toml, elsewhere)
    with pytest.raises(RunDirectoryError, match=rf"^{re.escape(str(parent))} holds the runs of a condition split"):
        Run.open(elsewhere)
    child = parent / "conditions" / "WT" / toml.name
    # the compiled edition's records there name the parent
    shutil.copy(toml, child)
    assert Run.open(child).path == child.parent
    assert Run.open(child).genes == ("TARGET",)


def test_without_coefficients_there_is_an_error_that_names_the_directory(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path / "new", RunConfig())
    with pytest.raises(InputError, match="no betadata"):
        _ = Run.open(directory.path).betabase


@pytest.mark.parametrize("kind", ["ko_tf", "oe_ligand"])
def test_the_run_of_the_compiled_edition_is_simulated_as_it_does(
    shared: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    run = Run.open(shared / "golden/v1/run/spacetravlr_run_repro.toml")
    assert len(run.genes) == 14
    assert run.status().state == "unknown"
    assert len(run.scores()) == 42
    with np.load(shared / "golden/v1/run_perturb.npz") as golden:
        steps = int(golden[f"{kind}_T"])
        targets = {str(golden[f"{kind}_gene"]): float(golden[f"{kind}_value"])}
        effect = run.perturb(targets, n_propagation=steps, profile="v1")
        where = [effect.genes.index(gene) for gene in golden[f"{kind}_changed"]]
        np.testing.assert_allclose(effect.simulated[:, where], golden[f"{kind}_simulated"], atol=4e-6)
        still = np.setdiff1d(np.arange(len(effect.genes)), where)
        np.testing.assert_array_equal(effect.delta[:, still], 0.0)
