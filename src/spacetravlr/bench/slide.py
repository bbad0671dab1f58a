"""Train a whole simulated slide, the whole command: 2,905 targets, 11,940 cells, 11 clusters, 680 modulators each.

With fewer targets (--targets) the cost of all of them is estimated and marked as such. A repeat takes minutes, so one
is the default; the warm-up is a short training of some of the targets.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from spacetravlr.bench import _training
from spacetravlr.bench._session import Session, cost
from spacetravlr.bench._slide_shape import FULL, QUICK, SlideShape
from spacetravlr.bench._text import decimal, seconds
from spacetravlr.bench._training import SETTINGS, add_setting, chosen_settings, write_config
from spacetravlr.bench._whole_command import Timed, shown_command, time_training
from spacetravlr.errors import UsageError

_BLOCK = 64
"""Targets that one thread of the training takes at a time."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    add_setting(parser)
    parser.set_defaults(repeats=1)
    parser.add_argument("--targets", type=int, help="train only the first N targets, and estimate the cost of all")
    parser.add_argument("--seed", type=int, default=42, help="seed of the slide (42)")
    parser.add_argument("--workdir", type=Path, metavar="DIR", help="where the slide is written, and kept")


def run(session: Session) -> None:
    """Make the slide, then train it with each setting."""
    from spacetravlr.bench._slide_data import write_slide

    options = session.options
    if options.targets is not None and options.targets < 1:
        raise UsageError("spacetravlr bench slide: --targets must be at least 1")
    shape = QUICK if options.quick else FULL
    folder = session.scratch if options.workdir is None else options.workdir.expanduser().absolute()
    digest = write_slide(folder, shape, seed=options.seed)
    session.dataset = {
        "recipe": "slide-v1",
        "seed": options.seed,
        "cells": shape.n_cells,
        "genes": shape.n_genes,
        "genes_with_signal": shape.n_signal,
        "clusters": list(shape.cluster_sizes),
        "catalogue": {"lr": shape.n_pairs, "tf": shape.n_tfs, "tfl": shape.n_tfs * shape.ligands_per_tf},
        "sha256": digest,
    }
    session.say(f"  slide-v1, seed {options.seed}, sha256 {digest[:12]}")
    grn = {"network_data_dir": str(folder / "network")}
    flags = ["--layer", "X", *write_config(session.scratch / "bench.toml", grn)]
    for setting in chosen_settings(options):
        _time_setting(session, setting, shape, folder / "slide.h5ad", [*flags, *SETTINGS[setting]])


def _time_setting(session: Session, setting: str, shape: SlideShape, h5ad: Path, flags: Sequence[str]) -> None:
    targets = min(session.options.targets or shape.n_genes, shape.n_genes)
    point = {"impl": "spacetravlr-py", "mode": "seed", "setting": setting}
    few = _BLOCK * session.threads
    estimated = targets < shape.n_genes and targets >= 2 * few
    # the first of the short trainings warms up, the second is the foot of the estimate
    short_ones = 2 if estimated else 0 if session.options.quick else 1
    plan = [few] * short_ones + [targets] * session.repeats
    timed: list[Timed] = []
    out = Path()
    for number, count in enumerate(plan):
        out = session.scratch / f"{setting}{number}"
        timed.append(time_training(session, h5ad, out, [*flags, "--max-genes", str(count)]))
        if timed[-1].done.returncode:
            session.fail(point, timed[-1].done)
            return
    # no repeat: only what the run holds is wanted
    found = session.measure({"h5ad": str(h5ad), "run": str(out), "repeats": -1}, module=_training.__name__)
    if found is None:
        return
    counted, short = timed[-session.repeats :], timed[: -session.repeats]
    found = {name: found[name] for name in found if name not in ("setup_s", "train_s", "peak_rss_mb")}
    result = session.record(
        {**point, "device": found.pop("device")},
        [one.done.wall_s for one in counted],
        **found,
        **_parts(out, counted[-1].done.wall_s),
        cpu_s=_median([one.cpu_s for one in counted]),
        peak_rss_mb=max(one.done.peak_rss_mb or float("nan") for one in counted),
        peak_gpu_mb=None,
        warm_up_s=short[0].done.wall_s if short else None,
        load_before=[one.load_before for one in counted],
        command=shown_command(session, [*flags, "--max-genes", str(targets)], h5ad.parent),
    )
    if estimated:
        result["estimate"] = estimate(
            {"n_targets": few, "wall_s": short[1].done.wall_s, "cpu_s": short[1].cpu_s},
            {"n_targets": targets, "wall_s": result["median_s"], "cpu_s": result["cpu_s"]},
            shape.n_genes,
        )
    _report(session, setting, result)


def _parts(run: Path, wall_s: float) -> dict[str, float]:
    """Split the wall time of a run at the moment when its first target could begin, to the second."""
    from spacetravlr.run import Run

    manifest = Run.open(run).directory.manifest
    if manifest is None:
        return {}
    began, ended = (datetime.fromisoformat(moment) for moment in (manifest.started, manifest.finished))
    train_s = (ended - began).total_seconds()
    return {"setup_s": wall_s - train_s, "train_s": train_s}


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def estimate(few: Mapping[str, Any], many: Mapping[str, Any], n_targets: int) -> dict[str, Any]:
    """Return the cost of more targets by the straight line through two trainings.

    Parameters
    ----------
    few, many
        `n_targets`, `wall_s` and `cpu_s` (None where unknown) of a small and a larger training.
    n_targets
        How many targets the estimate is for.
    """
    steps = (n_targets - few["n_targets"]) / (many["n_targets"] - few["n_targets"])

    def extended(name: str) -> float | None:
        low, high = few[name], many[name]
        return None if low is None or high is None else low + (high - low) * steps

    return {
        "what": "not measured: straight line through two trainings",
        "n_targets": n_targets,
        "wall_s": extended("wall_s"),
        "cpu_s": extended("cpu_s"),
        "through": [dict(few), dict(many)],
    }


def _report(session: Session, setting: str, result: Mapping[str, Any]) -> None:
    session.say(
        f"  {setting:<8}  {cost(result)}  CPU {seconds(result['cpu_s'])}  of which set-up "
        f"{seconds(result.get('setup_s'))}, training {seconds(result.get('train_s'))}"
    )
    session.say(
        f"            {result['n_targets']:,} targets in {result['n_cells']:,} cells, {result['n_clusters']} clusters, "
        f"{result['modulators_median']:.0f} modulators each; {result['genes_written']:,} written, "
        f"{result['genes_orphan']:,} orphan; median R2 {decimal(result['r2_in_median'])} in sample, "
        f"{decimal(result['r2_out_median'])} held out"
    )
    if "estimate" in result:
        whole = result["estimate"]
        session.say(
            f"            estimate for all {whole['n_targets']:,} targets, NOT measured: {seconds(whole['wall_s'])}, "
            f"CPU {seconds(whole['cpu_s'])}"
        )
