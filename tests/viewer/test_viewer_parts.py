"""The parts under the routes, each by itself."""

from __future__ import annotations

import os
import stat
import struct
import threading
import time

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from spacetravlr.bench._viewer_sample import write_sample
from spacetravlr.errors import InputError
from spacetravlr.viewer import _column_file as column_file
from spacetravlr.viewer._blocks import finite_range, label_block, number_block, quantised
from spacetravlr.viewer._context import neighbours
from spacetravlr.viewer._expression import Expression
from spacetravlr.viewer._h5ad import H5adFile
from spacetravlr.viewer._memory import ByteCache, available_memory
from spacetravlr.viewer._obs import NO_CLUSTER, Labels, Numbers, as_labels, cluster_ids, read_column, sorted_labels
from spacetravlr.viewer._roots import DataRoots, clean
from spacetravlr.viewer._splash_graph import draw
from spacetravlr.viewer._v2_jobs import grid_size

floats = st.floats(allow_nan=True, allow_infinity=True, width=32)


@settings(max_examples=25, deadline=None)
@given(arrays(np.float32, st.integers(0, 30), elements=floats))
def test_levels_are_nearest_and_missing_is_missing(values):
    low, high = finite_range(values)
    levels = quantised(values, low, high)
    np.testing.assert_array_equal(levels == 255, np.isnan(values))
    finite = np.isfinite(values)
    if finite.any() and high > low:
        step = (np.float64(high) - np.float64(low)) / 254
        back = low + levels[finite].astype(float) * step
        assert np.abs(back - values[finite]).max() <= 0.501 * step
        assert levels[finite].min() == 0
        assert levels[finite].max() == 254
    assert (levels[values == np.inf] == (254 if high > low else 0)).all()


@pytest.mark.parametrize(("names", "kind", "missing"), [(255, 2, 255), (256, 3, 65_535)])
def test_codes_take_as_many_bytes_as_they_need(names, kind, missing):
    codes = np.array([0, names - 1, -1])
    content = label_block(Labels(tuple(map(str, range(names))), codes))
    assert struct.unpack_from("<4sHBBQI", content) == (b"STLC", 1, kind, 1, 3, 1)
    values = np.frombuffer(content, "<u1" if kind == 2 else "<u2", offset=32)
    assert values.tolist() == [0, names - 1, missing]


def test_blocks_without_a_number():
    assert number_block(np.full(3, np.nan), "u8")[32:] == b"\xff" * 3
    assert len(number_block(np.empty(0), "f32")) == 32
    assert np.isfinite(np.frombuffer(number_block(np.array([1e300, np.nan]), "f16"), "<f2", offset=32)[0])


@pytest.fixture(params=["csr", "csc", "dense"])
def stored(request, tmp_path):
    """A sample with one layer in some form, and that layer."""
    path = tmp_path / "x.h5ad"
    write_sample(path, n_cells=500, n_genes=40, seed=1)
    rng = np.random.default_rng(3)
    dense = rng.random((500, 40), dtype=np.float32) * (rng.random((500, 40)) < 0.3)
    with h5py.File(path, "r+") as file:
        del file["layers/imputed_count"]
        if request.param == "dense":
            node = file["layers"].create_dataset("imputed_count", data=dense)
            node.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
        else:
            matrix = sparse.csr_matrix(dense) if request.param == "csr" else sparse.csc_matrix(dense)
            node = file["layers"].create_group("imputed_count")
            node.attrs.update(
                {"encoding-type": f"{request.param}_matrix", "encoding-version": "0.1.0", "shape": dense.shape}
            )
            for name in ("data", "indices", "indptr"):
                node.create_dataset(name, data=getattr(matrix, name))
    return H5adFile(path), dense


