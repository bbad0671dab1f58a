"""Screens: one gene after the other, resumable, with a summary that is always whole."""

from __future__ import annotations

import json
import logging
import threading

import numpy as np
import pandas as pd
import pytest

from spacetravlr.errors import ConfigError, InputError, RunDirectoryError, SettingsChangedError, UsageError
from spacetravlr.perturbation import SimulationCancelledError, screen


def written(folder) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_all_genes_that_some_model_listens_to(model, tmp_path):
    result = screen(model, out_dir=tmp_path / "deep" / "screen", n_propagation=2)
    assert result.summary["gene"].tolist() == list(model.modulators)
    assert not result.failed
    assert result.skipped == ()
    folder = tmp_path / "deep" / "screen"
    assert written(folder) == sorted(
        [f"{gene}_KO.feather" for gene in model.modulators] + ["screen.json", "screen_summary.feather"]
    )
    pd.testing.assert_frame_equal(pd.read_feather(result.path), result.summary)
    for gene in model.modulators[::4]:
        frame = pd.read_feather(folder / f"{gene}_KO.feather").set_index("CellID")
        assert np.array_equal(frame.to_numpy(), model.simulate({gene: 0.0}, n_propagation=2).simulated)


def test_the_summary_against_the_effects(model, tmp_path):
    genes = ["G05", "G13", "G00"]
    table = screen(model, out_dir=tmp_path, genes=genes, dose="x2", cells={"half": 0}, n_propagation=2).summary
    assert table["gene"].tolist() == genes
    assert set(table["dose"]) == {"x2"}
    assert set(table["n_cells"]) == {30}
    assert table["file"].tolist() == [f"{gene}_x2.feather" for gene in genes]
    for row in table.to_dict("records"):
        effect = model.simulate({row["gene"]: "x2"}, cells={"half": 0}, n_propagation=2)
        others = [model.genes.index(gene) for gene in model.targets if gene != row["gene"]]
        change = np.abs(effect.delta[:, others])
        assert row["mean_abs_change"] == pytest.approx(change.mean(), abs=1e-15)
        for label in ("B cell", "Stroma", "T cell"):
            assert row[f"mean_abs_change_{label}"] == pytest.approx(change[model.labels[0] == label].mean(), abs=1e-15)
        assert row["top_genes"] == ";".join(effect.top(10)["gene"])
        assert row["notes"] == ";".join(effect.notes)
    assert table.set_index("gene").loc["G13", "mean_abs_change"] == 0
    assert "no model listens to G13" in table.set_index("gene").loc["G13", "notes"]


def test_it_goes_on_where_it_stopped(model, tmp_path, monkeypatch):
    genes = list(model.modulators[:6])
    stop = threading.Event()

    def cancelled() -> bool:
        # the third job waits for the news of the second, which comes from another thread
        if threading.current_thread() is not threading.main_thread() and len(list(tmp_path.glob("*_KO.feather"))) >= 2:
            stop.wait(60)
        return stop.is_set()

    first = screen(
        model,
        out_dir=tmp_path,
        genes=genes,
        n_jobs=1,
        progress=lambda done, *_: stop.set() if done == 2 else None,
        cancelled=cancelled,
    )
    finished = [result.job.name for result in first.results if result.error is None]
    assert finished[:2] == genes[:2]
    assert len(finished) < 4
    assert all(isinstance(result.error, SimulationCancelledError) for result in first.failed)
    assert first.summary["gene"].tolist() == finished
    before = {gene: (tmp_path / f"{gene}_KO.feather").stat().st_mtime_ns for gene in finished}

    # a result whose row never reached the summary is made again, and so is a row whose file has gone
    (tmp_path / f"{genes[5]}_KO.feather").write_bytes(b"not finished")
    (tmp_path / f"{genes[0]}_KO.feather").unlink()
    second = screen(model, out_dir=tmp_path, genes=genes, n_jobs=2)
    assert second.skipped == tuple(finished[1:])
    assert not second.failed
    assert second.summary["gene"].tolist() == genes
    for gene in second.skipped:
        assert (tmp_path / f"{gene}_KO.feather").stat().st_mtime_ns == before[gene]
    whole = screen(model, out_dir=tmp_path / "at once", genes=genes)
    pd.testing.assert_frame_equal(second.summary, whole.summary)
    for gene in genes:
        assert (tmp_path / f"{gene}_KO.feather").read_bytes() == (
            tmp_path / "at once" / f"{gene}_KO.feather"
        ).read_bytes()

    third = screen(model, out_dir=tmp_path, genes=genes[:2])
    assert third.results == ()
    assert third.summary["gene"].tolist() == genes[:2]
    assert pd.read_feather(third.path)["gene"].tolist() == [*genes[:2], *sorted(genes[2:])]
    again = screen(model, out_dir=tmp_path, genes=genes[:2], resume=False)
    assert len(again.results) == 2
    assert pd.read_feather(again.path)["gene"].tolist() == genes[:2]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_propagation": 3}, "made with n_propagation 2 instead of 3: choose another directory, or .* resume=False"),
        ({"dose": "x2"}, "made with dose 'KO' instead of 'x2'"),
        ({"cells": [1, 2]}, "made with another scope:"),
        ({"options": {"radii": 2.0}}, "made with another model:"),
        ({"options": {"beta_cap": 0.5}}, "made with another model:"),
        ({"options": {"seed": 12}, "n_propagation": 3}, "n_propagation 2 instead of 3, another model"),
    ],
)
def test_a_directory_of_another_screen_is_refused(build, model, tmp_path, changes, message):
    screen(model, out_dir=tmp_path, genes=["G05"], n_propagation=2)
    before = (tmp_path / "screen_summary.feather").read_bytes()
    other = build(**changes.pop("options", {}))
    with pytest.raises(SettingsChangedError, match=message):
        screen(other, **{"out_dir": tmp_path, "genes": ["G05"], "n_propagation": 2, **changes})
    assert (tmp_path / "screen_summary.feather").read_bytes() == before
    anew = screen(other, **{"out_dir": tmp_path, "genes": ["G05"], "n_propagation": 2, **changes}, resume=False)
    assert len(anew.results) == 1


