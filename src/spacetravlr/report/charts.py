"""The figures of the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spacetravlr.report.svg import INK, MUTED, SERIES, dress, figure_of, to_svg
from spacetravlr.report.words import score

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from spacetravlr.report.genes import Genes
    from spacetravlr.report.recovery import Kind, Recovery
    from spacetravlr.report.sample import Sample
    from spacetravlr.report.timings import Timings

_WIDTH, _HEIGHT = 4.6, 2.7
_MOST_CELLS = 40_000
_MOST_CLUSTERS = 40
_BINS = 28


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure with its words."""

    title: str
    svg: str
    caption: str


def skill(genes: Genes) -> Chart | None:
    """Draw how R2 is distributed over the targets with a model; None if it is not known."""
    own = genes.modelled
    series = {"in the cells a model was fitted to": genes.r2_in[own], "in cells held out": genes.r2_out[own]}
    series = {name: values[np.isfinite(values)] for name, values in series.items()}
    series = {name: values for name, values in series.items() if len(values)}
    if not series:
        return None
    low = min(0.0, *(float(np.quantile(values, 0.01)) for values in series.values()))
    # judged by counts, good models have no more than a few hundredths
    high = max(float(values.max()) for values in series.values())
    top = next((one for one in (0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8) if one >= high), 1.0)
    edges = np.linspace(max(low, -1.0), top, _BINS + 1)
    bins = edges.tolist()
    figure = figure_of(_WIDTH, _HEIGHT)
    ax = figure.subplots()
    for (name, values), colour in zip(series.items(), (SERIES[1], SERIES[0])[-len(series) :], strict=True):
        shown = np.clip(values, edges[0], edges[-1])
        ax.hist(shown, bins, color=colour, alpha=0.28, histtype="stepfilled")
        ax.hist(shown, bins, color=colour, histtype="step", linewidth=1.4, label=name)
        ax.axvline(float(np.median(values)), color=colour, linewidth=1.2, linestyle=(0, (4, 2)))
    ax.set(xlabel="R², mean over clusters", ylabel="genes", xlim=(edges[0], edges[-1]))
    _whole_numbers(ax)
    _legend(ax)
    dress(ax)
    medians = "; ".join(f"{name}: median {score(float(np.median(values)))}" for name, values in series.items())
    below = sum(float((values < edges[0]).sum()) for values in series.values())
    more = f" {below:.0f} values below {edges[0]:g} are in the first bar." if below else ""
    caption = f"R² {medians} (dashed).{more}"
    return Chart("How well genes are predicted", to_svg(figure, "skill", f"Histogram. {caption}"), caption)


