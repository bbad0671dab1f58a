"""Are the answers true? Arms compared on simulated tissues whose regulation and knock-outs are known.

Every arm is fitted to the same tissues. Edges are ranked by |beta| sd(x) / sd(y) within cell types, times stability
where bootstraps were drawn; knock-outs are compared in standard deviations of each gene over the entries that truly
change (see `spacetravlr.bench.scores`). Numbers are means over the seeds, with their standard deviation.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spacetravlr.bench._session import Session
from spacetravlr.bench._text import seconds
from spacetravlr.bench._truth_arms import ARMS, DEFAULT_ARMS
from spacetravlr.bench._truth_goals import goal_lines
from spacetravlr.bench._truth_table import summarise, table_lines
from spacetravlr.bench._truth_tissues import DEFAULT_MEMBERS, MEMBERS
from spacetravlr.errors import UsageError, listing, nearest

_STEPS = (1, 2, 4)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--tissues", metavar="NAME,...", help=f"kinds of tissue ({','.join(DEFAULT_MEMBERS)}; or all)")
    parser.add_argument("--arms", metavar="NAME,...", help=f"what is compared ({','.join(DEFAULT_ARMS)}; or all)")
    parser.add_argument("--seeds", type=int, metavar="N", help="number of tissues of each kind (3)")
    parser.add_argument("--cells", type=int, metavar="N", help="cells of a tissue (2000)")
    parser.add_argument("--genes", type=int, metavar="N", help="genes of a tissue (200)")
    parser.add_argument("--knock-outs", type=int, metavar="N", help="TFs, and ligands, knocked out in each tissue (8)")
    parser.add_argument("--plot-dir", type=Path, metavar="DIR", help="where charts are written, as PNG")


def run(session: Session) -> None:
    """Fit every arm to every tissue; tell, compare with the goals, draw."""
    options, quick = session.options, session.options.quick
    members = _chosen(options.tissues, DEFAULT_MEMBERS[:1] if quick else DEFAULT_MEMBERS, MEMBERS, "tissue")
    arms = _chosen(options.arms, ("default", "readme", "oracle") if quick else DEFAULT_ARMS, ARMS, "arm")
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
    for name, seed in itertools.product(members, seeds):
        found = session.measure({"tissue": name, "seed": seed, "arms": list(arms), **shape})
        if found is None:
            continue
        for arm in found["arms"]:
            session.record({"tissue": name, "seed": seed, "arm": arm.pop("arm")}, [arm.pop("seconds")], **arm)
        session.say(f"  {name} seed {seed}: {len(found['arms'])} arms in {seconds(found['seconds'])}")
    rows = summarise(session.results)
    for name in members:
        session.say(f"\n{name}: {MEMBERS[name].summary}")
        for line in table_lines([row for row in rows if row["tissue"] == name]):
            session.say(line)
        for line in goal_lines([row for row in rows if row["tissue"] == name], name):
            session.say(line)
    if options.plot_dir is not None and rows:
        from spacetravlr.bench._truth_charts import draw_truth

        for path in draw_truth(options.plot_dir.expanduser(), rows):
            session.say(f"  drawn: {path}")


def measure(point: dict[str, Any]) -> dict[str, Any]:
    """Fit some arms to one tissue and score them.

    Parameters
    ----------
    point
        ``tissue, seed, arms, n_cells, n_genes, knock_outs, threads``.

    Returns
    -------
    ``seconds``, and ``arms``: for each a flat record of scores; those of knock-outs have the number of steps in their
    name.
    """
    import tempfile
    import time

    import numpy as np

    from spacetravlr.bench._truth_fitted import Estimate, train_arm
    from spacetravlr.bench._truth_linear import estimate
    from spacetravlr.bench._truth_scores import AnswerKey, score_knock_outs
    from spacetravlr.bench._truth_tissues import true_knock_outs
    from spacetravlr.config import RunConfig
    from spacetravlr.datasets import write_network
    from spacetravlr.tissue import Tissue
    from spacetravlr.training import plan_training

    began = time.perf_counter()
    member = MEMBERS[point["tissue"]]
    adata = member.make(point["seed"], n_cells=point["n_cells"], n_genes=point["n_genes"])
    known = true_knock_outs(adata, point["knock_outs"])
    spread = np.asarray(adata.X).std(axis=0)
    out = []
    with tempfile.TemporaryDirectory() as folder:
        network = Path(folder) / "network"
        write_network(adata, network)
        settings = {"network_data_dir": str(network), **member.settings}
        plan = plan_training(Tissue.from_anndata(adata), RunConfig.from_flat(settings).resolved())
        key = AnswerKey(adata, plan)
        for name in point["arms"]:
            arm, start = ARMS[name], time.perf_counter()
            fitted: Estimate = (
                train_arm(adata, arm, Path(folder) / name, settings=settings, workers=point["threads"])
                if arm.method is None
                else estimate(plan, arm.method, key.active())
            )
            took = time.perf_counter() - start
            record = {"arm": name, "seconds": took, **key.score_models(fitted), **key.score_edges(fitted)}
            for steps, scores in score_knock_outs(fitted, plan, known, _STEPS, spread=spread).items():
                record |= {f"{metric}@{steps}": value for metric, value in scores.items()}
            out.append(record)
    return {"arms": out, "seconds": time.perf_counter() - began}


def _chosen(text: str | None, default: Sequence[str], known: dict[str, Any], what: str) -> Sequence[str]:
    if text is None:
        return default
    names = list(known) if text == "all" else [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            close = nearest(name, known)
            hint = f"; did you mean {close!r}?" if close else ""
            raise UsageError(f"there is no {what} {name!r}{hint} (there are: {listing(known)})")
    return names
