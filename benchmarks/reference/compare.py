"""Seconds per target of the original Python package and of this one, on the same tissue, in one run.

    python benchmarks/reference/compare.py --venv DIR --json-out benchmarks/results/reference_train.json

DIR is the environment that setup.sh made. See README.md for what is compared.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

from spacetravlr.bench import _training
from spacetravlr.bench._host import usable_cores
from spacetravlr.bench._session import Session
from spacetravlr.bench._text import seconds, table, to_json
from spacetravlr.bench._training import SETTINGS, write_config
from spacetravlr.bench._whole_command import time_training
from spacetravlr.bench.train import make_tissue

HERE = Path(__file__).resolve().parent
ORIGINAL = {
    "100 steps": {"n_iter": 100, "tol": 1e-4, "penalties": {"threshold_lambda": 1e-9, "l1_reg": 1e-9}},
    "its own, 1,500 steps": {"penalties": {}},
}
"""The README's comparison, and what the package does by itself."""


def say(line: str) -> None:
    print(line, flush=True)


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venv", type=Path, default=HERE / ".venv", help="environment of the original package")
    parser.add_argument("--cells", type=int, default=2000)
    parser.add_argument("--genes", type=int, default=200)
    parser.add_argument("--targets", type=int, default=5, help="how many targets the original trains")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--repeats", type=int, default=3, help="of this package's command")
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--timeout", type=float, default=3600.0)
    parser.add_argument("--json-out", type=Path)
    options = parser.parse_args(arguments)
    options.quick = False
    return options


