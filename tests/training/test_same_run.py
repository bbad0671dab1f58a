"""What belongs to one run: the same sample, network and settings, whoever works on it and whenever."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from spacetravlr.config import RunConfig
from spacetravlr.errors import InputError, SettingsChangedError
from spacetravlr.events import Notice, StageFinished
from spacetravlr.run import Run, RunDirectory
from spacetravlr.training import train


def coefficients(directory: Path) -> dict[str, bytes]:
    kept = (
        p
        for p in directory.rglob("*")
        if (p.suffix in {".feather", ".orphan", ".log"} or p.parent.name == "scores") and p.name != "run.log"
    )
    return {str(p.relative_to(directory)): p.read_bytes() for p in kept}


def other_network(network: pd.DataFrame, folder: Path) -> Path:
    folder.mkdir()
    network[network["source"] != "Tf3"].to_parquet(folder / "mouse_network.parquet")
    return folder


def test_the_network_is_recorded_and_another_one_is_refused(
    h5ad: Path, network: pd.DataFrame, network_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPACETRAVLR_DATA_DIR", str(network_dir))
    run = train(h5ad, tmp_path / "run", genes=["T1"])
    assert run.config.grn.network_data_dir == str(network_dir)
    assert run.config.data.spatial_species == "mouse"
    monkeypatch.setenv("SPACETRAVLR_DATA_DIR", str(other_network(network, tmp_path / "other")))
    with pytest.raises(SettingsChangedError, match="prior network"):
        train(h5ad, tmp_path / "run", genes=["T2"])
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "mouse_network.parquet").write_bytes((network_dir / "mouse_network.parquet").read_bytes())
    monkeypatch.setenv("SPACETRAVLR_DATA_DIR", str(copy))
    assert set(train(h5ad, tmp_path / "run", genes=["T2"]).genes) == {"T1", "T2"}


@pytest.mark.parametrize("what", ["expression", "positions", "clusters"])
def test_a_sample_of_the_same_names_and_other_content_is_refused(
    what: str, tissue_data: anndata.AnnData, network_dir: Path, tmp_path: Path
) -> None:
    train(tissue_data, tmp_path / "run", genes=["T1"], network_data_dir=str(network_dir))
    other = tissue_data.copy()
    if what == "expression":
        other.layers["imputed_count"] = other.layers["imputed_count"] * 3.0
    elif what == "positions":
        other.obsm["spatial"] = other.obsm["spatial"] + 1.0
    else:
        other.obs["cell_type_int"] = np.roll(other.obs["cell_type_int"], 1)
    with pytest.raises(SettingsChangedError, match="expression, positions, clusters or samples"):
        train(other, tmp_path / "run", genes=["T2"], network_data_dir=str(network_dir))


def test_contact_radii_survive_a_continuation_without_those_ligands(
    h5ad: Path, network_dir: Path, tmp_path: Path
) -> None:
    options = {"network_data_dir": str(network_dir), "score_threshold": -1e9}
    run = train(h5ad, tmp_path / "run", genes=["T1"], **options)
    assert run.directory.manifest.ligand_radii == {"Lig2": 50.0}
    train(h5ad, tmp_path / "run", genes=["Lig2", "Rec2"], **options)
    assert run.directory.manifest.ligand_radii == {"Lig2": 50.0}


def test_a_toml_through_python_means_what_it_means_on_the_command_line(
    h5ad: Path, network_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "settings").mkdir()
    (tmp_path / "settings" / "net").symlink_to(network_dir)
    (tmp_path / "settings" / "extra.txt").write_text("Lonely\n")
    toml = tmp_path / "settings" / "c.toml"
    toml.write_text(
        '[grn]\nnetwork_data_dir = "net"\nextra_modulators_file = "extra.txt"\n[spatial]\nraduis = 3\n[lasso]\nl1_reg = 0.01\n'
    )
    monkeypatch.chdir(tmp_path)
    events: list[object] = []
    run = train(h5ad, tmp_path / "run", genes="T1,T2", config=toml, listener=events.append)
    told = " | ".join(event.message for event in events if isinstance(event, Notice))
    assert "did you mean [spatial].radius?" in told
    assert "select" in told
    assert list(run.genes) == ["T1", "T2"]
    assert run.config.grn.extra_modulators == ("Lonely",)
    assert (run.path / "log" / "T1.log").read_text().count("\t8\t") >= 3


def test_list_files_of_a_configuration_object_are_read(h5ad: Path, network_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "extra.txt").write_text("Lonely, Noise\n")
    config = RunConfig.from_flat(
        {
            "grn.network_data_dir": str(network_dir),
            "grn.extra_modulators_file": str(tmp_path / "extra.txt"),
            "lasso.select": "cv",
        }
    )
    run = train(h5ad, tmp_path / "run", genes=["T1"], config=config)
    assert run.config.grn.extra_modulators == ("Lonely", "Noise")


def test_a_response_layer_is_explained_by_the_other(
    tissue_data: anndata.AnnData, network_dir: Path, tmp_path: Path
) -> None:
    data = tissue_data.copy()
    data.layers["normalized_count"] = data.layers["imputed_count"] * 2.0
    options = {"network_data_dir": str(network_dir), "genes": ["T1"]}
    plain = train(data, tmp_path / "a", **options).betas("T1")
    options |= {"response_use": "fit"}
    run = train(data, tmp_path / "b", response_layer="normalized_count", **options)
    doubled = run.betas("T1")
    assert np.allclose(doubled.values, 2.0 * plain.values, atol=1e-6)
    (tmp_path / "b" / "T1_betadata.feather").unlink()
    again = train(run.config.data.adata_path, tmp_path / "b", response_layer="normalized_count", **options)
    assert np.array_equal(again.betas("T1").values, doubled.values)


def test_a_response_layer_that_is_missing_or_not_finite_leaves_nothing_behind(
    tissue_data: anndata.AnnData, network_dir: Path, tmp_path: Path
) -> None:
    data = tissue_data.copy()
    data.layers["normalized_count"] = data.layers["imputed_count"].copy()
    data.layers["normalized_count"][3, list(data.var_names).index("T4")] = np.nan
    for layer, message in (("normalized_count", "T4"), ("absent", "layer 'absent' is not in the file")):
        with pytest.raises(InputError, match=message):
            train(data, tmp_path / "run", response_layer=layer, network_data_dir=str(network_dir))
        assert not (tmp_path / "run").exists()


def test_exported_means_have_an_intercept_of_their_own(
    tissue_data: anndata.AnnData, network_dir: Path, tmp_path: Path
) -> None:
    only_tfs = {"use_lr_modulators": False, "use_tfl_modulators": False, "network_data_dir": str(network_dir)}
    betas = train(tissue_data, tmp_path / "m", genes=["T1"], beta_export="mean", **only_tfs).betas("T1")
    E = {gene: tissue_data.layers["imputed_count"][:, i] for i, gene in enumerate(tissue_data.var_names)}
    for row, label in enumerate(betas.row_labels[:2]):
        cells = (tissue_data.obs["cell_type_int"] == int(label)).to_numpy()
        fitted = betas.intercept[row] + sum(
            value * E[name][cells] for name, value in zip(betas.modulators, betas.values[row], strict=True)
        )
        assert (E["T1"][cells] - fitted).mean() == pytest.approx(0.0, abs=1e-9)


def test_fista_bytes_do_not_depend_on_what_is_done_already(h5ad: Path, network_dir: Path, tmp_path: Path) -> None:
    options = {"network_data_dir": str(network_dir), "solver": "fista", "n_iter": 60, "score_threshold": -1e9}
    train(h5ad, tmp_path / "run", **options)
    whole = coefficients(tmp_path / "run")
    for gene in ("T1", "T3", "Noise", "T2"):
        (tmp_path / "run" / f"{gene}_betadata.feather").unlink()
        train(h5ad, tmp_path / "run", **options)
        assert coefficients(tmp_path / "run") == whole


@pytest.mark.parametrize("gene", ["HLA/DRA", "50%off", "a:b"])
def test_any_gene_symbol_can_be_trained(
    gene: str, tissue_data: anndata.AnnData, network: pd.DataFrame, tmp_path: Path
) -> None:
    data = tissue_data.copy()
    data.var_names = [gene if name == "T1" else name for name in data.var_names]
    renamed = network.replace({"target": {"T1": gene}})
    (tmp_path / "net").mkdir()
    renamed.to_parquet(tmp_path / "net" / "mouse_network.parquet")
    run = train(data, tmp_path / "run", genes=[gene], network_data_dir=str(tmp_path / "net"))
    assert list(run.genes) == [gene]
    assert run.betas(gene).values.any()
    assert Run.open(tmp_path / "run").perturb({"Tf1": 0.0}).gene(gene) is not None


def test_the_grid_factor_reaches_training(h5ad: Path, network_dir: Path, tmp_path: Path) -> None:
    events: list[object] = []
    for factor in (2.0, 0.0):
        train(
            h5ad, tmp_path / f"g{factor}", genes=["T2"], network_data_dir=str(network_dir), ligand_grid_factor=factor,
            listener=events.append,
        )  # fmt: skip
    ended = [event for event in events if isinstance(event, StageFinished)]
    details = [event.detail for event in ended if event.stage == "received ligands"]
    assert details == ["2 ligands, method grid", "2 ligands, method exact"]
    grid, exact = (Run.open(tmp_path / f"g{factor}").betas("T2") for factor in (2.0, 0.0))
    assert grid.modulators != exact.modulators or not np.array_equal(grid.values, exact.values)


def test_samples_too_small_to_be_scored_are_refused_with_the_way_out(
    tissue_data: anndata.AnnData, network_dir: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="largest has 25; use"):
        train(tissue_data[:25].copy(), tmp_path / "run", network_data_dir=str(network_dir))
    one_place = tissue_data.copy()
    one_place.obsm["spatial"] = np.zeros((260, 2))
    with pytest.raises(InputError, match="at least two regions"):
        train(one_place, tmp_path / "run", network_data_dir=str(network_dir))
    assert not (tmp_path / "run").exists()
    fixed = {"select": "fixed", "l1_reg": 0.05, "group_reg": 0.0, "network_data_dir": str(network_dir)}
    assert train(tissue_data[:25].copy(), tmp_path / "run", genes=["T1"], **fixed).genes


def test_tiny_penalties_end_in_bounded_time_and_say_that_they_have_not_converged_or_have(
    h5ad: Path, network_dir: Path, tmp_path: Path
) -> None:
    events: list[object] = []
    run = train(
        h5ad, tmp_path / "run", genes=["T1", "T2", "T3"], network_data_dir=str(network_dir), l1_reg=1e-9, group_reg=1e-9,
        listener=events.append,
    )  # fmt: skip
    assert any("overfit" in e.message for e in events if isinstance(e, Notice))
    assert run.scores()["n_iter"].max() <= 10_000


PROCESS = """
import sys, time
from spacetravlr.training import train, trainer
trainer.BLOCK = 2
if sys.argv[4] == "slow":
    real = trainer.Trainer._write
    def slow(self, *a, **k):
        time.sleep(0.3)
        return real(self, *a, **k)
    trainer.Trainer._write = slow
