"""What screens and prompts do with a loaded model: genes, cells, drafts, queue, tables, files."""

from __future__ import annotations

import threading
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pyarrow.feather as feather
import pytest

from spacetravlr.errors import InputError, RunDirectoryError, UsageError
from spacetravlr.perturbation import Dose, SimulationCancelledError
from spacetravlr.perturbation.workbench import (
    Draft,
    JobQueue,
    Scope,
    Table,
    Workbench,
    check_export,
    default_export,
    summarize,
    write_export,
)
from spacetravlr.perturbation.workbench.request import Item, Request


@pytest.fixture
def bench(build, tmp_path: Path) -> Workbench:
    return Workbench(build(), place=tmp_path, title="toy", n_propagation=2)


# ---- genes


def test_genes_that_matter_come_first_and_the_filter_knows_what_is_meant(bench: Workbench):
    assert set(bench.by_interest) == set(bench.genes)
    assert bench.by_interest[-1] == "G13"
    assert bench.find("") == list(bench.by_interest)
    assert bench.find(" g03 ") == ["G03"]
    assert bench.find("1") == [gene for gene in bench.by_interest if "1" in gene]
    assert bench.find("xyz") == []


def test_exact_names_and_beginnings_lead_the_matches(build, tmp_path: Path):
    bench = Workbench(build(), place=tmp_path, title="toy")
    bench._places = dict.fromkeys(["xFo", "Fox", "FO", "Fo", "Bar"], 0)
    bench.__dict__["by_interest"] = tuple(bench._places)
    assert bench.find("fo") == ["FO", "Fo", "Fox", "xFo"]
    assert bench.gene_named("FO") == "FO"
    assert bench.gene_named("bar") == "Bar"
    with pytest.raises(InputError, match="no gene is called 'fO'"):
        bench.gene_named("fO")


def test_an_unknown_gene_gets_a_suggestion(bench: Workbench):
    with pytest.raises(InputError, match=r"no gene is called 'G033' among the 14 measured ones; did you mean G03\?"):
        bench.gene_named("G033")


def test_preview_is_mean_and_share_by_label(bench: Workbench):
    values, types = bench.expression("G05"), np.asarray(bench.model.obs["cell_type"]).astype(str)
    rows = bench.preview("G05")
    assert {row.label for row in rows} == {"B cell", "T cell", "Stroma"}
    assert [row.mean for row in rows] == sorted((row.mean for row in rows), reverse=True)
    for row in rows:
        own = values[types == row.label]
        assert row.n_cells == len(own)
        assert row.mean == pytest.approx(own.mean(), rel=1e-12)
        assert row.fraction == pytest.approx((own > 0).mean(), rel=1e-12)
    assert bench.preview("G05") is rows


def test_columns_that_group_cells(bench: Workbench):
    assert bench.columns == ("cell_type", "half", "cluster")
    assert bench.grouping("half").labels == ("0", "1")
    assert bench.grouping("cluster").sizes.sum() == 60
    with pytest.raises(InputError, match="cannot be grouped by 'halv'; did you mean 'half'"):
        bench.grouping("halv")


def test_columns_without_obs_or_with_names_and_numbers(build, tmp_path: Path):
    bare = Workbench(build(obs=None), place=tmp_path, title="toy")
    assert bare.columns == ("cell_type", "cluster")
    obs = pd.DataFrame({"id": [f"n{k}" for k in range(60)], "area": np.linspace(0, 1, 60), "one": "same"})
    obs = pd.concat([obs, pd.DataFrame({"many": np.repeat(np.arange(6), 10)})], axis=1)
    assert Workbench(build(obs=obs), place=tmp_path, title="toy").columns == ("id", "many", "cluster")


# ---- scopes


def test_scopes_in_words_and_rows(bench: Workbench, tmp_path: Path):
    types = np.asarray(bench.model.obs["cell_type"]).astype(str)
    assert (Scope().text, Scope().resolve(bench), Scope().everywhere) == ("all cells", None, True)
    scope = Scope(column="cell_type", labels=("B cell", "Stroma"))
    np.testing.assert_array_equal(scope.resolve(bench), np.flatnonzero(types != "T cell"))
    assert (scope.text, scope.everywhere) == ("B cell, Stroma", False)
    path = tmp_path / "cells.csv"
    path.write_text("tumour,edge,\ncell3,cell5\n cell1 ,\ncell3,\n")
    assert Table.columns(path) == {"tumour": 3, "edge": 1}
    listed = Scope(table=Table(path, "tumour"))
    assert listed.resolve(bench).tolist() == [1, 3]
    assert listed.text == "cells.csv:tumour"
    both = Scope(column="half", labels=("1",), table=Table(path, "tumour"), query="half == 1")
    assert both.resolve(bench).tolist() == [1, 3]
    assert both.text == "1 & cells.csv:tumour & where half == 1"
    (tmp_path / "box.csv").write_text("x,y\n0,0\n9,0\n9,4\n0,4\n")
    inside = Scope(region=tmp_path / "box.csv").resolve(bench)
    np.testing.assert_array_equal(inside, np.flatnonzero(bench.model.xy[:, 1] <= 4))


