"""Groups of cells by a column of obs, views of some cells, and pieces of tissue."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from spacetravlr.errors import InputError
from spacetravlr.tissue import Tissue, matrix
from spacetravlr.tissue.labels import group_by_label

N, G = 40, 6
ROWS = np.array([0, 3, 4, 5, 11, 17, 18, 30, 39])


def sample(values: object = None, **obs: object) -> anndata.AnnData:
    rng = np.random.default_rng(1)
    dense = rng.poisson(0.8, size=(N, G)).astype(np.float64)
    adata = anndata.AnnData(
        X=dense if values is None else values,
        obs=pd.DataFrame({"cell_type": ["a", "b"] * (N // 2), **obs}, index=[f"cell{i}" for i in range(N)]),
        var=pd.DataFrame(index=[f"G{j}" for j in range(G)]),
        obsm={"spatial": rng.uniform(0, 100, (N, 2))},
    )
    adata.layers["imputed_count"] = adata.X
    return adata


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_a_subset_is_the_sample_without_the_other_cells(form, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adata = sample()
    adata.X = adata.layers["imputed_count"] = form(adata.X)
    adata.write_h5ad(tmp_path / "whole.h5ad")
    adata[ROWS].copy().write_h5ad(tmp_path / "part.h5ad")
    alone = Tissue.open(tmp_path / "part.h5ad")
    # several blocks of rows, some of them without a wanted cell
    monkeypatch.setattr(matrix, "_BLOCK_BYTES", 7 * 8 * G)
    for whole in (Tissue.from_anndata(adata), Tissue.open(tmp_path / "whole.h5ad")):
        part = whole.subset(ROWS)
        assert part.cells == alone.cells
        assert np.array_equal(part.xy, alone.xy)
        assert part.clusters.labels == alone.clusters.labels
        assert np.array_equal(part.clusters.codes, alone.clusters.codes)
        assert np.array_equal(part.columns(["G4", "G0", "G4"]), alone.columns(["G4", "G0", "G4"]))
        assert np.array_equal(part.columns(["G1"], layer="X"), alone.columns(["G1"]))
        assert part.gene_means() == alone.gene_means()
        values = alone.columns(alone.fingerprint_genes)
        assert part.fingerprint(values) == alone.fingerprint(values)
        again = part.subset(np.array([1, 2, 8]))
        assert again.cells == ("cell3", "cell4", "cell39")
        assert np.array_equal(again.columns(["G2"]), alone.columns(["G2"])[[1, 2, 8]])


def test_a_subset_knows_what_it_does_without_and_looks_layers_up_once() -> None:
    whole = Tissue.from_anndata(sample())
    asked: list[str] = []
    real = whole._layers._matrix_of

    def counted(name: str) -> matrix.ExpressionMatrix:
        asked.append(name)
        return real(name)

    whole._layers._matrix_of = counted
    parts = [whole.subset(ROWS), whole.subset(ROWS + 0)]
    assert whole.left_out == frozenset()
    assert parts[0].left_out == {f"cell{i}" for i in range(N)} - {f"cell{i}" for i in ROWS}
    again = parts[0].subset(np.array([1, 2, 8]))
    assert again.left_out == {f"cell{i}" for i in range(N)} - {"cell3", "cell4", "cell39"}
    for part in parts:
        part.columns(["G1"], layer="X")
    assert asked == ["X"]


def test_clusters_without_cells_in_a_subset_do_not_exist() -> None:
    part = Tissue.from_anndata(sample()).subset(np.arange(0, N, 2))
    assert part.clusters.labels == ("a",)
    assert set(part.clusters.codes) == {0}


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([2, 10, 2, 1], ("1", "10", "2")),
        ([1.0, np.nan, 0.5, 1.0], ("0.5", "1", "_na")),
        (np.array([0.1, 0.1, 2, 3], dtype=np.float32), ("0.1", "2", "3")),
        ([True, False, True, True], ("false", "true")),
        (pd.array([True, None, True, False], dtype="boolean"), ("_na", "false", "true")),
        (pd.array([3, None, 3, 1], dtype="Int64"), ("1", "3", "_na")),
        (pd.Categorical(["b", "a", None, "b"], categories=["b", "a", "unused"]), ("_na", "a", "b")),
        (pd.Categorical([3, 1, 1, 3]), ("1", "3")),
        (["WT ", "WT", "knock\n out", "knock out"], ("WT", "knock out")),
        (['"A"', "A", "", None], ("", '"A"', "A", "_na")),
    ],
)
def test_labels_are_plain_texts_whatever_the_column_is(values: object, labels: tuple[str, ...]) -> None:
    groups = group_by_label(pd.Series(values), "x", missing="group")
    assert groups.labels == labels
    assert groups.sizes.min() > 0
    assert np.concatenate([groups.rows(label) for label in labels]).size == 4


@settings(max_examples=25, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text(max_size=4), st.just("x y")), min_size=1, max_size=30))
def test_cells_are_together_if_their_texts_are_the_same(values: list[str | None]) -> None:
    expected = ["_na" if value is None else " ".join(value.split()) for value in values]
    series = pd.Series(values, dtype=object)
    if (
        None in values
        and "_na" in expected[: len(values)]
        and any(v is not None and v.strip() == "_na" for v in values)
    ):
        with pytest.raises(InputError, match="rename it"):
            group_by_label(series, "x", missing="group")
        return
    groups = group_by_label(series, "x", missing="group")
    assert [groups.labels[code] for code in groups.codes] == expected
    assert list(groups.labels) == sorted(set(expected))


def test_a_value_called_like_missing_ones_is_refused_beside_them() -> None:
    with pytest.raises(InputError, match=r"obs\['x'\] holds the value '_na'.*the 1 cells without a value"):
        group_by_label(pd.Series(["_na", None]), "x", missing="group")
    assert group_by_label(pd.Series(["_na", "b"]), "x", missing="group").labels == ("_na", "b")


def test_numbers_are_found_as_the_compiled_edition_writes_them() -> None:
    groups = group_by_label(pd.Series([1.0, 2.0, 0.5]), "x", missing="group")
    assert groups.rows("2.0").tolist() == [1]
    assert groups.rows("0.50").tolist() == [2]
    assert groups.rows("3").size == 0
    assert groups.find("x") is None
    assert group_by_label(pd.Series(["knock  out ", "WT"]), "x", missing="group").find(" knock  out") == 1


def test_the_cells_of_one_condition() -> None:
    tissue = Tissue.from_anndata(sample(day=np.arange(N) % 3))
    assert tissue.only("day", "2").cells == tuple(f"cell{i}" for i in range(2, N, 3))
    with pytest.raises(InputError, match=r"no cell has '7' in obs\['day'\]\. Values: 0, 1, 2"):
        tissue.only("day", "7")
    with pytest.raises(InputError, match="no column 'dya'; did you mean 'day'"):
        tissue.only("dya", "2")


def test_samples_are_read_and_kept_in_a_subset() -> None:
    adata = sample(slide=pd.Categorical(["s2", "s1"] * (N // 2)))
    tissue = Tissue.from_anndata(adata, sample_key="slide")
    assert tissue.samples is not None
    assert tissue.samples.labels == ("s1", "s2")
    assert tissue.samples.codes[:3].tolist() == [1, 0, 1]
    part = tissue.subset(np.array([0, 2, 4]))
    assert part.samples is not None
    assert part.samples.labels == ("s2",)
    assert Tissue.from_anndata(adata).samples is None


def test_samples_change_the_fingerprint() -> None:
    adata = sample(slide=["s2", "s1"] * (N // 2), other=["s1"] * N)
    one, two, none = (Tissue.from_anndata(adata, sample_key=key) for key in ("slide", "other", None))
    values = none.columns(none.fingerprint_genes)
    assert len({tissue.fingerprint(values) for tissue in (one, two, none)}) == 3


def test_a_cell_without_a_sample_is_refused() -> None:
    adata = sample(slide=["s1", None] * (N // 2))
    with pytest.raises(InputError, match=r"20 of 40 cells have no value in obs\['slide'\].*label them or remove"):
        Tissue.from_anndata(adata, sample_key="slide")
    with pytest.raises(InputError, match="no column 'slice'; did you mean 'slide'"):
        Tissue.from_anndata(adata, sample_key="slice")
