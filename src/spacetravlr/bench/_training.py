"""Training timed twice: the whole command as a user starts it, and the work inside it."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from spacetravlr.bench._commands import command_of
from spacetravlr.bench._process import Finished
from spacetravlr.bench._session import Session, cost
from spacetravlr.bench._text import decimal, seconds
from spacetravlr.bench._timing import summary

SETTINGS: dict[str, tuple[str, ...]] = {
    "readme": ("--solver=fista", "--n-iter=100", "--l1-reg=1e-9", "--group-reg=1e-9", "--tol=1e-4"),
    "default": (),
    "bare": ("--no-diagnostics",),
}
"""The README's solver (no held-out R2); the default: cross-validation, bootstraps, held-out R2 and diagnostics; and the
default without diagnostics."""


def add_setting(parser: argparse.ArgumentParser) -> None:
    """Add `--setting`."""
    parser.add_argument(
        "--setting",
        choices=[*SETTINGS, "both"],
        default="both",
        help="which settings to time; both is readme, default",
    )


def chosen_settings(options: argparse.Namespace) -> list[str]:
    """Return the settings that were asked for."""
    return ["readme", "default"] if options.setting == "both" else [options.setting]


def write_config(path: Path, grn: Mapping[str, object]) -> list[str]:
    """Write a configuration with `[grn]` settings (None is left out); return the arguments that name it.

    With a configuration of our own, one that happens to lie in the working directory is not read.
    """
    lines = [f"{key} = {json.dumps(value)}" for key, value in grn.items() if value is not None]
    path.write_text("\n".join(["[grn]", *lines, ""]), encoding="utf-8")
    return ["--config", str(path)]


def time_settings(session: Session, h5ad: Path, flags: Sequence[str]) -> None:
    """Time the command with each of the settings asked for.

    Parameters
    ----------
    session
        The benchmark.
    h5ad
        What is trained.
    flags
        Arguments of the command besides the setting's own.
    """
    for setting in chosen_settings(session.options):
        _time_setting(session, setting, h5ad, [*flags, *SETTINGS[setting]])


def _time_setting(session: Session, setting: str, h5ad: Path, flags: Sequence[str]) -> None:
    point = {"impl": "spacetravlr-py", "mode": "seed", "setting": setting}
    walls, peaks, first, run = [], [], None, Path()
    for repeat in range(0 if session.options.quick else -1, session.repeats):
        run = session.scratch / f"{setting}{repeat}"
        done = _command(session, h5ad, run, flags)
        if done.returncode:
            session.fail(point, done)
            return
        if repeat < 0:
            first = done.wall_s
        else:
            walls.append(done.wall_s)
            peaks.append(done.peak_rss_mb or float("nan"))
    inside = session.measure({"h5ad": str(h5ad), "run": str(run)}, module=__name__)
    if inside is None:
        return
    parts = {f"{name}_s": summary(inside.pop(f"{name}_s"))["median_s"] for name in ("setup", "train")}
    inside.pop("peak_rss_mb")
    result = session.record(
        {**point, "device": inside.pop("device")},
        walls,
        **inside,
        **parts,
        peak_rss_mb=max(peaks),
        peak_gpu_mb=None,
        warm_up_s=first,
        command=["spacetravlr", "--plain", *(flag.replace(str(session.scratch), "...") for flag in flags)],
    )
    session.say(
        f"  {setting:<8}  {cost(result)}  of which set-up {seconds(parts['setup_s'])}, "
        f"training {seconds(parts['train_s'])}"
    )
    session.say(
        f"            {result['n_targets']} targets in {result['n_cells']:,} cells, {result['n_clusters']} clusters, "
        f"{result['modulators_median']:.0f} modulators each; {result['genes_written']} written, "
        f"{result['genes_orphan']} orphan; median R2 {decimal(result['r2_in_median'])} in sample, "
        f"{decimal(result['r2_out_median'])} held out"
    )


def _command(session: Session, h5ad: Path, out: Path, flags: Sequence[str]) -> Finished:
    where = ["--h5ad", str(h5ad), "--output-dir", str(out), "--parallel", str(session.threads)]
    return session.program([*command_of(), "--plain", *where, *flags])


def measure(point: dict[str, Any]) -> dict[str, Any]:
    """Read a finished run, and repeat its training in this process.

    Parameters
    ----------
    point
        `h5ad`, `run` (its directory) and `repeats`.

    Returns
    -------
    What the run holds; `setup_s` and `train_s`, seconds of each repeat after one that is not counted.
    """
    from spacetravlr.run import Run

    run = Run.open(point["run"])
    setup, train = [], []
    for repeat in range(-1, point["repeats"]):
        with TemporaryDirectory() as folder:
            stages = _train(point["h5ad"], Path(folder) / "run", run)
        if repeat >= 0:
            setup.append(stages[0])
            train.append(stages[1])
    return {**_found(run), "setup_s": setup, "train_s": train}


def _train(h5ad: str, out: Path, run: Any) -> tuple[float, float]:
    """Return the seconds before the first target and those from there to the end."""
    from spacetravlr.events import Event, RunStarted
    from spacetravlr.tl import train

    started: list[float] = []

    def listen(event: Event) -> None:
        if isinstance(event, RunStarted):
            started.append(time.perf_counter())

    began = time.perf_counter()
    train(h5ad, out=out, config=run.config, listener=listen)
    return started[0] - began, time.perf_counter() - started[0]


def _found(run: Any) -> dict[str, Any]:
    status, scores, manifest = run.status(), run.scores(), run.directory.manifest
    written = scores[scores["gene"].isin(status.done)].groupby("gene")[["r2_in", "r2_out"]].mean()
    return {
        "n_cells": manifest.input.n_cells,
        "n_targets": len(status.planned),
        "n_clusters": len(manifest.clusters),
        "device": manifest.device,
        "modulators_median": float(scores["n_modulators"].median()),
        "genes_written": len(status.done),
        "genes_orphan": len(status.orphan),
        "r2_mean": float(written["r2_in"].mean()),
        "r2_in_median": float(written["r2_in"].median()),
        "r2_out_median": float(written["r2_out"].median()),
    }
