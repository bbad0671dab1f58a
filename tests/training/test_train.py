"""Training end to end through the library: what is learned, what is written, what is continued or refused."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from spacetravlr.errors import ConfigError, InputError, NothingWrittenError, RunDirectoryError, SettingsChangedError
from spacetravlr.events import (
    ClusterFitted,
    GeneClaimed,
    GeneFailed,
    GeneOrphan,
    GeneSkipped,
    GeneWritten,
    RunFinished,
    RunStarted,
)
from spacetravlr.run import Run
from spacetravlr.training import StopRequest, train
from spacetravlr.training.descent import CoordinateDescent


def files(directory: Path) -> dict[str, bytes]:
    """Everything that must not depend on how a run came about: coefficients, markers, logs of targets, stability."""
    kept = (
        p
        for p in directory.rglob("*")
        if (p.suffix in {".feather", ".orphan", ".log"} or p.parent.name == "scores") and p.name != "run.log"
    )
    return {str(p.relative_to(directory)): p.read_bytes() for p in kept}


def genes(events: list[object], *kinds: type) -> list[str]:
    return [event.gene for event in events if isinstance(event, kinds)]


@pytest.fixture(scope="module")
def run(h5ad: Path, network_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(h5ad, tmp_path_factory.mktemp("out") / "run", network_data_dir=str(network_dir), random_seed=1)


@pytest.mark.parametrize(("export", "shrinkage"), [("fit", 0.6), ("mean", 0.45)])
def test_known_relations_are_found_in_original_units(
    h5ad: Path, network_dir: Path, tmp_path: Path, export: str, shrinkage: float
) -> None:
    run = train(
        h5ad, tmp_path / "run", ["T1", "T2", "T3"], network_data_dir=str(network_dir), random_seed=1, beta_export=export
    )
    t1 = run.betas("T1")
    tf1 = t1.values[:, t1.modulators.index("Tf1")]
    assert np.all((tf1[:2] > shrinkage) & (tf1[:2] < 0.85))
    t2 = run.betas("T2")
    pair = t2.values[:, t2.modulators.index("Lig1$Rec1")]
    assert np.all((pair[:2] > 8.0) & (pair[:2] < 24.0))
    t3 = run.betas("T3")
    tf2 = t3.values[:, t3.modulators.index("Tf2")]
    assert tf2[1] > shrinkage
    assert abs(tf2[0]) < 0.02 * tf2[1]
    if export == "fit":
        assert tf2[0] == 0.0


def test_every_target_ends_as_a_file_or_an_orphan_with_its_reason(run: Run) -> None:
    assert {"T1", "T2", "T3", "T4"} <= set(run.genes)
    assert set(run.genes) | set(run.orphans) == set(run.tissue().genes)
    assert "held-out R2" in run.directory.orphan_reason("Noise")
    scan = run.directory.scan()
    assert not scan.locked


def test_the_files_are_the_public_contract(run: Run) -> None:
    import pyarrow.feather

    table = pyarrow.feather.read_table(run.path / "T1_betadata.feather")
    assert table.column_names[0] == "Cluster"
    assert table.column("Cluster").to_pylist() == ["0", "1", "2"]
    assert all(str(field.type) == "double" for field in list(table.schema)[1:])
    assert table.column_names[1] == "beta0"
    text = (run.path / "spacetravlr_run_repro.toml").read_text()
    assert 'select = "cv"' in text
    assert 'cluster_annot = "cell_type_int"' in text
    assert f'output_dir = "{run.path}"' in text
    assert (run.path / "log" / "T1.log").read_text().startswith("format\tspacetravlr_training_log\tv1\n")
    manifest = run.directory.manifest
    assert manifest.status == "complete"
    assert manifest.clusters == {"0": 120, "1": 110, "2": 30}
    assert manifest.ligand_radii == {"Lig2": 50.0}


def test_scores_hold_in_sample_and_held_out_r2(run: Run) -> None:
    scores = run.scores().set_index(["gene", "cluster"])
    assert scores.loc[("T1", "0"), "r2_out"] > 0.6
    assert scores.loc[("T1", "0"), "r2_in"] >= scores.loc[("T1", "0"), "r2_out"] - 0.05
    assert scores.loc[("T3", "0"), "r2_out"] < 0.1
    assert not scores.loc[("T3", "0"), "kept"]


def test_a_run_can_be_perturbed(run: Run) -> None:
    effect = run.perturb({"Tf1": 0.0})
    frame = pd.DataFrame(effect.delta, columns=list(effect.genes))
    assert (frame["Tf1"] < 0).all()
    assert frame["T1"][:200].max() < -0.05
    assert not frame["Lonely"].any()


def test_results_do_not_depend_on_the_number_of_workers(
    run: Run, h5ad: Path, network_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spacetravlr.training import trainer

    monkeypatch.setattr(trainer, "BLOCK", 5)
    found = []
    for workers in (1, 3):
        train(h5ad, tmp_path / f"w{workers}", network_data_dir=str(network_dir), random_seed=1, n_parallel=workers)
        found.append(files(tmp_path / f"w{workers}"))
    assert found[0] == found[1]
    assert set(found[0]) == set(files(run.path))


def test_a_second_run_continues_and_gives_the_same_bytes(
    run: Run, h5ad: Path, network_dir: Path, tmp_path: Path
) -> None:
    out = tmp_path / "again"
    events: list[object] = []
    stop = StopRequest()
    train(h5ad, out, network_data_dir=str(network_dir), random_seed=1)
    whole = files(out)
    assert whole == files(run.path)
    for name in ("T1_betadata.feather", "T4_betadata.feather", "Noise.orphan"):
        (out / name).unlink()
    train(h5ad, out, network_data_dir=str(network_dir), random_seed=1, listener=events.append, stop=stop)
    assert files(out) == whole
    assert {e.gene for e in events if isinstance(e, GeneWritten)} == {"T1", "T4"}
    assert {e.gene for e in events if isinstance(e, GeneOrphan)} == {"Noise"}
    assert {e.reason for e in events if isinstance(e, GeneSkipped)} == {"done"}
    assert next(e for e in events if isinstance(e, RunStarted)).n_done_before == 10


def test_changed_settings_on_an_old_directory_are_refused_with_the_difference(
    run: Run, h5ad: Path, network_dir: Path
) -> None:
    before = files(run.path)
    with pytest.raises(SettingsChangedError) as caught:
        train(h5ad, run.path, network_data_dir=str(network_dir), random_seed=1, radius=150.0)
    assert "[spatial].radius: 200.0 -> 150.0" in str(caught.value)
    train(h5ad, run.path, network_data_dir=str(network_dir), random_seed=1, n_parallel=2)
    assert files(run.path) == before


def test_another_sample_in_an_old_directory_is_refused(
    run: Run, tissue_data: anndata.AnnData, network_dir: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.h5ad"
    tissue_data[:200].copy().write_h5ad(other)
    with pytest.raises(SettingsChangedError, match="number of cells: 260 -> 200"):
        train(other, run.path, network_data_dir=str(network_dir), random_seed=1)


def test_data_in_memory_can_be_opened_again_later(
    tissue_data: anndata.AnnData, network_dir: Path, tmp_path: Path
) -> None:
    train(tissue_data, tmp_path / "mem", genes=["T1"], network_data_dir=str(network_dir))
    again = Run.open(tmp_path / "mem")
    assert again.genes == ("T1",) or list(again.genes) == ["T1"]
    assert again.perturb({"Tf1": 0.0}).delta.shape == tissue_data.shape


def test_events_tell_the_whole_story(h5ad: Path, network_dir: Path, tmp_path: Path) -> None:
    events: list[object] = []
    train(h5ad, tmp_path / "e", genes=["T1", "T2", "Noise"], network_data_dir=str(network_dir), listener=events.append)
    written = [e for e in events if isinstance(e, GeneWritten)]
    assert [e.gene for e in written] == ["T1", "T2"]
    assert all(0 < e.n_kept <= e.n_modulators and e.r2_out > 0.3 for e in written)
    assert sum(isinstance(e, ClusterFitted) for e in events) == 9
    end = events[-1]
    assert isinstance(end, RunFinished)
    assert (end.status, end.written, end.orphan, end.failed) == ("complete", 2, 1, 0)


def test_a_failing_target_does_not_take_the_others_along(
    h5ad: Path, network_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = CoordinateDescent.fit

    def fail_for_t2(self, targets, wanted):
        if any(t == "T2" and w for t, w in zip(targets, wanted, strict=True)):
            raise FloatingPointError("boom")
        return real(self, targets, wanted)

    monkeypatch.setattr(CoordinateDescent, "fit", fail_for_t2)
    events: list[object] = []
    run = train(h5ad, tmp_path / "f", network_data_dir=str(network_dir), listener=events.append)
    assert [e.gene for e in events if isinstance(e, GeneFailed)] == ["T2"]
    assert {"T1", "T3", "T4"} <= set(run.genes)
    assert run.directory.manifest.failures == {"T2": "FloatingPointError: boom"}
    assert run.directory.manifest.status == "partial"
    monkeypatch.undo()
    assert "T2" in train(h5ad, tmp_path / "f", network_data_dir=str(network_dir)).genes


def test_a_stop_ends_after_the_block_and_the_rest_is_trained_later(
    h5ad: Path, network_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spacetravlr.training import _writer, trainer

    monkeypatch.setattr(trainer, "BLOCK", 1)
    stop = StopRequest()
    events: list[object] = []

    def listener(event: object) -> None:
        events.append(event)
        if isinstance(event, GeneWritten):
            stop.finish.set()

    run = train(h5ad, tmp_path / "s", network_data_dir=str(network_dir), n_parallel=1, listener=listener, stop=stop)
    claimed, ended = genes(events, GeneClaimed), genes(events, GeneWritten, GeneOrphan)
    assert claimed == ended, "what is at work is finished"
    # the block that is fitted meanwhile and those that wait to be written, and nothing more
    assert ended.index("T1") + 1 <= len(ended) <= ended.index("T1") + 1 + _writer.AHEAD
    assert run.directory.manifest.status == "stopped"
    assert not run.directory.scan().locked
    assert len(train(h5ad, tmp_path / "s", network_data_dir=str(network_dir)).genes) > 3


def test_nothing_written_has_its_own_error(h5ad: Path, network_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(NothingWrittenError, match="no gene was written") as caught:
        train(h5ad, tmp_path / "n", genes=["Noise"], network_data_dir=str(network_dir))
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"layer": "nope"}, InputError, "layer 'nope' is not in the file"),
        ({"cluster_annot": "nope"}, InputError, "cluster column 'nope' is not in obs"),
        ({"radius": -5.0}, ConfigError, "[spatial].radius"),
        ({"radius": "wide"}, ConfigError, "[spatial].radius"),
        ({"raduis": 5.0}, ConfigError, "radius"),
        ({"genes": ["Nope"]}, InputError, "no target gene is left"),
        ({"select": "fixed", "penalty": "lasso"}, ConfigError, "fixed"),
        ({"solver": "fista", "select": "cv"}, ConfigError, "fista"),
    ],
)
def test_a_bad_request_leaves_nothing_behind(
    h5ad: Path, network_dir: Path, tmp_path: Path, options: dict, error: type, message: str
) -> None:
    with pytest.raises(error) as caught:
        train(h5ad, tmp_path / "out", network_data_dir=str(network_dir), **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_nan_expression_leaves_nothing_behind(tissue_data: anndata.AnnData, network_dir: Path, tmp_path: Path) -> None:
    bad = tissue_data.copy()
    bad.layers["imputed_count"][3, 0] = np.nan
    with pytest.raises(InputError, match="NaN or infinite values in 1 gene"):
        train(bad, tmp_path / "out", network_data_dir=str(network_dir))
    assert not (tmp_path / "out").exists()


def test_a_failed_set_up_takes_nothing_along_that_is_not_its_own(
    tissue_data: anndata.AnnData, network_dir: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    (home / "log").mkdir(parents=True)
    (home / "thesis.txt").write_text("precious")
    bad = tissue_data.copy()
    bad.layers["imputed_count"][3, 0] = np.nan

    def listener(event: object) -> None:
        (home / "written meanwhile.txt").write_text("by somebody else")

    with pytest.raises(InputError, match="NaN"):
        train(bad, home, network_data_dir=str(network_dir), listener=listener)
    assert {path.name for path in home.iterdir()} == {"log", "thesis.txt", "written meanwhile.txt"}


def test_an_output_that_cannot_be_made(h5ad: Path, network_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunDirectoryError, match="file"):
        train(h5ad, tmp_path / "file" / "run", network_data_dir=str(network_dir))


def test_a_cell_without_position_changes_nothing_for_the_others(
    tissue_data: anndata.AnnData, network_dir: Path, tmp_path: Path
) -> None:
    odd = tissue_data.copy()
    odd.obsm["spatial"][5] = np.nan
    run = train(odd, tmp_path / "nan", genes=["T2"], network_data_dir=str(network_dir))
    assert np.isfinite(run.betas("T2").values).all()


def test_tf_priors_mask_by_cell_type(h5ad: Path, network_dir: Path, tmp_path: Path) -> None:
    priors = pd.DataFrame([("Tf1", "T1", "a"), ("Tf3", "T1", "b")], columns=["source", "target", "cell_type"])
    priors.to_feather(tmp_path / "priors.feather")
    for options in ({}, {"solver": "fista", "n_iter": 200}):
        run = train(
            h5ad, tmp_path / f"p{len(options)}", genes=["T1"], network_data_dir=str(network_dir),
            tf_priors_feather=str(tmp_path / "priors.feather"), score_threshold=-1e9, **options,
        )  # fmt: skip
        betas = run.betas("T1")
        values = dict(zip(betas.modulators, betas.values.T, strict=True))
        assert "Tf2" not in values
        assert values["Tf1"][0] > 0.5
        assert values["Tf1"][1] == 0.0
        assert "Tf3" not in values or values["Tf3"][0] == 0.0


@pytest.mark.parametrize(
    "options", [{"select": "fixed", "l1_reg": 0.02, "group_reg": 0.01}, {"solver": "fista", "n_iter": 100}]
)
def test_fixed_penalties_report_held_out_r2_when_asked(
    h5ad: Path, network_dir: Path, tmp_path: Path, options: dict
) -> None:
    run = train(h5ad, tmp_path / "h", genes=["T1", "T4"], network_data_dir=str(network_dir), held_out=True, **options)
    scores = run.scores().set_index(["gene", "cluster"])
    assert 0.5 < scores.loc[("T1", "0"), "r2_out"] < scores.loc[("T1", "0"), "r2_in"] + 0.05
    plain = train(h5ad, tmp_path / "i", genes=["T1", "T4"], network_data_dir=str(network_dir), **options)
    assert plain.scores()["r2_out"].isna().all()
    # held-out folds change the order in which rows are summed, and nothing else
    assert np.allclose(plain.betas("T1").values, run.betas("T1").values, atol=1e-5)


def test_stability_is_kept_beside_the_coefficients(run: Run) -> None:
    table = pd.read_feather(run.path / "stability" / "T1.feather")
    assert table["Cluster"].tolist() == ["0", "1", "2"]
    assert table["beta_Tf1"].tolist()[:2] == [1.0, 1.0]
    assert table.filter(regex="^beta_").to_numpy().max() <= 1.0
    assert {"beta", "low", "high", "effect", "group", "group_size"} <= set(table)


def test_the_mean_over_bootstraps_can_be_exported(run: Run, h5ad: Path, network_dir: Path, tmp_path: Path) -> None:
    mean = train(h5ad, tmp_path / "m", genes=["T1"], network_data_dir=str(network_dir), beta_export="mean").betas("T1")
    fit = run.betas("T1")
    a, b = mean.values[:2, mean.modulators.index("Tf1")], fit.values[:2, fit.modulators.index("Tf1")]
    assert np.allclose(a, b, rtol=0.2)
    assert not np.array_equal(a, b)
