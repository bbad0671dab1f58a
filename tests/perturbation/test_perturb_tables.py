"""Tables of an effect: rings, effect sizes, and two effects side by side."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetravlr.errors import InputError, UsageError
from spacetravlr.perturbation import Effect, Intervention, Target, _tables
from spacetravlr.perturbation._groups import Groups, distance_rings

N = 9
XY = np.array([[0, 0], [3, 4], [0, 5.001], [10, 0], [0, 20], [30, 0], [100, 0], [np.nan, 0], [0, 0]], dtype=float)


def effect(**changes) -> Effect:
    """Nine cells, cell 0 perturbed; cell 7 has no position and cell 8 lies on cell 0."""
    rng = np.random.default_rng(5)
    baseline = rng.exponential(1.0, (N, 4))
    baseline[:, 2] = 1.0
    values = baseline.T[[2, 0, 3]] + rng.normal(0, 0.3, (3, N))
    values[2] = baseline[:, 3]
    values[2, 0] = 0.0
    given_ = {
        "baseline": baseline,
        "genes": ("A", "B", "C", "D"),
        "cells": tuple("abcdefghi"),
        "targets": (Target("D", 0.0, [0]),),
        "n_propagation": 2,
        "profile": "default",
        "columns": np.array([2, 0, 3]),
        "values": values,
        "labels": np.array(list("ttttbbbbb")),
        "interventions": (Intervention(3, np.array([0]), np.array([0.0])),),
        "xy": XY,
        "radius": 20.0,
        **changes,
    }
    return Effect(**given_)


def test_rings_by_hand():
    rings = distance_rings(effect())
    assert rings.labels == ("perturbed", "0-5", "5-10", "10-20", "20-40", ">40")
    # 5 is on an edge and counts to the inner ring; the cell without a position is nowhere
    assert rings.codes.tolist() == [0, 1, 2, 2, 3, 4, 5, -1, 1]
    assert rings.sizes.tolist() == [1, 2, 2, 1, 1, 1]
    own = distance_rings(effect(), [8, 25, np.inf])
    assert own.labels == ("perturbed", "0-8", "8-25", ">25")
    assert own.codes.tolist() == [0, 1, 1, 2, 2, 3, 3, -1, 1]
    assert distance_rings(effect(), [0, 8, 25]).codes.tolist() == own.codes.tolist()
    assert distance_rings(effect(), [1000]).labels == ("perturbed", "0-1000")


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_rings_against_all_pairs(seed):
    rng = np.random.default_rng(seed)
    xy = rng.integers(0, 12, (N, 2)).astype(float)
    rows = np.sort(rng.choice(N, int(rng.integers(1, N)), replace=False))
    more = np.sort(rng.choice(N, 2, replace=False))
    both = (Intervention(3, rows, np.zeros(len(rows))), Intervention(1, more, np.zeros(2)))
    edges = [2.0, 5.0, 7.5]
    rings = distance_rings(effect(xy=xy, interventions=both), edges)
    perturbed = set(rows) | set(more)
    for cell in range(N):
        nearest = min(math.dist(xy[cell], xy[other]) for other in perturbed)
        name = "perturbed" if cell in perturbed else ">7.5"
        for low, high in ((5.0, 7.5), (2.0, 5.0), (0.0, 2.0)):
            if cell not in perturbed and nearest <= high:
                name = f"{low:g}-{high:g}"
        assert rings.labels[rings.codes[cell]] == name


def test_top_by_ring():
    top = effect().top(1, by="ring")
    assert top.columns[:2].tolist() == ["gene", "ring"]
    assert top["ring"].tolist() == ["perturbed", "0-5", "5-10", "10-20", "20-40", ">40"]
    delta = effect().delta
    assert top["mean_abs_delta"].iloc[1] == pytest.approx(np.abs(delta[[1, 8]][:, [0, 2]]).mean(axis=0).max())
    assert effect().top(1, by="ring", rings=[200])["ring"].tolist() == ["perturbed", "0-200"]
    everywhere = effect(interventions=(Intervention(3, np.arange(N), np.zeros(N)),))
    assert set(everywhere.top(by="ring")["ring"]) == {"perturbed"}


@pytest.mark.parametrize(
    ("changes", "options", "error", "message"),
    [
        ({"xy": None}, {}, UsageError, "need the coordinates"),
        ({"radius": None}, {}, UsageError, "knows no radius: give the edges"),
        ({"interventions": ()}, {}, InputError, "no cell with a position is perturbed"),
        ({"interventions": (Intervention(3, np.array([7]), np.zeros(1)),)}, {}, InputError, "no cell with a position"),
        ({}, {"rings": [5, 5]}, InputError, r"must be positive and ascend, for example \[50, 100, 200\], not \[5, 5\]"),
        ({}, {"rings": [-1, 5]}, InputError, "must be positive"),
        ({}, {"rings": []}, InputError, "must be positive"),
        ({}, {"rings": [1, math.nan]}, InputError, "must be positive"),
        ({}, {"by": "cluster", "rings": [1]}, UsageError, "give them with by='ring'"),
    ],
)
def test_refused_rings(changes, options, error, message):
    with pytest.raises(error, match=message):
        effect(**changes).top(**{"by": "ring", **options})


def test_a_model_gives_coordinates_and_a_radius(build):
    found = build().simulate({"G05": 1.0}, cells=[3])
    assert found.radius == 3.0
    assert np.array_equal(found.xy, build().xy)
    assert found.top(2, by="ring")["ring"].iloc[0] == "perturbed"
    assert build(radii={"G00": 2.0, "G01": 4.0}, default_radius=3.5).radius == 3.5
    assert build(radii={f"G0{k}": float(k + 1) for k in range(4)}).radius == 4.0
    assert build(radii={f"G0{k}": 1.0 for k in range(4)}, betas=[]).radius is None


def by_hand(found: Effect, by, changed: float) -> pd.DataFrame:
    """The differential table, gene by gene and group by group."""
    labels = np.asarray(by).astype(str)
    rows = []
    for group in sorted(set(labels)):
        inside = labels == group
        part = []
        for gene in ("A", "C"):
            before = found.baseline[:, found.genes.index(gene)]
            delta = found.gene(gene)[inside] - before[inside]
            sd, whole = before[inside].std(), before.std()
            scale = sd if sd > 0 else whole
            size = delta.mean() / scale if scale > 0 else (0.0 if delta.mean() == 0 else math.nan)
            moved = (np.abs(delta) > changed * sd).mean()
            part.append(
                (
                    gene,
                    group,
                    inside.sum(),
                    delta.mean(),
                    size,
                    moved,
                    before[inside].mean(),
                    sd,
                    found.gene(gene)[inside].mean(),
                )
            )
        part.sort(key=lambda row: (math.isnan(row[4]), -abs(row[3] if math.isnan(row[4]) else row[4]), row[0]))
        rows += [(*row, rank) for rank, row in enumerate(part, start=1)]
    names = [
        "gene",
        "group",
        "n_cells",
        "mean_delta",
        "effect_size",
        "fraction_changed",
        "baseline_mean",
        "baseline_sd",
    ]
    return pd.DataFrame(rows, columns=[*names, "simulated_mean", "rank"])


@pytest.mark.parametrize("block", [1, 32 << 20])
def test_differential_against_a_loop(block, monkeypatch):
    monkeypatch.setattr(_tables, "_BLOCK", block)
    found = effect()
    labels = np.array(list("xxyyzzzzy"))
    table = found.differential(by=labels, changed=0.4)
    expected = by_hand(found, labels, 0.4)
    pd.testing.assert_frame_equal(table, expected, check_dtype=False)
    assert table["effect_size"].isna().sum() == 3  # C does not vary anywhere, and comes last
    assert table.loc[table["effect_size"].isna(), "rank"].tolist() == [2, 2, 2]


def test_differential_by_cell_type_ring_and_whole_tissue(model):
    found = model.simulate({"G05": "x2"}, cells=[1, 2, 3], n_propagation=2)
    table = found.differential()
    assert table.columns[:2].tolist() == ["gene", "cell_type"]
    assert set(table["cell_type"]) == {"B cell", "Stroma", "T cell"}
    assert "G05" not in set(table["gene"])
    assert "G05" in set(found.differential(include_targets=True)["gene"])
    assert found.differential(by=None).columns[0:2].tolist() == ["gene", "n_cells"]
    assert found.differential(by="ring")["ring"].iloc[0] == "perturbed"
    strongest = found.differential(by=None, changed=0.0).iloc[0]
    place = model.genes.index(strongest["gene"])
    assert strongest["rank"] == 1
    assert strongest["fraction_changed"] == np.mean(found.delta[:, place] != 0)
    assert strongest["effect_size"] == pytest.approx(found.delta[:, place].mean() / found.baseline[:, place].std())


def test_a_gene_that_does_not_vary_in_a_group_is_measured_by_the_tissue():
    found = effect()
    baseline = found.baseline.copy()
    baseline[:4, 0] = 0.5
    values = found.values.copy()
    values[1, :4] = 1.0
    found = replace(found, baseline=baseline, values=values)
    row = found.differential(by="cluster").query("gene == 'A' and cluster == 't'").iloc[0]
    assert row["baseline_sd"] == 0
    assert row["effect_size"] == pytest.approx(0.5 / baseline[:, 0].std())
    assert row["fraction_changed"] == 1


def test_group_stats_of_empty_groups():
    groups = Groups("g", ("none", "some"), np.full(N, 1))
    stats = _tables.group_stats(effect(), np.array([0, 1]), groups)
    assert np.isnan(stats.delta[:, 0]).all()
    assert np.isfinite(stats.delta[:, 1]).all()
    nobody = _tables.group_stats(effect(), np.array([0]), Groups("g", ("none",), np.full(N, -1)))
    assert np.isnan(nobody.magnitude).all()


def test_compare_with_itself_and_with_another(model):
    one, other = (model.simulate({"G05": dose}, n_propagation=2) for dose in (0.0, "x2"))
    same = one.compare(one)
    assert (same["rms_difference"] == 0).all()
    assert same["correlation"].dropna().to_numpy() == pytest.approx(1)
    table = one.compare(other)
    assert table.columns.tolist() == [
        *("gene", "correlation", "mean_delta", "mean_delta_other", "mean_abs_delta", "mean_abs_delta_other"),
        "rms_difference",
    ]
    assert table["rms_difference"].is_monotonic_decreasing
    for row in table.itertuples():
        place = model.genes.index(row.gene)
        first, second = one.delta[:, place], other.delta[:, place]
        assert row.mean_delta == pytest.approx(first.mean(), abs=1e-15)
        assert row.mean_abs_delta_other == pytest.approx(np.abs(second).mean())
        assert row.rms_difference == pytest.approx(np.sqrt(((first - second) ** 2).mean()))
        if np.ptp(first) > 1e-9 and np.ptp(second) > 1e-9:
            assert row.correlation == pytest.approx(np.corrcoef(first, second)[0, 1])
    moving = np.flatnonzero(one.delta.any(axis=0) | other.delta.any(axis=0))
    assert sorted(table["gene"]) == [model.genes[gene] for gene in moving]


def test_compare_finds_cells_in_another_order():
    found = effect()
    order = np.random.default_rng(0).permutation(N)
    turned = replace(
        found,
        cells=tuple(found.cells[i] for i in order),
        baseline=found.baseline[order],
        values=found.values[:, order],
        columns=found.columns,
    )
    assert (found.compare(turned)["rms_difference"] == 0).all()
    fewer = replace(found, cells=found.cells[:5], baseline=found.baseline[:5], values=found.values[:, :5])
    with pytest.raises(InputError, match=r"different tissues \(9 and 5 cells, 5 in both\)"):
        found.compare(fewer)
    without_c = replace(found, genes=("A", "B", "X", "D"))
    assert sorted(found.compare(without_c)["gene"]) == ["A", "D"]


def test_a_change_that_is_the_same_everywhere_has_no_correlation():
    found = effect()
    flat = replace(found, values=found.baseline.T[found.columns] + 0.1)
    assert flat.compare(found)["correlation"].isna().all()
    still = replace(found, values=np.asarray(found.baseline.T[found.columns]))
    assert len(still.compare(still)) == 0
