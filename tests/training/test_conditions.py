"""A condition split: every group is the run that its cells alone would give."""

from __future__ import annotations

import json
import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest

from spacetravlr.errors import ConfigError, InputError, NothingWrittenError, RunDirectoryError, SettingsChangedError
from spacetravlr.events import ConditionStarted, Event, GeneWritten, Notice, RunFinished, RunStarted
from spacetravlr.run import ConditionRuns, Run, RunDirectory
from spacetravlr.tissue import Tissue
from spacetravlr.training import StopRequest, conditions, estimate_training, train

LABELS = ("KO (a/b)", "WT")
DIRECTORIES = {"KO (a/b)": "KO_a_b", "WT": "WT"}
N = 260


def results(directory: Path) -> dict[str, bytes]:
    """Everything that must not depend on how a run came about."""
    kept = (p for p in directory.rglob("*") if p.suffix in {".feather", ".orphan", ".log"} and p.name != "run.log")
    return {str(p.relative_to(directory)): p.read_bytes() for p in kept}


def everything(directory: Path) -> dict[str, bytes]:
    return {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def groups() -> np.ndarray:
    """Both halves have cells of all clusters; four cells are rare, three have no value."""
    labels = np.array([LABELS[i % 2] for i in range(N)], dtype=object)
    labels[[3, 130, 200, 245]] = "rare"
    labels[[8, 150, 250]] = None
    return labels


@pytest.fixture(scope="module")
def split_data(tissue_data: anndata.AnnData, groups: np.ndarray) -> anndata.AnnData:
    adata = tissue_data.copy()
    adata.obs["genotype"] = pd.Categorical(groups)
    adata.obs["number"] = np.where(pd.isna(groups), np.nan, np.where(groups == "WT", 2.0, 10.0))
    adata.obs["treated"] = groups == "WT"
    adata.obs["same"] = "one"
    return adata


@pytest.fixture(scope="module")
def sample(split_data: anndata.AnnData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("split") / "whole.h5ad"
    split_data.write_h5ad(path)
    return path


@pytest.fixture(scope="module")
def options(network_dir: Path) -> dict[str, Any]:
    return {"network_data_dir": str(network_dir), "n_parallel": 2, "n_bootstraps": 4, "radius": 150.0}


@pytest.fixture(scope="module")
def heard() -> list[Event]:
    return []


@pytest.fixture(scope="module")
def runs(
    sample: Path, options: dict[str, Any], heard: list[Event], tmp_path_factory: pytest.TempPathFactory
) -> ConditionRuns:
    out = tmp_path_factory.mktemp("out") / "run"
    return train(sample, out, condition="genotype", listener=heard.append, **options)


@pytest.fixture
def copy(runs: ConditionRuns, tmp_path: Path) -> Path:
    return Path(shutil.copytree(runs.path, runs.path.parent / tmp_path.name))


def test_every_group_is_the_run_of_its_cells_alone_bit_for_bit(
    runs: ConditionRuns, split_data, groups, options: dict[str, Any], tmp_path: Path
) -> None:
    assert list(runs) == list(LABELS)
    for label in LABELS:
        path = tmp_path / f"{DIRECTORIES[label]}.h5ad"
        split_data[groups == label].copy().write_h5ad(path)
        alone = train(path, tmp_path / DIRECTORIES[label], **options)
        found = results(runs[label].path)
        assert found == results(alone.path)
        assert {"T1_betadata.feather", "T1.log"} <= {Path(name).name for name in found}
        assert runs[label].directory.manifest.clusters == alone.directory.manifest.clusters
        assert runs[label].directory.manifest.input.names_sha256 == alone.directory.manifest.input.names_sha256
        assert runs[label].directory.manifest.input.content_sha256 == alone.directory.manifest.input.content_sha256
        effect, expected = (run.perturb({"Tf1": 0.0, "Lig1": "x2"}) for run in (runs[label], alone))
        assert effect.cells == expected.cells
        np.testing.assert_array_equal(effect.delta, expected.delta)


def test_the_directory_of_a_split(runs: ConditionRuns, sample: Path) -> None:
    assert sorted(p.name for p in runs.path.iterdir()) == [
        "conditions",
        "run_conditions.json",
        "spacetravlr_run_repro.toml",
    ]
    assert sorted(p.name for p in (runs.path / "conditions").iterdir()) == sorted(DIRECTORIES.values())
    for label, name in DIRECTORIES.items():
        place = runs.path / "conditions" / name
        assert (place / "condition_label.txt").read_text() == f"{label}\n"
        config = Run.open(place).config
        assert config.execution.output_dir == str(place)
        assert (config.data.condition, config.data.adata_path) == ("genotype", str(sample))
    index = json.loads((runs.path / "run_conditions.json").read_text())
    assert index["column"] == "genotype"
    assert [(one["label"], one["directory"], one["n_cells"]) for one in index["groups"]] == [
        ("KO (a/b)", "KO_a_b", 125),
        ("WT", "WT", 128),
        ("_na", "na", 3),
        ("rare", "rare", 4),
    ]


def test_groups_that_are_too_small_are_said_and_skipped(runs: ConditionRuns, heard: list[Event]) -> None:
    assert list(runs.skipped) == ["_na", "rare"]
    assert "need 30 cells" in runs.skipped["rare"]
    with pytest.raises(InputError, match="'rare' is not trained: held-out scores need 30 cells"):
        _ = runs["rare"]
    warnings = [event.message for event in heard if isinstance(event, Notice) and event.level == "warning"]
    assert any(text.startswith("condition 'rare' (4 cells) is not trained: held-out") for text in warnings)
    assert not any("is not empty" in text for text in warnings)


def test_the_events_of_a_split_are_those_of_its_runs_in_turn(runs: ConditionRuns, heard: list[Event]) -> None:
    turns = [event for event in heard if isinstance(event, ConditionStarted | RunStarted | RunFinished)]
    assert [type(event) for event in turns] == [ConditionStarted, RunStarted, RunFinished] * 2
    first, started, finished = turns[:3]
    assert (first.label, first.number, first.n_parts, first.n_cells) == ("KO (a/b)", 1, 2, 125)
    assert first.out == started.out == str(runs["KO (a/b)"].path)
    assert (started.n_cells, finished.status) == (125, "complete")


def test_a_group_reloads_its_own_cells_only(runs: ConditionRuns, groups: np.ndarray) -> None:
    for where in (runs["WT"].path, runs["WT"].toml):
        run = Run.open(where)
        assert run.tissue().cells == tuple(f"c{i}" for i in np.flatnonzero(groups == "WT"))
        assert run.model().modulators
    tables = runs.scores()
    assert tables["condition"].unique().tolist() == list(LABELS)
    effects = runs.perturb({"Tf1": 0.0}, n_propagation=1)
    assert {label: len(effect.cells) for label, effect in effects.items()} == {"KO (a/b)": 125, "WT": 128}


def test_a_sample_that_is_given_may_be_whole_or_the_group_alone(runs: ConditionRuns, split_data, groups) -> None:
    expected = runs["WT"].perturb({"Tf1": 0.0}).delta
    whole = Tissue.from_anndata(split_data, cluster_key="cell_type_int")
    for given in (split_data, split_data[groups == "WT"].copy(), whole, whole.only("genotype", "WT")):
        run = Run.open(runs["WT"].path, adata=given)
        assert run.tissue().cells == runs["WT"].tissue().cells
        np.testing.assert_array_equal(run.perturb({"Tf1": 0.0}).delta, expected)


def test_a_group_without_its_label_is_not_taken_for_the_whole_sample(copy: Path) -> None:
    (copy / "conditions" / "WT" / "condition_label.txt").unlink()
    with pytest.raises(InputError, match=r"has no condition_label\.txt to tell which one: write its value there"):
        Run.open(copy / "conditions" / "WT").tissue()


def test_labels_in_quotes_are_those_of_the_compiled_edition(copy: Path, groups: np.ndarray) -> None:
    (copy / "conditions" / "KO_a_b" / "condition_label.txt").write_text('"KO (a/b)"\n')
    assert ConditionRuns.open(copy)["KO (a/b)"].tissue().n_cells == int((groups == "KO (a/b)").sum())


def test_a_finished_split_is_left_as_it_is(runs: ConditionRuns, sample: Path, options: dict[str, Any]) -> None:
    before = results(runs.path)
    assert train(sample, runs.path, condition="genotype", **options).keys() == runs.keys()
    assert results(runs.path) == before


def test_what_is_missing_is_trained_again(runs: ConditionRuns, copy: Path, sample: Path, options) -> None:
    expected = results(runs.path)
    shutil.rmtree(copy / "conditions" / "WT")
    for name in ("T1_betadata.feather", "Noise.orphan"):
        (copy / "conditions" / "KO_a_b" / name).unlink()
    (copy / "run_conditions.json").unlink()
    told: list[Event] = []
    train(sample, copy, condition="genotype", listener=told.append, **options)
    assert results(copy) == expected
    assert [event.n_done_before for event in told if isinstance(event, RunStarted)] == [11, 0]
    # a single group can be continued as well
    (copy / "conditions" / "WT" / "T2_betadata.feather").unlink()
    one = train(sample, copy / "conditions" / "WT", condition="genotype", **options)
    assert isinstance(one, Run)
    assert results(copy) == expected


def test_a_stop_goes_across_groups(sample: Path, options: dict[str, Any], tmp_path: Path) -> None:
    stop = StopRequest()
    told: list[Event] = []

    def listen(event: Event) -> None:
        told.append(event)
        if isinstance(event, GeneWritten):
            stop.finish.set()

    found = train(sample, tmp_path / "run", condition="genotype", listener=listen, stop=stop, **options)
    assert list(found) == ["KO (a/b)"]
    assert found.waiting == ("WT",)
    assert sum(isinstance(event, ConditionStarted) for event in told) == 1
    again = train(sample, tmp_path / "run", condition="genotype", **options)
    assert {label: status.state for label, status in again.status().items()} == dict.fromkeys(LABELS, "complete")


def test_data_in_memory_are_kept_once_for_all_groups(split_data, runs: ConditionRuns, options, tmp_path: Path) -> None:
    found = train(split_data, tmp_path / "run", condition="genotype", **options)
    assert sorted(p.name for p in tmp_path.rglob("*.h5ad")) == ["spacetravlr_minimal_repro.h5ad"]
    assert results(found.path) == results(runs.path)
    again = ConditionRuns.open(found.path)
    for label in LABELS:
        expected = runs[label].perturb({"Tf1": 0.0}).delta
        np.testing.assert_array_equal(again[label].perturb({"Tf1": 0.0}).delta, expected)
    assert train(split_data, tmp_path / "run", condition="genotype", **options).keys() == found.keys()


@pytest.mark.parametrize(
    ("column", "labels"), [("number", ("10", "2")), ("treated", ("false", "true")), ("same", ("one",))]
)
def test_columns_of_other_types(sample: Path, options, tmp_path: Path, column: str, labels: tuple[str, ...]) -> None:
    told: list[Event] = []
    quick = {**options, "n_bootstraps": 0, "genes": ["T1"]}
    found = train(sample, tmp_path / "run", condition=column, listener=told.append, **quick)
    assert tuple(found) == labels
    assert [run.path.name for run in found.values()] == list(labels)
    assert sum(run.tissue().n_cells for run in found.values()) + (3 if column == "number" else 0) == N
    alone = [event for event in told if isinstance(event, Notice) and "one run only" in event.message]
    assert [event.level for event in alone] == (["warning"] if column == "same" else [])


def test_a_column_that_does_not_exist(sample: Path, options: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"obs has no column 'genotyp'; did you mean 'genotype'\? Columns: "):
        train(sample, tmp_path / "run", condition="genotyp", **options)
    assert not (tmp_path / "run").exists()


def test_all_groups_are_too_small(split_data, options: dict[str, Any], tmp_path: Path) -> None:
    adata = split_data.copy()
    adata.obs["cell"] = np.arange(N)
    adata.obs["twenty"] = np.arange(N) // 20
    for column, shown in (("cell", "257"), ("twenty", "10")):
        with pytest.raises(InputError, match=rf"no group of obs\['{column}'\] can be trained: .*\(\+{shown} more\)"):
            train(adata, tmp_path / "run", condition=column, **options)
    assert not (tmp_path / "run").exists()


def test_a_group_in_one_place_has_no_regions_to_hold_out(split_data, options: dict[str, Any], tmp_path: Path) -> None:
    adata = split_data.copy()
    wild = (adata.obs["genotype"] == "WT").to_numpy()
    adata.obsm["spatial"][wild] = 5.0
    found = train(adata, tmp_path / "a", condition="genotype", **options)
    assert list(found) == ["KO (a/b)"]
    assert "at least two regions" in found.skipped["WT"]
    adata.obsm["spatial"][wild] = np.nan
    assert train(adata, tmp_path / "b", condition="genotype", **options).skipped["WT"].startswith("none of its cells")


def test_without_held_out_scores_no_group_is_too_small(sample: Path, options: dict[str, Any], tmp_path: Path) -> None:
    fixed = {**options, "select": "fixed", "l1_reg": 0.01, "group_reg": 0.01, "score_threshold": -10.0}
    found = train(sample, tmp_path / "run", condition="genotype", genes=["T1"], **fixed)
    assert set(found) == {*LABELS, "_na", "rare"}
    assert found["_na"].path.name == "na"
    assert found["_na"].tissue().n_cells == 3


def test_a_group_without_a_model_does_not_stop_the_others(split_data, options, tmp_path: Path) -> None:
    adata = split_data.copy()
    rng = np.random.default_rng(0)
    wild = np.flatnonzero(adata.obs["genotype"] == "WT")
    t1 = list(adata.var_names).index("T1")
    values = adata.layers["imputed_count"].copy()
    values[wild, t1] = rng.permutation(values[wild, t1])
    adata.layers["imputed_count"] = values
    told: list[Event] = []
    found = train(adata, tmp_path / "a", condition="genotype", genes=["T1"], listener=told.append, **options)
    assert {label: status.state for label, status in found.status().items()} == {"KO (a/b)": "complete", "WT": "failed"}
    assert any(isinstance(e, Notice) and e.message.startswith("condition 'WT' has no model: ") for e in told)
    scores = found.scores()
    assert scores.groupby("condition")["kept"].any().to_dict() == {"KO (a/b)": True, "WT": False}
    with pytest.raises(NothingWrittenError, match="no condition has a model; no gene was written to"):
        train(adata, tmp_path / "b", condition="genotype", genes=["Lonely"], **options)


def test_other_settings_or_another_split_are_refused(runs, split_data, copy: Path, sample: Path, options) -> None:
    before = everything(copy)
    with pytest.raises(SettingsChangedError, match=r"\[data\].condition: genotype -> treated"):
        train(sample, copy, condition="treated", **options)
    with pytest.raises(SettingsChangedError, match=r"\[data\].condition: genotype -> unset"):
        train(sample, copy, **options)
    with pytest.raises(SettingsChangedError, match=r"\[spatial\].radius"):
        train(sample, copy, condition="genotype", **{**options, "radius": 100.0})
    moved = split_data.copy()
    moved.obs["genotype"] = moved.obs["genotype"].astype(object).replace("rare", "WT")
    with pytest.raises(SettingsChangedError, match=r"other groups \('WT': 128 -> 132 cells, 'rare': 4 -> 0 cells\)"):
        train(moved, copy, condition="genotype", **options)
    assert everything(copy) == before


def test_a_directory_of_another_condition_is_not_taken(copy: Path, sample: Path, options: dict[str, Any]) -> None:
    (copy / "conditions" / "WT" / "condition_label.txt").write_text("mutant\n")
    with pytest.raises(RunDirectoryError, match=r"conditions/WT holds the run of the condition 'mutant'.*move it away"):
        train(sample, copy, condition="genotype", **options)


def test_a_directory_that_was_there_is_found_by_its_label(copy: Path, sample: Path, options: dict[str, Any]) -> None:
    (copy / "conditions" / "WT").rename(copy / "conditions" / "elsewhere")
    found = train(sample, copy, condition="genotype", **options)
    assert found["WT"].path.name == "elsewhere"
    assert not (copy / "conditions" / "WT").exists()


def test_bad_expression_of_one_group_is_told_with_its_name_and_leaves_nothing(split_data, options, tmp_path) -> None:
    adata = split_data.copy()
    values = adata.layers["imputed_count"].copy()
    values[np.flatnonzero(adata.obs["genotype"] == "KO (a/b)")[0], 0] = np.nan
    adata.layers["imputed_count"] = values
    path = tmp_path / "bad.h5ad"
    adata.write_h5ad(path)
    with pytest.raises(InputError, match=r"condition 'KO \(a/b\)': layer 'imputed_count' holds NaN"):
        train(path, tmp_path / "run", condition="genotype", **options)
    assert not (tmp_path / "run").exists()


def test_a_copy_of_the_sample_for_one_run_makes_no_sense_with_a_split(sample: Path, options, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="write_minimal_repro_h5ad cannot be combined"):
        train(sample, tmp_path / "run", condition="genotype", write_minimal_repro_h5ad=True, **options)


def test_the_estimate_is_of_all_groups(sample: Path, options: dict[str, Any]) -> None:
    split = estimate_training(sample, condition="genotype", **options)
    whole = estimate_training(sample, **options)
    assert (split.n_parts, split.n_cells, split.n_clusters) == (2, 253, 3)
    assert (whole.n_parts, whole.n_cells) == (1, N)
    assert split.disk == pytest.approx(2 * whole.disk, rel=0.5)
    assert split.memory_bytes <= whole.memory_bytes


def test_a_list_of_cells_of_the_whole_sample_is_good_for_every_group(
    runs: ConditionRuns, groups: np.ndarray, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chosen = np.arange(0, N, 3)
    names = tmp_path / "cells.txt"
    config = runs["WT"].config.replace({"perturb_obs_subset_file": str(names)})

    def loaded() -> Run:
        return Run(runs["WT"].directory, toml=runs["WT"].toml, config=config)

    names.write_text("\n".join(f"c{i}" for i in chosen))
    mine = [f"c{i}" for i in chosen if groups[i] == "WT"]
    assert loaded().model().cells == tuple(mine)
    assert any(f"{len(chosen) - len(mine)} of {len(chosen)} cells are in other" in text for text in caplog.messages)
    names.write_text("\n".join(f"c{i}" for i in chosen if groups[i] != "WT"))
    with pytest.raises(InputError, match="are in other conditions than this run"):
        loaded().model()
    names.write_text("c1\nc999\n")
    with pytest.raises(InputError, match="line 2: no cell is called 'c999'"):
        loaded().model()


def test_a_whole_sample_is_not_trained_where_a_group_belongs(copy: Path, sample: Path, options, tmp_path: Path) -> None:
    place = copy / "conditions" / "WT"
    waiting = tmp_path / "WT"
    waiting.mkdir()
    shutil.copy(place / "condition_label.txt", waiting)
    with pytest.raises(RunDirectoryError, match=r"WT is for the condition 'WT' of a split: name its column with"):
        train(sample, waiting, **options)
    assert [path.name for path in waiting.iterdir()] == ["condition_label.txt"]
    (place / "condition_label.txt").unlink()
    before = everything(copy)
    with pytest.raises(RunDirectoryError, match=r"holds the results of one run.*its value into condition_label\.txt"):
        train(sample, place, condition="genotype", **options)
    assert everything(copy) == before


def test_a_record_that_another_process_takes_back_is_written_again(
    sample: Path, options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It began the same split, failed, and did not see this process, which was not at work yet."""
    real = conditions.splitting

    def late(parent: RunDirectory) -> AbstractContextManager[None]:
        parent.files.toml.unlink()
        return real(parent)

    monkeypatch.setattr(conditions, "splitting", late)
    found = train(sample, tmp_path / "run", condition="genotype", genes=["T1"], **options)
    assert found.column == "genotype"
    assert (found.path / "spacetravlr_run_repro.toml").exists()
