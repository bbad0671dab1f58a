"""Reading and writing betadata."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spacetravlr.betas import Betas
from spacetravlr.errors import InputError, RunDirectoryError

V1_GENES = ["Agt", "Btc", "Dsc3", "Ezh2"]


def write_feather(path: Path, columns: dict[str, pa.Array], metadata: dict[bytes, bytes] | None = None) -> Path:
    batch = pa.record_batch(list(columns.values()), names=list(columns))
    with pa.ipc.new_file(path, batch.schema.with_metadata(metadata)) as writer:
        writer.write_batch(batch)
    return path


def table(n_rows: int = 3, by: str = "cluster") -> Betas:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(n_rows, 4))
    values[:, 1] = 0
    names = ("A", "B", "L$R", "L#A")
    return Betas("T", by, tuple(map(str, range(n_rows))), rng.normal(size=n_rows), names, values)  # type: ignore[arg-type]


@pytest.mark.parametrize("gene", V1_GENES)
def test_files_of_the_compiled_edition(golden: Path, gene: str, tmp_path: Path) -> None:
    path = golden / "v1_run" / f"{gene}_betadata.feather"
    betas = Betas.read(path)
    with pa.ipc.open_file(path) as reader:
        raw = reader.read_all()
    assert raw.schema.field(0).type == pa.string_view()
    assert betas.target == gene
    assert betas.by == ("cell" if gene == "Agt" else "cluster")
    assert list(betas.row_labels) == raw.column(0).to_pylist()
    columns = [name for name in raw.column_names[1:] if name != "beta0"]
    assert [f"beta_{name}" for name in betas.modulators] == columns
    assert betas.values.dtype == np.float64
    for column, name in enumerate(columns):
        np.testing.assert_array_equal(betas.values[:, column], raw.column(name).to_numpy())
    np.testing.assert_array_equal(betas.intercept, raw.column("beta0").to_numpy())

    betas.write(tmp_path / path.name)
    again = Betas.read(tmp_path / path.name)
    assert (again.target, again.by, again.row_labels, again.modulators) == (
        *(betas.target, betas.by, betas.row_labels, betas.modulators),
    )
    np.testing.assert_array_equal(again.values, betas.values)
    np.testing.assert_array_equal(again.intercept, betas.intercept)


@pytest.mark.parametrize(("by", "name"), [("cluster", "Cluster"), ("cell", "CellID")])
def test_written_form(by: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / "T_betadata.feather"
    table(by=by).write(path)
    with pa.ipc.open_file(path) as reader:
        assert reader.num_record_batches == 1
        schema = reader.schema
    assert schema.names == [name, "beta0", "beta_A", "beta_L$R", "beta_L#A"]
    assert schema.field(0).type == pa.utf8()
    assert {str(field.type) for field in schema} == {"string", "double"}
    assert schema.metadata is None
    assert b"\x04\x22\x4d\x18" in path.read_bytes()  # the mark of an LZ4 frame
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    (tmp_path / "plain").touch()
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode  # others may read it


def test_equal_tables_give_equal_bytes(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}_betadata.feather" for number in range(8)]
    large = table(2000, "cell")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(large.write, paths))
    assert len({path.read_bytes() for path in paths}) == 1


def test_zero_and_non_finite_coefficients_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "T_betadata.feather"
    values = np.array([[np.nan, 1.0], [0.0, -np.inf]])
    Betas("T", "cluster", ("0", "1"), np.array([np.nan, 0.0]), ("A", "B"), values).write(path)
    betas = Betas.read(path)
    assert betas.modulators == ("B",)
    assert betas.values.tolist() == [[1.0], [0.0]]
    assert betas.intercept.tolist() == [0.0, 0.0]
    with pa.ipc.open_file(path) as reader:
        assert reader.schema.names == ["Cluster", "beta_B"]


def test_orphans_are_not_written(tmp_path: Path) -> None:
    orphan = Betas("T", "cluster", ("0",), np.ones(1), ("A",), np.zeros((1, 1)))
    with pytest.raises(InputError, match="betas of T: no coefficient other than 0"):
        orphan.write(tmp_path / "T_betadata.feather")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "T_betadata.feather"
    path.write_bytes(b"old")

    def fail(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(RunDirectoryError, match=r"cannot write .*T_betadata\.feather: no space left"):
        table().write(path)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == b"old"


def test_writing_into_a_missing_directory(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="the directory does not exist"):
        table().write(tmp_path / "missing" / "T_betadata.feather")


finite = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=20, deadline=None)
@given(values=hnp.arrays(np.float64, (3, 2), elements=finite), intercept=hnp.arrays(np.float64, 3, elements=finite))
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, values: np.ndarray, intercept: np.ndarray) -> None:
    path = tmp_path_factory.mktemp("trip") / "Gm1%2F2_betadata.feather"
    betas = Betas("Gm1/2", "cell", ("a", "ß", ""), intercept, ("A", "L$R"), values)
    if betas.is_orphan:
        return
    betas.write(path)
    again, kept = Betas.read(path), betas.nonzero()
    assert (again.target, again.row_labels, again.modulators) == ("Gm1/2", ("a", "ß", ""), kept.modulators)
    np.testing.assert_array_equal(again.values, kept.values)
    np.testing.assert_array_equal(again.intercept, intercept)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_parquet_of_the_original_package(tmp_path: Path, dtype: str) -> None:
    frame = pd.DataFrame(
        {"beta0": [1.0, 2.0], "beta_A": [0.5, -0.25], "beta_L$R": [0.0, 3.0]}, index=["0", "cell_1"]
    ).astype(dtype)
    path = tmp_path / "My_Gene_betadata.parquet"
    frame.to_parquet(path)
    betas = Betas.read(path)
    assert (betas.target, betas.by, betas.row_labels) == ("My_Gene", "cell", ("0", "cell_1"))
    assert betas.modulators == ("A", "L$R")
    assert betas.values.tolist() == [[0.5, 0.0], [-0.25, 3.0]]
    assert betas.values.dtype == (np.float64 if dtype == "float64" else np.float32)
    assert betas.intercept.dtype == np.float64


def test_parquet_with_a_named_or_a_default_index(tmp_path: Path) -> None:
    frame = pd.DataFrame({"beta_A": [1.0, 2.0]}, index=pd.Index(["x", "y"], name="barcode"))
    frame.to_parquet(tmp_path / "A_betadata.parquet")
    named = Betas.read(tmp_path / "A_betadata.parquet")
    assert (named.by, named.row_labels, named.modulators) == ("cell", ("x", "y"), ("A",))
    frame.reset_index(drop=True).to_parquet(tmp_path / "B_betadata.parquet")
    plain = Betas.read(tmp_path / "B_betadata.parquet")
    assert (plain.by, plain.row_labels) == ("cluster", ("0", "1"))


def test_feather_of_pandas_index_joins_like_a_cluster(tmp_path: Path) -> None:
    path = write_feather(
        tmp_path / "A_betadata.feather", {"beta_A": pa.array([1.0, 2.0]), "__index_level_0__": pa.array(["x", "y"])}
    )
    betas = Betas.read(path)
    assert (betas.by, betas.row_labels) == ("cluster", ("x", "y"))


@pytest.mark.parametrize(
    ("ids", "labels"),
    [
        (pa.array([3.0, 1.0]), ("3", "1")),
        (pa.array([3, 1], pa.int8()), ("3", "1")),
        (pa.array([1.5, None]), ("1.5", "")),
        (pa.array(["3.0", " a"]), ("3.0", " a")),
        (pa.array(["3", None]), ("3", "")),
        (pa.array(["b", "a"]).dictionary_encode(), ("b", "a")),
        (pa.array([2, 7]).dictionary_encode(), ("2", "7")),
        (pa.array(["b", "a"], pa.large_string()), ("b", "a")),
        (pa.array(["b", "a"], pa.string_view()), ("b", "a")),
    ],
)
def test_row_labels(tmp_path: Path, ids: pa.Array, labels: tuple[str, ...]) -> None:
    path = write_feather(tmp_path / "A_betadata.feather", {"Cluster": ids, "beta_A": pa.array([1.0, 2.0])})
    assert Betas.read(path).row_labels == labels


def test_odd_column_types(tmp_path: Path) -> None:
    columns = {
        "Cluster": pa.array(["0", "1"]),
        "beta_int": pa.array([1, 2], pa.int32()),
        "beta_null": pa.array([None, 2.0]),
        "beta_half": pa.array(np.array([0.5, 1.5], np.float16)),
        "beta_bool": pa.array([True, False]),
        "beta_text": pa.array([" 1.5", "high"]),
        "beta_none": pa.nulls(2),
        "beta_decimal": pa.array([1, 2], pa.decimal128(5, 2)),
        "beta_category": pa.array(["7", "x"]).dictionary_encode(),
    }
    betas = Betas.read(write_feather(tmp_path / "A_betadata.feather", columns))
    assert betas.values.tolist() == [[1, 0, 0.5, 1, 1.5, 0, 1, 7], [2, 2, 1.5, 0, 0, 0, 2, 0]]
    numeric = {name: columns[name] for name in ("Cluster", "beta_int", "beta_null")}
    assert Betas.read(write_feather(tmp_path / "B_betadata.feather", numeric)).values.tolist() == [[1, 0], [2, 2]]


def test_several_record_batches(tmp_path: Path) -> None:
    path = tmp_path / "A_betadata.feather"
    batches = [pa.record_batch({"Cluster": [label], "beta_A": [value]}) for label, value in (("0", 1.0), ("1", 2.0))]
    with pa.ipc.new_file(path, batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    betas = Betas.read(path)
    assert (betas.row_labels, betas.values.tolist()) == (("0", "1"), [[1.0], [2.0]])


def test_csv(tmp_path: Path) -> None:
    path = tmp_path / "A_betadata.csv"
    path.write_text('CellID,Cluster,beta0,beta_A,"beta_L$R"\n007,1,1.5,2,\nNA,2,0,-1e-3,nonsense\n', encoding="utf-8")
    betas = Betas.read(path)
    assert (betas.by, betas.row_labels) == ("cell", ("007", "NA"))
    assert betas.modulators == ("A", "L$R")
    assert betas.values.tolist() == [[2.0, 0.0], [-1e-3, 0.0]]
    assert betas.intercept.tolist() == [1.5, 0.0]


def test_csv_of_a_pandas_frame_with_bom(tmp_path: Path) -> None:
    path = tmp_path / "A_betadata.csv"
    pd.DataFrame({"beta_A": [1.0, 2.0]}, index=["01", "02"]).to_csv(path, encoding="utf-8-sig")
    betas = Betas.read(path)
    assert (betas.row_labels, betas.modulators, betas.values.tolist()) == (("01", "02"), ("A",), [[1.0], [2.0]])


def test_csv_without_row_labels(tmp_path: Path) -> None:
    path = tmp_path / "A_betadata.csv"
    path.write_text("beta_0,A,L$R\r\n1,2,3\r\n4,5,6\r\n", encoding="utf-8")
    betas = Betas.read(path)
    assert (betas.by, betas.row_labels, betas.modulators) == ("cluster", ("0", "1"), ("A", "L$R"))
    assert betas.values.tolist() == [[2.0, 3.0], [5.0, 6.0]]


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("column", ["beta0", "beta_B"])
@pytest.mark.parametrize("kind", ["feather", "parquet", "csv"])
def test_numbers_that_are_not_finite_are_refused(tmp_path: Path, kind: str, column: str, value: float) -> None:
    frame = pd.DataFrame({"Cluster": ["0", "1"], "beta0": [1.0, 2.0], "beta_A": [1.0, 2.0], "beta_B": [1.0, 2.0]})
    frame.loc[1, column] = value
    path = tmp_path / f"G_betadata.{kind}"
    if kind == "csv":
        frame.to_csv(path, index=False, na_rep="nan")
    else:
        arrow = pa.Table.from_pandas(frame, preserve_index=False)
        columns = [arrow.column(0), *(pa.array(frame[name].to_numpy()) for name in frame.columns[1:])]
        arrow = pa.table(columns, names=arrow.column_names)
        if kind == "parquet":
            pq.write_table(arrow, path)
        else:
            with pa.ipc.new_file(path, arrow.schema) as writer:
                writer.write_table(arrow)
    with pytest.raises(InputError, match=rf"G_betadata\.{kind}: column '{column}' holds a value that is not finite"):
        Betas.read(path)


@pytest.mark.parametrize("kind", ["feather", "parquet", "csv"])
def test_empty_and_foreign_files_are_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"G_betadata.{kind}"
    for content in (b"", b"\x00" * 64, b"ARROW1\x00\x00", b"PAR1"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=rf"G_betadata\.{kind}: .*delete this file and train the gene again"):
            Betas.read(path)


def test_files_without_rows_or_coefficients_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "G_betadata.csv"
    path.write_text("Cluster,beta_A\n", encoding="utf-8")
    with pytest.raises(InputError, match="no rows"):
        Betas.read(path)
    path.write_text("Cluster\n0\n", encoding="utf-8")
    with pytest.raises(InputError, match="no coefficient column"):
        Betas.read(path)
    path.write_text("Cluster,beta_A\n0,1\n2\n", encoding="utf-8")
    with pytest.raises(InputError, match="damaged"):
        Betas.read(path)
    schema = pa.schema({"Cluster": pa.utf8(), "beta_A": pa.float64()})
    with pa.ipc.new_file(tmp_path / "G_betadata.feather", schema):
        pass
    with pytest.raises(InputError, match="no rows"):
        Betas.read(tmp_path / "G_betadata.feather")


def test_missing_and_unknown_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        Betas.read(tmp_path / "G_betadata.feather")
    with pytest.raises(InputError, match=r"\.feather, \.parquet, \.csv"):
        Betas.read(tmp_path / "G_betadata.xlsx")
    (tmp_path / "D_betadata.csv").mkdir()
    with pytest.raises(InputError, match="cannot be opened"):
        Betas.read(tmp_path / "D_betadata.csv")


@pytest.mark.parametrize("kind", ["feather", "parquet"])
def test_every_truncation_is_noticed(golden: Path, tmp_path: Path, kind: str) -> None:
    source = golden / "v1_run" / "Btc_betadata.feather"
    if kind == "parquet":
        Betas.read(source).to_frame().to_parquet(tmp_path / "whole.parquet")
        source = tmp_path / "whole.parquet"
    whole = source.read_bytes()
    path = tmp_path / f"Btc_betadata.{kind}"
    for length in range(0, len(whole) - 1, 97):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=rf"Btc_betadata\.{kind}: damaged or incomplete"):
            Betas.read(path)


@settings(max_examples=25, deadline=None)
@given(place=st.integers(0, 4525), byte=st.integers(0, 255))
def test_a_changed_byte_gives_a_table_or_a_clear_error(
    golden: Path, tmp_path_factory: pytest.TempPathFactory, place: int, byte: int
) -> None:
    content = bytearray((golden / "v1_run" / "Btc_betadata.feather").read_bytes())
    content[place] = byte
    path = tmp_path_factory.mktemp("changed") / "Btc_betadata.feather"
    path.write_bytes(content)
    try:
        betas = Betas.read(path)
    except InputError as error:
        assert str(path) in str(error)
        assert "\n" not in str(error)
    else:
        assert np.isfinite(betas.values).all()


def test_damaged_description_of_pandas(tmp_path: Path) -> None:
    columns = {"beta_A": pa.array([1.0]), "x": pa.array(["c"])}
    for described in (b"{", b"[]", json.dumps({"index_columns": ["gone", {"kind": "range"}]}).encode()):
        path = write_feather(tmp_path / "A_betadata.feather", columns, {b"pandas": described})
        assert Betas.read(path).row_labels == ("0",)
