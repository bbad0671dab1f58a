"""`solver="fista"` against seed training of the compiled edition, and its optimum against the Python package's."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd
import pytest

from spacetravlr.regression.fista import fista_batch, fista_batch_rows, fista_fit


def design_of(target, genes, expression, received, network, *, cutoff, max_ligands):
    """Columns of one target, written out from the rules: names, groups and matrix."""

    def edges(kind):
        return network[network.edge_type == kind]

    grn = edges("grn")
    regulators = list(dict.fromkeys(grn.source[(grn.target == target) & (grn.source != target)]))
    pairs = [(a, b) for a, b in zip(edges("lr").source, edges("lr").target, strict=True) if target not in {a, b}]
    pairs = list(dict.fromkeys(pairs))
    if max_ligands:
        mean = {gene: expression[:, genes.index(gene)].mean() for gene, _ in pairs}
        chosen = sorted(mean, key=lambda gene: (-mean[gene], gene))[:max_ligands]
        pairs = sorted((pair for pair in pairs if pair[0] in chosen), key="$".join)
    ligands = {ligand for ligand, _ in pairs}
    loops = []
    for regulator in regulators:
        rows = edges("nichenet")
        rows = rows[(rows.target == regulator) & (rows.weight > cutoff) & rows.source.isin(ligands)]
        best = rows.sort_values("weight", ascending=False, kind="stable").source[:5]
        loops += [(ligand, regulator) for ligand in best]

    def level(gene):
        return expression[:, genes.index(gene)]

    def arrived(gene):
        return received[:, genes.index(gene)]

    columns = [level(gene) for gene in regulators]
    columns += [arrived(a) * level(b) for a, b in pairs + loops]
    names = regulators + [f"{a}${b}" for a, b in pairs] + [f"{a}#{b}" for a, b in loops]
    groups = np.repeat([0, 1, 2], [len(regulators), len(pairs), len(loops)])
    return names, groups, np.column_stack(columns)


@lru_cache(maxsize=2)
def tissue_of(golden):
    tissue = np.load(golden / "design_tissue.npz")
    network = pd.read_parquet(golden / "v1_mouse_network.parquet")
    genes = tissue["var_names"].tolist()
    network = network[network.source.isin(genes) & network.target.isin(genes)]
    return tissue["xy"], tissue["clusters"], tissue["imputed_count"], genes, network


@pytest.fixture(params=["v1_train_readme.npz", "v1_train_strong.npz"])
def trained(request, golden):
    """Yield the options of the run, and per gene: design, groups, response, and expected table (clusters, 1 + p)."""
    figures = np.load(golden / request.param)
    xy, clusters, expression, genes, network = tissue_of(golden)
    square = ((xy[:, None, :] - xy[None, :, :]) ** 2).sum(axis=2)
    received = np.exp(-square / (2.0 * float(figures["radius"]) ** 2)) @ expression / len(xy)
    options = {name: figures[name].item() for name in ("group_reg", "l1_reg", "n_iter", "tol")}
    rules = {"cutoff": float(figures["tf_ligand_cutoff"]), "max_ligands": int(figures["max_ligands"])}
    problems = {}
    for gene in figures["genes"].tolist():
        names, groups, X = design_of(gene, genes, expression, received, network, **rules)
        header = ["beta0", *(f"beta_{name}" for name in names)]
        columns = figures[f"cols_{gene}"].tolist()
        assert set(columns) <= set(header)
        assert columns == [name for name in header if name in columns]
        expected = np.zeros((3, len(header)))
        expected[:, [header.index(name) for name in columns]] = figures[f"beta_{gene}"]
        assert figures[f"rows_{gene}"].tolist() == ["0", "1", "2"]
        problems[gene] = names, groups, X, expression[:, genes.index(gene)], expected
    assert len(problems) == 30
    return options, clusters, problems


def test_every_coefficient_of_the_compiled_edition_is_reproduced(trained):
    options, clusters, problems = trained
    for _, groups, X, y, expected in problems.values():
        for cluster, row in enumerate(expected):
            cells = clusters == cluster
            fit = fista_fit(X[cells], y[cells], groups, **options)
            error = np.abs(np.concatenate([[fit.intercept], fit.coef]) - row)
            assert error.max() <= 1e-11 * np.abs(expected[:, 1:]).max()


@pytest.mark.parametrize("form", ["moments", "rows"])
def test_the_targets_of_a_catalogue_are_reproduced_together(trained, form):
    options, clusters, problems = trained
    catalogue = {}
    for names, _, X, _, _ in problems.values():
        for position, name in enumerate(names):
            catalogue.setdefault(name, X[:, position])
    place = {name: k for k, name in enumerate(catalogue)}
    columns = np.column_stack(list(catalogue.values()))
    responses = np.array([y for _, _, _, y, _ in problems.values()])
    width = max(len(names) for names, *_ in problems.values())
    indices, groups = np.full((30, width), -1), np.full((30, width), -1)
    for target, (names, ids, *_) in enumerate(problems.values()):
        indices[target, : len(names)] = [place[name] for name in names]
        groups[target, : len(names)] = ids
    for cluster in range(3):
        X, Y = columns[clusters == cluster], responses[:, clusters == cluster]
        if form == "rows":
            result = fista_batch_rows(X, Y, indices, groups=groups, **options)
        else:
            means, n = X.mean(axis=0), len(X)
            gram, xy = (X - means).T @ (X - means) / n, Y @ (X - means) / n
            moments = {"means": means, "n": n, "y_mean": Y.mean(axis=1), "yy_mean": (Y**2).mean(axis=1)}
            result = fista_batch(gram, xy, indices, groups=groups, **moments, **options)
        for target, (names, *_, expected) in enumerate(problems.values()):
            error = np.abs(np.r_[result.intercept[target], result.coef[target, : len(names)]] - expected[cluster])
            assert error.max() <= 1e-11 * np.abs(expected[:, 1:]).max()


def objective(X, y, coef, intercept, weights, l1):
    residual = y - intercept - X @ coef
    sizes = sum(weight * np.linalg.norm(coef[ids]) for weight, ids in weights)
    return residual @ residual / (2 * len(y)) + sizes + l1 * np.abs(coef).sum()


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("cluster", [0, 1, 2])
def test_the_optimum_of_the_python_package_is_found(golden, which, cluster):
    """Its solver minimises f + 2 x penalty; it stopped about 1e-5 short of the optimum, so ours must lie below."""
    figures = np.load(golden / f"group_lasso_{which}.npz")
    cells = figures["clusters"] == cluster
    X, y, groups = figures["X"][cells], figures["y"][cells], figures["groups"] - 1
    fit = fista_fit(
        X, y, groups, group_reg=2 * 0.05, l1_reg=2 * 0.01, n_iter=20000, tol=1e-12, scale_group="inverse_sqrt"
    )
    expected, intercept = figures[f"strong_conv_coef_{cluster}"], figures[f"strong_conv_intercept_{cluster}"]
    assert fit.converged
    np.testing.assert_array_equal(fit.coef == 0, expected == 0)
    np.testing.assert_allclose(fit.coef, expected, rtol=0.0, atol=3e-5 * np.abs(expected).max())
    assert fit.intercept == pytest.approx(float(intercept), rel=1e-5)
    weights = [(0.1 / np.sqrt((groups == g).sum()), groups == g) for g in range(3)]
    ours, theirs = (objective(X, y, w, b, weights, 0.02) for w, b in [(fit.coef, fit.intercept), (expected, intercept)])
    assert theirs - 1e-9 < ours <= theirs
