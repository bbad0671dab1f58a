"""Faults of the compiled edition that training must not have, where no other test shows their absence."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from spacetravlr.errors import ConfigError, SettingsChangedError
from spacetravlr.events import Event, GeneWritten, RunStarted
from spacetravlr.run import Run, RunDirectory
from spacetravlr.training import StopRequest, train, trainer
from spacetravlr.training.descent import CoordinateDescent

COPY = "spacetravlr_minimal_repro.h5ad"


class DiedError(BaseException):
    """What ends a thread without being an error of a target."""


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_that_dies_ends_the_run_with_its_error_and_nothing_is_lost(
    workers: int, h5ad: Path, network_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "BLOCK", 2)
    options = {"network_data_dir": str(network_dir), "n_bootstraps": 2, "n_parallel": workers}

    def fit(self, targets, wanted, real=CoordinateDescent.fit):
        if "T2" in targets:
            raise DiedError("the driver is gone")
        return real(self, targets, wanted)

    with monkeypatch.context() as patch:
        patch.setattr(CoordinateDescent, "fit", fit)
        with pytest.raises(DiedError, match="the driver is gone"):
            train(h5ad, tmp_path / "run", **options)
    directory = RunDirectory.open(tmp_path / "run")
    assert not directory.scan().locked
    assert directory.manifest.status == "stopped"
    run = train(h5ad, tmp_path / "run", **options)
    assert run.directory.manifest.status == "complete"
    assert "T2" in run.genes


def test_only_own_targets_count(h5ad: Path, network_dir: Path, tmp_path: Path) -> None:
    options = {"network_data_dir": str(network_dir), "n_bootstraps": 2}
    train(h5ad, tmp_path / "run", genes=["T1", "T2"], **options)
    told: list[Event] = []
    train(h5ad, tmp_path / "run", genes=["T2", "T3", "T4"], listener=told.append, **options)
    start = next(event for event in told if isinstance(event, RunStarted))
    assert (start.n_targets, start.n_done_before) == (3, 1)
    assert [event.gene for event in told if isinstance(event, GeneWritten)] == ["T3", "T4"]


def test_a_relative_directory_is_where_it_was_made(
    h5ad: Path, network_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    (tmp_path / "work" / "c.toml").write_text('[execution]\noutput_dir = "runs/a"\n')
    run = train(h5ad, genes=["T1"], config="c.toml", network_data_dir=str(network_dir), n_bootstraps=2)
    assert run.path == tmp_path / "work" / "runs" / "a"
    monkeypatch.chdir(run.path)
    again = Run.open(run.path / "spacetravlr_run_repro.toml")
    assert (again.path, again.genes) == (run.path, ("T1",))
    assert not (run.path / "runs").exists()


@pytest.mark.parametrize("solver", [{"n_bootstraps": 2}, {"solver": "fista", "n_iter": 50, "score_threshold": -1.0}])
def test_the_contact_distance_acts_on_contact_ligands_alone(
    solver: dict[str, object], h5ad: Path, network_dir: Path, tmp_path: Path
) -> None:
    betas = []
    for number, distance in enumerate((50.0, 500.0)):
        out = tmp_path / str(number)
        train(h5ad, out, genes=["T2"], network_data_dir=str(network_dir), contact_distance=distance, **solver)
        betas.append(Run.open(out).directory.manifest.ligand_radii)
    assert betas == [{"Lig2": 50.0}, {"Lig2": 500.0}]
    received = [plan_received(h5ad, network_dir, distance) for distance in (50.0, 500.0)]
    assert np.array_equal(received[0]["Lig1"], received[1]["Lig1"])
    assert np.abs(received[0]["Lig2"] - received[1]["Lig2"]).max() > 0.1 * received[0]["Lig2"].max()


def plan_received(h5ad: Path, network_dir: Path, distance: float) -> dict[str, np.ndarray]:
    from spacetravlr.config import RunConfig
    from spacetravlr.events import silent
    from spacetravlr.training import plan_training
    from spacetravlr.training.request import open_sample

    settings = RunConfig.from_flat(
        {"grn.network_data_dir": str(network_dir), "spatial.contact_distance": distance}
    ).resolved()
    plan = plan_training(open_sample(h5ad, settings, silent), settings)
    return dict(zip(plan.inputs.catalogue.ligands, plan.received.T, strict=True))


def test_who_joins_leaves_the_copy_of_the_sample_alone(h5ad: Path, network_dir: Path, tmp_path: Path) -> None:
    options = {"network_data_dir": str(network_dir), "n_bootstraps": 2, "write_minimal_repro_h5ad": True}
    train(h5ad, tmp_path / "run", genes=["T1"], **options)
    before = (tmp_path / "run" / COPY).stat()
    train(h5ad, tmp_path / "run", genes=["T1", "T4"], **options)
    after = (tmp_path / "run" / COPY).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("more", [{"extra_modulators": ["Noise"]}, {"extra_lr": ["Lig2$Rec1"]}, {"tf_priors": "a"}])
def test_other_extras_or_priors_never_mix_with_those_of_a_run(
    more: dict[str, object], h5ad: Path, network_dir: Path, tmp_path: Path
) -> None:
    options = {"network_data_dir": str(network_dir), "n_bootstraps": 2}
    train(h5ad, tmp_path / "run", genes=["T1"], **options)
    if "tf_priors" in more:
        priors = pd.DataFrame([("Tf1", "T4", "a")], columns=["source", "target", "cell_type"])
        priors.to_feather(tmp_path / "priors.feather")
        more = {"tf_priors_feather": str(tmp_path / "priors.feather")}
    with pytest.raises(SettingsChangedError, match=next(iter(more)).removesuffix("_feather")):
        train(h5ad, tmp_path / "run", genes=["T4"], **options, **more)
    assert not (tmp_path / "run" / "T4_betadata.feather").exists()


@pytest.mark.parametrize(
    "solver",
    [
        {"n_bootstraps": 2},
        {"select": "fixed", "l1_reg": 0.05, "group_reg": 0.0, "score_threshold": -1.0},
        {"solver": "fista", "n_iter": 50, "score_threshold": -1.0},
    ],
)
def test_text_clusters_of_any_size_integer_coordinates_and_constant_targets(
    solver: dict[str, object], tissue_data: anndata.AnnData, network_dir: Path, tmp_path: Path
) -> None:
    data = tissue_data.copy()
    kinds = data.obs["cell_type"].to_numpy().astype(object)
    kinds[:1], kinds[1:3] = "lonely", "pair, of cells"
    data.obs["kind"] = pd.Categorical(kinds, categories=["unseen", "pair, of cells", "lonely", "c", "b", "a"])
    data.obsm["spatial"] = np.round(data.obsm["spatial"]).astype(np.int32)
    at = list(data.var_names).index("T4")
    data.layers["imputed_count"][:, at] = np.where(kinds == "b", 2.0, data.layers["imputed_count"][:, at])
    run = train(data, tmp_path / "run", cluster_annot="kind", network_data_dir=str(network_dir), **solver)
    expected = sorted(["pair, of cells", "lonely", "c", "b", "a"])
    for gene in ("T1", "T4"):
        betas = run.betas(gene)
        # without quotes, and a row for every cluster that has cells
        assert sorted(betas.row_labels) == expected
        assert np.isfinite(betas.values).all()
        assert np.isfinite(betas.intercept).all()
    constant = run.betas("T4")
    assert not constant.values[constant.row_labels.index("b")].any()
    single = run.betas("T1")
    assert not single.values[single.row_labels.index("lonely")].any()
    assert run.perturb({"Tf1": 0.0}).delta.any()
    assert run.directory.manifest.status == "complete"


@pytest.mark.parametrize(
    "bad",
    [{"radius": 0.0}, {"n_iter": 0, "solver": "fista"}, {"l1_reg": -1.0}, {"n_folds": 1}, {"contact_distance": 0.0}],
)
def test_settings_that_cannot_mean_anything_are_refused_first(
    bad: dict[str, object], h5ad: Path, network_dir: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=next(iter(bad))):
        train(h5ad, tmp_path / "run", network_data_dir=str(network_dir), **bad)
    assert not (tmp_path / "run").exists()


def test_a_stop_while_the_run_is_set_up_trains_nothing(h5ad: Path, network_dir: Path, tmp_path: Path) -> None:
    stop = StopRequest()
    stop.finish.set()
    run = train(h5ad, tmp_path / "run", network_data_dir=str(network_dir), stop=stop)
    assert (run.genes, run.orphans, run.directory.manifest.status) == ((), {}, "stopped")
