"""A look at a file agrees with what anndata reads, and does not depend on its size."""

from __future__ import annotations

import time

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from spacetravlr.errors import ConfigError, InputError
from spacetravlr.preparation import look_at


@pytest.fixture
def odd() -> anndata.AnnData:
    """Columns and matrices of every kind."""
    rng = np.random.default_rng(0)
    counts = sparse.random(40, 6, density=0.5, random_state=0, format="csr", dtype=np.float32)
    counts.data = np.ceil(10 * counts.data)
    obs = pd.DataFrame(
        {
            "kind": pd.Categorical(["a"] * 25 + ["b"] * 15, categories=["b", "a", "unused"]),
            "text": [f"t{i % 3}" for i in range(40)],
            "whole": np.arange(40),
            "part": rng.normal(size=40),
            "yes": np.arange(40) < 10,
            "maybe": pd.array([1, None] * 20, dtype="Int64"),
        },
        index=[f"cell{i}" for i in range(40)],
    )
    adata = anndata.AnnData(counts, obs=obs, obsm={"spatial": rng.uniform(0, 100, (40, 2)), "X_pca": np.ones((40, 3))})
    adata.var_names = ["Pax5", "Irf4", "Cd19", "Foxo1", "Myc", "Batf"]
    adata.layers["log"] = np.log1p(counts.toarray())
    adata.layers["scaled"] = sparse.csc_matrix(counts.toarray() - 1.0)
    adata.uns["spatial"] = {"lib": {"scalefactors": {"microns_per_pixel": 0.5}}}
    return adata


def test_everything_is_told(odd, place):
    odd.write_h5ad(place / "odd.h5ad")
    found = look_at(place / "odd.h5ad", radius=30.0)
    assert (found.n_cells, found.n_genes, found.genes) == (40, 6, tuple(odd.var_names))
    assert found.size == (place / "odd.h5ad").stat().st_size
    kinds = {matrix.name: (matrix.storage, matrix.values) for matrix in found.matrices}
    assert kinds == {"X": ("csr", "counts"), "log": ("dense", "log"), "scaled": ("csc", "signed")}
    assert found.matrices[0].filled == pytest.approx(0.5)
    assert [column.name for column in found.columns] == list(odd.obs)
    columns = {column.name: column for column in found.columns}
    assert (columns["kind"].n_values, columns["kind"].most) == (2, (("a", 25), ("b", 15)))
    assert (columns["text"].n_values, dict(columns["text"].most)) == (3, {"t0": 14, "t1": 13, "t2": 13})
    assert (columns["whole"].span, columns["whole"].whole) == ((0.0, 39.0), True)
    assert columns["part"].span == (odd.obs["part"].min(), odd.obs["part"].max())
    assert columns["yes"].most == (("yes", 10), ("no", 30))
    assert found.obsm == {"X_pca": (40, 3), "spatial": (40, 2)}
    assert found.species == "mouse"
    assert found.units.scale.um_per_unit == 0.5
    assert found.units.radius == 30.0
    assert found.possible_types == ["kind", "text"]
    assert found.missing == ["layers['imputed_count']", "obs['cell_type']"]
    assert not found.prepared
    covers = found.coverage()
    assert 0 < covers.genes <= 6
    assert look_at(place / "odd.h5ad", um_per_unit=2.0).units.extent == pytest.approx(
        tuple(4.0 * value / 2.0 for value in found.units.extent)
    )


def test_a_prepared_file_lacks_nothing(ready, place):
    ready.copy().write_h5ad(place / "ready.h5ad")
    found = look_at(place / "ready.h5ad")
    assert found.missing == []
    assert found.prepared
    assert found.type_column == "cell_type_int"
    assert found.units.scale.source == "prepared"


def test_raw_and_names_that_are_no_symbols_are_told(odd, place, capsys):
    from spacetravlr.cli._peek import peek

    def told() -> str:
        odd.write_h5ad(place / "ids.h5ad")
        assert peek(str(place / "ids.h5ad"), radius=30.0, network_data_dir=None, um_per_unit=None) == 0
        return capsys.readouterr().out

    odd.raw = odd
    odd.X = odd.layers["scaled"]
    assert "\nraw       csr float32, 50.0% filled; whole numbers (counts)\n" in told()
    odd.var["symbol"] = odd.var_names.astype(str)
    assert "species by their names: mouse" in told()
    odd.var_names = [f"{number}.0" for number in range(1000, 1006)]
    assert "no symbols: prepare takes these from var['symbol']" in told()
    del odd.var["symbol"]
    assert "no symbols, so that no network knows them, and var has no column of symbols" in told()