def test_columns_are_the_same_from_file_and_disk(stored, tmp_path, monkeypatch):
    from spacetravlr.viewer import _expression

    file, dense = stored
    plain = Expression(file, folder=None, disk=0, memory=1 << 20)
    assert plain.ready("imputed_count")
    monkeypatch.setattr(_expression, "_SMALL", 0)
    monkeypatch.setattr(column_file, "_BLOCK_BYTES", 1 << 12)
    kept = Expression(file, folder=tmp_path / "columns", disk=1 << 30, memory=1 << 20)
    for gene in ("Gene0", "Gene17", "Gene39"):
        want = dense[:, int(gene[4:])]
        np.testing.assert_array_equal(plain.column(gene, "imputed_count"), want)
        np.testing.assert_array_equal(kept.column(gene, "imputed_count"), want)
    kept.wait()
    assert kept.ready("imputed_count")
    assert kept.progress("imputed_count") == 1.0
    again = Expression(file, folder=tmp_path / "columns", disk=1 << 30, memory=1 << 20)
    assert again.ready("imputed_count")
    for gene in range(40):
        np.testing.assert_array_equal(again.column(f"Gene{gene}", "imputed_count"), dense[:, gene])
    np.testing.assert_array_equal(again.cell_row(123, "imputed_count"), dense[123])
    cells = np.array([7, 400, 7])
    np.testing.assert_array_equal(again.rows(cells, ["Gene3", "Gene1"], "imputed_count"), dense[cells][:, [3, 1]])
    with pytest.raises(InputError, match="did you mean 'Gene4'"):
        again.column("gene4", "imputed_count")


def test_columns_of_others_cannot_be_read_by_everybody(stored, tmp_path, monkeypatch):
    from spacetravlr.viewer import _expression

    monkeypatch.setattr(_expression, "_SMALL", 0)
    file, _ = stored
    kept = Expression(file, folder=tmp_path / "own" / "columns", disk=1 << 30, memory=1 << 20)
    kept.ready("imputed_count")
    kept.wait()
    for folder in (tmp_path / "own" / "columns").glob("*"):
        assert stat.S_IMODE(folder.stat().st_mode) & 0o077 == 0


def test_a_damaged_column_file_is_none(tmp_path):
    folder = tmp_path / "x"
    folder.mkdir()
    assert column_file.ColumnFile.open(folder) is None
    (folder / "facts.json").write_text('{"format": 1, "kind": "dense", "n_obs": 3}')
    assert column_file.ColumnFile.open(folder) is None
    (folder / "facts.json").write_text("[]")
    assert column_file.ColumnFile.open(folder) is None


