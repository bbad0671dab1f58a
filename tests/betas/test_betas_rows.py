"""Which row belongs to which cell."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetravlr.betas import Betas, shared_rows, v1_rows
from spacetravlr.errors import InputError


def betas(by: str, labels: list[str], target: str = "T") -> Betas:
    n = len(labels)
    return Betas(target, by, tuple(labels), np.zeros(n), ("A",), np.arange(float(n))[:, None])  # type: ignore[arg-type]


def slow_row(by: str, labels: list[str], keys: list[str], name: str) -> int:
    if by == "cell":
        return labels.index(name) if name in labels else -1
    for label in [*keys, name]:
        for row in reversed(range(len(labels))):
            if labels[row] == label:
                return row
    return -1


labels = st.sampled_from(["0", "1", "2", "B cell", "c0", "c1", "c2", "c3", ""])


@settings(max_examples=25, deadline=None)
@given(
    by=st.sampled_from(["cluster", "cell"]),
    rows=st.lists(labels, min_size=1, max_size=6),
    first=st.lists(labels, min_size=5, max_size=5),
    second=st.lists(labels, min_size=5, max_size=5),
)
def test_rows_are_those_of_the_rule(by: str, rows: list[str], first: list[str], second: list[str]) -> None:
    cells = ["c0", "c1", "c2", "c9", "1"]
    found = betas(by, rows).rows_for([np.array(first), np.array(second)], np.array(cells))
    expected = [slow_row(by, rows, [first[i], second[i]], cells[i]) for i in range(5)]
    assert found.tolist() == expected
    assert found.dtype == np.int64


def test_rows_of_the_acceptance_table() -> None:
    rows = betas("cluster", ["0", "1"]).rows_for(np.array(["0", "1", "999"]), np.array(["a", "b", "c"]))
    assert rows.tolist() == [0, 1, -1]
    assert v1_rows(rows).tolist() == [0, 1, 0]


def test_numeric_and_categorical_keys() -> None:
    table = betas("cluster", ["3", "x"])
    cells = ["a", "b", "c"]
    assert table.rows_for([np.array([3.0, 1.0, np.nan])], cells).tolist() == [0, -1, -1]
    assert table.rows_for(np.array([3, 3, 1]), cells).tolist() == [0, 0, -1]
    assert table.rows_for([pd.Categorical(["x", "3", None])], cells).tolist() == [1, 0, -1]
    assert table.rows_for(pd.Series(["x", "3", "y"]), cells).tolist() == [1, 0, -1]
    assert table.rows_for([], ["x", "b", "3"]).tolist() == [1, -1, 0]


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(InputError, match="2 labels for 3 cells"):
        betas("cluster", ["0"]).rows_for([np.array(["0", "0"])], np.array(["a", "b", "c"]))


def test_equal_labels_share_one_array() -> None:
    keys, cells = (np.array(["0", "1", "0"]),), np.array(["c0", "c1", "c2"])
    tables = [
        betas("cluster", ["0", "1"]),
        betas("cluster", ["0", "1"], "U"),
        betas("cell", ["0", "1"], "V"),
        betas("cluster", ["1"], "W"),
    ]
    rows = shared_rows(tables, keys, cells)
    assert rows[0] is rows[1]
    assert [array.tolist() for array in rows] == [[0, 1, 0], [0, 1, 0], [-1, -1, -1], [-1, 0, -1]]
    with pytest.raises(ValueError, match="read-only"):
        rows[0][0] = 5
