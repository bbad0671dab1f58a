"""Options of the simulated tissues: modulators that vary together, counts, dropout, imputation, scoped knock-outs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from spacetravlr._simulate.correlated import correlate
from spacetravlr._simulate.measure import dropped, imputed, normalised
from spacetravlr._simulate.schedule import arcs, downstream, regulates_itself
from spacetravlr._simulate.settings import Settings
from spacetravlr.datasets import (
    content_hash,
    knock_out_truth,
    read_tissue,
    simulated_tissue,
    write_tissue,
)
from spacetravlr.errors import InputError

SIZE = (400, 60, 3)

FIRST = [
    [0.29819553364960355, 2.112845639390695, 2.3531702225825306],
    [0.5248683064421632, 2.736366607514539, 2.6699065042036603],
]
TOTAL, EDGES = 46092.0, 1095
CHANGES = {"Foxo1": -1215.74, "Sox9": -1866.11, "Dkk1": -1702.31, "Gdnf": -1889.92, "Lrp6": -1728.27}


def make(**options):
    return simulated_tissue(*SIZE, seed=4, **{"knock_outs": (), **options})


def within_type_correlation(adata, values, role):
    columns = np.flatnonzero(adata.var["role"] == role)
    found = []
    for code in range(SIZE[2]):
        cells = (adata.obs["cell_type_int"] == code).to_numpy()
        r = np.corrcoef(values[np.ix_(cells, columns)].T)
        found.append(r[np.triu_indices_from(r, 1)].mean())
    return float(np.mean(found))


def test_the_usual_tissue_stays_what_it_has_been():
    usual = simulated_tissue(300, 50)
    named = simulated_tissue(
        300, 50, tf_correlation=0.0, ligand_correlation=0.0, depth=3.0, depth_sd=0.3, dropout=0.0, measurement="exact"
    )
    assert content_hash(usual) == content_hash(named)
    # the demo and recorded figures rest on this tissue
    np.testing.assert_allclose(usual.X[:2, :3], FIRST, rtol=1e-7)
    assert usual.layers["counts"].sum() == TOTAL
    changes = usual.uns["truth"]["knock_outs"]
    assert {gene: round(float(change.sum(dtype=np.float64)), 2) for gene, change in changes.items()} == CHANGES
    assert len(usual.uns["truth"]["edges"]) == EDGES


@pytest.mark.parametrize("role", ["TF", "ligand"])
def test_modulators_of_one_role_vary_together(role):
    plain, together = make(), make(**{f"{role.lower()}_correlation": 0.6})
    rise = {
        each: within_type_correlation(together, np.asarray(together.X), each)
        - within_type_correlation(plain, np.asarray(plain.X), each)
        for each in ("TF", "ligand", "receptor")
    }
    assert rise[role] > 0.25
    assert abs(rise["receptor"]) < 0.1
    # the answer key is that of the new tissue
    assert not np.array_equal(together.X, plain.X)
    assert together.uns["truth"]["parameters"][f"{role.lower()}_correlation"] == 0.6
    # what was drawn before is drawn again: places, types and the network are the same
    np.testing.assert_array_equal(together.obsm["spatial"], plain.obsm["spatial"])
    assert together.uns["network"].equals(plain.uns["network"])


def test_draws_that_share_keep_their_spread(simulation):
    before = simulation.process.draws
    draws, genes = before.copy(), simulation.panel.indices("TF")
    correlate(draws, genes, 0.5, xy=simulation.xy, rng=np.random.default_rng(0))
    np.testing.assert_allclose(draws[:, genes].std(axis=0), before[:, genes].std(axis=0), rtol=1e-12)
    others = np.setdiff1d(np.arange(draws.shape[1]), genes)
    np.testing.assert_array_equal(draws[:, others], before[:, others])

    def mean_r(values):
        r = np.corrcoef(values[:, genes].T)
        return r[np.triu_indices_from(r, 1)].mean()

    assert mean_r(draws) - 0.5 * mean_r(before) == pytest.approx(0.5, abs=0.1)


def test_depth_is_the_mean_library_size():
    deep = make(depth=10.0, depth_sd=0.0)
    total = np.asarray(deep.layers["counts"]).sum(axis=1)
    assert total.mean() == pytest.approx(10.0 * SIZE[1], rel=0.02)
    # without spread of the library size only Poisson noise is left
    assert total.std() == pytest.approx(np.sqrt(10.0 * SIZE[1]), rel=0.15)
    np.testing.assert_array_equal(deep.X, make().X)


@pytest.mark.parametrize("dropout", [0.2, 0.7])
def test_dropout_takes_the_share_it_says_and_little_expressed_ones_first(dropout):
    rng = np.random.default_rng(1)
    rates = rng.gamma(1.0, 3.0, (500, 40))
    lost = dropped(rates, dropout, rng)
    assert lost.mean() == pytest.approx(dropout, abs=0.01)
    low, high = rates < np.quantile(rates, 0.3), rates > np.quantile(rates, 0.7)
    assert lost[low].mean() > 1.3 * lost[high].mean()
    # the curve is K / (K + s): its inverse is a straight line through 1
    edges = np.quantile(rates, np.linspace(0.2, 1.0, 9))
    within = [(rates >= a) & (rates < b) for a, b in itertools.pairwise(edges)]
    inverse = np.array([1.0 / lost[one].mean() for one in within])
    slope, start = np.polyfit([rates[one].mean() for one in within], inverse, 1)
    assert start == pytest.approx(1.0, abs=0.25)
    assert slope > 0.0


def test_dropout_only_removes_counts():
    whole, part = make(), make(dropout=0.5)
    before, after = (np.asarray(one.layers["counts"]) for one in (whole, part))
    assert ((after == before) | (after == 0.0)).all()
    assert (after == 0.0).mean() > 0.5
    np.testing.assert_array_equal(part.X, whole.X)


def test_imputation_is_that_of_preparing_a_sample():
    adata = make(measurement="knn")
    counts = np.asarray(adata.layers["counts"], dtype=np.float64)
    logs = np.log1p(counts / counts.sum(axis=1, keepdims=True) * np.median(counts.sum(axis=1)))
    np.testing.assert_allclose(adata.layers["normalized_count"], logs, rtol=1e-12)
    left, sizes, _ = np.linalg.svd(logs - logs.mean(axis=0), full_matrices=False)
    places = left[:, :20] * sizes[:20]
    distance = ((places[:, None] - places[None]) ** 2).sum(axis=2)
    near = np.argsort(distance, axis=1)[:, :25]
    np.testing.assert_allclose(adata.layers["imputed_count"], logs[near].mean(axis=1), atol=1e-5)


def test_every_measurement_shows_the_same_tissue():
    ways = {way: make(measurement=way) for way in ("exact", "counts", "knn", "diffusion")}
    for one in ways.values():
        np.testing.assert_array_equal(one.X, ways["exact"].X)
        np.testing.assert_array_equal(one.layers["counts"], ways["exact"].layers["counts"])
    assert "normalized_count" not in ways["exact"].layers
    np.testing.assert_array_equal(ways["counts"].layers["imputed_count"], ways["counts"].layers["normalized_count"])
    spread = {way: float(np.asarray(one.layers["imputed_count"]).var(axis=0).mean()) for way, one in ways.items()}
    assert spread["knn"] < 0.7 * spread["counts"]
    assert spread["diffusion"] < 0.7 * spread["counts"]
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(ways["knn"].layers["imputed_count"], ways["diffusion"].layers["imputed_count"])


def test_counts_as_they_are_need_no_imputation():
    values = normalised(np.array([[1.0, 3.0], [2.0, 2.0], [0.0, 0.0]]))
    np.testing.assert_allclose(values[0], np.log1p([1.0, 3.0]))
    np.testing.assert_array_equal(values[2], 0.0)
    np.testing.assert_array_equal(imputed(values, "counts"), values)


def test_outside_the_scope_a_gene_that_nothing_feeds_back_on_stays(simulation):
    genes = simulation.panel.genes
    edges = arcs(simulation.wiring.terms, (simulation.wiring.strength != 0.0).any(axis=0))
    gene = next(
        gene
        for gene in simulation.panel.indices("ligand")
        if not regulates_itself(edges, gene, downstream(edges, gene, len(genes)))
        and downstream(edges, gene, len(genes)).sum() > 3
    )
    scope = simulation.xy[:, 0] < np.median(simulation.xy[:, 0])
    (delta,) = simulation.knock_outs([genes[gene]], scope)
    np.testing.assert_array_equal(delta[scope, gene], -simulation.steady.expression[scope, gene])
    np.testing.assert_array_equal(delta[~scope, gene], 0.0)
    # neighbours of the region feel it, more so the nearer they are
    others = np.delete(np.abs(delta), gene, axis=1).sum(axis=1)
    away = simulation.xy[:, 0] - simulation.xy[scope, 0].max()
    assert others[(~scope) & (away < 60.0)].mean() > 2.0 * others[away > 200.0].mean() > 0.0


def test_a_scope_of_all_cells_is_a_knock_out_and_one_of_none_is_nothing():
    adata = make()
    gene = adata.var_names[adata.var["role"] == "TF"][0]
    everywhere = knock_out_truth(adata, gene, cells=np.ones(adata.n_obs, dtype=bool))
    np.testing.assert_allclose(everywhere, knock_out_truth(adata, gene), atol=1e-7)
    nowhere = knock_out_truth(adata, gene, cells=np.zeros(adata.n_obs, dtype=bool))
    np.testing.assert_allclose(nowhere, 0.0, atol=1e-8)
    # a part of the tissue names its own cells
    part = adata[[5, 2, 300]].copy()
    one = np.array([False, True, False])
    whole = np.zeros(adata.n_obs, dtype=bool)
    whole[2] = True
    np.testing.assert_array_equal(
        knock_out_truth(part, gene, cells=one), knock_out_truth(adata, gene, cells=whole)[[5, 2, 300]]
    )
    with pytest.raises(InputError, match="one entry for each of the 3 cells"):
        knock_out_truth(part, gene, cells=whole)


def test_a_tissue_survives_its_file_with_all_its_answers(tmp_path):
    adata = make(
        knock_outs=None,
        dropout=0.3,
        measurement="diffusion",
        tf_correlation=0.4,
        position_effect=0.5,
        missing_prior=0.3,
    )
    path = write_tissue(adata, tmp_path / "new" / "tissue.h5ad")
    again = read_tissue(path)
    assert content_hash(again) == content_hash(adata)
    before, after = adata.uns["truth"], again.uns["truth"]
    assert after["parameters"] == before["parameters"]
    assert after["edges"].equals(before["edges"])
    assert list(after["edges"].index) == list(before["edges"].index)
    assert sorted(after["knock_outs"]) == sorted(before["knock_outs"])
    for gene, change in before["knock_outs"].items():
        np.testing.assert_array_equal(after["knock_outs"][gene], change)
    np.testing.assert_array_equal(after["factors"], before["factors"])
    gene = next(iter(before["knock_outs"]))
    scope = (adata.obs["cell_type_int"] == 0).to_numpy()
    np.testing.assert_array_equal(knock_out_truth(again, gene, cells=scope), knock_out_truth(adata, gene, cells=scope))


def test_a_file_without_whole_answers_is_refused(tmp_path):
    adata = simulated_tissue(100, 30, 2)
    with pytest.raises(InputError, match="keep the tissue whole"):
        write_tissue(adata[:50].copy(), tmp_path / "part.h5ad")
    bare = adata.copy()
    del bare.uns["truth"]
    with pytest.raises(InputError, match="no answer key"):
        write_tissue(bare, tmp_path / "bare.h5ad")
    bare.write_h5ad(tmp_path / "bare.h5ad")
    with pytest.raises(InputError, match="no answer key"):
        read_tissue(tmp_path / "bare.h5ad")
    (tmp_path / "text.h5ad").write_text("no HDF5")
    with pytest.raises(InputError, match="cannot read"):
        read_tissue(tmp_path / "text.h5ad")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tf_correlation": 0.95}, "tf_correlation = 0.95: must be between 0 and 0.9"),
        ({"ligand_correlation": -0.1}, "ligand_correlation"),
        ({"depth": 0.0}, "depth = 0.0: must be a positive number"),
        ({"depth_sd": 3.0}, "depth_sd"),
        ({"dropout": 1.0}, "dropout = 1.0"),
        ({"measurement": "magic"}, "measurement = 'magic': must be exact or counts or knn or diffusion"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        make(**options)


def test_settings_have_the_values_they_are_documented_with():
    usual = Settings(300, 50, 5, 0, radius=200.0, false_prior=0.5, kernel="exponential")
    assert (usual.depth, usual.depth_sd, usual.dropout, usual.measurement) == (3.0, 0.3, 0.0, "exact")
