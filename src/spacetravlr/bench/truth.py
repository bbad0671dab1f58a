"""Are the answers true? Arms compared on simulated tissues whose regulation and knock-outs are known.

Every arm is fitted to the same tissues. Edges are ranked by |beta| sd(x) / sd(y) within cell types, times stability
where bootstraps were drawn; knock-outs, in the whole tissue, in one cell type and in a region, are compared in standard
deviations of each gene over the entries that truly change (see `spacetravlr.bench.scores`). Numbers are means over the
seeds, with their standard deviation. `python docs/_tables.py` makes the tables of the page on truth from the record.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from spacetravlr.bench._session import Point, Session
from spacetravlr.bench._text import seconds
from spacetravlr.bench._truth_arms import ARMS, DEFAULT_ARMS
from spacetravlr.bench._truth_goals import goal_lines
from spacetravlr.bench._truth_original import SETUP, TARGETS, original_python
from spacetravlr.bench._truth_table import family_lines, ring_lines, summarise, table_lines
from spacetravlr.bench._truth_tissues import DEFAULT_MEMBERS, MEMBERS
from spacetravlr.config import N_PROPAGATION
from spacetravlr.errors import UsageError, did_you_mean, listing

_STEPS = (1, 2, 4)
_TRIED_WITH_ALL_STEPS = ("default", "readme", "original", "oracle")
_ABOUT_ORIGINAL = (
    "the original package as it comes (group lasso, 1,500 steps) without training its networks, {} targets of each "
    "tissue; edges of all arms are ranked among these; knock-outs, if all targets are trained, are simulated by "
    "this package under profile='python', which gives the same numbers"
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--tissues", metavar="NAME,...", help=f"kinds of tissue ({','.join(DEFAULT_MEMBERS)}; or all)")
    parser.add_argument("--arms", metavar="NAME,...", help=f"what is compared ({','.join(DEFAULT_ARMS)}; or all)")
    parser.add_argument("--seeds", type=int, metavar="N", help="number of tissues of each kind (3)")
    parser.add_argument("--cells", type=int, metavar="N", help="cells of a tissue (2000)")
    parser.add_argument("--genes", type=int, metavar="N", help="genes of a tissue (200)")
    parser.add_argument("--knock-outs", type=int, metavar="N", help="TFs, and ligands, knocked out in each tissue (8)")
    parser.add_argument("--full", action="store_true", help="every kind of tissue, and every arm in each (an hour)")
    parser.add_argument("--original-python", type=Path, metavar="PATH", help="of the original package's environment")
    parser.add_argument(
        "--original-targets",
        type=int,
        default=TARGETS,
        metavar="N",
        help=f"targets that the arm 'original' trains ({TARGETS}; 0 for all, which knock-outs need)",
    )
    parser.add_argument("--plot-dir", type=Path, metavar="DIR", help="where charts are written, as PNG")


def run(session: Session) -> None:
    """Fit every arm to every tissue; tell, compare with the goals, draw."""
    options, quick = session.options, session.options.quick
    every = tuple(MEMBERS) if options.full else DEFAULT_MEMBERS
    members = _chosen(options.tissues, every[:1] if quick else every, MEMBERS, "tissue")
    asked = _arms(session)
    shape = {
        "n_cells": options.cells or (400 if quick else 2000),
        "n_genes": options.genes or (60 if quick else 200),
        "knock_outs": options.knock_outs or (3 if quick else 8),
    }
    seeds = range(options.seeds or (1 if quick else 3))
    session.dataset = {
        "recipe": "simulated_tissue",
        **shape,
        "tissues": {name: MEMBERS[name].summary for name in members},
    }
    if "original" in (asked or ()):
        shape |= {"original_python": str(original_python(options.original_python))}
        shape |= {"original_targets": options.original_targets}
        session.dataset["original"] = _ABOUT_ORIGINAL.format(options.original_targets or "all")
    points = [
        {"tissue": name, "seed": seed, "arms": list(asked or MEMBERS[name].arms or DEFAULT_ARMS), **shape}
        for name, seed in itertools.product(members, seeds)
    ]
    for point, found in _measured(session, points):
        name, seed = point["tissue"], point["seed"]
        if found["original"]:
            session.dataset["versions_of_original"] = found["original"]["versions"]
        for arm in found["arms"]:
            session.record({"tissue": name, "seed": seed, "arm": arm.pop("arm")}, [arm.pop("seconds")], **arm)
        session.say(f"  {name} seed {seed}: {len(found['arms'])} arms in {seconds(found['seconds'])}")
    rows = summarise(session.results)
    for name in members:
        session.say(f"\n{name}: {MEMBERS[name].summary}")
        own = [row for row in rows if row["tissue"] == name]
        for line in (*table_lines(own), *ring_lines(own), *goal_lines(own, name)):
            session.say(line)
    for line in family_lines(rows):
        session.say(line)
    if options.plot_dir is not None and rows:
        from spacetravlr.bench._truth_charts import draw_truth

        for path in draw_truth(options.plot_dir.expanduser(), rows):
            session.say(f"  drawn: {path}")


def _measured(session: Session, points: Sequence[Point]) -> Iterator[tuple[Point, dict[str, Any]]]:
    """Yield each point with what was found, in order; as many at a time as there are threads, with one thread each."""
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(session.threads)
    try:
        waiting = [pool.submit(session.measure, {**point, "threads": 1}) for point in points]
        for point, future in zip(points, waiting, strict=True):
            found = future.result()
            if found is not None:
                yield point, found
    finally:
        pool.shutdown(cancel_futures=True)


def measure(point: dict[str, Any]) -> dict[str, Any]:
    """Fit some arms to one tissue and score them.

    Parameters
    ----------
    point
        ``tissue, seed, arms, n_cells, n_genes, knock_outs, threads``; for the arm `original` also ``original_python``
        and ``original_targets``.

    Returns
    -------
    ``seconds``, and ``arms``: for each a flat record of scores; those of knock-outs in the whole tissue have the number
    of steps in their name. With the arm `original` also facts about it.
    """
    import tempfile
    import time

    import numpy as np

    from spacetravlr.bench._truth_fitted import train_arm
    from spacetravlr.bench._truth_linear import estimate
    from spacetravlr.bench._truth_original import fit_original, some_targets
    from spacetravlr.bench._truth_scoped import scoped_knock_outs, score_scoped
    from spacetravlr.bench._truth_scores import AnswerKey, score_knock_outs
    from spacetravlr.bench._truth_tissues import true_knock_outs
    from spacetravlr.config import RunConfig
    from spacetravlr.datasets import write_network
    from spacetravlr.tissue import Tissue
    from spacetravlr.training import plan_training

    began = time.perf_counter()
    member = MEMBERS[point["tissue"]]
    adata = member.make(point["seed"], n_cells=point["n_cells"], n_genes=point["n_genes"])
    known, scoped = true_knock_outs(adata, point["knock_outs"]), scoped_knock_outs(adata)
    spread = np.asarray(adata.X).std(axis=0)
    records: list[dict[str, Any]] = []
    facts: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        network = write_network(adata, Path(scratch) / "network")
        settings = {"network_data_dir": str(network.parent), **member.settings}
        plan = plan_training(Tissue.from_anndata(adata), RunConfig.from_flat(settings).resolved())
        targets = plan.inputs.targets
        # an arm that can afford some targets only is compared among these
        some = some_targets(targets, point["original_targets"]) if "original" in point["arms"] else targets
        key, judge = AnswerKey(adata, plan), AnswerKey(adata, plan, some)
        for arm in (ARMS[name] for name in point["arms"]):
            start, trained = time.perf_counter(), targets
            if arm.method is None:
                fitted = train_arm(adata, arm, Path(scratch) / arm.name, settings=settings, workers=point["threads"])
            elif arm.method == "original":
                trained = some
                fitted, facts = fit_original(adata, plan, point, folder=Path(scratch), network=network, targets=some)
            else:
                fitted = estimate(plan, arm.method, key.active())
            record = {"arm": arm.name, "seconds": time.perf_counter() - start, "n_targets": len(trained)}
            record |= {**judge.score_models(fitted), **judge.score_edges(fitted)}
            # nothing follows as it should from a knock-out where only some genes have a model
            if len(trained) == len(targets):
                steps = _STEPS if arm.name in _TRIED_WITH_ALL_STEPS else (N_PROPAGATION,)
                record |= score_knock_outs(fitted, plan, known, steps, spread=spread)
                record |= score_scoped(fitted, plan, scoped, spread=spread, radius=member.radius)
            records.append(record)
    return {"arms": records, "original": facts, "seconds": time.perf_counter() - began}


def _arms(session: Session) -> Sequence[str] | None:
    """Return the arms that were asked for, None if each kind of tissue has its own."""
    options = session.options
    usual = tuple(name for name in ARMS if name != "original")
    if options.full and options.arms is None:
        return usual
    if options.arms is None:
        return ("default", "readme", "oracle") if options.quick else None
    asked = _chosen(options.arms, (), ARMS, "arm")
    if "original" not in asked or original_python(options.original_python) is not None:
        return asked
    if options.arms != "all":
        raise UsageError(SETUP)
    session.say(f"  {SETUP}; going on without it")
    return usual


def _chosen(text: str | None, default: Sequence[str], known: dict[str, Any], what: str) -> Sequence[str]:
    if text is None:
        return default
    names = list(known) if text == "all" else [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known)
            raise UsageError(f"there is no {what} {name!r}{hint} (there are: {listing(known)})")
    return names