def test_scopes_without_cells_say_why(bench: Workbench, tmp_path: Path):
    path = tmp_path / "cells.csv"
    path.write_text("odd,none\ncell1,\n")
    with pytest.raises(InputError, match="no cell is meant by column 'none' of"):
        Scope(table=Table(path, "none")).resolve(bench)
    with pytest.raises(InputError, match="no cell is meant by all of half 0 and column 'odd' of"):
        Scope(column="half", labels=("0",), table=Table(path, "odd")).resolve(bench)
    with pytest.raises(InputError, match="did you mean 'B cell'"):
        Scope(column="cell_type", labels=("B cel",)).resolve(bench)
    with pytest.raises(UsageError, match="name it"):
        Scope(labels=("B cell",)).resolve(bench)
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(InputError, match="has no header"):
        Table.columns(tmp_path / "empty.csv")


# ---- drafts


def test_a_draft_is_never_changed(bench: Workbench):
    empty = Draft(n_propagation=2)
    one = empty.toggled("G01")
    assert (list(empty.picks), list(one.picks)) == ([], ["G01"])
    assert list(one.toggled("G01").picks) == []
    with pytest.raises(TypeError):
        one.picks["G02"] = one.picks["G01"]


def test_dose_and_scope_of_a_marked_gene_or_of_those_to_come():
    draft = Draft(n_propagation=2).marked("G01")
    later = draft.with_dose("q95", "G02").with_scope(Scope(query="half == 1"), "G02")
    assert later.picks["G01"].dose.label == "KO"
    assert (later.pick("G02").dose.label, later.pick("G02").scope.text) == ("q95", "where half == 1")
    own = draft.with_dose("x2", "G01").with_scope(Scope(column="half", labels=("0",)), "G01")
    assert (own.picks["G01"].dose.label, own.picks["G01"].scope.text) == ("x2", "0")
    assert own.dose.label == "KO"
    with pytest.raises(InputError, match=r"'2x' .*; did you mean 'x2'\?"):
        draft.with_dose("2x")


@pytest.mark.parametrize(("text", "words"), [("a", "whole number"), ("1.5", "whole"), ("-1", "0 to 32"), ("33", "32")])
def test_steps(text: str, words: str):
    assert Draft(n_propagation=2).with_steps(" 7 ").n_propagation == 7
    with pytest.raises(InputError, match=words):
        Draft(n_propagation=2).with_steps(text)


def test_requests_joint_single_and_of_the_highlighted_gene(bench: Workbench):
    draft = Draft(n_propagation=3).marked("G01").marked("G02", dose=Dose.parse("x2"), scope=Scope(query="half == 1"))
    (joint,) = draft.requests(bench)
    assert joint.text == "G01 KO + G02 x2 · G01: all cells; G02: where half == 1 · 3 steps"
    assert [item.rows is None for item in joint.items] == [True, False]
    one = Draft(n_propagation=1, joint=False, picks=draft.picks).requests(bench)
    assert [request.text for request in one] == ["G01 KO · all cells · 1 step", "G02 x2 · where half == 1 · 1 step"]
    (alone,) = Draft(n_propagation=0).requests(bench, highlighted="G05")
    assert alone.text == "G05 KO · all cells · 0 steps"
    with pytest.raises(UsageError, match="no gene is marked"):
        Draft(n_propagation=0).requests(bench)
    with pytest.raises(InputError, match="no cell is meant"):
        draft.marked("G02", scope=Scope(query="half == 3")).requests(bench)


# ---- queue


def finished(queue: JobQueue) -> None:
    assert queue.wait(30)


