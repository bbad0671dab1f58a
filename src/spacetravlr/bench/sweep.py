"""How the cost of training grows with cells and with targets (recipe synth-v1), the modulators being the same.

Every point is the whole command in a fresh process, and the training alone, repeated in one process. Exponents near or
below 1 mean that the cost grows no faster than in proportion.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spacetravlr.bench import _training
from spacetravlr.bench._scaling import exponents
from spacetravlr.bench._session import Session, cost
from spacetravlr.bench._text import decimal, seconds
from spacetravlr.bench._training import SETTINGS, add_setting, chosen_settings, write_config
from spacetravlr.bench._whole_command import shown_command, time_training
from spacetravlr.bench.train import make_tissue
from spacetravlr.errors import UsageError

_COSTS = {
    "inside_cpu_s": "CPU time of the training alone, s",
    "cpu_s": "CPU time of the whole command, s",
    "median_s": "whole command, s",
}
_DRAWN = ("inside_cpu_s", "median_s")


def numbers(text: str) -> list[int]:
    """Read `1000,2500,5000`: whole numbers above 0; the result is ascending, without repeats."""
    try:
        found = sorted({int(part) for part in text.split(",")})
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of whole numbers such as 1000,2500") from None
    if found[0] < 1:
        raise argparse.ArgumentTypeError(f"{text!r} holds a number below 1")
    return found


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    add_setting(parser)
    parser.add_argument("--cell-grid", type=numbers, metavar="N,N,...", help="numbers of cells (1000,2500,5000)")
    parser.add_argument("--target-grid", type=numbers, metavar="N,N,...", help="numbers of targets (50,125,200)")
    parser.add_argument("--gene-panel", type=int, metavar="N", help="genes of the tissue, all may be targets (200)")
    parser.add_argument("--plot-dir", type=Path, metavar="DIR", help="where line charts are written, as PNG")
    parser.add_argument("--seed", type=int, default=42, help="seed of the tissues (42)")
    parser.add_argument("--workdir", type=Path, metavar="DIR", help="where the tissues are written, and kept")


def run(session: Session) -> None:
    """Measure every point of the grid, fit exponents, draw charts."""
    options, quick = session.options, session.options.quick
    cell_grid = options.cell_grid or ([300, 600] if quick else [1000, 2500, 5000])
    target_grid = options.target_grid or ([10, 20] if quick else [50, 125, 200])
    panel = options.gene_panel or (40 if quick else 200)
    if target_grid[-1] > panel:
        raise UsageError(f"--target-grid asks for {target_grid[-1]} targets, but --gene-panel has {panel} genes")
    session.dataset = {"recipe": "synth-v1", "seed": options.seed, "genes": panel, "sha256": {}}
    for cells in cell_grid:
        folder = (session.scratch if options.workdir is None else options.workdir.expanduser().absolute()) / str(cells)
        folder.mkdir(parents=True, exist_ok=True)
        digest, _ = make_tissue(folder, cells=cells, genes=panel, seed=options.seed)
        session.dataset["sha256"][str(cells)] = digest
        flags = write_config(session.scratch / f"bench{cells}.toml", {"network_data_dir": str(folder / "network")})
        for setting, targets in itertools.product(chosen_settings(options), target_grid):
            point = {"setting": setting, "n_cells": cells, "n_targets": targets}
            _time_point(session, point, folder / "tissue.h5ad", [*flags, *SETTINGS[setting]])
    measured = [one for one in session.results if "median_s" in one]
    _report_growth(session, measured)
    if options.plot_dir is not None and measured:
        from spacetravlr.bench._charts import draw_charts

        for name in _DRAWN:
            for path in draw_charts(options.plot_dir.expanduser(), measured, name, _COSTS[name]):
                session.say(f"  drawn: {path}")


def _time_point(session: Session, point: Mapping[str, Any], h5ad: Path, flags: Sequence[str]) -> None:
    what = {"impl": "spacetravlr-py", "mode": "seed", **point}
    flags = [*flags, "--max-genes", str(point["n_targets"])]
    # one process for all points is warm-up enough: what it compiles and loads is on the disk then
    first = not any(run["setting"] == point["setting"] for run in session.runs)
    timed = []
    out = Path()
    for repeat in range(-1 if first and not session.options.quick else 0, session.repeats):
        out = session.scratch / "{setting}-{n_cells}-{n_targets}".format(**point) / str(repeat)
        one = time_training(session, h5ad, out, flags)
        if one.done.returncode:
            session.fail(what, one.done)
            return
        if repeat >= 0:
            timed.append(one)
    found = session.measure({"h5ad": str(h5ad), "run": str(out), **what})
    if found is None:
        return
    parts = {f"{name}_s": statistics.median(found.pop(f"{name}_s")) for name in ("setup", "train")}
    found = {name: value for name, value in found.items() if name not in what and name != "peak_rss_mb"}
    known = [one.cpu_s for one in timed if one.cpu_s is not None]
    result = session.record(
        {**what, "device": found.pop("device")},
        [one.done.wall_s for one in timed],
        **found,
        **parts,
        cpu_s=statistics.median(known) if known else None,
        peak_rss_mb=max(one.done.peak_rss_mb or float("nan") for one in timed),
        load_before=[one.load_before for one in timed],
        command=shown_command(session, flags, h5ad.parent),
    )
    session.say(
        f"  {point['setting']:<8} {point['n_cells']:>7,} cells {point['n_targets']:>5,} targets  {cost(result)}  "
        f"CPU {seconds(result['cpu_s'])}, {seconds(result['inside_cpu_s'])} of it training"
    )


def measure(point: dict[str, Any]) -> dict[str, Any]:
    """Read a finished run, and repeat its training in this process.

    Parameters
    ----------
    point
        `h5ad`, `run` (its directory) and `repeats`.

    Returns
    -------
    As of the benchmark of whole commands, and `inside_cpu_s`: the mean CPU time of a training once everything is
    loaded and compiled.
    """
    _training.measure({**point, "repeats": 0})
    began = time.process_time()
    found = _training.measure(point)
    # it warms up once more
    found["inside_cpu_s"] = (time.process_time() - began) / (1 + point["repeats"])
    return found


def _report_growth(session: Session, measured: Sequence[Mapping[str, Any]]) -> None:
    for setting in dict.fromkeys(one["setting"] for one in measured):
        own = [one for one in measured if one["setting"] == setting]
        growth = {name: exponents(own, name) for name in _COSTS}
        session.results.append({"setting": setting, "exponents": growth})
        for name, label in _COSTS.items():
            fit = growth[name]
            session.say(
                f"  {setting:<8} {label.removesuffix(', s')}: cells^{decimal(fit['n_cells'])} "
                f"targets^{decimal(fit['n_targets'])}; steepest step cells^{decimal(fit['n_cells_steepest'])} "
                f"targets^{decimal(fit['n_targets_steepest'])}"
            )
