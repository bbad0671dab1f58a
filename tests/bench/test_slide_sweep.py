"""The benchmarks of the slide and of the sweep: their data, their estimates, their charts, and both from end to end."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json

import numpy as np
import pandas as pd
import pytest

from spacetravlr.bench import slide, sweep
from spacetravlr.bench._charts import draw_charts
from spacetravlr.bench._scaling import exponents, lines
from spacetravlr.bench._slide_data import RADIUS, make_slide, write_slide
from spacetravlr.bench._slide_shape import FULL, QUICK, wire_slide
from spacetravlr.bench.registry import main
from spacetravlr.errors import UsageError
from spacetravlr.prior import PriorNetwork

QUICKLY = ["--quick", "--threads", "1"]


@pytest.fixture(scope="module")
def small():
    return make_slide(QUICK, seed=3)


def test_the_full_shape_is_the_one_that_is_quoted():
    assert FULL.n_cells == 11_940
    assert FULL.n_genes == 2_905
    assert sorted(FULL.cluster_sizes)[0] == 3
    assert max(FULL.cluster_sizes) == 5552
    assert len(FULL.cluster_sizes) == 11
    assert (FULL.n_pairs, FULL.n_tfs, FULL.n_tfs * FULL.ligands_per_tf) == (560, 120, 600)


def test_the_full_network_gives_about_650_modulators():
    rng = np.random.default_rng(0)
    wired = wire_slide(FULL, rng)
    network = PriorNetwork.from_frame(wired.table(rng)).restrict(wired.genes)
    assert network.counts() == {"grn": 2905 * 20, "lr": 560, "nichenet": 600}
    sizes = {}
    names = set()
    for number in (*wired.signal[:20], *wired.ligands[:5], *wired.receptors[:5], *wired.tfs[:20]):
        one = network.modulators(wired.genes[number])
        sizes[number] = len(one.names)
        assert len(one.regulators) == 20
        assert wired.genes[number] not in one.regulators
        assert len(one.tfl_pairs) in range(100 - 5, 101)
        names.update(one.lr_pairs)
    assert all(640 <= size <= 680 for size in sizes.values())
    assert sizes[wired.signal[0]] == 680
    assert len(names) == 560
    # ligands and receptors have lost the pairs they are part of
    assert all(sizes[number] < 680 for number in (*wired.ligands[:5], *wired.receptors[:5]))


def test_genes_have_one_role_each_and_take_turns():
    wired = wire_slide(FULL, np.random.default_rng(1))
    roles = np.concatenate([wired.ligands, wired.receptors, wired.tfs, wired.signal])
    assert len(set(roles)) == len(roles) == 120 * 3 + 2905 // 2
    for first in (64, 512, 2905):
        assert abs(int((wired.signal < first).sum()) - first / 2) <= 1
    assert len(set(map(tuple, wired.pairs))) == 560
    assert set(wired.pairs[:, 0]) == set(wired.pairs[:, 1]) == set(range(120))


def test_a_slide_has_its_shape(small):
    assert small.shape == (QUICK.n_cells, QUICK.n_genes)
    assert small.X.dtype == np.float32
    assert small.X.min() >= 0.0
    sizes = small.obs["cell_type"].value_counts()
    assert sorted(sizes, reverse=True) == sorted(QUICK.cluster_sizes, reverse=True)
    assert int(small.var["signal"].sum()) == QUICK.n_genes // 2
    xy = small.obsm["spatial"]
    middle = np.array(QUICK.extent) / 2.0
    assert (((xy - middle) / middle) ** 2).sum(axis=1).max() <= 1.0


def test_the_seed_decides(small):
    again = make_slide(QUICK, seed=3)
    assert np.array_equal(small.X, again.X)
    assert small.uns["network"].equals(again.uns["network"])
    other = make_slide(QUICK, seed=4)
    assert not np.array_equal(small.X, other.X)


def test_half_of_the_variance_of_a_target_with_signal_is_explained():
    # so many cells that least squares on all its modulators finds the share, so few modulators that it does not overfit
    shape = dataclasses.replace(QUICK, cluster_sizes=(2500, 900), n_genes=72)
    adata = make_slide(shape, seed=1)
    genes = list(adata.var_names)
    X, codes = np.asarray(adata.X, dtype=np.float64), adata.obs["cell_type"].cat.codes.to_numpy()
    xy = adata.obsm["spatial"]
    weights = np.exp(((xy[:, None, :] - xy[None, :, :]) ** 2).sum(axis=2) / (-2.0 * RADIUS**2)) / len(xy)
    network = PriorNetwork.from_frame(adata.uns["network"]).restrict(genes)
    skill = {True: [], False: []}
    others = sorted(name for name in genes if name.startswith("Gene"))
    for target in (*others[:12], *others[-12:]):
        one = network.modulators(target)
        at = {name: genes.index(name) for name in (*one.regulators, *one.ligands, *one.receptors)}
        received = weights @ X[:, [at[name] for name in one.ligands]]
        design = np.hstack([X[:, [at[name] for name in one.regulators]],
                            received * X[:, [at[name] for name in one.receptors]]])  # fmt: skip
        for code in (0, 1):
            own = codes == code
            A = np.column_stack([np.ones(own.sum()), design[own]])
            y = X[own, genes.index(target)]
            residual = y - A @ np.linalg.lstsq(A, y, rcond=None)[0]
            degrees = own.sum() - np.linalg.matrix_rank(A)
            skill[bool(adata.var["signal"][target])].append(1.0 - residual @ residual / degrees / y.var(ddof=1))
    assert len(skill[True]) == len(skill[False]) == 24
    assert abs(np.mean(skill[True]) - 0.5) < 0.04
    assert abs(np.mean(skill[False])) < 0.03


def test_files_of_a_slide(tmp_path):
    first = write_slide(tmp_path / "a", QUICK, seed=5)
    second = write_slide(tmp_path / "b", QUICK, seed=5)
    assert first == second
    digests = [
        hashlib.sha256((tmp_path / one / "network/mouse_network.parquet").read_bytes()).hexdigest() for one in "ab"
    ]
    assert digests[0] == digests[1]
    table = pd.read_parquet(tmp_path / "a/network/mouse_network.parquet")
    assert list(table.columns) == ["source", "target", "edge_type", "weight"]
    assert table["weight"].min() > 0.2
    assert {path.name for path in (tmp_path / "a").iterdir()} == {"slide.h5ad", "network"}


def test_an_estimate_is_a_straight_line():
    found = slide.estimate(
        {"n_targets": 100, "wall_s": 7.0, "cpu_s": 10.0}, {"n_targets": 300, "wall_s": 11.0, "cpu_s": None}, 1000
    )
    assert found["wall_s"] == pytest.approx(7.0 + 4.0 * 4.5)
    assert found["cpu_s"] is None
    assert found["n_targets"] == 1000
    assert "not measured" in found["what"]
    assert [one["n_targets"] for one in found["through"]] == [100, 300]


def grid(cost, cells=(1000, 2500, 5000), targets=(50, 125, 200)):
    return [
        {"setting": setting, "n_cells": n, "n_targets": t, "median_s": factor * cost(n, t)}
        for setting, factor in (("readme", 1.0), ("default", 3.0))
        for n in cells
        for t in targets
    ]


def test_exponents_are_found():
    found = exponents(grid(lambda n, t: 0.3 * n**0.8 * t**1.1)[:9], "median_s")
    assert found["n_cells"] == pytest.approx(0.8)
    assert found["n_targets"] == pytest.approx(1.1)
    assert found["n_targets_steepest"] == pytest.approx(1.1)
    bent = exponents(grid(lambda n, t: n if n < 3000 else n**2 / 2500)[:9], "median_s")
    assert bent["n_cells_steepest"] == pytest.approx(2.0)
    assert 1.0 < bent["n_cells"] < 2.0
    assert bent["n_targets"] == pytest.approx(0.0, abs=1e-12)


def test_an_axis_with_one_value_has_no_exponent():
    found = exponents(grid(lambda n, t: n * t, cells=(1000,))[:3], "median_s")
    assert found["n_cells"] is None
    assert found["n_cells_steepest"] is None
    assert found["n_targets"] == pytest.approx(1.0)
    assert exponents([{"n_cells": 1, "n_targets": 1, "cpu_s": None}], "cpu_s")["n_targets"] is None


def test_lines_are_sorted():
    points = grid(lambda n, t: n + t)[:9]
    assert lines(points[::-1], "n_targets", "median_s")[2500] == [(50, 2550.0), (125, 2625.0), (200, 2700.0)]


def test_charts_are_png(tmp_path):
    paths = draw_charts(tmp_path / "new" / "charts", grid(lambda n, t: 1e-4 * n * t), "median_s", "whole command, s")
    assert [path.name for path in paths] == ["median_s_by_cells.png", "median_s_by_targets.png"]
    assert all(path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" for path in paths)
    assert len(list(paths[0].parent.iterdir())) == 2


def test_one_point_can_be_drawn(tmp_path):
    points = [{"setting": "default", "n_cells": 10, "n_targets": 3, "inside_s": 0.5}]
    assert all(path.exists() for path in draw_charts(tmp_path, points, "inside_s", "s"))


@pytest.mark.parametrize(("text", "found"), [("1000,2500", [1000, 2500]), ("7", [7]), ("30, 10,30", [10, 30])])
def test_grids_are_read(text, found):
    assert sweep.numbers(text) == found


@pytest.mark.parametrize("text", ["", "10,", "a,b", "0,5", "-3", "1.5"])
def test_bad_grids_are_refused(text):
    with pytest.raises(argparse.ArgumentTypeError):
        sweep.numbers(text)
    with pytest.raises(UsageError, match="cell-grid"):
        main("sweep", [f"--cell-grid={text}"], None)


def test_more_targets_than_genes_are_refused():
    with pytest.raises(UsageError, match="--target-grid asks for 300 targets, but --gene-panel has 200 genes"):
        main("sweep", ["--target-grid", "50,300"], None)


def test_no_targets_are_refused():
    with pytest.raises(UsageError, match="--targets must be at least 1"):
        main("slide", ["--targets", "0"], None)


def test_quick_slide(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SPACETRAVLR_FORCE_CPU", "1")
    path = tmp_path / "slide.json"
    arguments = [*QUICKLY, "--setting", "default", "--targets", "20", "--workdir", str(tmp_path / "data")]
    assert main("slide", arguments, path) == 0
    document = json.loads(path.read_text())
    assert document["dataset"]["cells"] == QUICK.n_cells
    assert document["dataset"]["clusters"] == list(QUICK.cluster_sizes)
    assert len(document["dataset"]["sha256"]) == 64
    assert (tmp_path / "data" / "slide.h5ad").exists()
    (one,) = document["summary"]
    assert (one["n_targets"], one["n_cells"], one["n_clusters"]) == (20, QUICK.n_cells, 5)
    assert one["device"] == "cpu (SPACETRAVLR_FORCE_CPU is set)"
    # noise has no held-out skill, signal has
    assert one["genes_written"] + one["genes_orphan"] == 20
    assert 6 <= one["genes_written"] <= 14
    assert one["r2_out_median"] > 0.1
    assert one["cpu_s"] > 0.2
    assert one["peak_rss_mb"] > 50
    assert one["setup_s"] + one["train_s"] == pytest.approx(one["median_s"])
    assert one["command"][:4] == ["spacetravlr", "--plain", "--layer", "X"]
    assert one["command"][-2:] == ["--max-genes", "20"]
    assert str(tmp_path) not in " ".join(one["command"])
    # too few to tell what all would cost
    assert "estimate" not in one
    assert "20 targets in 423 cells, 5 clusters" in capsys.readouterr().out


def test_fewer_targets_than_the_slide_has_give_an_estimate(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(slide, "_BLOCK", 5)
    path = tmp_path / "slide.json"
    assert main("slide", [*QUICKLY, "--setting", "readme", "--targets", "20"], path) == 0
    (one,) = json.loads(path.read_text())["summary"]
    few, many = one["estimate"]["through"]
    assert (few["n_targets"], many["n_targets"]) == (5, 20)
    assert many["wall_s"] == one["median_s"]
    assert one["estimate"]["n_targets"] == QUICK.n_genes
    assert one["warm_up_s"] > 0
    assert one["r2_out_median"] is None
    assert "estimate for all 60 targets, NOT measured" in capsys.readouterr().out


def test_quick_sweep(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SPACETRAVLR_FORCE_CPU", "1")
    path = tmp_path / "sweep.json"
    arguments = [*QUICKLY, "--setting", "default", "--target-grid", "8", "--cell-grid", "150,300"]
    assert main("sweep", [*arguments, "--gene-panel", "30", "--plot-dir", str(tmp_path / "plots")], path) == 0
    document = json.loads(path.read_text())
    assert set(document["dataset"]["sha256"]) == {"150", "300"}
    *points, growth = document["summary"]
    assert [(one["n_cells"], one["n_targets"]) for one in points] == [(150, 8), (300, 8)]
    assert len({one["modulators_median"] for one in points}) <= 2
    for one in points:
        assert one["device"] == "cpu (SPACETRAVLR_FORCE_CPU is set)"
        assert one["cpu_s"] > one["inside_cpu_s"] > 0
        assert one["median_s"] > one["setup_s"] + one["train_s"] > 0
        assert one["genes_written"] + one["genes_orphan"] == one["n_targets"]
    assert growth["setting"] == "default"
    assert set(growth["exponents"]) == {"inside_cpu_s", "median_s", "cpu_s"}
    assert growth["exponents"]["cpu_s"]["n_cells"] == pytest.approx(exponents(points, "cpu_s")["n_cells"])
    assert growth["exponents"]["inside_cpu_s"]["n_targets"] is None
    drawn = {path.name for path in (tmp_path / "plots").iterdir()}
    assert drawn == {f"{cost}_by_{axis}.png" for cost in ("inside_cpu_s", "median_s") for axis in ("cells", "targets")}
    said = capsys.readouterr().out
    assert "whole command: cells^" in said
    assert said.count("drawn: ") == 4
