"""Network tables: reading, finding, checking, restricting."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spacetravlr.errors import InputError
from spacetravlr.prior import PriorNetwork, _locate

TABLE = {
    "source": ["Pax5", "Ifng", "Tgfb1", "Dll1", None, "Pax5"],
    "target": ["Cd19", "Ifngr1", "Smad3", "Notch1", "Cd19", None],
    "edge_type": ["grn", "lr", "nichenet", "lr", "grn", "grn"],
    "weight": [1.0, 2.0, 0.9, 1.0, 1.0, 1.0],
    "signaling": [None, "Secreted Signaling", None, "Cell-Cell Contact", None, None],
}


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(TABLE)


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current directory from which no network file can be seen."""
    deep = tmp_path.joinpath(*"abcdefghij")
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    monkeypatch.delenv("SPACETRAVLR_DATA_DIR", raising=False)
    monkeypatch.setattr(_locate, "PACKAGE_DATA", tmp_path / "package")
    return tmp_path


def put(folder: Path, frame: pd.DataFrame, name: str = "mouse_network.parquet") -> str:
    folder.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(folder / name)
    return str(folder / name)


def test_null_names_drop_out_and_order_stays(frame: pd.DataFrame) -> None:
    network = PriorNetwork.from_frame(frame)
    assert network.edges.to_dict("list") == {
        "source": ["Pax5", "Ifng", "Tgfb1", "Dll1"],
        "target": ["Cd19", "Ifngr1", "Smad3", "Notch1"],
        "edge_type": ["grn", "lr", "nichenet", "lr"],
        "weight": [1.0, 2.0, 0.9, 1.0],
        "signaling": [None, "Secreted Signaling", None, "Cell-Cell Contact"],
    }
    assert network.counts() == {"grn": 1, "lr": 2, "nichenet": 1}
    assert network.species == "mouse"
    assert network.source == "data frame"
    assert network.symbols == ("Cd19", "Dll1", "Ifng", "Ifngr1", "Notch1", "Pax5", "Smad3", "Tgfb1")
    assert repr(network) == "PriorNetwork(mouse, 1 grn, 2 lr, 1 nichenet; from data frame)"


def test_empty_names_and_odd_indexes_are_handled(frame: pd.DataFrame) -> None:
    frame.loc[0, "source"] = ""
    frame.loc[1, "target"] = ""
    shuffled = frame.set_axis([5, 5, 4, 3, 2, 1])
    assert PriorNetwork.from_frame(shuffled).edges["source"].tolist() == ["Tgfb1", "Dll1"]


@pytest.mark.parametrize("kind", ["string", "large_string", "dictionary", "string_view"])
def test_every_text_encoding_reads_the_same(tmp_path: Path, frame: pd.DataFrame, kind: str) -> None:
    table = pa.Table.from_pandas(frame)
    for name in ("source", "target", "edge_type", "signaling"):
        column = table.column(name)
        column = column.dictionary_encode() if kind == "dictionary" else column.cast(getattr(pa, kind)())
        table = table.set_column(table.column_names.index(name), name, column)
    pq.write_table(table, tmp_path / "net.parquet")
    network = PriorNetwork.read(tmp_path / "net.parquet")
    pd.testing.assert_frame_equal(network.edges, PriorNetwork.from_frame(frame).edges)
    assert network.source == str(tmp_path / "net.parquet")
    assert network.notices == ()


def test_weights_become_float64_and_may_be_missing(frame: pd.DataFrame) -> None:
    frame["weight"] = np.array([1, 2, 0.2, 1, 1, 1], dtype=np.float32)
    frame.loc[3, "weight"] = np.nan
    network = PriorNetwork.from_frame(frame)
    assert network.edges["weight"].dtype == np.float64
    assert network.counts()["lr"] == 2


@pytest.mark.parametrize("column", ["source", "target", "edge_type", "weight"])
def test_a_missing_column_is_named_with_those_present(tmp_path: Path, frame: pd.DataFrame, column: str) -> None:
    path = put(tmp_path, frame.drop(columns=column))
    present = ", ".join(name for name in TABLE if name != column)
    with pytest.raises(InputError, match=f"mouse_network.parquet: column {column} is missing; present: {present}"):
        PriorNetwork.read(path)
    with pytest.raises(InputError, match=f"data frame: column {column} is missing"):
        PriorNetwork.from_frame(frame.drop(columns=column))