def test_oldest_columns_make_room(tmp_path):
    for number, name in enumerate(("old", "new")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.npy").write_bytes(bytes(1000))
        os.utime(tmp_path / name, (number, number))
    assert not column_file.make_room(tmp_path, 3000, 2500)
    assert column_file.make_room(tmp_path, 1200, 2500)
    assert not (tmp_path / "old").exists()
    assert (tmp_path / "new").exists()


@pytest.mark.parametrize("stored", ["csr", "dense"], indirect=True)
def test_building_stops_when_it_is_not_wanted_any_more(stored, tmp_path):
    file, dense = stored
    node = file.matrix_node("imputed_count")

    def step(_):
        raise column_file.CancelledBuildError

    with pytest.raises(column_file.CancelledBuildError):
        column_file.build(node, dense.shape, tmp_path / "columns" / "x", step=step)
    assert list((tmp_path / "columns").iterdir()) == []


def test_a_value_asked_for_at_once_is_made_once():
    cache: ByteCache[int] = ByteCache(1000)
    made = []

    def make():
        made.append(1)
        time.sleep(0.2)
        return 7, 10

    found = []
    threads = [threading.Thread(target=lambda: found.append(cache.take("x", make))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [7] * 8
    assert made == [1]


def test_cache_is_bounded_and_forgets_what_was_used_longest_ago():
    cache: ByteCache[str] = ByteCache(100)
    for name in "abc":
        cache.put(name, name, 40)
    assert cache.get("a") is None
    assert cache.size == 80
    cache.get("b")
    cache.put("d", "d", 40)
    assert cache.get("c") is None
    assert cache.get("b") == "b"
    cache.put("large", "large", 101)
    assert cache.get("large") is None
    cache.put("b", "b2", 60)
    assert cache.size <= 100
    with pytest.raises(ZeroDivisionError):
        cache.take("bad", lambda: (1 // 0, 1))
    assert cache.take("bad", lambda: ("good", 1)) == "good"


def test_memory_left_is_a_number():
    assert available_memory() > 1 << 20


@pytest.mark.parametrize(
    ("stored_as", "names", "codes"),
    [
        (pd.Categorical(["b", None, "a"], categories=["b", "a", "c"]), ("b", "a", "c"), [0, -1, 1]),
        (pd.Categorical([1.0, 2.5]), ("1", "2.5"), [0, 1]),
        (pd.Categorical([" x", "x"]), ("x",), [0, 0]),
        (np.array([True, False]), ("false", "true"), [1, 0]),
        (np.array(["q", "p", ""], dtype=object), ("p", "q"), [1, 0, -1]),
    ],
)
def test_columns_with_names(stored_as, names, codes):
    found = read_column(stored_as)
    assert isinstance(found, Labels)
    assert found.categories == names
    assert found.codes.tolist() == codes


def test_columns_of_numbers_by_their_text():
    found = read_column(np.array([2.0, np.nan, 1.5]))
    assert isinstance(found, Numbers)
    labels = as_labels(found)
    assert labels.categories == ("1.5", "2")
    assert labels.codes.tolist() == [1, -1, 0]


def test_cell_types_are_sorted_and_null_is_none():
    found = sorted_labels(Labels(("b", "null", "a", "unused"), np.array([0, 1, 2, -1])))
    assert found.categories == ("a", "b")
    assert found.codes.tolist() == [1, -1, 0, -1]


@pytest.mark.parametrize(
    ("column", "ids"),
    [
        (Numbers(np.array([3.0, 0.4, np.nan, -1.0, 2.0**40])), [3, 0, NO_CLUSTER, NO_CLUSTER, NO_CLUSTER]),
        (Labels(("10", "2"), np.array([0, 1, -1])), [10, 2, NO_CLUSTER]),
        (Labels(("T cell", "B cell"), np.array([0, 1, -1])), [1, 0, NO_CLUSTER]),
    ],
)
def test_every_column_gives_cluster_ids(column, ids):
    found, names = cluster_ids(column)
    assert found.tolist() == ids
    assert set(names) == set(ids) - {NO_CLUSTER}


def test_paths_as_people_paste_them(tmp_path):
    (tmp_path / "a b.h5ad").write_bytes(b"")
    roots = DataRoots([tmp_path])
    for text in (
        f"\ufeff '{tmp_path}/a b.h5ad' ",
        f"file://{tmp_path}/a b.h5ad",
        "a b.h5ad",
        f"{tmp_path.name}/a b.h5ad",
    ):
        assert roots.find(text, what="x") == tmp_path / "a b.h5ad"
    assert clean("~") != "~"
    assert roots.shown(tmp_path / "a b.h5ad") == "a b.h5ad"


def test_paths_shown_lead_back_also_with_several_roots(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.h5ad").write_bytes(b"")
    roots = DataRoots([tmp_path / "one", tmp_path / "two"])
    for name in ("one", "two"):
        file = tmp_path / name / "x.h5ad"
        assert roots.find(roots.shown(file), what="x") == file


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12))
def test_neighbours_are_those_of_all_distances(seed, k):
    from scipy.spatial import cKDTree

    rng = np.random.default_rng(seed)
    # whole numbers: many cells at the same distance
    xy = rng.integers(0, 6, (60, 2)).astype(float)
    xy[5] = np.nan
    rows = np.flatnonzero(np.isfinite(xy).all(axis=1))
    tree = cKDTree(xy[rows])
    squared = ((xy - xy[3]) ** 2).sum(axis=1)
    others = [row for row in rows.tolist() if row != 3]
    order = sorted(others, key=lambda row: (squared[row], row))
    assert neighbours(tree, rows, xy, 3, k=k, radius=None).rows.tolist() == order[:k]
    inside = [row for row in order if squared[row] <= 4.0]
    assert neighbours(tree, rows, xy, 3, k=None, radius=2.0).rows.tolist() == inside
    assert len(neighbours(tree, rows, xy, 5, k=k, radius=None).rows) == 0


def test_shortest_path_and_what_surrounds_it():
    weights = {
        ("a", "b"): 1.0,
        ("b", "c"): -2.0,
        ("a", "x"): 0.5,
        ("x", "c"): 0.1,
        ("y", "b"): 3.0,
        ("z", "y"): 9.0,
        ("a", "c"): 1e-9,
    }
    found = draw(weights, "a", "c", hops=1, most=6)
    assert found.path == ["a", "b", "c"]
    assert found.nodes == ["a", "b", "c", "x", "y"]
    assert found.links[0] == ("y", "b")
    assert draw(weights, "a", "c", hops=2, most=6).nodes == ["a", "b", "c", "x", "y", "z"]
    assert draw(weights, "c", "a", hops=0, most=6).path is None


def test_grids_do_not_depend_on_the_order_of_cells():
    xy = np.random.default_rng(0).random((100, 2)) * [10.0, 4.0]
    assert grid_size(xy, 20) == grid_size(xy[::-1], 20) == (20, 8)
    assert grid_size(np.zeros((3, 2)), 12) == (12, 12)


def test_a_sample_is_read_part_by_part(tmp_path):
    path = tmp_path / "x.h5ad"
    write_sample(path, n_cells=300, n_genes=20)
    file = H5adFile(path)
    import anndata

    whole = anndata.read_h5ad(path)
    assert file.genes == tuple(whole.var_names)
    assert file.cells.tolist() == whole.obs_names.tolist()
    assert file.cell(7) == whole.obs_names[7]
    np.testing.assert_array_equal(file.spatial()[1], whole.obsm["spatial"])
    for column in whole.obs.columns:
        found = as_labels(read_column(file.obs(column)))
        want = as_labels(read_column(whole.obs[column]))
        assert found.categories == want.categories
        np.testing.assert_array_equal(found.codes, want.codes)
    np.testing.assert_allclose(whole.layers["imputed_count"].sum(axis=1).A1, whole.obs["total"], rtol=1e-5)


def test_texts_that_may_be_missing_are_read(tmp_path):
    """As anndata 0.13 stores names, and text columns that are no categories: values and a mask."""
    path = tmp_path / "x.h5ad"
    write_sample(path, n_cells=50, n_genes=20)
    before = H5adFile(path)
    genes, cells = before.genes, before.cells.tolist()
    before.close()
    with h5py.File(path, "r+") as file:
        for name, values, lost in (
            ("var/_index", genes, np.zeros(20, dtype=bool)),
            ("obs/_index", cells, np.zeros(50, dtype=bool)),
            ("obs/batch", ["b", "a"] * 25, np.arange(50) >= 48),
        ):
            if name in file:
                del file[name]
            group = file.create_group(name)
            group.attrs.update({"encoding-type": "nullable-string-array", "encoding-version": "0.1.0"})
            group["values"], group["mask"] = np.array(values, dtype=h5py.string_dtype()), lost
        order = [*file["obs"].attrs["column-order"], "batch"]
        file["obs"].attrs["column-order"] = np.array(order, dtype=h5py.string_dtype())
    file = H5adFile(path)
    assert (file.genes, file.n_obs, file.cells.tolist(), file.cell(7)) == (genes, 50, cells, cells[7])
    found = as_labels(read_column(file.obs("batch")))
    assert found.categories == ("a", "b")
    assert found.codes.tolist() == [1, 0] * 24 + [-1, -1]


@pytest.mark.parametrize("damage", ["nothing", "text", "truncated", "no obs", "empty"])
def test_files_that_are_no_samples(tmp_path, damage):
    path = tmp_path / "x.h5ad"
    if damage == "text":
        path.write_text("hello")
    elif damage != "nothing":
        write_sample(path, n_cells=50, n_genes=20)
        if damage == "truncated":
            path.write_bytes(path.read_bytes()[:5000])
        else:
            with h5py.File(path, "r+") as file:
                del file["obs" if damage == "no obs" else "var/_index"]
                if damage == "empty":
                    file["var/_index"] = np.array([], dtype=h5py.string_dtype())
    with pytest.raises(InputError) as found:
        H5adFile(path)
    assert str(tmp_path) not in str(found.value)
