"""Reading a sample: lazily, in every storage, with one clear line for everything that cannot be used."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from spacetravlr.errors import InputError
from spacetravlr.tissue import Tissue

N, G = 30, 7


def sample(**changes: object) -> anndata.AnnData:
    rng = np.random.default_rng(1)
    values = rng.poisson(1.0, size=(N, G)).astype(np.float32)
    adata = anndata.AnnData(
        X=values,
        obs=pd.DataFrame(
            {"cell_type": pd.Categorical(["b", "a", "c"] * 10), "cell_type_int": [1, 0, 2] * 10},
            index=[f"cell{i}" for i in range(N)],
        ),
        var=pd.DataFrame(index=[f"Gene{j}" for j in range(G)]),
        obsm={"spatial": rng.uniform(0, 100, (N, 2))},
    )
    adata.layers["imputed_count"] = values + 0.5
    for name, value in changes.items():
        setattr(adata, name, value)
    return adata


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sample.h5ad"


@pytest.mark.parametrize("form", ["dense", "csr", "csc", "int"])
def test_columns_agree_in_memory_and_on_disk_for_every_storage(form: str, path: Path) -> None:
    adata = sample()
    values = np.round(adata.layers["imputed_count"]).astype(np.float64) - 1.0
    stored = {
        "dense": values,
        "csr": sparse.csr_matrix(values),
        "csc": sparse.csc_matrix(values),
        "int": values.astype(np.int32),
    }
    adata.layers["imputed_count"] = stored[form]
    adata.write_h5ad(path)
    wanted = ["Gene6", "Gene0", "Gene3", "Gene0"]
    expected = values[:, [6, 0, 3, 0]]
    for tissue in (Tissue.from_anndata(adata), Tissue.open(path)):
        read = tissue.columns(wanted)
        assert read.dtype == np.float64
        assert np.array_equal(read, expected)


def test_csr_with_unsorted_and_repeated_entries_is_summed(path: Path) -> None:
    adata = sample()
    matrix = sparse.csr_matrix(adata.layers["imputed_count"])
    indptr = np.array([0, 3, *([3] * (N - 1))])
    odd = sparse.csr_matrix((np.array([1.0, 2.0, 4.0]), np.array([5, 1, 5]), indptr), shape=matrix.shape)
    adata.layers["imputed_count"] = odd
    adata.write_h5ad(path)
    for tissue in (Tissue.from_anndata(adata), Tissue.open(path)):
        read = tissue.columns(["Gene1", "Gene5"])
        assert read[0].tolist() == [2.0, 5.0]
        assert not read[1:].any()


def test_x_is_a_layer_by_the_name_x_or_an_empty_text() -> None:
    adata = sample()
    for name in ("X", ""):
        tissue = Tissue.from_anndata(adata, layer=name)
        assert tissue.layer == "X"
        assert np.array_equal(tissue.columns(tissue.genes), adata.X)


def test_clusters_are_integers_by_default_and_carry_cell_type_names() -> None:
    tissue = Tissue.from_anndata(sample())
    assert tissue.clusters.column == "cell_type_int"
    assert tissue.clusters.labels == ("0", "1", "2")
    assert tissue.cluster_cell_types == {"0": "a", "1": "b", "2": "c"}
    assert tissue.clusters.sizes.tolist() == [10, 10, 10]


def test_a_cell_type_column_is_labelled_by_its_integers_where_they_agree() -> None:
    tissue = Tissue.from_anndata(sample(), cluster_key="cell_type")
    assert tissue.clusters.labels == ("0", "1", "2")
    assert [keys[:3].tolist() for keys in tissue.row_keys] == [["1", "0", "2"], ["b", "a", "c"]]


def test_a_cell_type_column_keeps_its_names_where_the_integers_disagree() -> None:
    adata = sample()
    adata.obs["cell_type_int"] = [0] * N
    tissue = Tissue.from_anndata(adata, cluster_key="cell_type")
    assert tissue.clusters.labels == ("a", "b", "c")
    assert len(tissue.row_keys) == 1


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        (["x", "y", " x"] * 10, ("x", "y")),
        ([2.0, 10.0, 2.0] * 10, ("2", "10")),
        ([True, False, True] * 10, ("0", "1")),
        (pd.Categorical(["late", "early", "late"] * 10, categories=["late", "never", "early"]), ("late", "early")),
        (pd.Categorical([7, 3, 7] * 10), ("3", "7")),
    ],
)
def test_labels_of_every_kind_of_column(values: object, labels: tuple[str, ...]) -> None:
    adata = sample()
    adata.obs["region"] = values
    tissue = Tissue.from_anndata(adata, cluster_key="region")
    assert tissue.clusters.labels == labels
    assert [labels[code] for code in tissue.clusters.codes[:3]] == [str(tissue.row_keys[0][i]) for i in range(3)]


def test_coordinates_may_be_integers_three_dimensional_or_a_table() -> None:
    adata = sample()
    xy = np.arange(2 * N).reshape(N, 2)
    for stored in (xy, np.column_stack([xy, xy[:, 0]]), pd.DataFrame(xy, index=adata.obs_names, columns=["x", "y"])):
        adata.obsm["spatial"] = stored
        assert np.array_equal(Tissue.from_anndata(adata).xy, xy.astype(float))


def test_transposed_coordinates_are_turned() -> None:
    from spacetravlr.tissue.coordinates import check_coordinates

    xy = np.arange(2.0 * N).reshape(N, 2)
    assert np.array_equal(check_coordinates(xy.T, "spatial", N), xy)


def test_the_first_known_key_wins_and_others_are_tried() -> None:
    adata = sample()
    adata.obsm["X_spatial"] = adata.obsm["spatial"] + 1000.0
    assert Tissue.from_anndata(adata).xy.max() < 1000.0
    del adata.obsm["spatial"]
    assert Tissue.from_anndata(adata).xy.min() >= 1000.0


def test_cells_without_a_position_are_counted_not_refused() -> None:
    adata = sample()
    adata.obsm["spatial"][3, 0] = np.nan
    assert Tissue.from_anndata(adata).n_without_position == 1


def test_means_are_those_of_the_layer() -> None:
    adata = sample()
    means = Tissue.from_anndata(adata).gene_means()
    assert means == pytest.approx(dict(zip(adata.var_names, adata.layers["imputed_count"].mean(axis=0), strict=True)))


def broken(**changes: object):
    return lambda: sample(**changes)


def _with(change) -> anndata.AnnData:
    adata = sample()
    change(adata)
    return adata


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (lambda: sample()[:0].copy(), {}, "the sample is empty: 0 cells x 7 genes"),
        (lambda: sample()[:, :0].copy(), {}, "the sample is empty: 30 cells x 0 genes"),
        (sample, {"layer": "imputed_counts"}, "layer 'imputed_counts' is not in the file; did you mean 'imputed_count'?"),
        (sample, {"cluster_key": "cell_typ"}, "cluster column 'cell_typ' is not in obs; did you mean 'cell_type'?"),
        (lambda: _with(lambda a: a.obsm.pop("spatial")), {}, "no coordinates: obsm has none of spatial"),
        (lambda: _with(lambda a: a.obs.__setitem__("cell_type_int", 0.5)), {}, "numbers that are not whole"),
        (lambda: _with(lambda a: a.obs.__setitem__("r", [None, *["a"] * 29])), {"cluster_key": "r"}, "1 of 30 cells have no label"),
        (lambda: _with(lambda a: setattr(a, "obs", a.obs.drop(columns=["cell_type", "cell_type_int"]))), {}, "obs has neither"),
        (lambda: _with(lambda a: setattr(a, "var_names", ["A"] * 2 + list("BCDEF"))), {}, "1 gene name(s) occur more than once: A"),
        (lambda: _with(lambda a: setattr(a, "obs_names", ["A"] * 2 + [f"c{i}" for i in range(28)])), {}, "1 cell name(s) occur more than once"),
        (lambda: _with(lambda a: a.obsm.__setitem__("spatial", np.full((N, 2), np.nan))), {}, "no finite coordinates"),
        (lambda: _with(lambda a: a.obsm.__setitem__("spatial", np.zeros((N, 1)))), {}, "at least 2 columns"),
        (lambda: _with(lambda a: a.layers.__setitem__("imputed_count", a.layers["imputed_count"].astype(complex))), {}, "not numbers"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:(Observation|Variable) names are not unique:UserWarning")
def test_what_cannot_be_used_is_refused_in_one_line(make, options: dict[str, str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        Tissue.from_anndata(make(), **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nan_expression_is_refused_where_it_is_read() -> None:
    adata = sample()
    adata.layers["imputed_count"][4, 2] = np.nan
    tissue = Tissue.from_anndata(adata)
    assert tissue.columns(["Gene0"]).shape == (N, 1)
    with pytest.raises(InputError, match="NaN or infinite values in 1 gene.s.: Gene2"):
        tissue.columns(tissue.genes)


def test_an_unmeasured_gene_is_named_with_the_nearest() -> None:
    with pytest.raises(InputError, match="not measured: gene3; did you mean 'Gene3'"):
        Tissue.from_anndata(sample()).columns(["gene3"])


def test_files_that_are_no_sample(tmp_path: Path, path: Path) -> None:
    import h5py

    sample().write_h5ad(path)
    whole = path.read_bytes()
    cases = {
        "missing.h5ad": (None, "no such file"),
        "text.h5ad": (b"cell,gene\n", "is not an h5ad file"),
        "empty.h5ad": (b"", "is not an h5ad file"),
        "cut.h5ad": (whole[: len(whole) // 2], "is damaged or incomplete"),
    }
    for name, (content, message) in cases.items():
        file = tmp_path / name
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(InputError, match=message):
            Tissue.open(file)
    with pytest.raises(InputError, match="is a directory"):
        Tissue.open(tmp_path)
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["data"] = np.zeros(3)
    with pytest.raises(InputError, match="not an h5ad: it has no obs and var tables"):
        Tissue.open(tmp_path / "other.h5")


def test_opening_a_matrix_larger_than_memory_reads_none_of_it(path: Path) -> None:
    import h5py

    n, g = 40_000, 100_000
    anndata.AnnData(
        obs=pd.DataFrame({"cell_type_int": np.arange(n) % 3}, index=np.arange(n).astype(str)),
        var=pd.DataFrame(index=[f"Gene{j}" for j in range(g)]),
        obsm={"spatial": np.random.default_rng(0).uniform(0, 100, (n, 2))},
    ).write_h5ad(path)
    with h5py.File(path, "r+") as handle:
        # 32 GB that were never written take no room on disk, but would in memory
        handle["layers"].create_dataset("imputed_count", shape=(n, g), dtype="f8", chunks=(1000, 1000))
    tissue = Tissue.open(path)
    assert (tissue.n_cells, tissue.n_genes) == (n, g)