train(sys.argv[1], sys.argv[2], network_data_dir=sys.argv[3], random_seed=1, n_parallel=1)
"""


def start(h5ad: Path, out: Path, network_dir: Path, pace: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS, str(h5ad), str(out), str(network_dir), pace], env=environment
    )


def test_two_processes_train_every_gene_once_and_a_killed_one_is_replaced(
    h5ad: Path, network_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spacetravlr.training import trainer

    monkeypatch.setattr(trainer, "BLOCK", 2)
    train(h5ad, tmp_path / "alone", network_data_dir=str(network_dir), random_seed=1)
    out = tmp_path / "together"
    victim = start(h5ad, out, network_dir, "slow")
    deadline = time.monotonic() + 60
    while not list(out.glob("*_betadata.feather")) and time.monotonic() < deadline:
        time.sleep(0.02)
    helper = start(h5ad, out, network_dir, "fast")
    time.sleep(0.2)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    assert helper.wait(timeout=90) == 0
    assert coefficients(out) == coefficients(tmp_path / "alone")
    assert train(h5ad, out, network_data_dir=str(network_dir), random_seed=1).directory.manifest.status == "complete"
    assert not list(out.glob("*.lock"))


def test_a_failed_set_up_leaves_the_record_to_a_process_that_joined_meanwhile(
    h5ad: Path, network_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spacetravlr.training import single

    out = tmp_path / "run"
    real = single.make_plan
    joined: list[subprocess.Popen[bytes]] = []

    def fail(*arguments: object) -> None:
        joined.append(start(h5ad, out, network_dir, "slow"))
        deadline = time.monotonic() + 60
        while len(list(out.glob(".heartbeat-*"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        raise KeyboardInterrupt

    monkeypatch.setattr(single, "make_plan", fail)
    with pytest.raises(KeyboardInterrupt):
        train(h5ad, out, network_data_dir=str(network_dir), random_seed=1)
    monkeypatch.setattr(single, "make_plan", real)
    assert joined[0].wait(timeout=90) == 0
    assert RunDirectory.open(out).manifest.status == "complete"