def test_the_same_model_built_again_goes_on(build, tmp_path):
    screen(build(), out_dir=tmp_path, genes=["G05"])
    assert screen(build(), out_dir=tmp_path, genes=["G05"]).skipped == ("G05",)


def test_a_gene_that_fails_stops_no_other_one(model, tmp_path, caplog):
    (tmp_path / "G01_KO.feather").mkdir()
    with caplog.at_level(logging.WARNING, "spacetravlr"):
        result = screen(model, out_dir=tmp_path, genes=["G00", "G01", "G02"])
    assert [failed.job.name for failed in result.failed] == ["G01"]
    assert isinstance(result.failed[0].error, RunDirectoryError)
    assert result.summary["gene"].tolist() == ["G00", "G02"]
    assert caplog.messages[0].startswith("G01 is not simulated: cannot write")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"genes": ["G01", "g02"]}, InputError, "not among the 14 measured ones: 'g02'; did you mean 'G02'"),
        ({"genes": ["G01", "G01"]}, UsageError, "named twice: G01"),
        ({"genes": []}, UsageError, "no genes to screen"),
        ({"genes": "G01"}, UsageError, "must be a list of names, not the text 'G01'"),
        ({"dose": [1.0, 2.0]}, UsageError, "one dose for all genes"),
        ({"dose": "2x"}, InputError, "no dose: '2x'"),
        ({"cells": {"cell_type": "X"}}, InputError, "no cell has the cell_type 'X'"),
        ({"n_propagation": 40}, ConfigError, "n_propagation must be between 0 and 32"),
        ({"n_jobs": 0}, ConfigError, "jobs at once"),
    ],
)
def test_refused_screens(model, tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        screen(model, out_dir=tmp_path / "new", **options)
    assert not (tmp_path / "new").exists()


def test_nothing_to_screen(build, tmp_path):
    with pytest.raises(UsageError, match="no model listens to any gene"):
        screen(build(betas=[]), out_dir=tmp_path)


def test_damaged_directories(model, tmp_path):
    screen(model, out_dir=tmp_path, genes=["G05"])
    (tmp_path / "screen_summary.feather").write_bytes(b"nonsense")
    with pytest.raises(RunDirectoryError, match="screen_summary.feather: .*remove it"):
        screen(model, out_dir=tmp_path, genes=["G05"])
    (tmp_path / "screen.json").write_text("{")
    with pytest.raises(RunDirectoryError, match="screen.json"):
        screen(model, out_dir=tmp_path, genes=["G05"])
    (tmp_path / "screen.json").write_text("[]")
    with pytest.raises(SettingsChangedError, match="another scope, another model"):
        screen(model, out_dir=tmp_path, genes=["G05"])
    screen(model, out_dir=tmp_path, genes=["G05"], resume=False)
    assert json.loads((tmp_path / "screen.json").read_text())["dose"] == "KO"


def test_two_genes_of_one_file_name(build, tmp_path):
    from spacetravlr.perturbation import PropagationModel

    model = PropagationModel(
        np.ones((2, 2)), ["A/B", "A:B"], np.zeros((2, 2)), [], radii=1.0, cluster_labels=["0", "0"]
    )
    with pytest.raises(UsageError, match="A/B and A:B would both be written to A_B_KO.feather"):
        screen(model, out_dir=tmp_path, genes=["A/B", "A:B"])
    assert screen(model, out_dir=tmp_path, genes=["A/B"]).summary["mean_abs_change"].tolist() == [0.0]
