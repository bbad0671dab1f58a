"""Networks that make coefficients vary from cell to cell: the README's for each target, and one encoder for all.

On a simulated tissue whose coefficients truly depend on the neighbourhood of a cell. The time of `per_gene` is that of
one target in all clusters; that of `shared` is the encoder and the heads of all targets together, and also given for
each target. Both are compared with the truth on the same targets: the correlation of found with true coefficients
within a cluster, and R2 on held-out regions beside that of the regression.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacetravlr.bench._session import Session
from spacetravlr.bench._text import decimal, megabytes, seconds

if TYPE_CHECKING:
    from spacetravlr.bench._niche_study import Study
    from spacetravlr.niche import SharedFit
    from spacetravlr.niche.device import DeviceName

_SIZE = {"n_cells": 2000, "n_genes": 200, "n_types": 5, "side": 64}
_QUICK = {"n_cells": 300, "n_genes": 30, "n_types": 2, "side": 16}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--targets", type=int, help="targets compared with the truth (default 4, 1 with --quick)")
    parser.add_argument("--epochs", type=int, help="epochs of the README's network (default 20, 2 with --quick)")
    parser.add_argument("--side", type=int, help="pixels along a side of a map (default 64, 16 with --quick)")
    parser.add_argument("--effect", type=float, default=0.8, help="position effect of the tissue, 0 to 1 (default 0.8)")
    parser.add_argument(
        "--pattern", choices=("density", "field"), default="density", help="what coefficients depend on"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="cpu", help="where networks run")


def run(session: Session) -> None:
    """Measure both kinds of network."""
    options = session.options
    size = dict(_QUICK if options.quick else _SIZE)
    if options.side is not None:
        size["side"] = options.side
    session.dataset = {"recipe": "simulated_tissue", "seed": 0, "effect": options.effect, "pattern": options.pattern}
    for encoder in ("per_gene", "shared"):
        point = {
            "encoder": encoder,
            **size,
            "effect": options.effect,
            "pattern": options.pattern,
            "targets": options.targets or (1 if options.quick else 4),
            "epochs": options.epochs or (2 if options.quick else 20),
            "device": options.device,
        }
        found = session.measure(point)
        if found is None:
            continue
        result = session.record(point, found.pop("walls"), **found)
        session.say(_line(result))


def _line(result: dict[str, Any]) -> str:
    pace = (
        f"{seconds(result['epoch_s'])} per epoch"
        if result["encoder"] == "per_gene"
        else f"{result['all_targets']} targets in {seconds(result['median_s'])}, encoder {seconds(result['encoder_s'])}"
    )
    return (
        f"  {result['encoder']:<8}  {seconds(result['per_gene_s']):>8} per gene ({pace})  "
        f"{megabytes(result['peak_rss_mb']):>8}  correlation {decimal(result['correlation'])}  "
        f"R2 {decimal(result['r2_lasso'], 4)} -> {decimal(result['r2'], 4)}  kept {result['kept']:.0%}  "
        f"varying {result['modulated']:.0%}"
    )


def measure(point: dict[str, Any]) -> dict[str, Any]:
    """Measure one kind of network.

    Returns
    -------
    ``walls`` and ``per_gene_s``; ``epoch_s`` of the README's network in all clusters, or ``encoder_s`` and
    ``all_targets`` of the shared one; the figures of `Recovery.summary` over the compared targets, and for the shared
    encoder over all targets as well (``all_...``).
    """
    from spacetravlr.bench._niche_study import make_study

    size = {name: point[name] for name in ("n_cells", "n_genes", "n_types", "side", "effect", "pattern")}
    with tempfile.TemporaryDirectory(prefix="spacetravlr-bench-") as folder:
        study = make_study(Path(folder), **size)
    step = max(1, len(study.genes) // point["targets"])
    chosen = study.genes[::step][: point["targets"]]
    return (_per_gene if point["encoder"] == "per_gene" else _shared)(study, chosen, point)


def _per_gene(study: Study, chosen: tuple[str, ...], point: dict[str, Any]) -> dict[str, Any]:
    from spacetravlr.bench._niche_study import Recovery
    from spacetravlr.bench._timing import summary
    from spacetravlr.niche import NicheOptions, fit_network

    options = NicheOptions(epochs=point["epochs"], learning_rate=2e-3, weight_decay=1e-4, minibatch_size=64)
    recovery, walls, epochs = Recovery(study), [], 0
    for gene in chosen:
        began = time.perf_counter()
        for cluster in study.clusters:
            task = study.task(gene, cluster)
            fit = fit_network(study.inputs, task, options=options, seed=0, device=point["device"])
            recovery.add(fit.betas, fit.record)
            epochs += fit.record.epochs
        walls.append(time.perf_counter() - began)
    passes = epochs / len(study.clusters)
    return {
        "walls": walls,
        "per_gene_s": summary(walls)["median_s"],
        "epoch_s": sum(walls) / passes if passes else float("nan"),
        **recovery.summary(),
    }


def _shared(study: Study, chosen: tuple[str, ...], point: dict[str, Any]) -> dict[str, Any]:
    from spacetravlr.bench._niche_study import Recovery
    from spacetravlr.bench._timing import summary

    walls, encoder_s = [], []
    fits: list[SharedFit] = []
    for _ in range(point["repeats"]):
        began = time.perf_counter()
        fits, spent = _fit_all(study, point["device"])
        encoder_s.append(spent)
        walls.append(time.perf_counter() - began)
    recovery = Recovery(study)
    for fit in fits:
        for target, record in enumerate(fit.records):
            recovery.add(fit.betas(target), record)
    n_targets = len(study.betas)
    return {
        "walls": walls,
        "per_gene_s": summary(walls)["median_s"] / n_targets,
        "encoder_s": summary(encoder_s)["median_s"],
        "all_targets": n_targets,
        **recovery.summary(chosen),
        **{f"all_{name}": value for name, value in recovery.summary().items()},
    }


def _fit_all(study: Study, device: DeviceName) -> tuple[list[SharedFit], float]:
    """Fit all targets in all clusters and make all coefficients; also return the seconds that the encoders took."""
    from spacetravlr.niche import NicheOptions, fit_heads, train_encoder

    options = NicheOptions()
    fits, spent = [], 0.0
    for cluster in study.clusters:
        cells = study.cells(cluster)
        data = study.targets(tuple(study.betas), cluster)
        table, folds = study.table[cells], study.folds[cells]
        began = time.perf_counter()
        encoder = train_encoder(
            table,
            data,
            folds,
            size=options.encoder_size,
            rounds=options.encoder_rounds,
            seed=0,
            cluster=cluster,
            device=device,
        )
        spent += time.perf_counter() - began
        fits.append(fit_heads(encoder, table, data, folds, cluster=cluster, device=device))
        for target in range(len(data)):
            fits[-1].betas(target)
    return fits, spent
