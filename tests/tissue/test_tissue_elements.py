"""Elements of a file: the same as anndata reads, and without it where that is possible."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from anndata.io import read_elem, write_elem
from scipy import sparse

from spacetravlr.tissue.elements import read_element

N = 6
TEXTS = np.array(["a", "ü", "", "a b", "NA", "7"], dtype=object)


def table(**columns: object) -> pd.DataFrame:
    return pd.DataFrame(columns, index=pd.Index([f"cell{i}" for i in range(N)]))


ELEMENTS = {
    "floats": np.linspace(-1.0, np.nan, N),
    "matrix": np.arange(2 * N, dtype=np.int32).reshape(N, 2),
    "no rows": np.zeros((0, 2)),
    "truth values": np.array([True, False] * 3),
    "texts": TEXTS,
    "categories": pd.Categorical(["b", None, "a", "b", "b", "a"], categories=["b", "a", "never"]),
    "ordered": pd.Categorical(["low", "high"] * 3, categories=["low", "high"], ordered=True),
    "numbers as categories": pd.Categorical([3, 1, 3, 1, 2, 2]),
    "truth values as categories": pd.Categorical([True, False] * 3),
    "no category": pd.Categorical([None] * N),
    "no columns": table(),
    "table": table(
        whole=np.arange(N, dtype=np.uint8),
        real=np.float32([1, 2, np.nan, 4, np.inf, 6]),
        kind=pd.Categorical(["x", "y"] * 3, ordered=True),
        text=TEXTS,
        flag=[True, False] * 3,
    ),
    "table with a named index": table(value=range(N)).rename_axis("barcode"),
    "table with numbered rows": pd.DataFrame({"value": range(N)}, index=pd.RangeIndex(N).astype(str)),
    "missing integers": table(value=pd.array([1, None, 3, 4, 5, 6], dtype="Int64")),
    "missing truth values": table(value=pd.array([True, None, False, True, True, False], dtype="boolean")),
    "sparse": sparse.random(N, 4, 0.5, "csr", random_state=0),
    "mapping": {"one": np.arange(3), "other": "text"},
    "a number": 3.5,
    "a text": "text",
}


def same(one: object, other: object) -> None:
    assert type(one) is type(other)
    if isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other, check_exact=True)
        assert one.index.dtype == other.index.dtype
        assert one.columns.dtype == other.columns.dtype
    elif isinstance(one, pd.Categorical):
        pd.testing.assert_extension_array_equal(one, other)
        assert one.ordered == other.ordered
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            same(one[key], other[key])
    elif sparse.issparse(one):
        assert np.array_equal(one.toarray(), other.toarray())
    else:
        np.testing.assert_array_equal(one, other, strict=isinstance(one, np.ndarray))


@pytest.mark.parametrize("name", ELEMENTS)
def test_every_encoding_is_read_as_anndata_reads_it(name: str, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "file.h5", "w") as handle:
        write_elem(handle, "element", ELEMENTS[name])
        same(read_element(handle["element"]), read_elem(handle["element"]))


@pytest.mark.parametrize("lost", ["NA", "NaN"])
def test_texts_that_may_be_missing_are_read_as_anndata_reads_them(lost: str, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "file.h5", "w") as handle:
        write_elem(handle, "table", table(text=np.arange(N)))
        del handle["table/text"]
        texts = handle.create_group("table/text")
        texts.attrs.update({"encoding-type": "nullable-string-array", "encoding-version": "0.1.0", "na-value": lost})
        write_elem(texts, "values", TEXTS)
        write_elem(texts, "mask", np.arange(N) == 2)
        found = read_element(handle["table"])
        same(found, read_elem(handle["table"]))
    assert found["text"].isna().tolist() == [False, False, True, False, False, False]


@pytest.mark.filterwarnings("ignore:Element .* was written without encoding metadata")
def test_a_file_of_an_old_version_is_left_to_anndata(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "file.h5", "w") as handle:
        old = handle.create_dataset("old", data=np.array([("c0", 1), ("c1", 2)], dtype=[("index", "S2"), ("n", "<i4")]))
        same(read_element(old), read_elem(old))


def test_a_damaged_table_is_refused_with_the_same_error(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "file.h5", "w") as handle:
        write_elem(handle, "table", table(value=range(N), kind=pd.Categorical(["x", "y"] * 3)))
        del handle["table/value"]
        with pytest.raises(KeyError):
            read_elem(handle["table"])
        with pytest.raises(KeyError):
            read_element(handle["table"])
        handle["table/kind/codes"][0] = 9
        with pytest.raises(ValueError, match="codes"):
            read_elem(handle["table/kind"])
        with pytest.raises(ValueError, match="codes"):
            read_element(handle["table/kind"])


def test_an_ordinary_sample_is_opened_without_anndata(tmp_path: Path) -> None:
    path = tmp_path / "sample.h5ad"
    adata = anndata.AnnData(
        X=np.ones((N, 3), dtype=np.float32),
        obs=ELEMENTS["table"].assign(cell_type=pd.Categorical(["x", "y"] * 3)),
        obsm={"spatial": np.arange(2.0 * N).reshape(N, 2)},
    )
    adata.layers["imputed_count"] = adata.X
    adata.write_h5ad(path)
    code = (
        f"import sys; from spacetravlr.tissue import Tissue; Tissue.open({str(path)!r}).columns(['0']); "
        "print([name for name in ('anndata', 'zarr', 'dask') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
