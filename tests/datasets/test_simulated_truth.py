"""The answer key: the process satisfies its equations, knock-outs are what they claim, effects have their unit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist

from spacetravlr import datasets
from spacetravlr._simulate import process
from spacetravlr._simulate.build import starter_edges
from spacetravlr._simulate.schedule import arcs, downstream, regulates_itself
from spacetravlr._simulate.settings import Settings
from spacetravlr._simulate.simulation import Simulation
from spacetravlr.errors import InputError


def expected_input(simulation, expression):
    """Literal evaluation of the equations, cell by cell types and term by term, with a dense kernel."""
    process, terms = simulation.process, simulation.wiring.terms
    scale = simulation.settings.radius * np.sqrt(np.pi / 2.0) / 2.0
    distance = cdist(simulation.xy, simulation.xy)
    weights = np.where(distance <= 6.0 * scale, np.exp(-distance / scale), 0.0)
    received = weights @ expression * 500.0 / (2.0 * np.pi * scale**2)
    total = process.draws + process.intercepts[simulation.codes]
    for term in range(len(terms)):
        tf, ligand, receptor = terms.tf[term], terms.ligand[term], terms.receptor[term]
        value = np.ones(len(expression))
        if tf >= 0:
            power = expression[:, tf] ** process.curves.hill[tf]
            value = value * power / (power + process.curves.half_tf[tf] ** process.curves.hill[tf])
        if ligand >= 0:
            value = value * received[:, ligand] / (received[:, ligand] + process.curves.half_ligand[ligand])
        if receptor >= 0:
            value = value * expression[:, receptor]
        total += process.coefficients[simulation.codes, term] * value[:, None]
    return total


def test_the_tissue_is_at_rest(simulation):
    expression = simulation.steady.expression
    assert any(stage.loop and len(stage.genes) > 2 for stage in simulation.process.stages)
    np.testing.assert_allclose(
        expression, np.logaddexp(0.0, expected_input(simulation, expression)), rtol=0.0, atol=1e-7
    )


@pytest.mark.parametrize("role", ["TF", "ligand", "receptor"])
def test_a_knock_out_satisfies_the_same_equations(simulation, role):
    genes = simulation.panel.genes
    gene = max(simulation.panel.indices(role), key=lambda gene: reach(simulation, gene).sum())
    (delta,) = simulation.knock_outs([genes[gene]])
    expression = simulation.steady.expression + delta
    np.testing.assert_array_equal(expression[:, gene], 0.0)
    expected = np.logaddexp(0.0, expected_input(simulation, expression))
    others = np.arange(len(genes)) != gene
    np.testing.assert_allclose(expression[:, others], expected[:, others], rtol=0.0, atol=1e-7)
    moved = reach(simulation, gene)
    np.testing.assert_array_equal(delta[:, ~moved], 0.0)
    assert np.abs(delta[:, moved]).max(axis=0).min() > 0.0
    assert moved.sum() > 5


@pytest.mark.parametrize("role", ["TF", "ligand"])
def test_a_scoped_knock_out_satisfies_the_same_equations(simulation, role):
    genes = simulation.panel.genes
    edges = arcs(simulation.wiring.terms, (simulation.wiring.strength != 0.0).any(axis=0))
    looped = [
        gene
        for gene in simulation.panel.indices(role)
        if regulates_itself(edges, gene, downstream(edges, gene, len(genes)))
    ]
    gene = looped[0]
    scope = simulation.codes == 1
    (delta,) = simulation.knock_outs([genes[gene]], scope)
    expression = simulation.steady.expression + delta
    np.testing.assert_array_equal(expression[scope, gene], 0.0)
    expected = np.logaddexp(0.0, expected_input(simulation, expression))
    expected[scope, gene] = 0.0
    np.testing.assert_allclose(expression, expected, rtol=0.0, atol=1e-7)
    # elsewhere the gene goes on, under what its regulators now do
    assert expression[~scope, gene].min() > 0.0
    assert 0.0 < np.abs(delta[~scope, gene]).max() < np.abs(delta[scope, gene]).max()


def reach(simulation, gene):
    edges = arcs(simulation.wiring.terms, (simulation.wiring.strength != 0.0).any(axis=0))
    return downstream(edges, gene, len(simulation.panel.genes))


def test_without_anything_downstream_only_the_gene_itself_changes(tissue):
    gene = tissue.var_names[tissue.var["role"] == "target"][0]
    delta = datasets.knock_out_truth(tissue, gene)
    at = tissue.var_names.get_loc(gene)
    np.testing.assert_array_equal(delta[:, at], -tissue.X[:, at])
    np.testing.assert_array_equal(np.delete(delta, at, axis=1), 0.0)


def test_a_knock_out_moves_targets_against_the_sign_of_the_edge(simulation, tissue):
    """Where the knocked-out TF is the only input of a target that changes, the sign of the answer is known."""
    edges = tissue.uns["truth"]["edges"]
    genes = list(tissue.var_names)
    codes = tissue.obs["cell_type"]
    checked = 0
    for tf in tissue.var_names[tissue.var["role"] == "TF"]:
        moved = set(tissue.var_names[reach(simulation, genes.index(tf))])
        delta = pd.DataFrame(datasets.knock_out_truth(tissue, tf), columns=genes, index=codes)
        for target, inputs in edges.groupby("target"):
            parts = inputs["modulator"].str.split("[$#]")
            hit = inputs[parts.map(lambda names, moved=moved: bool(moved & set(names)))]
            if target == tf or set(hit["modulator"]) != {tf}:
                continue
            effects = hit.set_index("cell_type")["effect"]
            for label in codes.cat.categories:
                change = delta.loc[label, target]
                if label in effects.index:
                    assert (np.sign(change) == -np.sign(effects[label])).all()
                else:
                    assert np.abs(change).max() < 1e-12
                checked += 1
    assert checked >= 10


def test_the_stored_knock_outs(tissue):
    knock_outs = tissue.uns["truth"]["knock_outs"]
    roles = tissue.var["role"].astype(str)
    assert sorted(roles[gene] for gene in knock_outs) == ["TF", "TF", "ligand", "ligand", "receptor"]
    sd = tissue.X.std(axis=0)
    for gene, delta in knock_outs.items():
        assert delta.dtype == np.float32
        np.testing.assert_allclose(datasets.knock_out_truth(tissue, gene), delta, rtol=0.0, atol=1e-6)
        others = tissue.var_names != gene
        assert (np.abs(delta / sd).mean(axis=0)[others] > 0.1).sum() >= 5


def test_knock_outs_can_be_chosen():
    tissue = datasets.simulated_tissue(100, 30, 2)
    gene = tissue.var_names[tissue.var["role"] == "ligand"][0]
    chosen = datasets.simulated_tissue(100, 30, 2, knock_outs=[gene, gene])
    assert list(chosen.uns["truth"]["knock_outs"]) == [gene]
    assert datasets.simulated_tissue(100, 30, 2, knock_outs=()).uns["truth"]["knock_outs"] == {}
    with pytest.raises(InputError, match=f"did you mean '{gene}'"):
        datasets.simulated_tissue(100, 30, 2, knock_outs=[gene.lower()])


def test_the_truth_follows_a_subset_in_any_order(tissue):
    gene = next(iter(tissue.uns["truth"]["knock_outs"]))
    whole = datasets.knock_out_truth(tissue, gene)
    cells, genes = [5, 2, 600], [7, 3, 70]
    part = datasets.knock_out_truth(tissue[cells, genes].copy(), gene)
    np.testing.assert_array_equal(part, whole[np.ix_(cells, genes)])


def test_the_truth_refuses_what_it_does_not_know(tissue):
    with pytest.raises(InputError, match="not in the simulated tissue"):
        datasets.knock_out_truth(tissue, "Nonsense1")
    renamed = tissue[:, :10].copy()
    renamed.var_names = [f"x{name}" for name in renamed.var_names]
    gene = tissue.var_names[0]
    with pytest.raises(InputError, match="was not part of the simulated tissue"):
        datasets.knock_out_truth(renamed, gene)
    bare = tissue[:, :10].copy()
    del bare.uns["truth"]
    with pytest.raises(InputError, match="version 'none'"):
        datasets.knock_out_truth(bare, gene)


def test_the_terms_explain_the_share_they_are_meant_to(simulation):
    process, terms = simulation.process, simulation.wiring.terms
    values = process.features(simulation.steady, np.arange(len(terms)))
    expression = simulation.steady.expression
    total = np.log(np.expm1(expression))
    regulated = simulation.wiring.regulated
    n_types = simulation.settings.n_types
    whole = sum(total[cells].var(axis=0) * len(cells) for cells in process.cells_of)
    for kind, share in enumerate((0.41, 0.20, 0.05)):
        rows = np.flatnonzero(terms.kind == kind)
        part = sum(
            (values[process.cells_of[c]][:, rows] @ process.coefficients[c][rows]).var(axis=0)
            * len(process.cells_of[c])
            for c in range(n_types)
        )
        assert np.median((part / whole)[regulated]) == pytest.approx(share, rel=0.15)


def test_effects_are_what_a_regression_on_the_true_columns_finds(simulation):
    table = simulation.edges().set_index(["target", "modulator", "cell_type"])["effect_sd"]
    terms, genes = simulation.wiring.terms, simulation.panel.genes
    columns, names = simulation.model_columns, np.array(terms.names(genes))
    fitted, known = [], []
    for target in np.flatnonzero(simulation.wiring.regulated):
        for code, cells in enumerate(simulation.process.cells_of):
            rows = np.flatnonzero(simulation.effects[code, :, target])
            x = columns[np.ix_(cells, rows)]
            x = (x - x.mean(axis=0)) / x.std(axis=0)
            y = simulation.steady.expression[cells, target]
            coefficients = np.linalg.lstsq(x, (y - y.mean()) / y.std(), rcond=None)[0]
            fitted += coefficients.tolist()
            known += [table[genes[target], name, simulation.labels[code]] for name in names[rows]]
    assert np.corrcoef(fitted, known)[0, 1] > 0.8
    assert np.dot(fitted, known) / np.dot(known, known) == pytest.approx(1.0, abs=0.15)


def test_the_columns_are_those_of_the_model(simulation):
    """E_T, r_L E_R and r_L E_T with the mean over all cells of exp(-d^2 / 2 r^2) E."""
    expression, terms = simulation.steady.expression, simulation.wiring.terms
    weights = np.exp(cdist(simulation.xy, simulation.xy) ** 2 / (-2.0 * simulation.settings.radius**2))
    received = weights @ expression / len(expression)
    for term in range(len(terms)):
        partner = terms.receptor[term] if terms.kind[term] == 1 else terms.tf[term]
        expected = expression[:, partner] * (received[:, terms.ligand[term]] if terms.ligand[term] >= 0 else 1.0)
        np.testing.assert_allclose(simulation.model_columns[:, term], expected, rtol=1e-6)


def test_feedback_is_weakened_until_it_comes_to_rest(monkeypatch):
    settings = Settings(300, 80, 3, 2, radius=120.0, false_prior=0.5, kernel="exponential")
    usual = Simulation.run(settings, starter_edges())
    monkeypatch.setattr(process, "_SWEEPS", 7)
    weaker = Simulation.run(settings, starter_edges())
    np.testing.assert_allclose(
        weaker.steady.expression,
        np.logaddexp(0.0, expected_input(weaker, weaker.steady.expression)),
        rtol=0.0,
        atol=1e-7,
    )
    loop = next(stage for stage in usual.process.stages if stage.loop).genes
    inside = np.isin(usual.wiring.terms.inputs, loop).any(axis=1)
    size = [np.abs(each.process.coefficients[:, inside][:, :, loop]).sum() for each in (usual, weaker)]
    assert size[1] < 0.9 * size[0]


def test_a_knock_out_that_does_not_come_to_rest_is_an_error(simulation, monkeypatch):
    loop = next(stage for stage in simulation.process.stages if stage.loop).genes
    monkeypatch.setattr(process, "_SWEEPS", 2)
    with pytest.raises(InputError, match="no steady state after 2 sweeps"):
        simulation.knock_outs([simulation.panel.genes[loop[0]]])