def chosen_targets(path: Path, count: int) -> list[str]:
    """Return genes at even distances in the file."""
    from spacetravlr.tissue import Tissue

    genes = Tissue.open(path).genes
    return [genes[(2 * number + 1) * len(genes) // (2 * count)] for number in range(count)]


def run_original(session: Session, python: Path, targets: list[str]) -> dict:
    """Train the targets with the original package, in its environment; return what it wrote."""
    folder = session.scratch
    job = {
        "targets": targets,
        "settings": ORIGINAL,
        "radius": 200,
        "contact_distance": 50,
        "spatial_dim": 64,
        "tf_ligand_cutoff": 0.2,
    }
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    script = HERE / "run_original.py"
    network = folder / "network" / "mouse_network.parquet"
    files = [folder / "tissue.h5ad", network, folder / "job.json", folder / "original.json"]
    done = session.program([str(python), str(script), *map(str, files)])
    if done.returncode:
        raise SystemExit(f"the original package failed: {done.problem}\n{done.stderr_tail}")
    found = json.loads((folder / "original.json").read_text(encoding="utf-8"))
    for name, one in found["settings"].items():
        each = [record["seconds"] for record in one["targets"]]
        session.record(
            {"impl": "SpaceTravLR 0.1.18", "setting": name, "n_targets": len(targets)},
            each,
            seconds_per_target=statistics.median(each),
            first_target_s=one["first_s"],
            all_targets_estimate_s=one["first_s"] + (session.options.genes - 1) * statistics.median(each),
            modulators_median=statistics.median(record["modulators"] for record in one["targets"]),
            r2_in_median=statistics.median(statistics.mean(record["r2"].values()) for record in one["targets"]),
            peak_rss_mb=done.peak_rss_mb,
            targets=[record["target"] for record in one["targets"]],
        )
    return found


def run_ours(session: Session, targets: list[str]) -> None:
    """Time this package's command on all genes with both of its settings, and look up the chosen targets."""
    from spacetravlr.run import Run

    grn = {"network_data_dir": str(session.scratch / "network")}
    config = write_config(session.scratch / "bench.toml", grn)
    h5ad = session.scratch / "tissue.h5ad"
    for setting, flags in SETTINGS.items():
        point = {"impl": "spacetravlr-py", "setting": setting}
        timed = []
        for repeat in range(-1, session.repeats):
            out = session.scratch / f"{setting}{repeat}"
            one = time_training(session, h5ad, out, [*config, *flags])
            if one.done.returncode:
                raise SystemExit(f"this package failed: {one.done.problem}")
            if repeat >= 0:
                timed.append(one)
        # no repeat: only what the run holds is wanted
        found = session.measure({"h5ad": str(h5ad), "run": str(out), "repeats": -1}, module=_training.__name__)
        if found is None:
            raise SystemExit("this package's run cannot be read")
        found = {name: value for name, value in found.items() if name not in ("setup_s", "train_s", "peak_rss_mb")}
        scores = Run.open(out).scores()
        own = scores[scores["gene"].isin(targets)].groupby("gene")["r2_in"].mean()
        walls = [one.done.wall_s for one in timed]
        session.record(
            point,
            walls,
            **found,
            seconds_per_target=statistics.median(walls) / found["n_targets"],
            r2_in_median_of_chosen=float(own.median()),
            cpu_s=statistics.median(one.cpu_s or float("nan") for one in timed),
            load_before=[one.load_before for one in timed],
            peak_rss_mb=max(one.done.peak_rss_mb or float("nan") for one in timed),
        )


def report(session: Session) -> None:
    """Print a row for every setting, and the ratios to this package's README settings and to its default."""
    ours = {one["setting"]: one for one in session.results if one["impl"] == "spacetravlr-py"}
    rows = []
    for one in session.results:
        ratios = {name: one["seconds_per_target"] / mine["seconds_per_target"] for name, mine in ours.items()}
        if one["impl"] != "spacetravlr-py":
            one["ratio_to_ours"] = ratios
        rows.append(
            [
                f"{one['impl']}, {one['setting']}",
                seconds(one["seconds_per_target"]),
                f"{one['modulators_median']:.0f}",
                f"{one.get('r2_in_median_of_chosen', one['r2_in_median']):.2f}",
                *(f"{ratios[name]:.0f} x" if one["impl"] != "spacetravlr-py" else "" for name in ours),
            ]
        )
    headers = ["", "per target", "modulators", "R2 in sample", *(f"/ ours, {name}" for name in ours)]
    for line in table(headers, rows):
        say(line)
    for one in session.results:
        name, genes = f"{one['impl']}, {one['setting']}", session.options.genes
        if one["impl"] == "spacetravlr-py":
            say(f"  all {genes} targets, whole command: {name} {seconds(one['median_s'])}")
        else:
            whole = seconds(one["all_targets_estimate_s"])
            say(f"  all {genes} targets, estimated from {one['n_targets']}: {name} {whole}")


def main(arguments: list[str]) -> None:
    options = parse(arguments)
    python = options.venv.expanduser().absolute() / "bin" / "python"
    if not python.exists():
        raise SystemExit(f"there is no {python}; make it with benchmarks/reference/setup.sh {options.venv}")
    with tempfile.TemporaryDirectory(prefix="spacetravlr-reference-") as folder:
        session = Session("reference_train", options, say, Path(folder))
        digest, clusters = make_tissue(session.scratch, cells=options.cells, genes=options.genes, seed=options.seed)
        session.dataset = {
            "recipe": "synth-v1",
            "seed": options.seed,
            "cells": options.cells,
            "genes": options.genes,
            "clusters": clusters,
            "sha256": digest,
        }
        targets = chosen_targets(session.scratch / "tissue.h5ad", options.targets)
        say(f"synth-v1, {options.cells:,} cells, {options.genes} genes; the original trains {', '.join(targets)}")
        say(f"{session.host['cpu']}, load {session.host['load_average']}, {session.threads} threads")
        original = run_original(session, python, targets)
        run_ours(session, targets)
        report(session)
    if options.json_out is not None:
        # where the environment is says nothing about the figures
        shown = [part for part in arguments if str(options.venv) not in part and part != "--venv"]
        document = session.document(["python", "benchmarks/reference/compare.py", *shown])
        document["versions_of_original"] = original["versions"]
        options.json_out.write_text(to_json(document), encoding="utf-8")
        say(f"written: {options.json_out}")


if __name__ == "__main__":
    main(sys.argv[1:])
