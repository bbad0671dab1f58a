"""What the columns of a table mean, and the table itself."""

from __future__ import annotations

import numpy as np
import pytest

from spacetravlr.betas import Betas
from spacetravlr.betas._columns import read_layout, read_roles
from spacetravlr.errors import InputError


def table(**changes: object) -> Betas:
    fields: dict[str, object] = {
        "target": "T",
        "by": "cluster",
        "row_labels": ("0", "1"),
        "intercept": np.array([1.0, 2.0]),
        "modulators": ("A", "C$D", "C#A"),
        "values": np.array([[0.5, 0.2, 0.1], [0.8, -0.1, 0.4]]),
    }
    return Betas(**{**fields, **changes})  # type: ignore[arg-type]


def test_roles_follow_the_marks() -> None:
    roles = read_roles(["B", "L$R", "A", "M#B", "X$Y#Z", "P#Q$R", "S&T"])
    assert roles.tfs == ("B", "A", "S&T")
    assert roles.tf_columns == (0, 2, 6)
    assert roles.lr_pairs == ("L$R", "X$Y#Z", "P#Q$R")
    assert (roles.ligands, roles.receptors) == (("L", "X", "P#Q"), ("R", "Y#Z", "R"))
    assert roles.lr_columns == (1, 4, 5)
    assert (roles.tfl_pairs, roles.tfl_ligands, roles.tfl_regulators) == (("M#B",), ("M",), ("B",))
    assert roles.tfl_columns == (3,)
    assert read_roles([]).tfs == ()


@pytest.mark.parametrize("name", ["", "$R", "L$", "#A", "L#"])
def test_a_role_without_gene_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="names no gene"):
        read_roles(["A", name])


@pytest.mark.parametrize(
    ("names", "row_id", "by", "intercept", "modulators"),
    [
        (["Cluster", "beta0", "beta_A", "beta_L$R"], 0, "cluster", 1, ("A", "L$R")),
        (["beta_A", "Cluster", "CellID"], 2, "cell", None, ("A",)),
        (["obs_names", "beta_A"], 0, "cell", None, ("A",)),
        (["Cluster", "cell_id", "beta_A"], 1, "cell", None, ("A",)),
        (["cell_id", "obs_names", "beta_A"], 1, "cell", None, ("A",)),
        (["index", "__index_level_0__", "beta_A"], 0, "cluster", None, ("A",)),
        (["beta0", "beta_A"], None, "cluster", 0, ("A",)),
        # the intercept's own prefix does not hide bare names
        (["Cluster", "beta_0", "A", "L$R"], 0, "cluster", 1, ("A", "L$R")),
        (["Cluster", "beta0", "A", "B"], 0, "cluster", 1, ("A", "B")),
        # columns without the prefix are ignored beside columns with it
        (["Cluster", "beta_0", "note", "beta_A"], 0, "cluster", 1, ("A",)),
        # a second identity is no modulator, with prefix or without
        (["CellID", "Cluster", "A"], 0, "cell", None, ("A",)),
        (["CellID", "Cluster", "index", "__index_level_0__", "A"], 0, "cell", None, ("A",)),
        (["CellID", "Cluster", "beta_A"], 0, "cell", None, ("A",)),
        (["Cluster", "beta0"], 0, "cluster", 1, ()),
        (["", "beta_A"], 0, "cluster", None, ("A",)),
        (["Cluster", "beta_0", "beta0", "A"], 0, "cluster", 2, ("A",)),
    ],
)
def test_layout(names: list[str], row_id: int | None, by: str, intercept: int | None, modulators: tuple[str]) -> None:
    layout = read_layout(names)
    assert (layout.row_id, layout.by, layout.intercept, layout.modulators) == (row_id, by, intercept, modulators)
    assert tuple(names[place].removeprefix("beta_") for place in layout.positions) == modulators


def test_an_index_can_hold_cell_names() -> None:
    assert read_layout(["beta_A", "__index_level_0__"], index_is_cells=True).by == "cell"
    declared = read_layout(["beta_A", "barcode"], index_names=["barcode"], index_is_cells=True)
    assert (declared.row_id, declared.by, declared.modulators) == (1, "cell", ("A",))
    bare = read_layout(["A", "barcode"], index_names=["barcode"])
    assert (bare.row_id, bare.by, bare.modulators) == (1, "cluster", ("A",))
    assert read_layout(["beta_A", "Cluster"], index_names=["Cluster"], index_is_cells=True).by == "cluster"


def test_impossible_columns_are_refused() -> None:
    with pytest.raises(InputError, match="'beta_A' occurs twice"):
        read_layout(["Cluster", "beta_A", "beta_A"])
    with pytest.raises(InputError, match="no coefficient column"):
        read_layout(["Cluster"])


def test_names_of_a_table() -> None:
    betas = table()
    assert betas.tfs == ("A",)
    assert (betas.lr_pairs, betas.ligands, betas.receptors) == (("C$D",), ("C",), ("D",))
    assert (betas.tfl_pairs, betas.tfl_ligands, betas.tfl_regulators) == (("C#A",), ("C",), ("A",))
    assert betas.modulator_genes == ("A", "C", "D")


def test_values_are_c_ordered_and_single_precision_stays() -> None:
    betas = table(values=np.asfortranarray([[1, 2, 3], [4, 5, 6]]))
    assert betas.values.dtype == np.float64
    assert betas.values.flags.c_contiguous
    assert table(values=np.ones((2, 3), dtype=np.float32)).values.dtype == np.float32


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"values": np.zeros((2, 2))}, "shape"),
        ({"row_labels": ("0",)}, "shape"),
        ({"intercept": np.zeros(3)}, "intercepts"),
        ({"modulators": ("A", "A", "B")}, "more than once: A"),
        ({"by": "tissue"}, "'cluster' or 'cell'"),
    ],
)
def test_impossible_tables_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        table(**changes)


def test_a_modulator_without_gene_is_named_with_its_target() -> None:
    with pytest.raises(InputError, match=r"betas of T: .*'beta_C\$'"):
        _ = table(modulators=("A", "C$", "B")).roles


def test_nonzero_drops_columns_and_repairs_numbers() -> None:
    values = np.array([[0.0, np.nan, 0.0, 2.0], [-0.0, 0.0, 3.0, np.inf]])
    kept = table(modulators=("A", "B", "C", "D"), values=values, intercept=np.array([np.inf, 1.0])).nonzero()
    assert kept.modulators == ("C", "D")
    assert kept.values.tolist() == [[0.0, 2.0], [3.0, 0.0]]
    assert kept.intercept.tolist() == [0.0, 1.0]
    assert not kept.is_orphan


def test_orphans() -> None:
    assert table(values=np.zeros((2, 3))).is_orphan
    assert table(values=np.full((2, 3), np.nan)).is_orphan
    assert table(modulators=(), values=np.zeros((2, 0))).is_orphan
    assert not table().is_orphan


def test_frame() -> None:
    frame = table().to_frame()
    assert frame.index.tolist() == ["0", "1"]
    assert frame.index.name == "Cluster"
    assert frame.columns.tolist() == ["beta0", "beta_A", "beta_C$D", "beta_C#A"]
    assert frame.loc["1", "beta_C#A"] == 0.4
    assert table(by="cell").to_frame().index.name == "CellID"
