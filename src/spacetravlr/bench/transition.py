"""Transition fields: 150 neighbours of every cell, 500 genes of which some or all change.

The error is that of 100 cells against the formulas evaluated for one cell at a time, relative to the longest arrow.
That evaluation, over all cells, is what the time is compared with.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from spacetravlr.bench._session import Session
from spacetravlr.bench._text import megabytes, power, seconds

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from spacetravlr.perturbation import Effect

    Array = NDArray[np.float64]

_CELLS = (1_000, 10_000, 100_000)
_GENES = 500
_CHANGED = (50, _GENES)
_NEIGHBOURS = 150
_TEMPERATURE = 0.05
_CHECKED = 100
_SEED = 42


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--cells", type=int, nargs="+", help="numbers of cells (1000 10000 100000)")


def run(session: Session) -> None:
    """Measure each number of cells with few and with all genes changing."""
    options = session.options
    session.dataset = {
        "recipe": "cells around 12 places of the embedding, exponential expression, changes of up to half",
        "seed": _SEED,
        "genes": _GENES,
        "neighbours": _NEIGHBOURS,
    }
    for cells in options.cells or ((500,) if options.quick else _CELLS):
        for changed in _CHANGED:
            point = {"cells": cells, "changed_genes": changed}
            found = session.measure(point)
            if found is None:
                continue
            result = session.record(point, found.pop("walls"), **found)
            session.say(
                f"  {cells:>7,} cells  {changed:>3} of {_GENES} genes change  {seconds(result['median_s']):>8} "
                f"(best {seconds(result['min_s'])})  {found['ns_per_pair']:.0f} ns per neighbour  "
                f"{megabytes(found['peak_rss_mb']):>8}, {megabytes(found['input_mb'])} before  "
                f"cell by cell {seconds(found['plain_s'])}  error {power(found['error'])}"
            )


def measure(point: dict[str, Any]) -> dict[str, Any]:
    """Measure one number of cells and of changing genes.

    Returns
    -------
    ``walls``; ``ns_per_pair`` of a cell and a neighbour; ``input_mb``, the memory before; ``plain_s``, the time of the
    formulas in NumPy for one cell at a time, without the search for neighbours, extrapolated from some cells;
    ``error``.
    """
    import time

    import numpy as np

    from spacetravlr.bench._host import peak_memory_mb
    from spacetravlr.bench._timing import summary, timed
    from spacetravlr.perturbation.transition import transition_field

    effect, embedding = make_effect(point["cells"], point["changed_genes"])
    input_mb = peak_memory_mb()
    settings: dict[str, Any] = {"n_neighbors": _NEIGHBOURS, "temperature": _TEMPERATURE, "n_jobs": point["threads"]}
    found = transition_field(effect, embedding=embedding, **settings)
    walls = timed(lambda: transition_field(effect, embedding=embedding, **settings), point["repeats"], warm_up=False)
    peak = peak_memory_mb()
    checked = np.linspace(0, point["cells"] - 1, _CHECKED).astype(np.int64)
    near = [_nearest(embedding, cell) for cell in checked]
    began = time.perf_counter()
    plain = np.array([plain_vector(effect, embedding, cell, own) for cell, own in zip(checked, near, strict=True)])
    plain_s = (time.perf_counter() - began) * point["cells"] / len(checked)
    return {
        "walls": walls,
        "ns_per_pair": summary(walls)["median_s"] * 1e9 / (point["cells"] * found.params["n_neighbors"]),
        "input_mb": input_mb,
        "peak_rss_mb": peak,
        "plain_s": plain_s,
        "error": float(np.abs(found.cell_vectors[checked] - plain).max() / np.abs(plain).max()),
    }


def make_effect(cells: int, changed: int) -> tuple[Effect, Array]:
    """Return an effect of (cells, 500) float64 in which some genes fall to between half and all, and positions."""
    import numpy as np

    from spacetravlr.perturbation import Effect, Target

    rng = np.random.default_rng(np.random.SeedSequence(_SEED, spawn_key=(cells, changed)))
    embedding = rng.normal(size=(cells, 2)) + 6.0 * rng.normal(size=(12, 2))[rng.integers(0, 12, cells)]
    baseline = rng.standard_exponential((cells, _GENES))
    columns = np.sort(rng.permutation(_GENES)[:changed])
    values = np.empty((changed, cells))
    for row, gene in enumerate(columns):
        values[row] = baseline[:, gene] * rng.uniform(0.5, 1.0, cells)
    genes = tuple(f"G{number:03d}" for number in range(_GENES))
    names = tuple(f"c{number}" for number in range(cells))
    return Effect(baseline, genes, names, (Target("G000", 0.0),), 1, "default", columns, values), embedding


def _nearest(embedding: Array, cell: int) -> NDArray[np.int64]:
    import numpy as np

    squared = ((embedding - embedding[cell]) ** 2).sum(axis=1)
    squared[cell] = np.inf
    return np.argsort(squared, kind="stable")[: min(_NEIGHBOURS, len(embedding) - 1)]


def plain_vector(effect: Effect, embedding: Array, cell: int, near: NDArray[np.int64]) -> Array:
    """Return the arrow of one cell by the formulas: correlation over all genes, softmax, what exceeds uniform."""
    import numpy as np

    change = np.zeros(len(effect.genes))
    change[effect.columns] = np.round(effect.values[:, cell] - effect.baseline[cell, effect.columns], 3)
    apart = effect.baseline[near] - effect.baseline[cell]
    apart = apart - apart.mean(axis=1, keepdims=True)
    change -= change.mean()
    correlation = apart @ change / np.sqrt((apart**2).sum(axis=1) * (change @ change))
    weight = np.exp((correlation - correlation.max()) / _TEMPERATURE)
    weight = np.maximum(weight / weight.sum() - 1.0 / len(near), 0.0)
    arrow: Array = weight @ (embedding[near] - embedding[cell]) / weight.sum()
    return arrow