def test_jobs_are_done_in_order_and_equal_the_model(bench: Workbench):
    told: list[tuple[int, str, int]] = []
    queue = JobQueue(bench, changed=lambda job: told.append((job.number, job.state, job.step)))
    draft = Draft(n_propagation=2, joint=False).marked("G01").marked("G02", dose=Dose.parse("+1"))
    added = queue.add(draft.requests(bench))
    assert [job.number for job in added] == [1, 2]
    finished(queue)
    assert (queue.busy, queue.latest) == (False, queue.jobs[1])
    for job, targets in zip(queue.jobs, ({"G01": 0.0}, {"G02": "+1"}), strict=True):
        assert (job.state, job.step, job.n_steps, len(job.timings), job.error) == ("done", 2, 2, 2, None)
        np.testing.assert_array_equal(job.effect.simulated, bench.model.simulate(targets, n_propagation=2).simulated)
    assert told.index((1, "done", 2)) < told.index((2, "running", 0))
    assert next(state for number, state, _ in told if number == 1) == "waiting"
    queue.clear()
    assert queue.jobs == ()
    assert [job.number for job in queue.add(draft.requests(bench))] == [3, 4]
    queue.close()


class Slow:
    """A model whose first simulation waits to be let go, and asks for its end as the real one does."""

    def __init__(self, model) -> None:
        self.__dict__.update(vars(model))
        self._model, self.begun, self.go = model, threading.Event(), threading.Event()
        self.targets, self.modulators = model.targets, model.modulators

    def simulate(self, targets, *, progress, cancelled, n_propagation):
        progress(0, n_propagation)
        self.begun.set()
        assert self.go.wait(20)
        if cancelled():
            raise SimulationCancelledError("cancelled")
        return self._model.simulate(targets, progress=progress, cancelled=cancelled, n_propagation=n_propagation)


def test_cancelling_all_or_one(build, tmp_path: Path):
    bench = Workbench(Slow(build()), place=tmp_path, title="toy")
    queue = JobQueue(bench)
    draft = Draft(n_propagation=1, joint=False).marked("G01").marked("G02").marked("G03")
    first, second, third = queue.add(draft.requests(bench))
    assert bench.model.begun.wait(20)
    assert queue.cancel(third) == 1
    assert (first.state, second.state, third.state) == ("running", "waiting", "cancelled")
    assert queue.cancel() == 2
    bench.model.go.set()
    finished(queue)
    assert [job.state for job in queue.jobs] == ["cancelled"] * 3
    assert queue.cancel() == 0
    # the queue goes on
    (again,) = queue.add(Draft(n_propagation=1).marked("G01").requests(bench))
    finished(queue)
    assert again.state == "done"
    queue.close()


def test_a_failure_is_kept_and_the_others_go_on(build, tmp_path: Path):
    bench = Workbench(build(bounds=(0.0, 50.0)), place=tmp_path, title="toy")
    queue = JobQueue(bench)
    draft = Draft(n_propagation=1, joint=False).marked("G01", dose=Dose.parse(99)).marked("G02")
    bad, good = queue.add(draft.requests(bench))
    finished(queue)
    assert (bad.state, good.state) == ("failed", "done")
    assert str(bad.error) == "the desired expression of G01 lies outside the bounds 0 to 50"
    assert queue.latest is good
    queue.close()


def test_old_results_make_room_but_their_tables_stay(bench: Workbench):
    queue = JobQueue(bench, keep=1.0)
    draft = Draft(n_propagation=1, joint=False).marked("G01").marked("G02")
    old, new = queue.add(draft.requests(bench))
    finished(queue)
    queue.close()
    assert (old.effect, old.summary is None) == (None, False)
    assert new.effect is not None


# ---- tables and files


def test_tables_are_those_of_the_effect(bench: Workbench):
    effect = bench.model.simulate({"G01": 0.0}, cells={"cell_type": "B cell"}, n_propagation=2)
    summary = summarize(effect, n=4)
    assert [(one.label, one.n_cells) for one in summary.types] == [
        (label, int((np.asarray(effect.obs["cell_type"]) == label).sum())) for label in ("B cell", "Stroma", "T cell")
    ]
    expected = effect.top(4, by="cell_type")
    listed = [
        (group.label, c.gene, c.change, c.magnitude, c.before, c.after)
        for group in summary.types
        for c in group.changes
    ]
    columns = ["cell_type", "gene", "mean_delta", "mean_abs_delta", "baseline_mean", "simulated_mean"]
    assert listed == list(expected[columns].itertuples(index=False, name=None))
    rings = effect.top(4, by="ring")
    assert [group.label for group in summary.rings] == list(dict.fromkeys(rings["ring"]))
    assert [c.gene for c in summary.whole.changes] == effect.top(4)["gene"].tolist()
    assert summary.n_changed == len(effect.top(99))
    delta = effect.delta[:, effect.genes.index("G01")]
    (target,) = summary.targets
    assert (target.gene, target.n_cells) == ("G01", summary.types[0].n_cells)
    assert (target.low, target.high, target.mean) == pytest.approx((delta.min(), delta.max(), delta.mean()))


