"""Which cells a scope means."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spacetravlr.errors import InputError, UsageError
from spacetravlr.perturbation import read_cell_list, read_cells_csv, resolve_cells

NAMES = ["alpha", "beta", "gamma", "007"]
OBS = pd.DataFrame({"cell_type": ["B cell", "T cell", "B cell", "T cell"], "age": [1, 2, 3, 4]})


@pytest.mark.parametrize(
    ("cells", "rows"),
    [
        (None, [0, 1, 2, 3]),
        ([], []),
        (np.array([], dtype=float), []),
        ([True, False, True, False], [0, 2]),
        (pd.Series([False, True, False, False], index=NAMES), [1]),
        (np.array([3, 0, 3], dtype=np.uint8), [0, 3]),
        (range(2), [0, 1]),
        ({2}, [2]),
        (["gamma", "alpha", "gamma"], [0, 2]),
        (pd.Index(["007"]), [3]),
        ("cell_type == 'B cell' and age > 1", [2]),
        ("cell_type.str.startswith('T')", [1, 3]),
    ],
)
def test_scopes(cells, rows):
    found = resolve_cells(cells, NAMES, obs=OBS)
    assert found.dtype == np.int64
    assert found.tolist() == rows


@pytest.mark.parametrize(
    ("cells", "error", "message"),
    [
        ([True, False], InputError, "mask of cells has 2 entries, but there are 4 cells"),
        ([0, 4], InputError, r"cell index 4 is out of range: there are 4 cells \(0..3\)"),
        ([-1], InputError, "cell index -1"),
        (["alpha", "gama"], InputError, "no cell is called 'gama'; did you mean 'gamma'"),
        ([0.5], InputError, "boolean mask, integer indices or names"),
        ([["alpha"]], InputError, "one-dimensional"),
        (3, InputError, "one-dimensional"),
        ("nothing == 1", InputError, "cannot evaluate the obs query"),
        ("cell_type ==", InputError, "cannot evaluate the obs query"),
        ("age + 1", InputError, "no true or false"),
        ("@NAMES == 1", InputError, "cannot evaluate the obs query"),
    ],
)
def test_refused_scopes(cells, error, message):
    with pytest.raises(error, match=message):
        resolve_cells(cells, NAMES, obs=OBS)


def test_a_query_needs_obs_and_names_must_be_unique():
    with pytest.raises(UsageError, match="no obs table"):
        resolve_cells("alpha", NAMES)
    with pytest.raises(InputError, match="3 rows"):
        resolve_cells("age > 0", NAMES, obs=OBS[:3])
    with pytest.raises(InputError, match="not unique: a"):
        resolve_cells(["a"], ["a", "a"])


@pytest.mark.parametrize(
    ("cells", "rows"),
    [
        ({"cell_type": "B cell"}, [0, 2]),
        ({"cell_type": ["T cell", "B cell"]}, [0, 1, 2, 3]),
        ({"cell_type": {"T cell"}, "age": [2, 3]}, [1]),
        ({"age": 3}, [2]),
        ({"age": np.array([1.0, 4.0])}, [0, 3]),
        ({"age": "4"}, [3]),
        ({"cluster": "x"}, [0, 1]),
        ({"cluster": []}, []),
        ({"type": "y"}, [1, 2]),
        ({"good": True}, [0, 3]),
    ],
)
def test_labels(cells, rows):
    obs = OBS.assign(cell_type=pd.Categorical(OBS["cell_type"]), type=list("xyyz"), good=[True, False, False, True])
    assert resolve_cells(cells, NAMES, obs=obs, labels=np.array(["x", "x", "y", "z"])).tolist() == rows


def test_cluster_labels_stand_in_for_a_missing_obs():
    labels = np.array([0, 1, 1, 2])
    assert resolve_cells({"cell_type": 1}, NAMES, labels=labels).tolist() == [1, 2]
    assert resolve_cells({"cluster": ["0", 2.0]}, NAMES, labels=labels).tolist() == [0, 3]
    missing = pd.DataFrame({"kind": ["a", None, "b", "a"]})
    assert resolve_cells({"kind": "a"}, NAMES, obs=missing).tolist() == [0, 3]


@pytest.mark.parametrize(
    ("cells", "error", "message"),
    [
        (
            {"celltype": "B cell"},
            InputError,
            "grouped by 'celltype'; did you mean 'cell_type'.; known: cell_type, age, cluster",
        ),
        (
            {"cell_type": "B cells"},
            InputError,
            "no cell has the cell_type 'B cells'; did you mean 'B cell'.*known: B cell, T cell",
        ),
        ({"age": [1, 7, 8]}, InputError, r"no cell has the age '7', '8' \(known: 1, 2, 3, 4\)"),
        ({}, UsageError, "names no column"),
    ],
)
def test_refused_labels(cells, error, message):
    with pytest.raises(error, match=message):
        resolve_cells(cells, NAMES, obs=OBS)


@pytest.fixture
def sheet(tmp_path):
    path = tmp_path / "cells.csv"
    path.write_text("\ufeffone,two,blank\nalpha,beta,\ngamma,alpha,\n alpha ,,\n007\n,nobody\n", encoding="utf-8")
    return path


def test_cells_csv(sheet, tmp_path):
    assert read_cells_csv(sheet, "one", NAMES).tolist() == [0, 2, 3]
    assert read_cells_csv(sheet, "blank", NAMES).tolist() == []
    plain = tmp_path / "plain.csv"
    plain.write_text('x,y\nalpha,beta\ngamma,alpha\n" alpha ",\n')
    assert read_cells_csv(plain, "x", NAMES).tolist() == [0, 2]
    assert read_cells_csv(plain, "y", NAMES).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("two", r"cells.csv, column 'two', row 6: no cell is called 'nobody'"),
        ("three", r"has no column 'three'; its header is: one, two, blank"),
        (" ", "no column was named"),
    ],
)
def test_refused_columns(sheet, column, message):
    with pytest.raises(InputError, match=message):
        read_cells_csv(sheet, column, NAMES)


def test_refused_files(tmp_path):
    with pytest.raises(InputError, match="cannot read"):
        read_cells_csv(tmp_path / "none.csv", "a", NAMES)
    path = tmp_path / "odd.csv"
    path.write_bytes(b"a,a\nalpha,beta\n")
    with pytest.raises(InputError, match="more than one column"):
        read_cells_csv(path, "a", NAMES)
    path.write_bytes(b'a\n"alpha" x"\n')
    with pytest.raises(InputError, match="comma-separated"):
        read_cells_csv(path, "a", NAMES)
    path.write_bytes(b"a\n\xff\xfe\n")
    with pytest.raises(InputError, match="UTF-8"):
        read_cells_csv(path, "a", NAMES)
    path.write_bytes(b"")
    with pytest.raises(InputError, match="has no column"):
        read_cells_csv(path, "a", NAMES)


def test_cell_list(tmp_path):
    path = tmp_path / "subset.txt"
    path.write_text("# h\nc3\nc1\n\nc3\nc0\n")
    assert read_cell_list(path, ["c0", "c1", "c2", "c3"]).tolist() == [0, 1, 3]
    with pytest.raises(InputError, match="line 2: no cell is called 'c3'"):
        read_cell_list(path, ["c0", "c1"])
    path.write_text("# nothing\n")
    with pytest.raises(InputError, match="names no cell"):
        read_cell_list(path, ["c0"])


def test_cells_that_a_part_does_without_may_be_listed(tmp_path, caplog):
    """Files name cells of the whole sample, a run of a condition split has some of them."""
    path = tmp_path / "subset.txt"
    path.write_text("c3\nc1\nc0\nc3\n")
    assert read_cell_list(path, ["c0", "c1"], left_out={"c2", "c3"}).tolist() == [0, 1]
    assert caplog.messages == [f"{path}: 1 of 3 cells are in other conditions than this run, and are left out"]
    with pytest.raises(InputError, match="all 3 cells that it names are in other conditions"):
        read_cell_list(path, ["c5"], left_out={"c0", "c1", "c3"})
    with pytest.raises(InputError, match="line 3: no cell is called 'c0'"):
        read_cell_list(path, ["c1"], left_out={"c3"})
    table = tmp_path / "cells.csv"
    table.write_text("a,b\nc0,c3\nc2,c2\n")
    assert read_cells_csv(table, "a", ["c0", "c1"], left_out={"c2", "c3"}).tolist() == [0]
    assert caplog.messages[1].startswith(f"{table}, column 'a': 1 of 2 cells are in other conditions")
    with pytest.raises(InputError, match="column 'b': all 2 cells that it names are in other conditions"):
        read_cells_csv(table, "b", ["c0", "c1"], left_out={"c2", "c3"})
