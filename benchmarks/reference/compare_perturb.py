"""Received ligands, derivatives and a knock-out by the original Python package and by this one, on the same inputs.

    python benchmarks/reference/compare_perturb.py --venv DIR --json-out benchmarks/results/reference_perturb.json

DIR is the environment that setup.sh made. See README.md for what is compared.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from spacetravlr.bench._host import usable_cores
from spacetravlr.bench._mock import MockTissue, mock_tissue
from spacetravlr.bench._session import Session
from spacetravlr.bench._text import power, seconds, table, to_json
from spacetravlr.bench._timing import summary, timed
from spacetravlr.bench.perturb import most_used

HERE = Path(__file__).resolve().parent
RADIUS, STEPS = 200.0, 3
PARTS = ("received", "splash", "perturb")


def say(line: str) -> None:
    print(line, flush=True)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venv", type=Path, default=HERE / ".venv", help="environment of the original package")
    parser.add_argument("--cells", type=int, nargs="+", default=[1000, 2000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--timeout", type=float, default=3600.0)
    parser.add_argument("--json-out", type=Path)
    options = parser.parse_args(arguments)
    options.quick = False
    return options


def write_inputs(folder: Path, tissue: MockTissue, job: dict[str, Any]) -> None:
    """Write the tissue, and the coefficients as the original wants them: a row per cell."""
    import pandas as pd

    n_cells = len(tissue.xy)
    cells = np.array([f"cell_{number}" for number in range(n_cells)])
    np.savez(
        folder / "tissue.npz",
        cells=cells,
        genes=np.array(tissue.genes),
        expression=tissue.expression.astype(np.float64),
        xy=tissue.xy,
        labels=tissue.labels,
    )
    (folder / "betas").mkdir()
    for target, one in tissue.betas.items():
        rows = one.rows_for((tissue.labels,), cells)
        columns = ["beta0", *(f"beta_{name}" for name in one.modulators)]
        values = np.column_stack([one.intercept[rows], one.values[rows]])
        pd.DataFrame(values, cells, columns).to_parquet(folder / "betas" / f"{target}_betadata.parquet")
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")


def run_original(session: Session, python: Path, folder: Path) -> dict[str, Any]:
    """Do the job with the original package, in its environment; return what it wrote."""
    files = [folder / "tissue.npz", folder / "betas", folder / "job.json", folder / "original.npz"]
    done = session.program([str(python), str(HERE / "run_original_perturb.py"), *map(str, files)])
    if done.returncode:
        raise SystemExit(f"the original package failed: {done.problem}\n{done.stderr_tail}")
    return {**np.load(files[-1]), "peak_rss_mb": done.peak_rss_mb}


def ours(tissue: MockTissue, folder: Path, job: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    """Return the same parts, by this package, from the same files."""
    from spacetravlr.betas import Betabase
    from spacetravlr.perturbation import PropagationModel
    from spacetravlr.signaling import SignalField

    expression = tissue.expression.astype(np.float64)
    names = [f"cell_{number}" for number in range(len(expression))]
    base = Betabase.load(folder / "betas")
    rows = base.rows_for((), names)
    sent = expression[:, [tissue.genes.index(ligand) for ligand in job["ligands"]]]
    inputs = np.load(folder / "original.npz")["received"]

    def received() -> Any:
        return SignalField(tissue.xy, RADIUS, kernel="truncated", method="auto").apply(sent)

    def splash() -> Any:
        each = base.splash(inputs, inputs, expression, tissue.genes, rows=rows, ligands=job["ligands"])
        return {target: frame if target == job["derived"] else None for target, frame in each}[job["derived"]]

    def perturb() -> Any:
        model = PropagationModel(
            *(expression, tissue.genes, tissue.xy, base),
            radii=dict.fromkeys({ligand for ligand, _ in job["pairs"]}, RADIUS),
            cluster_labels=tissue.labels,
            cell_names=names,
            profile="python",
        )
        return model.simulate({job["target"]: 0.0}, n_propagation=job["steps"]).simulated

    return {"received": received, "splash": splash, "perturb": perturb}


def compare(session: Session, n_cells: int, python: Path) -> None:
    """Compare all parts at one number of cells."""
    tissue = mock_tissue(n_cells)
    pairs = sorted({tuple(pair.split("$")) for one in tissue.betas.values() for pair in one.lr_pairs})
    used = [name for name in tissue.ligands if name in {ligand for ligand, _ in pairs}]
    job = {
        "pairs": pairs,
        "ligands": list(tissue.ligands),
        "radius": RADIUS,
        "steps": STEPS,
        "target": most_used(replace(tissue, ligands=tuple(used))),
        "derived": next(iter(tissue.betas)),
        "repeats": session.repeats,
    }
    with tempfile.TemporaryDirectory(dir=session.scratch) as name:
        folder = Path(name)
        write_inputs(folder, tissue, job)
        theirs = run_original(session, python, folder)
        session.dataset["versions_of_original"] = json.loads(str(theirs["versions"]))
        works = ours(tissue, folder, job)
        for part in PARTS:
            walls = timed(works[part], session.repeats)
            record(session, {"part": part, "cells": n_cells}, walls, works[part](), theirs)


def record(session: Session, point: dict[str, Any], walls: list[float], found: Any, theirs: dict[str, Any]) -> None:
    """Record one part: the times of both, their ratio, and how far the results are apart."""
    expected, found = theirs[point["part"]], np.asarray(found)
    scale = np.abs(expected).max()
    original = summary(theirs[f"{point['part']}_walls"].tolist())
    session.record(
        point,
        walls,
        original_s=original["median_s"],
        ratio=original["median_s"] / summary(walls)["median_s"],
        difference=float(np.abs(found - expected).max() / scale),
        original_peak_rss_mb=theirs["peak_rss_mb"],
    )


def report(session: Session) -> None:
    rows = [
        [
            f"{one['part']}, {one['cells']:,} cells",
            seconds(one["original_s"]),
            seconds(one["median_s"]),
            f"{one['ratio']:.0f} x",
            power(one["difference"]),
        ]
        for one in session.results
    ]
    for line in table(["", "original", "ours", "ratio", "difference"], rows):
        say(line)


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    python = options.venv.expanduser().absolute() / "bin" / "python"
    if not python.exists():
        raise SystemExit(f"there is no {python}; make it with benchmarks/reference/setup.sh {options.venv}")
    with tempfile.TemporaryDirectory(prefix="spacetravlr-reference-") as folder:
        session = Session("reference_perturb", options, say, Path(folder))
        session.dataset = {
            "recipe": "mock: 468 genes, 50 targets, 13 clusters, 423 modulator genes, 10 um per cell",
            "seed": 42,
            "radius": RADIUS,
            "steps": STEPS,
            "profile": "python",
        }
        say(f"{session.host['cpu']}, load {session.host['load_average']}, {session.threads} threads")
        for n_cells in options.cells:
            compare(session, n_cells, python)
        report(session)
    if options.json_out is not None:
        # where the environment is says nothing about the figures
        command = ["python", "benchmarks/reference/compare_perturb.py", "--cells", *map(str, options.cells)]
        options.json_out.write_text(to_json(session.document(command)), encoding="utf-8")
        say(f"written: {options.json_out}")


if __name__ == "__main__":
    main()