def test_no_rings_where_there_is_nothing_to_measure_from(build):
    effect = build(xy=np.full((60, 2), np.nan)).simulate({"G01": 0.0}, n_propagation=1)
    assert summarize(effect).rings == ()


@pytest.mark.parametrize("suffix", [".feather", ".csv", ".h5ad"])
def test_files_hold_every_digit_and_are_not_replaced_by_accident(bench: Workbench, tmp_path: Path, suffix: str):
    effect = bench.model.simulate({"G01": "x2"}, n_propagation=2)
    path = check_export(f"new/file{suffix}", base=tmp_path)
    assert write_export(effect, path) == path
    if suffix == ".h5ad":
        simulated = anndata.read_h5ad(path).layers["simulated"]
    else:
        table = feather.read_feather(path) if suffix == ".feather" else pd.read_csv(path, dtype=str)
        assert table.columns.tolist() == ["CellID", *effect.genes]
        assert table["CellID"].tolist() == list(effect.cells)
        # not left to read_csv: whether it reads every digit depends on its version
        simulated = table[list(effect.genes)].astype(np.float64).to_numpy()
    np.testing.assert_array_equal(simulated, effect.simulated)
    before = path.read_bytes()
    other = bench.model.simulate({"G02": 0.0}, n_propagation=1)
    with pytest.raises(UsageError, match="exists"):
        write_export(other, path)
    assert path.read_bytes() == before
    write_export(other, path, overwrite=True)
    assert path.read_bytes() != before
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_default_names_tell_requests_apart(bench: Workbench, tmp_path: Path):
    draft = Draft(n_propagation=2).marked("G01").marked("G02", dose=Dose.parse("x2"))
    names = set()
    for scope in (Scope(), Scope(column="half", labels=("0",)), Scope(query="half == 1")):
        for dose in ("0", "q95", "+1.5"):
            (request,) = draft.with_scope(scope, "G01").with_dose(dose, "G01").requests(bench)
            names.add(default_export(request, tmp_path))
    assert len(names) == 9
    assert tmp_path / "perturbations" / "G01_KO_G02_x2_n2.feather" in names
    kinds = tuple("abcdef")
    many = [
        Scope(column="cell_type", labels=kinds[:5]),
        Scope(column="cell_type", labels=(*kinds[:4], "f")),
        Scope(column="half", labels=("a",)),
        Scope(column="cell_type", labels=("a",)),
        Scope(table=Table(Path("here/cells.csv"), "some")),
        Scope(table=Table(Path("there/cells.csv"), "some")),
    ]
    told = {default_export(Request((Item("G01", Dose.parse(0.0), one, None),), 1), tmp_path).name for one in many}
    assert len(told) == len(many)
    assert "G01_KO_a_n1.feather" in told
    long = "a / b: 'c' " * 30
    first, second = (
        default_export(Request((Item("A/b", Dose.parse("x2"), Scope(query=long + end), None),), 1), tmp_path)
        for end in "de"
    )
    assert first != second
    assert first.name.startswith("A_b_x2_where-a-b-c-a-b")
    assert len(first.name) < 160
    first.parent.mkdir()
    first.touch()


def test_file_names_that_will_not_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").write_text("")
    (tmp_path / "dir.csv").mkdir()
    for name, kind, words in [
        ("", UsageError, "name a file"),
        ("dir.csv", UsageError, "is a directory"),
        ("a.txt", UsageError, "must end in .feather or .csv or .h5ad"),
        ("file/a.csv", RunDirectoryError, "is a file, not a directory"),
    ]:
        with pytest.raises(kind, match=words):
            check_export(name, base=tmp_path)
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(RunDirectoryError, match="permission denied"):
        check_export("a.csv", base=tmp_path)


def test_scopes_as_people_write_them(bench: Workbench, tmp_path: Path):
    table = tmp_path / "my cells.csv"
    for text, scope in [
        ("", Scope()),
        ("all", Scope()),
        ("B cell,T cell", Scope(column="cell_type", labels=("B cell", "T cell"))),
        ("1", Scope(column="half", labels=("1",))),
        ("half = 0, 1", Scope(column="half", labels=("0", "1"))),
        ("where half == 1", Scope(query="half == 1")),
        (f"csv '{table}' tumour", Scope(table=Table(table, "tumour"))),
        ("region box.csv", Scope(region=Path("box.csv"))),
        ("nobody", Scope(column="cell_type", labels=("nobody",))),
    ]:
        assert Scope.parse(text, bench) == scope, text
    for text, words in [
        ("csv a.csv", "write csv FILE COLUMN"),
        ("region a b", "write region FILE"),
        ("csv 'a", "quote"),
    ]:
        with pytest.raises(UsageError, match=words):
            Scope.parse(text, bench)
