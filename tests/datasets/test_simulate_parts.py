"""The parts of a simulation: neighbourhood sums, layout, panel, order of computation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from spacetravlr._simulate import received
from spacetravlr._simulate.build import starter_edges
from spacetravlr._simulate.fields import SmoothField, standardised
from spacetravlr._simulate.layout import assign_types, place_cells, type_names
from spacetravlr._simulate.panel import choose_panel, quotas
from spacetravlr._simulate.received import NeighbourSum, compact_tiles, gaussian_mean, ligand_reach
from spacetravlr._simulate.schedule import arcs, downstream, make_stages
from spacetravlr._simulate.streams import Stream, generator
from spacetravlr._simulate.terms import Terms
from spacetravlr._simulate.wiring import extend_pairs, n_false


@pytest.fixture
def cells():
    rng = np.random.default_rng(0)
    return rng.uniform(0.0, 300.0, (700, 2)), rng.uniform(0.0, 3.0, (700, 4))


def slow_sum(xy, values, weight, cutoff):
    out = np.zeros_like(values)
    for i in range(len(xy)):
        distance = np.hypot(*(xy - xy[i]).T)
        near = distance <= cutoff
        out[i] = weight(distance[near]) @ values[near]
    return out


@pytest.mark.parametrize("cutoff", [5.0, 60.0, 1e4])
def test_neighbour_sum(cells, cutoff):
    xy, values = cells
    operator = NeighbourSum(xy, lambda d: np.exp(-d / 20.0), cutoff=cutoff)
    np.testing.assert_allclose(
        operator.apply(values), slow_sum(xy, values, lambda d: np.exp(-d / 20.0), cutoff), rtol=1e-11
    )


def test_kept_and_recomputed_blocks_agree_to_the_bit(cells, monkeypatch):
    xy, values = cells
    kept = ligand_reach(xy, 40.0, "exponential", density=0.01)
    first, second = kept.apply(values), kept.apply(values)
    monkeypatch.setattr(received, "_CACHE_BYTES", 0)
    recomputed = ligand_reach(xy, 40.0, "exponential", density=0.01).apply(values)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, recomputed)


@pytest.mark.parametrize("kernel", ["exponential", "gaussian"])
def test_received_amounts_do_not_depend_on_the_frame(cells, kernel):
    xy, values = cells
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    here = ligand_reach(xy, 100.0, kernel, density=0.01).apply(values)
    turned = ligand_reach(xy @ turn.T + np.array([500.0, -90.0]), 100.0, kernel, density=0.01).apply(values)
    mirrored = ligand_reach(xy * [-1.0, 1.0], 100.0, kernel, density=0.01).apply(values)
    np.testing.assert_allclose(turned, here, rtol=1e-9)
    np.testing.assert_allclose(mirrored, here, rtol=1e-9)


@pytest.mark.parametrize("kernel", ["exponential", "gaussian"])
def test_reach_is_matched_and_normalised(kernel):
    """In a uniform tissue what is received is what is expressed, and both kernels carry r sqrt(pi / 2) far."""
    step, radius = 4.0, 12.0
    axis = np.arange(-120.0, 121.0, step)
    xy = np.array([(x, y) for x in axis for y in axis])
    operator = ligand_reach(xy, radius, kernel, density=step**-2)
    centre = len(xy) // 2
    np.testing.assert_array_equal(xy[centre], 0.0)
    assert operator.apply(np.ones((len(xy), 1)))[centre, 0] == pytest.approx(1.0, abs=0.03)
    impulse = np.zeros((len(xy), 1))
    impulse[centre] = 1.0
    spread = operator.apply(impulse)[:, 0]
    travelled = (spread * np.hypot(*xy.T)).sum() / spread.sum()
    scale = radius * np.sqrt(np.pi / 2.0) / 2.0
    distance = np.linspace(0.0, 6.0 * scale if kernel == "exponential" else 3.5 * radius, 4001)
    weight = np.exp(-distance / scale) if kernel == "exponential" else np.exp(distance**2 / (-2.0 * radius**2))
    assert travelled == pytest.approx((weight * distance**2).sum() / (weight * distance).sum(), rel=0.02)
    # the cut-off takes little of it
    assert 0.94 < travelled / (radius * np.sqrt(np.pi / 2.0)) < 1.0


def test_gaussian_mean(cells):
    xy, values = cells
    expected = slow_sum(xy, values, lambda d: np.exp(d**2 / -5000.0), np.inf) / len(xy)
    np.testing.assert_allclose(gaussian_mean(xy, 50.0).apply(values), expected, rtol=1e-6)


def test_tiles_are_a_partition(cells):
    tiles = list(compact_tiles(cells[0], 100))
    assert max(map(len, tiles)) <= 100
    np.testing.assert_array_equal(np.sort(np.concatenate(tiles)), np.arange(700))


def test_cells_lie_apart_but_on_no_grid():
    xy = place_cells(1500, np.random.default_rng(1))
    distance = cKDTree(xy).query(xy, k=2)[0][:, 1]
    assert distance.min() > 2.0
    assert distance.std() > 0.2 * distance.mean()
    counts = np.histogram2d(*xy.T, bins=5)[0]
    # a uniform tissue would have about sqrt(60) here
    assert counts.std() > 10.0


@settings(max_examples=20, deadline=None)
@given(n_types=st.integers(1, 14), seed=st.integers(0, 1000))
def test_every_type_occurs(n_types, seed):
    rng = np.random.default_rng(seed)
    codes = assign_types(place_cells(150, rng), n_types, rng)
    assert codes.dtype == np.int64
    assert np.bincount(codes, minlength=n_types).min() >= 1
    assert codes.max() == n_types - 1


def test_types_are_balanced_and_spatial():
    rng = np.random.default_rng(4)
    xy = place_cells(2000, rng)
    codes = assign_types(xy, 5, rng)
    share = np.bincount(codes) / 2000
    assert share.min() > 0.1
    assert share.max() < 0.35
    neighbour = cKDTree(xy).query(xy, k=2)[1][:, 1]
    alike = (codes == codes[neighbour]).mean()
    # patches, but with mixing: by chance it would be about 0.2
    assert 0.4 < alike < 0.95


def test_type_names_are_distinct_and_sorted():
    for n_types in (1, 5, 30):
        names = type_names(n_types)
        assert len(set(names)) == n_types
        assert list(names) == sorted(names)


def test_a_smooth_field_has_its_length():
    xy = np.random.default_rng(0).uniform(0.0, 5000.0, (400, 2))
    near, far = xy + np.array([20.0, 0.0]), xy + np.array([500.0, 0.0])
    fields = [SmoothField.draw(100.0, np.random.default_rng(seed)) for seed in range(20)]
    here = np.concatenate([field.at(xy) for field in fields])
    assert here.std() == pytest.approx(1.0, abs=0.1)
    assert np.corrcoef(here, np.concatenate([f.at(near) for f in fields]))[0, 1] == pytest.approx(0.98, abs=0.02)
    assert abs(np.corrcoef(here, np.concatenate([f.at(far) for f in fields]))[0, 1]) < 0.1


def test_standardised_keeps_constant_columns_at_zero():
    values = np.column_stack([np.arange(5.0), np.full(5, 3.0)])
    scaled = standardised(values)
    assert scaled[:, 0].std() == pytest.approx(1.0)
    np.testing.assert_array_equal(scaled[:, 1], 0.0)


def test_streams_are_independent_and_reproducible():
    draws = {stream: generator(7, stream).random() for stream in Stream}
    assert len(set(draws.values())) == len(Stream)
    assert draws == {stream: generator(7, stream).random() for stream in Stream}


@pytest.mark.parametrize("n_genes", [10, 37, 200, 1200])
def test_panel_has_its_quotas_at_any_size(n_genes):
    quota = quotas(n_genes, (0.1, 0.2, 0.2))
    panel = choose_panel(starter_edges(), quota, np.random.default_rng(0))
    assert len(set(panel.genes)) == len(panel.genes) == n_genes
    assert {role: panel.roles.count(role) for role in quota} == quota
    role = dict(zip(panel.genes, panel.roles, strict=True))
    assert all(role[a] == "ligand" and role[b] == "receptor" for a, b in panel.pairs)
    assert all(role[a] == "TF" and a != b and b in role for a, b in panel.regulons)


def test_panel_of_usual_size_is_real_and_connected():
    edges = starter_edges()
    panel = choose_panel(edges, quotas(200, (0.1, 0.2, 0.2)), np.random.default_rng(0))
    symbols = set(edges["source"]) | set(edges["target"])
    assert set(panel.genes) <= symbols
    assert len({ligand for ligand, _ in panel.pairs}) == 40
    assert len(panel.regulons) > 20


def test_panel_does_not_depend_on_the_order_of_the_table():
    edges = starter_edges()
    mixed = edges.sample(frac=1.0, random_state=1)
    quota = quotas(100, (0.1, 0.2, 0.2))
    panels = [choose_panel(table, quota, np.random.default_rng(2)) for table in (edges, mixed)]
    assert panels[0] == panels[1]


def test_panel_without_any_starter_network():
    empty = pd.DataFrame({"source": [], "target": [], "edge_type": []}, dtype=str)
    panel = choose_panel(empty, quotas(60, (0.1, 0.2, 0.2)), np.random.default_rng(0))
    assert len(set(panel.genes)) == 60
    assert panel.pairs == ()


@given(n_true=st.integers(1, 40), share=st.floats(0.0, 0.9))
def test_share_of_false_edges(n_true, share):
    false = n_false(n_true, share)
    assert abs(false / (false + n_true) - share) <= 0.5 / (false + n_true) + 1e-9


def test_pairs_are_extended_evenly():
    ligands, receptors = np.arange(5), np.arange(10, 16)
    known = [(0, 10), (0, 11), (1, 10), (0, 10)]
    pairs = extend_pairs(known, ligands, receptors, 15, np.random.default_rng(0))
    assert len(pairs) == len(set(pairs)) == 15
    assert set(known) <= set(pairs)
    assert np.bincount([ligand for ligand, _ in pairs], minlength=5).min() >= 2
    assert len(extend_pairs(known, ligands, receptors, 99, np.random.default_rng(0))) == 30
    assert extend_pairs(known, ligands, receptors, 2, np.random.default_rng(0)) == [(0, 10), (0, 11)]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), density=st.floats(0.0, 0.15))
def test_stages_respect_every_arc(seed, density):
    rng = np.random.default_rng(seed)
    n_genes = 24
    rows = [(0, tf, -1, -1) for tf in range(4)]
    rows += [(1, -1, ligand, receptor) for ligand in range(4, 8) for receptor in range(8, 10)]
    rows += [(2, tf, ligand, -1) for tf in range(2) for ligand in range(4, 6)]
    terms = Terms.of(rows)
    regulates = rng.random((len(terms), n_genes)) < density
    # as in a tissue, no term of which a gene is itself a part regulates it
    for side in (0, 1):
        inputs = terms.inputs[:, side]
        regulates[inputs >= 0, inputs[inputs >= 0]] = False
    stages = make_stages(terms, regulates)
    genes = np.concatenate([stage.genes for stage in stages]) if stages else np.array([], dtype=int)
    assert sorted(genes) == np.flatnonzero(regulates.any(axis=0)).tolist()
    stage_of = {int(gene): number for number, stage in enumerate(stages) for gene in stage.genes}
    edges = arcs(terms, regulates)
    for source, target in edges:
        earlier = stage_of.get(int(source), -1)
        assert earlier <= stage_of[int(target)]
        if earlier == stage_of[int(target)]:
            assert stages[earlier].loop
    for stage in stages:
        np.testing.assert_array_equal(stage.terms, np.flatnonzero(regulates[:, stage.genes].any(axis=1)))
        for gene in stage.genes:
            reached = downstream(edges, int(gene), n_genes)
            mutual = [other for other in stage.genes if other != gene and reached[other]]
            assert len(mutual) == (len(stage.genes) - 1 if stage.loop else 0)
