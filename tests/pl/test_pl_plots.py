"""What is drawn: points, limits, norms, labels; and that nothing of matplotlib is left changed or open."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.figure import Figure
from matplotlib.quiver import Quiver
from scipy.spatial import cKDTree

import spacetravlr as stl
from spacetravlr.errors import InputError, UsageError
from spacetravlr.pl import colours
from spacetravlr.pl.profiles import neighbour_profile


@pytest.fixture(autouse=True)
def _nothing_is_left():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    before = dict(mpl.rcParams)
    yield
    assert dict(mpl.rcParams) == before
    assert pyplot.get_fignums() == []


def points(ax):
    return [one for one in ax.collections if isinstance(one, PathCollection) and len(one.get_offsets())]


def bars(figure, ax):
    return [other for other in figure.axes if other is not ax]


def test_a_coefficient_lies_where_its_cells_are(made):
    table, tissue = made.run.betas(made.target), made.run.tissue()
    pair = table.lr_pairs[0]
    ax = stl.pl.betas(made.run, made.target, pair)
    (cells,) = points(ax)
    column = table.values[:, table.modulators.index(pair)]
    rows = dict(zip(table.row_labels, column, strict=True))
    wanted = np.array([rows.get(label, 0.0) for label in np.array(tissue.clusters.labels)[tissue.clusters.codes]])
    drawn = {tuple(at): value for at, value in zip(cells.get_offsets().tolist(), cells.get_array(), strict=True)}
    assert drawn == {tuple(at): value for at, value in zip(tissue.xy.tolist(), wanted, strict=True)}
    low, high = cells.get_clim()
    assert low == -high
    assert high == pytest.approx(colours.symmetric_limit(wanted))
    # weak ones are drawn first
    assert (np.diff(np.abs(cells.get_array())) >= 0).all()
    assert cells.get_rasterized()
    assert ax.get_aspect() == 1.0
    (scale,) = bars(ax.figure, ax)
    assert f"expression of {made.target} per unit of {pair.replace('$', '–')}" in scale.get_ylabel()


def test_near_zero_is_a_neutral_grey_and_the_ends_differ(made):
    r, g, b = colours.diverging()(0.5)[:3]
    assert max(r, g, b) - min(r, g, b) < 0.02
    low, high = np.array(colours.diverging()(0.0)[:3]), np.array(colours.diverging()(1.0)[:3])
    # blue against orange: told apart by the amount of blue, which everybody sees
    assert abs(low[2] - high[2]) > 0.3
    lightness = [np.dot(colours.sequential()(x)[:3], [0.2126, 0.7152, 0.0722]) for x in np.linspace(0, 1, 30)]
    assert (np.diff(lightness) < 0).all()
    for n in (3, 8, 13, 40):
        assert len({to_rgb(one) for one in colours.categorical(n)}) == n


def test_an_effect_is_drawn_with_its_sign(made):
    gene = str(made.effect.top(1)["gene"].iloc[0])
    ax = stl.pl.effect(made.effect, gene)
    (cells,) = points(ax)
    delta = made.effect.delta[:, made.effect.genes.index(gene)]
    np.testing.assert_allclose(np.sort(cells.get_array()), np.sort(delta))
    assert cells.get_clim()[0] == -cells.get_clim()[1]
    assert "knock-out of" in ax.get_title()
    (scale,) = bars(ax.figure, ax)
    assert scale.get_ylabel() == "change of expression"
    after = points(stl.pl.effect(made.effect, gene, what="simulated", limit=3.0, colorbar=False))[0]
    assert after.get_clim() == (0.0, 3.0)
    before = points(stl.pl.effect(made.effect, gene, what="baseline"))[0]
    np.testing.assert_allclose(np.sort(after.get_array()) >= 0, np.full(300, fill_value=True))
    np.testing.assert_allclose(
        np.sort(before.get_array()), np.sort(made.effect.baseline[:, made.effect.genes.index(gene)])
    )


def test_values_beyond_the_scale_are_told_by_arrows(made):
    gene = str(made.effect.top(1)["gene"].iloc[0])
    delta = made.effect.delta[:, made.effect.genes.index(gene)]
    ax = stl.pl.effect(made.effect, gene, limit=float(np.abs(delta).max()) / 2)
    extend = points(ax)[0].colorbar.extend
    assert extend != "neither"
    assert points(stl.pl.effect(made.effect, gene, limit=100.0))[0].colorbar.extend == "neither"
    # the words of matplotlib for the same are taken, too
    assert points(stl.pl.effect(made.effect, gene, vmin=-3.0, vmax=7.0))[0].get_clim() == (-3.0, 7.0)


def test_the_title_tells_where_if_it_is_not_everywhere(made):
    gene = str(made.near.top(1)["gene"].iloc[0])
    n = len(made.near.interventions[0].rows)
    assert 0 < n < 300
    assert stl.pl.effect(made.near, gene).get_title().endswith(f"at its 99th percentile in {n} of 300 cells")
    assert "cells" not in stl.pl.effect(made.effect, gene).get_title()


def test_clusters_and_their_counts(made):
    ax = stl.pl.clusters(made.run, unit="µm")
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    sizes = made.run.tissue().clusters.sizes
    assert [int(text.rpartition("(")[2].rstrip(")").replace(",", "")) for text in texts] == sizes.tolist()
    (cells,) = points(ax)
    assert len({tuple(one) for one in cells.get_facecolor()}) == len(sizes)
    (bar,) = [line for line in ax.lines if line.get_label() == "_scale"]
    length = np.ptp(bar.get_xdata())
    assert f"{length:g} µm" in [text.get_text() for text in ax.texts]
    assert length <= 0.2 * np.ptp(made.run.tissue().xy[:, 0])
    from_tissue = stl.pl.clusters(made.run.tissue())
    np.testing.assert_array_equal(points(from_tissue)[0].get_offsets(), cells.get_offsets())


def test_arrows_point_where_the_field_says(made):
    field = stl.tl.transition_field(made.effect, "X_umap", adata=made.adata, n_neighbors=30)
    ax = stl.pl.field(field, length=2.0)
    (arrows,) = [one for one in ax.collections if isinstance(one, Quiver)]
    sizes = np.hypot(*field.vectors.T)
    shown = sizes > 0.02 * sizes.max()
    np.testing.assert_allclose(np.stack([arrows.U, arrows.V], axis=1), field.vectors[shown])
    np.testing.assert_allclose(arrows.XY, field.points[shown])
    # the longest arrow is two steps of the grid long
    step = min(np.diff(field.grid_x).mean(), np.diff(field.grid_y).mean())
    assert sizes.max() / arrows.scale == pytest.approx(2.0 * step)
    assert ax.get_aspect() == 1.0
    assert ax.get_xlabel() == "umap 1"
    assert len(ax.get_legend().get_texts()) == made.adata.obs["cell_type"].nunique()
    assert stl.pl.field(field, color="none").get_legend() is None
    with pytest.raises(InputError, match="one label for each of 300 cells"):
        stl.pl.field(field, color=["a", "b"])


def test_top_effects_are_bars_or_colours(made):
    top = made.effect.top(8)
    ax = stl.pl.top_effects(made.effect, 8)
    assert [text.get_text() for text in ax.get_yticklabels()] == top["gene"].tolist()
    np.testing.assert_allclose([bar.get_width() for bar in ax.patches], top["mean_delta"])
    assert ax.get_ylim()[0] > ax.get_ylim()[1]
    assert ax.get_xlim()[0] == -ax.get_xlim()[1]
    ax = stl.pl.top_effects(made.effect, 8, by="cell_type")
    (image,) = ax.images
    by_type = made.effect.differential(by="cell_type").set_index(["gene", "cell_type"])["mean_delta"]
    genes, types = ([text.get_text() for text in labels] for labels in (ax.get_yticklabels(), ax.get_xticklabels()))
    wanted = [[by_type.get((gene, kind), 0.0) for kind in types] for gene in genes]
    np.testing.assert_allclose(image.get_array(), wanted)
    assert image.get_clim()[0] == -image.get_clim()[1]


def test_rings_show_mean_and_spread(made):
    gene = str(made.near.top(1)["gene"].iloc[0])
    ax = stl.pl.niche_profile(made.near, gene, rings=[100, 200, 400])
    (mean,) = [line for line in ax.lines if line.get_label() == "mean"]
    table = made.near.differential(by="ring", rings=[100, 200, 400])
    wanted = table[table["gene"] == gene].set_index("ring")["mean_delta"]
    labels = [text.get_text().split("\n")[0].replace("–", "-") for text in ax.get_xticklabels()]
    assert labels[0] == "perturbed"
    np.testing.assert_allclose(mean.get_ydata(), [wanted.get(label, 0.0) for label in labels])
    fewer = stl.pl.niche_profile(made.near, gene, rings=[100, 200, 400], perturbed=False)
    assert len(fewer.get_xticklabels()) == len(labels) - 1


def test_neighbours_against_a_slow_sum():
    rng = np.random.default_rng(1)
    xy, codes, values = rng.uniform(0, 10, (40, 2)), rng.integers(0, 3, 40), rng.normal(size=40)
    xy[7] = np.nan
    found = neighbour_profile(xy, codes, values, n_neighbours=4)
    placed = [cell for cell in range(40) if cell != 7]
    tree = cKDTree(xy[placed])
    total, weight = np.zeros(3), np.zeros(3)
    for cell in placed:
        near = [placed[other] for other in tree.query(xy[cell], k=5)[1]]
        for other in near:
            if other != cell:
                total[codes[other]] += values[cell] - values[codes == codes[cell]].mean()
                weight[codes[other]] += 1
    np.testing.assert_allclose(found, total / weight)


def test_neighbours_of_effects_and_of_coefficients(made):
    gene = str(made.effect.top(1)["gene"].iloc[0])
    ax = stl.pl.niche_profile(made.effect, gene, by="neighbours")
    assert {text.get_text() for text in ax.get_yticklabels()} == set(made.adata.obs["cell_type"])
    widths = [bar.get_width() for bar in ax.patches]
    assert widths == sorted(widths)
    table = made.run.betas(made.target)
    with pytest.raises(UsageError, match="the same in all cells of a cluster"):
        stl.pl.niche_profile(made.run, made.target, table.tfs[0])

    class PerCell:
        tissue = made.run.tissue

        def betas(self, gene):
            cells = made.run.tissue().cells
            values = np.linspace(-1, 1, len(cells))[:, None]
            return stl.Betas(gene, "cell", cells, np.zeros(len(cells)), ("Tf1",), values)

    ax = stl.pl.niche_profile(PerCell(), "G", "Tf1")
    assert "coefficient of Tf1" in ax.get_xlabel()


def test_the_penalty_path(made):
    ax = stl.pl.training_curves(made.run, made.target)
    path = made.run.penalty_path().query("gene == @made.target")
    curve = ax.lines[0]
    np.testing.assert_allclose(curve.get_ydata(), path["error"])
    np.testing.assert_allclose(curve.get_xdata(), path["lambda"])
    assert ax.get_xscale() == "log"
    (chosen,) = path[path["chosen"]]["lambda"]
    assert ax.lines[1].get_xdata()[0] == chosen
    assert f"chosen: {chosen:.3g}" in [text.get_text() for text in ax.get_legend().get_texts()]


def test_the_epochs_of_a_network(made):
    from spacetravlr.run import ClusterLog, GeneLog

    class Network:
        path = made.run.path

        def penalty_path(self):
            return pd.DataFrame({"gene": [], "lambda": []})

        def log(self, gene):
            common = {"n_cells": 9, "n_modulators": 2, "r2_in": 0.5, "train_mse": 0.1, "n_iter": 3, "converged": True}
            clusters = [
                ClusterLog(cluster=c, cnn_mse=m, **common) for c, m in (("0", (3.0, 2.0)), ("1", ()), ("2", (5.0, 1.0)))
            ]
            return GeneLog(gene=gene, clusters=tuple(clusters))

    ax = stl.pl.training_curves(Network(), "G")
    assert [line.get_label() for line in ax.lines] == ["cluster 0", "cluster 2"]
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), [5.0, 1.0])
    with pytest.raises(InputError, match="no penalty path"):
        stl.pl.training_curves(Network(), "G", kind="path")
    with pytest.raises(InputError, match="no niche network"):
        stl.pl.training_curves(made.run, made.target, kind="network")


def test_axes_that_are_given_are_used_and_returned(made):
    figure = Figure()
    axes = figure.subplots(2, 2).ravel()
    gene = made.effect.top(1)["gene"].iloc[0]
    assert stl.pl.effect(made.effect, gene, ax=axes[0]) is axes[0]
    assert stl.pl.top_effects(made.effect, ax=axes[1]) is axes[1]
    assert stl.pl.training_curves(made.run, made.target, ax=axes[2]) is axes[2]
    assert stl.pl.clusters(made.run, ax=axes[3], s=2.0, alpha=0.5) is axes[3]
    assert points(axes[3])[0].get_sizes().tolist() == [2.0]
    assert points(axes[3])[0].get_facecolor()[0][3] == pytest.approx(0.5)


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg", "PNG"])
def test_saving(made, tmp_path, suffix):
    path = tmp_path / f"a map.{suffix}"
    stl.pl.clusters(made.run, save=path)
    content = path.read_bytes()
    starts = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}
    assert content.startswith(starts[suffix.lower()])
    # points are an image inside, so that a large tissue stays a small file
    assert suffix != "svg" or b"data:image/png" in content
    stl.pl.clusters(made.run, save=path)
    assert path.read_bytes() == content
    assert not [one for one in tmp_path.iterdir() if one != path]


def test_slips_are_told_before_anything_is_drawn(made, tmp_path):
    table = made.run.betas(made.target)
    ligand = table.ligands[0]
    with pytest.raises(UsageError, match="a figure is saved as one of"):
        stl.pl.clusters(made.run, save=tmp_path / "a.doc")
    with pytest.raises(InputError, match="is in these modulators"):
        stl.pl.betas(made.run, made.target, ligand)
    with pytest.raises(InputError, match=f"did you mean '{table.tfs[0]}'"):
        stl.pl.betas(made.run, made.target, table.tfs[0] + "x")
    with pytest.raises(InputError, match="did you mean"):
        stl.pl.effect(made.effect, made.effect.genes[0] + "x")
    with pytest.raises(UsageError, match="what='after'"):
        stl.pl.effect(made.effect, made.effect.genes[0], what="after")
    with pytest.raises(UsageError, match="name the modulator"):
        stl.pl.niche_profile(made.run, made.target)
    with pytest.raises(UsageError, match="give a run"):
        stl.pl.niche_profile(made.effect, made.target, "Tf1")
    with pytest.raises(UsageError, match="rings are around perturbed cells"):
        stl.pl.niche_profile(made.run, made.target, "Tf1", by="ring")
    with pytest.raises(UsageError, match="limit=0"):
        stl.pl.effect(made.effect, made.effect.genes[0], limit=0.0)
    with pytest.raises(UsageError, match="at least one gene"):
        stl.pl.top_effects(made.effect, 0)
    with pytest.raises(UsageError, match="kind='curve'"):
        stl.pl.training_curves(made.run, made.target, kind="curve")


def test_unplaced_and_unknown_values_are_seen_as_such():
    from spacetravlr.pl.points import signed_points

    ax = Figure().subplots()
    xy = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0]])
    values = np.array([1.0, np.nan, -2.0])
    signed_points(ax, xy, values)
    unknown, known = points(ax)
    assert unknown.get_offsets().tolist() == [[1.0, 1.0]]
    assert known.get_array().tolist() == [1.0, -2.0]
    assert unknown.get_edgecolor()[0].tolist() == list(to_rgba("#BEBEBC"))
    assert colours.symmetric_limit([0.0, np.nan]) == 1.0
