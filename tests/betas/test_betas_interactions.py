"""All coefficients in one table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetravlr.betas import Betabase, Betas, collect_interactions
from spacetravlr.errors import ConfigError, InputError, UsageError

NAMES = ("Tf", "L$R", "L#Tf", "L$Q")
KINDS = ("tf", "ligand-receptor", "ligand-tf", "ligand-receptor")


def table(target: str, by: str, rows, values, modulators=NAMES, dtype=np.float64) -> Betas:
    return Betas(target, by, tuple(rows), np.zeros(len(rows)), modulators, np.asarray(values, dtype=dtype))


ONE = table("Gx", "cluster", "ba", [[1, 0, -2, 0], [0, 0.5, 3, 0]])


def rows_of(frame: pd.DataFrame) -> list[tuple]:
    return [tuple(row) for row in frame.astype({"beta": float}).to_numpy().tolist()]


def test_by_hand():
    found = collect_interactions(Betabase([ONE]))
    assert found.columns.tolist() == ["interaction", "target_gene", "interaction_type", "cell_type", "beta"]
    assert rows_of(found) == [
        ("L$R", "Gx", "ligand-receptor", "a", 0.5),
        ("L#Tf", "Gx", "ligand-tf", "a", 3.0),
        ("Tf", "Gx", "tf", "b", 1.0),
        ("L#Tf", "Gx", "ligand-tf", "b", -2.0),
    ]
    assert all(found[name].dtype == "category" for name in found.columns[:4])
    everything = collect_interactions([ONE], keep_zeros=True)
    assert len(everything) == 8
    assert everything["interaction"].tolist() == list(NAMES) * 2
    assert rows_of(collect_interactions({"Gx": ONE}, {"a": "T cell", "b": "B cell"}))[0][3:] == ("B cell", 1.0)
    assert rows_of(collect_interactions([ONE], {"b": "B"})) == [
        ("Tf", "Gx", "tf", "B", 1.0),
        ("L#Tf", "Gx", "ligand-tf", "B", -2.0),
    ]


def test_clusters_of_one_cell_type_become_one():
    both = {"a": "cell", "b": "cell"}
    expected = {
        "mean": [0.5, 0.25, 0.5],
        "sum": [1.0, 0.5, 1.0],
        "min": [0.0, 0.0, -2.0],
        "max": [1.0, 0.5, 3.0],
        "positive": [1.0, 0.5, 3.0],
        "negative": [0.0, 0.0, -2.0],
    }
    for aggregate, values in expected.items():
        found = collect_interactions([ONE], both, aggregate=aggregate)
        assert found["interaction"].tolist() == ["Tf", "L$R", "L#Tf"]
        assert found["beta"].tolist() == values
    together = collect_interactions([ONE], both, aggregate=tuple(expected))
    assert together.columns.tolist() == ["interaction", "target_gene", "interaction_type", "cell_type", *expected]
    assert together[list(expected)].to_dict("list") == expected


def literal(tables, types, aggregate, *, keep_zeros) -> list[tuple]:
    out = []
    for one in tables:
        groups = sorted({types[label] for label in one.row_labels if types.get(label)})
        for group in groups:
            rows = [k for k, label in enumerate(one.row_labels) if types.get(label) == group]
            for name, kind, column in zip(NAMES, KINDS, one.values.T, strict=True):
                values = [float(column[row]) for row in rows]
                if not keep_zeros and not any(values):
                    continue
                signed = [v for v in values if (v > 0 if aggregate == "positive" else v < 0)]
                beta = {
                    "mean": sum(values) / len(values),
                    "sum": sum(values),
                    "min": min(values),
                    "max": max(values),
                    "positive": sum(signed) / max(len(signed), 1),
                    "negative": sum(signed) / max(len(signed), 1),
                }[aggregate]
                out.append((name, one.target, kind, group, beta))
    return out


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["mean", "min", "max", "sum", "positive", "negative"]),
    st.booleans(),
    st.sampled_from(["cluster", "cell"]),
)
@settings(max_examples=25, deadline=None)
def test_against_a_loop(seed, aggregate, keep_zeros, by):
    rng = np.random.default_rng(seed)
    labels = [f"row{k}" for k in range(int(rng.integers(2, 7)))]
    types = {label: ("", "X", "Y", "Z")[rng.integers(0, 4)] for label in labels}
    types[labels[0]] = "Y"
    tables = []
    for target in ("A", "B", "C"):
        rows = rng.permutation(labels)[: int(rng.integers(1, len(labels) + 1))]
        values = rng.normal(size=(len(rows), 4)) * (rng.random((len(rows), 4)) < 0.5)
        tables.append(table(target, by, rows.tolist(), values, dtype=(np.float32, np.float64)[rng.integers(0, 2)]))
    tables.append(table("D", by, labels, np.ones((len(labels), 4))))
    found = collect_interactions(tables, types, aggregate=aggregate, keep_zeros=keep_zeros)
    expected = literal(tables, types, aggregate, keep_zeros=keep_zeros)
    assert [row[:4] for row in rows_of(found)] == [row[:4] for row in expected]
    assert found["beta"].to_numpy() == pytest.approx([row[4] for row in expected], abs=1e-7)


def test_labels_of_cells_as_an_array():
    per_cell = table("Gx", "cell", ("c1", "c0", "c2"), [[1, 0, 0, 0], [3, 0, 0, 0], [7, 0, 0, 0]])
    found = collect_interactions([per_cell], np.array([0.0, 1.0, 0.0]), cells=["c0", "c1", "c2"])
    assert rows_of(found) == [("Tf", "Gx", "tf", "0", 5.0), ("Tf", "Gx", "tf", "1", 1.0)]
    series = pd.Series(pd.Categorical(["B", None, "T"]))
    found = collect_interactions([per_cell], series, cells=["c0", "c1", "c2"])
    assert rows_of(found) == [("Tf", "Gx", "tf", "B", 3.0), ("Tf", "Gx", "tf", "T", 7.0)]


def test_a_run_with_tables_of_both_kinds(caplog):
    per_cell = table("Gy", "cell", ("c0", "c1"), [[1, 0, 0, 0], [3, 0, 0, 0]])
    both = {"a": "T", "b": "B", "c0": "T", "c1": "T"}
    assert rows_of(collect_interactions([ONE, per_cell], both))[-1] == ("Tf", "Gy", "tf", "T", 2.0)
    assert not caplog.messages
    assert set(collect_interactions([ONE, per_cell], ["T", "T"], cells=["c0", "c1"])["target_gene"]) == {"Gy"}
    assert caplog.messages == ["1 targets are left out, none of their rows has a cell type: Gx"]


def test_nothing_to_collect():
    empty = collect_interactions([])
    assert len(empty) == 0
    assert empty.columns.tolist() == ["interaction", "target_gene", "interaction_type", "cell_type", "beta"]
    assert len(collect_interactions([table("Gx", "cluster", "a", np.zeros((1, 0)), ())])) == 0


@pytest.mark.parametrize(
    ("tables", "options", "error", "message"),
    [
        ([ONE], {"aggregate": "median"}, ConfigError, "unknown aggregate 'median' .known: mean, min, max, sum"),
        ([ONE], {"aggregate": ()}, ConfigError, "unknown aggregate none"),
        ([ONE], {"labels": {"x": "y"}}, InputError, "no row of the coefficients has a cell type"),
        (
            [table("Gx", "cell", ("c0",), np.ones((1, 4)))],
            {},
            UsageError,
            "coefficients of Gx are per cell: give labels",
        ),
        ([ONE], {"labels": ["B"]}, UsageError, "an array of labels needs the cell names"),
        ([ONE], {"labels": ["B"], "cells": ["a", "b"]}, InputError, "there are 1 labels for 2 cells"),
    ],
)
def test_refused(tables, options, error, message):
    with pytest.raises(error, match=message):
        collect_interactions(tables, **options)
