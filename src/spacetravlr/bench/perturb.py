"""A knock-out of the most used ligand in 3 steps, 50 trained of 468 genes: building the model, and simulating.

The error is against sums over all pairs of cells: in all cells up to 10,000, beyond in a sample of them. The whole
command, `spacetravlr-perturb`, is timed for 10,000 cells.
"""

from __future__ import annotations

import argparse
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Any

from spacetravlr.bench._session import Session
from spacetravlr.bench._text import megabytes, power, seconds

if TYPE_CHECKING:
    from spacetravlr.bench._mock import MockTissue
    from spacetravlr.perturbation import PropagationModel

_CELLS = (1_000, 10_000, 100_000)
_LARGE = 1_000_000
_STEPS = 3
_RADIUS = 200.0
_VARIANTS: dict[str, dict[str, Any]] = {
    "tol 1e-6": {"signal_tol": 1e-6},
    "tol 1e-3": {"signal_tol": 1e-3},
    "grid 0.5": {"ligand_grid_factor": 0.5},
    "exact": {"signal_tol": 0.0},
}
_COMMAND_CELLS = 10_000
"""Cells for which the whole command is timed."""
_EXACT_UP_TO = 10_000
"""Cells up to which every pair of cells is summed, to compare with."""
_WARM_UP = 2_000
"""Cells of the model that is simulated before a large one, in place of a repeat."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--cells", type=int, nargs="+", help="numbers of cells (1000 10000 100000)")
    parser.add_argument("--large", action="store_true", help="1,000,000 cells too (needs about 12 GB)")
    parser.add_argument("--variants", nargs="+", choices=_VARIANTS, help="ways of receiving ligands (all)")


def run(session: Session) -> None:
    """Measure each number of cells with each way of receiving ligands."""
    options = session.options
    sizes = options.cells or ((1_500,) if options.quick else _CELLS)
    session.dataset = {
        "recipe": "mock: 468 genes, 50 targets, 13 clusters, 423 modulator genes, 10 um per cell",
        "seed": 42,
        "radius": _RADIUS,
        "steps": _STEPS,
    }
    for cells in [*sizes, _LARGE] if options.large else sizes:
        for variant in options.variants or (("tol 1e-6", "grid 0.5") if options.quick else _VARIANTS):
            point = {"cells": cells, "variant": variant}
            if variant == "exact" and cells > _EXACT_UP_TO:
                continue
            found = session.measure(point)
            if found is None:
                continue
            result = session.record(point, found.pop("walls"), **found)
            session.say(
                f"  {cells:>9,} cells  {variant}  simulate {seconds(result['median_s']):>8} "
                f"(best {seconds(result['min_s'])})  build {seconds(found['build_s']):>8}  "
                f"{megabytes(found['peak_rss_mb']):>8}  error {power(found['error'])}  by {found['methods']}"
            )
    if options.quick or _COMMAND_CELLS in sizes:
        from spacetravlr.bench._mock import mock_tissue
        from spacetravlr.bench._perturb_command import time_command

        tissue = mock_tissue(sizes[0] if options.quick else _COMMAND_CELLS)
        time_command(session, tissue, most_used(tissue), steps=_STEPS)


def measure(point: dict[str, Any]) -> dict[str, Any]:
    """Measure one number of cells and one way of receiving ligands.

    Returns
    -------
    ``walls`` of the simulation; ``build_s`` of the model; ``input_mb``, the memory before it was built; ``error``, the
    largest difference from the exact sums over the largest change of a gene that was not knocked out, in
    ``error_cells`` cells.
    """
    from spacetravlr.bench._exact_sample import SAMPLE, sample_error
    from spacetravlr.bench._host import peak_memory_mb
    from spacetravlr.bench._mock import mock_tissue
    from spacetravlr.bench._timing import summary, timed

    settings, repeats, large = _VARIANTS[point["variant"]], point["repeats"], point["cells"] > _CELLS[-1]
    if large:
        small = mock_tissue(_WARM_UP)
        _model(small, settings).simulate({most_used(small): 0.0}, n_propagation=_STEPS)
    tissue = mock_tissue(point["cells"])
    input_mb = peak_memory_mb()
    models: list[PropagationModel] = []

    def build() -> None:
        models.clear()  # so that there is one at a time
        models.append(_model(tissue, settings))

    # a model of a million cells is built once: it takes as long as a repeat of everything else
    build_s = summary(timed(build, 1 if large else repeats, warm_up=not large))["median_s"]
    model, knock_out = models[0], {most_used(tissue): 0.0}
    walls = timed(lambda: model.simulate(knock_out, n_propagation=_STEPS), repeats, warm_up=not large)
    peak = peak_memory_mb()
    sampled = point["cells"] > _EXACT_UP_TO
    error = sample_error(model, knock_out, _STEPS) if sampled else _error(tissue, model, knock_out)
    return {
        "walls": walls,
        "build_s": build_s,
        "input_mb": input_mb,
        "peak_rss_mb": peak,
        "methods": ", ".join(sorted({field.method for field in model.signals.values()})),
        "error": error,
        "error_cells": SAMPLE if sampled else point["cells"],
    }


def most_used(tissue: MockTissue) -> str:
    """Return the ligand that most pairs of the models contain."""
    counts = Counter(chain.from_iterable((*one.ligands, *one.tfl_ligands) for one in tissue.betas.values()))
    return max(tissue.ligands, key=lambda ligand: (counts[ligand], ligand))


def _model(tissue: MockTissue, settings: dict[str, Any]) -> PropagationModel:
    from spacetravlr.perturbation import PropagationModel

    return PropagationModel(
        tissue.expression,
        tissue.genes,
        tissue.xy,
        tissue.betas,
        radii=_RADIUS,
        cluster_labels=tissue.labels,
        **settings,
    )


def _error(tissue: MockTissue, model: PropagationModel, knock_out: dict[str, float]) -> float:
    import numpy as np

    exact = _model(tissue, _VARIANTS["exact"]).simulate(knock_out, n_propagation=_STEPS).delta
    found = model.simulate(knock_out, n_propagation=_STEPS).delta
    others = [column for column, gene in enumerate(tissue.genes) if gene not in knock_out]
    return float(np.abs(found - exact).max() / np.abs(exact[:, others]).max())