def test_columns_of_the_wrong_kind_are_refused(frame: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="column source holds 0, expected text"):
        PriorNetwork.from_frame(frame.assign(source=range(6)))
    with pytest.raises(InputError, match="column weight is not numeric"):
        PriorNetwork.from_frame(frame.assign(weight="heavy"))


def test_unreadable_files_are_refused(tmp_path: Path, frame: pd.DataFrame) -> None:
    path = Path(put(tmp_path, frame))
    whole = path.read_bytes()
    for content in (b"", b"PAR1", whole[: len(whole) // 2], whole[:40] + b"\0" * 400 + whole[440:]):
        path.write_bytes(content)
        with pytest.raises(InputError, match="not a readable parquet file"):
            PriorNetwork.read(path)
    with pytest.raises(InputError, match="cannot be opened"):
        PriorNetwork.read(tmp_path / "none.parquet")
    with pytest.raises(InputError, match="cannot be opened"):
        PriorNetwork.read(tmp_path)


def test_git_lfs_pointers_are_refused(nowhere: Path) -> None:
    folder = nowhere / "clone"
    folder.mkdir()
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1400615\n"
    (folder / "mouse_network.parquet").write_text(pointer)
    with pytest.raises(InputError, match=r"is a Git LFS pointer.*git lfs pull"):
        PriorNetwork.load("mouse", folder)


def test_unknown_edge_types_are_ignored_with_a_warning(frame: pd.DataFrame, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="spacetravlr"):
        network = PriorNetwork.from_frame(frame.replace({"edge_type": {"nichenet": "ppi"}}))
    assert network.counts() == {"grn": 1, "lr": 2, "nichenet": 0}
    assert caplog.messages == ["data frame: 1 rows of edge_type ppi are ignored (known: grn, lr, nichenet)"]
    with pytest.raises(InputError, match="no row has a known edge_type; found GRN, expected grn, lr, nichenet"):
        PriorNetwork.from_frame(frame.assign(edge_type="GRN"))


def test_symbols_with_pair_signs_are_dropped_with_one_warning(
    frame: pd.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    odd = frame.replace({"source": {"Pax5": "Pax#5", "Dll1": "Dll$1"}})
    with caplog.at_level(logging.WARNING, logger="spacetravlr"):
        network = PriorNetwork.from_frame(odd).restrict(["Pax#5", "Cd19", "Ifng", "Ifngr1"])
    assert network.edges["source"].tolist() == ["Ifng"]
    assert caplog.messages == [
        "data frame: 2 edges are ignored because a symbol contains $ or #, which join the names of a pair: Dll$1, Pax#5"
    ]


def test_an_empty_table_is_a_network_without_edges(frame: pd.DataFrame) -> None:
    for empty in (frame.iloc[:0], pd.DataFrame({name: [] for name in TABLE})):
        network = PriorNetwork.from_frame(empty, species="mouse")
        assert network.counts() == {"grn": 0, "lr": 0, "nichenet": 0}
        assert network.edges.empty
        assert network.restrict(["Pax5"]).notices == ()
        assert network.restrict(["Pax5"]).modulators("Pax5", max_ligands=3).names == ()
        assert network.ligand_radii(200.0, 50.0) == {}


def test_restrict_keeps_edges_between_measured_genes_in_file_order(frame: pd.DataFrame) -> None:
    network = PriorNetwork.from_frame(frame)
    small = network.restrict(iter(["Notch1", "Dll1", "Cd19", "Pax5", "Ifng"]))
    assert small.edges["source"].tolist() == ["Pax5", "Dll1"]
    assert small.edges.index.tolist() == [0, 1]
    assert small.measured == {"Notch1", "Dll1", "Cd19", "Pax5", "Ifng"}
    assert network.measured is None
    assert len(network.edges) == 4
    smaller = small.restrict(["Pax5", "Cd19", "Ifngr1"])
    assert smaller.measured == {"Pax5", "Cd19"}
    assert smaller.edges["target"].tolist() == ["Cd19"]
    assert (small.source, small.species) == (network.source, network.species)


def test_restriction_to_nothing_says_so(frame: pd.DataFrame) -> None:
    network = PriorNetwork.from_frame(frame).restrict(["PAX5", "CD19"])
    assert network.notices == (
        "none of the 4 relations of the mouse network joins two of the 2 measured genes: "
        "are the gene names mouse symbols?",
    )


def test_ligand_radii_follow_the_first_row_of_a_ligand(frame: pd.DataFrame) -> None:
    more = pd.DataFrame(
        [
            ("Dll1", "Notch2", "lr", 1.0, "Secreted Signaling"),
            ("Ifng", "Notch2", "lr", 1.0, "Cell-Cell Contact"),
            ("Efna5", "Epha4", "lr", 1.0, "CONTACT (juxtacrine)"),
            ("Fn1", "Itga5", "lr", 1.0, "ECM-Receptor"),
            ("Xcl1", "Xcr1", "lr", 1.0, None),
            ("Pax5", "Xcr1", "nichenet", 1.0, "Cell-Cell Contact"),
        ],
        columns=list(TABLE),
    )
    network = PriorNetwork.from_frame(pd.concat([frame, more], ignore_index=True))
    expected = {"Ifng": 200.0, "Dll1": 50.0, "Efna5": 50.0, "Fn1": 200.0, "Xcl1": 200.0}
    assert network.ligand_radii(200.0, 50.0) == expected
    assert list(network.ligand_radii(200.0, 50.0)) == list(expected)
    plain = PriorNetwork.from_frame(network.edges.drop(columns="signaling"))
    assert plain.ligand_radii(200.0, 50.0) == dict.fromkeys(expected, 200.0)


def test_places_are_searched_in_order(nowhere: Path, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    ninth = put(nowhere.joinpath(*"a") / "data", frame)
    near = put(nowhere.joinpath(*"abcde") / "data", frame)
    here = put(nowhere.joinpath(*"abcdefghij") / "data", frame)
    package = put(nowhere / "package", frame)
    named = put(nowhere / "named", frame)
    given = put(nowhere / "given", frame)
    monkeypatch.setenv("SPACETRAVLR_DATA_DIR", str(nowhere / "named"))
    for path, remove in (
        (given, given),
        (named, named),
        (package, package),
        (here, here),
        (near, near),
        (ninth, ninth),
    ):
        network = PriorNetwork.load("mouse", nowhere / "given")
        assert network.source == path
        assert network.species == "mouse"
        Path(remove).unlink()
    assert PriorNetwork.load("mouse", nowhere / "given").source == "starter"


def test_parents_beyond_the_ninth_are_not_searched(nowhere: Path, frame: pd.DataFrame) -> None:
    put(nowhere / "data", frame)  # the tenth parent
    assert PriorNetwork.load("mouse").source == "starter"


def test_named_directories_without_the_file_are_noted(
    nowhere: Path, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPACETRAVLR_DATA_DIR", str(nowhere / "named"))
    monkeypatch.setenv("HOME", str(nowhere))
    network = PriorNetwork.load("human", "~/given")
    assert network.source == "starter"
    assert network.notices[:2] == (
        f"[grn].network_data_dir: no human_network.parquet in {nowhere / 'given'}; looking elsewhere",
        f"SPACETRAVLR_DATA_DIR: no human_network.parquet in {nowhere / 'named'}; looking elsewhere",
    )
    assert "starter network for human" in network.notices[2]
    assert "put human_network.parquet into a directory" in network.notices[2]
    assert "[grn].network_data_dir or SPACETRAVLR_DATA_DIR" in network.notices[2]
    assert len(network.notices) == 3
    put(nowhere / "given", frame, "human_network.parquet")
    found = PriorNetwork.load("human", "~/given")
    assert found.source == str(nowhere / "given" / "human_network.parquet")
    assert found.notices == ()
    assert found.species == "human"


def test_blank_settings_name_no_directory(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACETRAVLR_DATA_DIR", " ")
    network = PriorNetwork.load("mouse", "")
    assert len(network.notices) == 1
    assert str(nowhere) not in network.notices[0]


def test_an_unknown_home_is_taken_as_it_stands(nowhere: Path) -> None:
    network = PriorNetwork.load("mouse", "~no-such-user-here/net")
    assert network.notices[0].startswith("[grn].network_data_dir: no mouse_network.parquet in ~no-such-user-here/net")


def test_a_removed_current_directory_is_no_obstacle(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = nowhere / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert PriorNetwork.load("mouse").source == "starter"


def test_places_that_cannot_be_searched_are_passed(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_file", refuse)
    assert PriorNetwork.load("mouse", nowhere).source == "starter"