def test_without_coordinates(odd, place):
    del odd.obsm["spatial"]
    odd.write_h5ad(place / "a.h5ad")
    found = look_at(place / "a.h5ad")
    assert found.units is None
    assert "no coordinates" in found.no_units
    assert "coordinates in obsm['spatial']" in found.missing


def test_positions_in_obs_are_seen(odd, place):
    xy = odd.obsm.pop("spatial")
    odd.obs["x_centroid"], odd.obs["y_centroid"] = xy[:, 0], xy[:, 1]
    odd.write_h5ad(place / "a.h5ad")
    found = look_at(place / "a.h5ad")
    assert found.pair == ("x_centroid", "y_centroid")
    assert found.no_units == "positions are in obs['x_centroid'] and obs['y_centroid'], and prepare reads them there"
    assert "coordinates in obsm['spatial']" in found.missing


def test_a_huge_file_takes_no_longer(odd, place):
    """Matrices of 40 GB that are told of but not written: reading any of it would show."""
    odd.write_h5ad(place / "big.h5ad")
    n, genes = 100_000, 50_000
    with h5py.File(place / "big.h5ad", "r+") as handle:
        for name in ("obs", "obsm", "var", "layers"):
            del handle[name]
        for name, count in (("obs", n), ("var", genes)):
            table = handle.create_group(name)
            table.attrs["_index"] = "_index"
            table["_index"] = np.array([f"{name}{i}" for i in range(count)], dtype=object)
        table = handle["obs"]
        column = table.create_group("cell_type")
        column["categories"] = np.array(["a", "b"], dtype=object)
        column["codes"] = (np.arange(n) % 2).astype(np.int8)
        table.attrs["column-order"] = np.array(["cell_type"], dtype=object)
        handle["obsm/spatial"] = np.random.default_rng(0).uniform(0, 1e4, (n, 2))
        handle.create_dataset("layers/imputed_count", shape=(n, genes), dtype=np.float64, chunks=(1000, 1000))
    began = time.perf_counter()
    found = look_at(place / "big.h5ad")
    seconds = time.perf_counter() - began
    assert (found.n_cells, found.n_genes) == (n, genes)
    assert found.missing == []
    # about 0.4 s on an idle core
    assert seconds < 5.0


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "no such file"), (b"text", "is not an h5ad file"), (b"\x89HDF\r\n\x1a\n1234", "damaged or incomplete")],
)
def test_files_that_are_none(place, content, words):
    if content is not None:
        (place / "a.h5ad").write_bytes(content)
    with pytest.raises(InputError, match=words):
        look_at(place / "a.h5ad")


def test_other_hdf5_files(place):
    for name, words in (("matrix", "a 10x matrix: `spacetravlr prepare"), ("else", "HDF5, but no h5ad")):
        with h5py.File(place / f"{name}.h5", "w") as handle:
            handle.create_group(name)
        with pytest.raises(InputError, match=words):
            look_at(place / f"{name}.h5")
    with pytest.raises(InputError, match="is a folder"):
        look_at(place)
    with pytest.raises(ConfigError, match="radius = 0 is not allowed"):
        look_at(place / "x.h5ad", radius=0.0)


def test_an_h5ad_without_an_index_is_damaged(place):
    with h5py.File(place / "a.h5ad", "w") as handle:
        handle.create_group("obs")
        handle.create_group("var")
    with pytest.raises(InputError, match="cannot be read"):
        look_at(place / "a.h5ad")


def test_it_tells_what_held_out_scores_would_predict(tmp_path):
    import anndata

    values = np.random.default_rng(0).random((20, 4))
    adata = anndata.AnnData(X=values, obsm={"spatial": np.random.default_rng(1).random((20, 2))})
    told = {}
    for name, layers, uns in (
        ("raw", (), {}),
        ("imputed", ("imputed_count",), {}),
        ("both", ("imputed_count", "normalized_count"), {}),
        ("simulated", ("imputed_count",), {"truth": {"seed": 1}}),
    ):
        one = adata.copy()
        one.layers.update(dict.fromkeys(layers, values))
        one.uns.update(uns)
        one.write_h5ad(tmp_path / f"{name}.h5ad")
        found = look_at(tmp_path / f"{name}.h5ad")
        told[name] = found.judged, found.response
    assert told["raw"] == (None, "")
    assert told["both"][0] == "normalized_count" and "not imputed" in told["both"][1]
    assert told["imputed"][0] == "imputed_count" and "too good" in told["imputed"][1]
    assert "simulated" in told["simulated"][1]
