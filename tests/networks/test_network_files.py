"""Matrices of NicheNet, network files, and what files of any format may look like."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spacetravlr.errors import InputError
from spacetravlr.networks import Built, Source, build


def edges(built: Built, kind: str) -> list[tuple[str, str]]:
    rows = built.edges[built.edges["edge_type"] == kind]
    return list(zip(rows["source"], rows["target"], strict=True))


MATRIX = pd.DataFrame(
    [[0.5, 0.0, 0.1], [0.05, 0.3, 0.0], [0.2, 0.2, 0.2], [0.9, 0.9, 0.9]],
    index=["STAT3", "FOS", "ACTB", "IL6"],
    columns=["IL6", "TNF", "CXCL8"],
)
TFS = pd.DataFrame({"tf": ["STAT3", "FOS", "IL6"], "target": ["SOCS3", "JUN", "X"]})
PAIRS = pd.DataFrame({"ligand": ["IL6", "TNF"], "receptor": ["IL6R", "TNFRSF1A"]})


@pytest.mark.parametrize("kind", ["csv", "parquet", "write.table", "csv.gz"])
@pytest.mark.parametrize("ligands", ["columns", "rows"])
def test_matrices_of_nichenet(tmp_path: Path, kind: str, ligands: str):
    path = tmp_path / f"ligand_target_matrix.{kind.replace('write.table', 'tsv')}"
    matrix = MATRIX if ligands == "columns" else MATRIX.T
    if kind == "parquet":
        matrix.to_parquet(path)
    elif kind == "write.table":  # R gives the column of names no header
        lines = [
            "\t".join(matrix.columns),
            *("\t".join([name, *map(str, row)]) for name, row in zip(matrix.index, matrix.to_numpy(), strict=True)),
        ]
        path.write_text("\n".join(lines) + "\n")
    else:
        matrix.to_csv(path)
    built = build([Source(path, ligands=ligands), TFS, PAIRS], "human")
    found = built.edges[built.edges["edge_type"] == "nichenet"].set_index(["source", "target"])["weight"].to_dict()
    # not ACTB, which is no TF; not CXCL8, which has no receptor; not IL6 on itself
    assert found == {
        ("IL6", "STAT3"): 0.5,
        ("IL6", "FOS"): 0.05,
        ("TNF", "FOS"): 0.3,
        ("TNF", "IL6"): 0.9,
    }
    (ledger,) = (one for one in built.ledgers if one.format == "nichenet")
    assert ledger.rows == int((MATRIX.to_numpy() > 0).sum())
    assert ledger.lost == {
        "the target is no TF of the network": 3,
        "no pair of the network has the ligand": 2,
        "a gene acts on itself": 1,
    }
    assert all(one.rows + sum(one.made.values()) == one.kept + one.n_lost for one in built.ledgers)
    pairs = built.network.modulators("SOCS3", tf_ligand_cutoff=0.2).tfl_pairs
    assert pairs == ("IL6#STAT3",)


def test_a_matrix_that_lies_on_its_side_is_noticed(tmp_path: Path):
    path = tmp_path / "matrix.csv"
    MATRIX.drop(index="IL6").T.to_csv(path)
    with pytest.raises(InputError, match="are its ligands in the rows\\?"):
        build([path, pd.DataFrame({"tf": ["STAT3"], "target": ["SOCS3"]}), PAIRS], "human")


def test_matrix_blocks_agree_with_a_table_of_single_entries(tmp_path: Path):
    rng = np.random.default_rng(0)
    values = rng.random((40, 12)) * (rng.random((40, 12)) < 0.6)
    matrix = pd.DataFrame(values, index=[f"T{i}" for i in range(40)], columns=[f"L{i}" for i in range(12)])
    path = tmp_path / "m.parquet"
    matrix.to_parquet(path)
    tfs = pd.DataFrame({"tf": [f"T{i}" for i in range(0, 40, 3)], "target": "G"})
    pairs = pd.DataFrame({"ligand": [f"L{i}" for i in range(0, 12, 2)], "receptor": "R"})
    long = matrix.stack().rename("weight").reset_index().set_axis(["target", "source", "weight"], axis=1)
    long = long[long["weight"] > 0].assign(edge_type="nichenet")
    by_matrix = build([tfs, pairs, path], "human").edges
    by_rows = build([tfs, pairs, long], "human").edges
    keys = ["source", "target", "edge_type", "weight"]
    pd.testing.assert_frame_equal(
        by_matrix[keys].sort_values(keys).reset_index(drop=True), by_rows[keys].sort_values(keys).reset_index(drop=True)
    )


def test_network_files_pass_through(tmp_path: Path):
    frame = pd.DataFrame(
        {
            "source": ["Pax5", "Tgfb1", "Tgfb1", "x"],
            "target": ["Cd19", "Tgfbr1", "Pax5", "y"],
            "edge_type": pd.Categorical(["grn", "lr", "nichenet", "other"]),
            "weight": [1.0, 3.0, 0.25, 1.0],
        }
    )
    path = tmp_path / "mouse_network.parquet"
    frame.to_parquet(path)
    built = build([path], "mouse")
    assert built.ledgers[0].format == "network"
    assert edges(built, "nichenet") == [("Tgfb1", "Pax5")]
    assert built.edges.set_index("edge_type")["weight"].to_dict() == {"grn": 1.0, "lr": 1.0, "nichenet": 0.25}
    assert built.ledgers[0].lost == {"the edge type is unknown": 1}


def test_compressed_tables_comments_and_byte_order_marks(tmp_path: Path):
    text = "\ufeff# made by hand\nTF;target\nPax5;Cd19\n"
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    with gzip.open(tmp_path / "b.csv.gz", "wt", encoding="utf-8") as stream:
        stream.write(text.removeprefix("\ufeff"))
    for name in ("a.csv", "b.csv.gz"):
        assert edges(build([tmp_path / name], "mouse"), "grn") == [("Pax5", "Cd19")]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.rds", b"x", "is an R object; write it in R"),
        ("x.xlsx", b"PK", "is a spreadsheet; save it as csv"),
        ("x.csv", b"", "the file is empty"),
        ("x.csv", b"a,b\n1,2\n", r"not recognised by its columns \(a, b\); name its format"),
        ("x.csv", b"\xff\xfe\x00\x01", "cannot be read as a table"),
        ("x.parquet", b"PAR1 and no more", "not a readable parquet file"),
        ("x.parquet", b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
        ("x.tsv", b"from\tto\tsource\tdatabase\nA\tB\tx\ty\n", "format lr .* or tf"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(tmp_path: Path, name: str, content: bytes, words: str):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        build([path], "human")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_files_and_directories(tmp_path: Path):
    with pytest.raises(InputError, match="no such file"):
        build([tmp_path / "nothing.csv"], "human")
    with pytest.raises(InputError, match="is a directory"):
        build([tmp_path], "human")
    with pytest.raises(InputError, match="at least one source"):
        build([], "human")


def test_a_named_format_wins(write):
    path = write("nichenet_lr.tsv", "from\tto\tsource\tdatabase\nTNF\tTNFRSF1A\tx\tkegg\n")
    assert edges(build([Source(path, format="lr")], "human"), "lr") == [("TNF", "TNFRSF1A")]
    assert edges(build([Source(path, format="tf")], "human"), "grn") == [("TNF", "TNFRSF1A")]


def test_a_column_of_text_where_numbers_belong(write):
    path = write("t.csv", "tf,target,weight\nPAX5,CD19,high\n")
    with pytest.raises(InputError, match="column weight is not numeric"):
        build([path], "human")
