"""The parts of a preparation: where counts are, what is left out, names, positions, parameters."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from spacetravlr.errors import ConfigError, InputError
from spacetravlr.preparation.coordinates import positions, to_micrometres
from spacetravlr.preparation.counts import classify, find_source
from spacetravlr.preparation.features import normalise, variable_genes
from spacetravlr.preparation.labels import labels_digest, possible_type_columns, set_types, use_symbols
from spacetravlr.preparation.options import PrepareOptions
from spacetravlr.preparation.quality import Removed, keep_cells, keep_genes, metrics

COUNTS = np.random.default_rng(0).poisson(1.0, (30, 12)).astype(np.float32)
LOGS = np.log1p(COUNTS / COUNTS.sum(axis=1, keepdims=True) * 1e4)


def ignore(_: str) -> None:
    """A listener."""


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (COUNTS, "counts"),
        (COUNTS.astype(np.int64), "counts"),
        (sparse.csr_matrix(COUNTS), "counts"),
        (LOGS, "log"),
        (np.expm1(LOGS), "linear"),
        (LOGS - LOGS.mean(axis=0), "signed"),
        (np.where(COUNTS > 3, np.nan, COUNTS), "unusable"),
        (COUNTS.astype(str), "unusable"),
    ],
)
def test_what_kind_of_values_a_matrix_holds(values: object, kind: str):
    assert classify(values) == kind


def sample(X: object = None, **layers: object) -> anndata.AnnData:
    adata = anndata.AnnData(
        X, obs=pd.DataFrame(index=[f"c{i}" for i in range(30)]), shape=(30, 12) if X is None else None
    )
    for name, values in layers.items():
        adata.layers[name] = values
    return adata


def test_counts_are_found_wherever_they_are():
    assert find_source(sample(COUNTS)).name == "X"
    assert find_source(sample(LOGS, counts=COUNTS)).name == "counts"
    # a layer of that name that holds something else
    assert find_source(sample(COUNTS, counts=LOGS)).name == "X"
    assert find_source(sample(LOGS, mine=COUNTS), "mine").kind == "counts"
    assert find_source(sample(LOGS)).kind == "log"
    with_raw = sample(COUNTS)
    with_raw.raw = with_raw
    with_raw = with_raw[:, :4].copy()
    with_raw.X = LOGS[:, :4]
    found = find_source(with_raw)
    assert (found.name, found.kind, found.matrix.shape) == ("raw", "counts", (30, 12))
    np.testing.assert_array_equal(found.matrix.toarray(), COUNTS)


@pytest.mark.parametrize(
    ("adata", "layer", "words"),
    [
        (sample(COUNTS, spliced=COUNTS), "splced", "did you mean 'spliced'?"),
        (sample(), None, "there is no X and no layer of counts"),
        (sample(), "X", "the file has no X matrix"),
        (sample(-COUNTS), None, "X holds negative values, so it was scaled or centred"),
        (sample(np.full((30, 12), np.nan, dtype=np.float32)), None, "X holds text, NaN or infinite values"),
    ],
)
def test_samples_without_counts(adata: anndata.AnnData, layer: str | None, words: str):
    with pytest.raises(InputError, match=words.replace("?", r"\?")):
        find_source(adata, layer)


def test_cells_and_genes_that_say_too_little_are_counted_at_the_first_reason():
    genes = [f"G{i}" for i in range(10)] + ["mt-Nd1", "mt-Nd2"]
    counts = COUNTS.copy()
    counts[0] = 0
    counts[1, 1:] = 0
    counts[1, 0] = 5
    counts[2, 10:] = 500
    counts[:, 3] = counts[:, 4] = counts[:, 5] = 0
    counts[4:6, 3] = counts[4, 4] = 1
    matrix = sparse.csr_matrix(counts)
    removed = Removed()
    options = PrepareOptions(min_genes=2, max_mito=80.0, min_cells=3)
    cells = keep_cells(metrics(matrix, genes), options, 12, removed)
    assert np.flatnonzero(~cells).tolist() == [0, 1, 2]
    # of the network, one seen in a single cell is a modulator all the same
    in_network = np.array([gene in {"G4", "G5"} for gene in genes])
    kept = keep_genes(matrix[cells], options, removed, in_network=in_network)
    assert np.flatnonzero(~kept).tolist() == [3, 5]
    assert list(zip(removed.reasons, removed.cells, removed.genes, strict=True)) == [
        ("no counts at all", 1, 0),
        ("cells with fewer than 2 genes", 1, 0),
        ("cells with more than 80 % mitochondrial", 1, 0),
        ("genes in fewer than 3 cells (1 of the network in none)", 0, 2),
    ]
    table = removed.lines(27, 10)
    assert table[0].split() == ["removed", "cells", "genes"]
    assert table[-1].split() == ["kept", "27", "10"]
    assert len({len(line) for line in table}) == 1
    assert Removed.of_frame(removed.frame()) == removed
    assert Removed.of_frame(Removed().frame()) == Removed()


def test_a_threshold_that_leaves_nothing_names_the_reason():
    matrix = sparse.csr_matrix(COUNTS)
    judged = metrics(matrix, ["G"] * 12)
    with pytest.raises(InputError, match="30 cells with fewer than 13 genes.*--min-genes"):
        keep_cells(judged, PrepareOptions(min_genes=13), 12, Removed())
    with pytest.raises(InputError, match="30 no counts at all.*the right layer"):
        keep_cells(metrics(0 * matrix, ["G"] * 12), PrepareOptions(), 12, Removed())
    with pytest.raises(InputError, match="--min-cells"):
        keep_genes(matrix, PrepareOptions(min_cells=31), Removed(), in_network=np.zeros(12, dtype=bool))


def test_small_panels_have_a_lower_threshold():
    assert [PrepareOptions().least_genes(n) for n in (300, 1000, 5000, 30_000)] == [6, 20, 100, 100]
    assert PrepareOptions(min_genes=7).least_genes(30_000) == 7


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"min_cells": -1}, "min_cells = -1 is not allowed"),
        ({"imputation": "magic"}, "one of diffusion, knn"),
        ({"min_dist": 2.0}, "larger than spread"),
        ({"normalize_target_sum": float("nan")}, "normalize_target_sum"),
    ],
)
def test_parameters_out_of_range(values: dict[str, object], words: str):
    with pytest.raises(ConfigError, match=words):
        PrepareOptions(**values)


def test_normalisation_uses_the_sums_of_the_raw_file():
    totals = COUNTS.sum(axis=1).astype(np.float64)
    part = normalise(sparse.csr_matrix(COUNTS[:, :5]), totals, 1e4).toarray()
    np.testing.assert_allclose(part, LOGS[:, :5], rtol=1e-6)


def test_variable_genes_are_found_and_mitochondrial_ones_never():
    rng = np.random.default_rng(0)
    counts = rng.poisson(5.0, (200, 400)).astype(np.float32)
    special = np.arange(0, 400, 40)
    counts[:, special] = np.where(rng.random((200, 10)) < 0.5, 0, 10)
    logs = normalise(sparse.csr_matrix(counts), counts.sum(axis=1).astype(float), 1e4)
    genes = [f"G{i}" for i in range(400)]
    genes[40] = "mt-Co1"
    for samples in (None, ["a", "b"] * 100):
        found = variable_genes(logs, genes, 12, samples)
        assert found.sum() == 12
        # one that stands alone among those of its mean cannot be told
        assert found[special].sum() >= 7
        assert not found[40]
    # what varies within a sample of one cell, nobody knows
    lonely = variable_genes(logs, genes, 12, ["a"] * 199 + ["b"])
    np.testing.assert_array_equal(lonely, variable_genes(logs[:199], genes, 12, None))
    assert variable_genes(logs, genes, 12, [str(cell) for cell in range(200)]).sum() == 12
    assert variable_genes(logs, genes, 0, None).sum() == 399
    assert variable_genes(logs, genes, 1000, None).sum() == 399


def test_identifiers_give_way_to_symbols_and_names_become_unique():
    names = [f"ENSMUSG0000000{i:04d}" for i in range(12)]
    adata = sample(COUNTS)
    adata.var_names = names
    adata.var["feature_name"] = pd.Categorical(["Pax5", "Pax5", *[f"Gene{i}" for i in range(9)], None])
    told: list[str] = []
    use_symbols(adata, told.append)
    assert adata.var_names.tolist() == ["Pax5", "Pax5-1", *[f"Gene{i}" for i in range(9)], names[11]]
    assert adata.var["gene_ids"].tolist() == names
    assert len(told) == 2
    use_symbols(adata, told.append)
    assert len(told) == 2
    plain = sample(COUNTS)
    plain.var_names = names
    use_symbols(plain, told.append)
    assert "no network knows them" in told[-1]
    floats = sample(COUNTS)
    floats.var_names = [f"{number}.0" for number in range(floats.n_vars)]
    floats.var["symbol"] = [f"Gene{number}" for number in range(floats.n_vars)]
    use_symbols(floats, told.append)
    assert floats.var_names.tolist() == [f"Gene{number}" for number in range(floats.n_vars)]


def labelled(**columns: object) -> pd.DataFrame:
    return pd.DataFrame(columns, index=[f"c{i}" for i in range(6)])


def test_types_become_text_and_numbers():
    obs = labelled(annotation=["b", "a", "b", "c", "a", "b"])
    assert set_types(obs, "annotation", ignore) == 3
    assert obs["cell_type"].tolist() == obs["annotation"].tolist()
    assert obs["cell_type_int"].tolist() == [1, 0, 1, 2, 0, 1]
    assert obs["cell_type"].cat.categories.tolist() == ["a", "b", "c"]
    # again, from its own result
    before = obs.copy()
    set_types(obs, "cell_type", ignore)
    assert obs.equals(before)


def test_numbers_that_go_with_the_types_are_kept():
    obs = labelled(cell_type=["b", "a", "b", "c", "a", "b"], cell_type_int=[7, 2, 7, 0, 2, 7])
    set_types(obs, "cell_type", ignore)
    assert obs["cell_type_int"].tolist() == [7, 2, 7, 0, 2, 7]
    assert obs["cell_type"].cat.categories.tolist() == ["c", "a", "b"]
    other = labelled(cell_type=["b", "a", "b", "c", "a", "b"], cell_type_int=[7, 2, 7, 2, 2, 7])
    set_types(other, "cell_type", ignore)
    assert other["cell_type_int"].tolist() == [1, 0, 1, 2, 0, 1]


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([3, 10, 3, 3, 10, 3], ["3", "10"]),
        (pd.Categorical(["z", "y", "z", "y", "y", "z"], categories=["z", "y", "x"]), ["z", "y"]),
        (["b", None, "b", "a", np.nan, "b"], ["a", "b", "unassigned"]),
        ([1.0, np.nan, 2.0, 2.0, 1.0, 1.0], ["1", "2", "unassigned"]),
    ],
)
def test_kinds_of_labels(values: object, labels: list[str]):
    obs = labelled(kind=values)
    set_types(obs, "kind", ignore)
    assert obs["cell_type"].cat.categories.tolist() == labels
    numbers = [int(label) for label in labels] if all(map(str.isdigit, labels)) else list(range(len(labels)))
    assert sorted(set(obs["cell_type_int"])) == numbers


def test_clusters_that_are_called_by_numbers_keep_them():
    """Leiden clusters as scanpy stores them: sorted as text, 10 is the third, and would be called 2."""
    obs = labelled(leiden=pd.Categorical(["10", "2", "10", "0", "2", "10"], categories=["0", "10", "2"]))
    set_types(obs, "leiden", ignore)
    assert obs["cell_type_int"].tolist() == [10, 2, 10, 0, 2, 10]
    assert obs["cell_type"].cat.categories.tolist() == ["0", "2", "10"]
    before = obs.copy()
    set_types(obs, "cell_type", ignore)
    assert obs.equals(before)
    # 01 and 1 would be one cluster
    obs = labelled(leiden=["01", "1", "01", "1", "01", "1"])
    set_types(obs, "leiden", ignore)
    assert obs["cell_type_int"].tolist() == [0, 1, 0, 1, 0, 1]


def test_labels_have_the_same_digest_however_they_are_stored():
    texts = labelled(kind=["b", None, "b", "c", "a", "b"])
    before = labels_digest(texts, "kind")
    set_types(texts, "kind", ignore)
    assert labels_digest(texts, "kind") == labels_digest(texts, "cell_type") == before
    assert labels_digest(labelled(kind=list("bcbcab")), "kind") != before
    assert labels_digest(texts, None) is None
    for nothing in ([None] * 6, [np.nan] * 6, pd.Categorical([None] * 6, categories=["a"])):
        with pytest.raises(InputError, match="no cell has a label in obs\\['kind'\\]"):
            labels_digest(labelled(kind=nothing), "kind")


def test_what_was_called_cell_type_is_not_lost():
    obs = labelled(cell_type=["b", "a", "b", "c", "a", "b"], finer=list("pqrstu"))
    told: list[str] = []
    set_types(obs, "finer", told.append)
    assert obs["cell_type"].tolist() == list("pqrstu")
    assert obs["cell_type_before"].tolist() == ["b", "a", "b", "c", "a", "b"]
    assert "cell_type_before" in told[0]


def test_columns_that_could_be_types():
    obs = labelled(a=list("xxyyzz"), one=["x"] * 6, number=range(6), each=list("abcdef"))
    assert possible_type_columns(obs) == ["a"]


def visium(n: int = 5) -> anndata.AnnData:
    xy = np.random.default_rng(0).uniform(0, 1000, (n, 2))
    adata = anndata.AnnData(np.ones((n, 2), dtype=np.float32), obsm={"spatial": xy})
    factors = {"spot_diameter_fullres": 130.0, "fiducial_diameter_fullres": 200.0, "tissue_hires_scalef": 0.1}
    adata.uns["spatial"] = {"slide": {"scalefactors": factors}}
    return adata


def test_pixels_become_micrometres_and_images_still_fit():
    adata = visium()
    pixels = adata.obsm["spatial"].copy()
    scale = to_micrometres(adata, None, ignore)
    assert scale is not None
    assert scale.um_per_unit == 0.5
    np.testing.assert_allclose(adata.obsm["spatial"], pixels * 0.5)
    np.testing.assert_array_equal(adata.obsm["spatial_original"], pixels)
    factors = adata.uns["spatial"]["slide"]["scalefactors"]
    assert factors["spot_diameter_fullres"] == 65.0
    np.testing.assert_allclose(adata.obsm["spatial"] * factors["tissue_hires_scalef"], pixels * 0.1)
    # again: nothing happens
    assert to_micrometres(adata, None, ignore).um_per_unit == 1.0
    np.testing.assert_allclose(adata.obsm["spatial"], pixels * 0.5)
    # another factor: from the pixels
    to_micrometres(adata, 2.0, ignore, afresh=True)
    np.testing.assert_allclose(adata.obsm["spatial"], pixels * 2.0)
    factors = adata.uns["spatial"]["slide"]["scalefactors"]
    assert factors["spot_diameter_fullres"] == pytest.approx(260.0)
    np.testing.assert_allclose(adata.obsm["spatial"] * factors["tissue_hires_scalef"], pixels * 0.1)


def test_positions_come_from_obs_if_they_must():
    adata = sample(COUNTS)
    with pytest.raises(InputError, match="no coordinates"):
        positions(adata, ignore)
    adata.obs["x"], adata.obs["y"] = np.arange(30.0), np.ones(30)
    told: list[str] = []
    np.testing.assert_array_equal(positions(adata, told.append)[:, 0], np.arange(30.0))
    assert told == ["positions are taken from obs['x'] and obs['y']"]
    for wrong in (0.0, -1.0, float("nan")):
        with pytest.raises(ConfigError, match="um_per_unit"):
            to_micrometres(adata, wrong, ignore)