def modulators(genes: Genes) -> Chart | None:
    """Draw how many modulators the models keep; None if it is not known."""
    kept = genes.n_kept[genes.modelled & (genes.n_kept >= 0)]
    if not len(kept):
        return None
    figure = figure_of(_WIDTH, _HEIGHT)
    ax = figure.subplots()
    top = int(kept.max())
    # bars of equally many whole numbers: others would hold now one, now two of them
    step = -(-(top + 1) // _BINS)
    bins = (np.arange(0, top + 1 + step, step) - 0.5).tolist()
    ax.hist(kept, bins, color=SERIES[0], alpha=0.75, rwidth=0.92)
    ax.axvline(float(np.median(kept)), color=INK, linewidth=1.2, linestyle=(0, (4, 2)))
    ax.set(xlabel="modulators with a coefficient", ylabel="genes")
    _whole_numbers(ax)
    dress(ax)
    offered = genes.n_offered[genes.modelled & (genes.n_offered >= 0)]
    of = f" of {np.median(offered):.0f} offered" if len(offered) else ""
    caption = f"A model keeps {np.median(kept):.0f} modulators{of} (median, dashed), at most {top}."
    return Chart("How many modulators a model has", to_svg(figure, "modulators", f"Histogram. {caption}"), caption)


def by_cluster(genes: Genes, names: Mapping[str, str]) -> Chart | None:
    """Draw the range of R2 in each cluster; None if it is not known."""
    done = [name for name, own in zip(genes.names, genes.modelled, strict=True) if own]
    scores = genes.scores[genes.scores["gene"].isin(done)]
    column = "r2_out" if scores["r2_out"].notna().any() else "r2_in"
    parts = {
        str(label): part[column].dropna().to_numpy(dtype=np.float64)
        for label, part in scores.groupby("cluster", sort=False)
    }
    parts = {label: part for label, part in list(parts.items())[:_MOST_CLUSTERS] if len(part)}
    if not parts:
        return None
    order = sorted(parts, key=lambda label: float(np.median(parts[label])))
    figure = figure_of(_WIDTH, 0.9 + 0.26 * len(order))
    ax = figure.subplots()
    for place, label in enumerate(order):
        low, quarter, middle, three, high = np.quantile(parts[label], (0.05, 0.25, 0.5, 0.75, 0.95))
        ax.plot([low, high], [place, place], color=SERIES[0], linewidth=1.2, solid_capstyle="round")
        ax.plot([quarter, three], [place, place], color=SERIES[0], linewidth=6.5, alpha=0.45, solid_capstyle="butt")
        ax.plot([middle], [place], "o", color=SERIES[0], markersize=5.5)
    ax.set_yticks(range(len(order)), [_short(names.get(label, label)) for label in order])
    ax.set(xlabel=f"R² {_where(column)}", ylim=(-0.7, len(order) - 0.3))
    dress(ax, grid="x")
    best, worst = order[-1], order[0]
    caption = (
        f"Median (dot), middle half (bar) and 5 to 95 % (line) of the genes with a model, {_where(column)}. "
        f"Best in {names.get(best, best)}, worst in {names.get(worst, worst)}."
    )
    return Chart("Skill by cluster", to_svg(figure, "byCluster", caption), caption)


def tissue_map(sample: Sample) -> Chart | None:
    """Draw the clusters on the tissue; None without a sample."""
    from spacetravlr.pl.points import category_points, dot_size
    from spacetravlr.report.sample import thinned

    tissue = sample.tissue
    if tissue is None:
        return None
    rows = thinned(tissue.xy, _MOST_CELLS)
    if not len(rows):
        return None
    labels = list(tissue.clusters.labels)
    names = sample.cluster_names(labels)
    spread = np.ptp(tissue.xy[rows], axis=0)
    # the legend has up to 18 rows, and must not be cut
    rows_of_legend = -(-len(labels) // (1 + (len(labels) - 1) // 18))
    lowest = max(2.2, 0.3 + 0.2 * rows_of_legend)
    tall = float(np.clip(_WIDTH * 0.66 * spread[1] / max(spread[0], 1e-9), lowest, 6.0))
    figure = figure_of(_WIDTH, tall)
    figure.set_layout_engine("compressed")
    ax = figure.subplots()
    category_points(
        *(ax, tissue.xy[rows], tissue.clusters.codes[rows], [_short(names[label]) for label in labels]),
        s=0.55 * dot_size(len(rows)),
        counts=False,
    )
    _scale(ax, tissue.xy[rows], sample.unit)
    ax.patch.set_visible(False)
    _recolour_legend(ax)
    part = f" {len(rows):,} of {tissue.n_cells:,} cells are drawn." if len(rows) < tissue.n_cells else ""
    caption = f"{tissue.n_cells:,} cells in {len(labels)} clusters of obs[{tissue.clusters.column!r}].{part}"
    return Chart("The tissue", to_svg(figure, "tissue", f"Map of the cells coloured by cluster. {caption}"), caption)


def pace(timings: Timings) -> Chart | None:
    """Draw when targets were finished; None with fewer than two."""
    times = np.array(timings.results)
    if len(times) < 2:
        return None
    # the date of the last session is of no use for targets of an earlier one
    known = timings.began is not None and timings.began <= times[0] + 1.0
    began = timings.began if known and timings.began is not None else float(times[0])
    since = "the run began" if known else "the first target"
    seconds = np.maximum(times - began, 0.0)
    unit, name = next(
        (one for one in ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes")) if seconds[-1] > 2 * one[0]),
        (1.0, "seconds"),
    )
    x = np.concatenate([[0.0], seconds / unit])
    figure = figure_of(_WIDTH, _HEIGHT)
    ax = figure.subplots()
    ax.fill_between(x, np.arange(len(x)), step="post", color=SERIES[0], alpha=0.2, linewidth=0)
    ax.step(x, np.arange(len(x)), where="post", color=SERIES[0], linewidth=1.6)
    ax.set(xlabel=f"{name} since {since}", ylabel="targets finished", xlim=(0.0, None), ylim=(0.0, None))
    _whole_numbers(ax)
    dress(ax)
    caption = (
        f"{len(times):,} targets finished within {seconds[-1] / unit:.3g} {name} of "
        f"{'the beginning' if known else 'the first one'}, by the dates of their files."
    )
    return Chart("Pace", to_svg(figure, "pace", f"Curve. {caption}"), caption)


def found_edges(kinds: Mapping[Kind, Recovery], words: Mapping[Kind, str]) -> Chart | None:
    """Draw how many of the strongest coefficients are known edges; None without a truth."""
    shown = {kind: one for kind, one in kinds.items() if one.n_written}
    if not shown:
        return None
    figure = figure_of(_WIDTH, _HEIGHT)
    ax = figure.subplots()
    for (kind, one), colour in zip(shown.items(), SERIES, strict=False):
        ax.plot(np.arange(1, one.n_written + 1), one.precision, color=colour, linewidth=1.7, label=words[kind])
    ax.set(xscale="log", xlabel="strongest coefficients, this many", ylabel="share that is true", ylim=(0.0, 1.03))
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.minorticks_off()
    _legend(ax)
    dress(ax)
    caption = (
        "Of the strongest coefficients of each kind, the share that is an edge of the answer key. Every cell type "
        "counts by itself."
    )
    return Chart("Are the strongest edges true?", to_svg(figure, "edges", caption), caption)


def _legend(ax: Axes) -> None:
    ax.legend(
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.0),
        ncols=3,
        frameon=False,
        fontsize=8.5,
        labelcolor=MUTED,
        handlelength=1.2,
        columnspacing=1.2,
        borderpad=0.1,
    )


def _whole_numbers(ax: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    ax.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))


def _scale(ax: Axes, xy: NDArray[np.float64], unit: str) -> None:
    from spacetravlr.pl.points import scale_bar

    scale_bar(ax, xy, unit, MUTED)


def _recolour_legend(ax: Axes) -> None:
    legend = ax.get_legend()
    if legend is not None:
        for text in legend.get_texts():
            text.set_color(INK)


def _where(column: str) -> str:
    return "in cells held out" if column == "r2_out" else "in the cells it was fitted to"


def _short(text: str, most: int = 22) -> str:
    short = text if len(text) <= most else f"{text[: most - 1]}…"
    # a name is no formula
    return short.replace("$", r"\$")
