"""What a run says of itself: the manifest at its start and end, and why nothing was written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.device import choose_device
from spacetravlr.events import RunFinished
from spacetravlr.run import InputData, Manifest, RunDirectory, environment
from spacetravlr.training.workers import worker_count

if TYPE_CHECKING:
    from spacetravlr.config import RunConfig
    from spacetravlr.prior import PriorNetwork
    from spacetravlr.training.plan import Plan
    from spacetravlr.training.trainer import Tally


def first_manifest(plan: Plan, directory: RunDirectory, sample: InputData, network: PriorNetwork) -> Manifest:
    """Return the facts about this process and its targets."""
    clusters, settings = plan.tissue.clusters, plan.config
    return Manifest(
        run_id=directory.path.name,
        training_mode=settings.training.mode,
        epochs=settings.training.epochs,
        n_parallel=worker_count(settings.execution.n_parallel),
        targets=plan.inputs.targets,
        clusters={label: int(n) for label, n in zip(clusters.labels, clusters.sizes, strict=True)},
        ligand_radii=dict(plan.inputs.ligand_radii),
        network=network.source,
        input=sample,
        config=settings.model_dump(mode="json"),
        device=device_of(settings),
        seed=settings.execution.random_seed,
        **environment(),
    )


def device_of(settings: RunConfig) -> str:
    """Return where a training with these settings computes, in words.

    Raises
    ------
    SpaceTravLRError
        If a device is asked for by name and is not there.
    """
    if settings.cluster.scheduler is not None:
        return f"{settings.execution.device}, as each worker finds it"
    return str(choose_device(settings.execution.device))


def finished(manifest: Manifest, tally: Tally, seconds: float) -> RunFinished:
    """Return the closing event of this process."""
    return RunFinished(
        status="partial" if manifest.status == "running" else manifest.status,
        written=tally.written,
        orphan=tally.orphan,
        failed=len(tally.failures),
        skipped=tally.skipped,
        seconds=seconds,
        median_r2_in=_median(tally.r2_in),
        median_r2_out=_median(tally.r2_out),
    )


def why_nothing(directory: RunDirectory, tally: Tally) -> str:
    """Return one line that says why no gene has coefficients, with the commonest reasons."""
    orphans = directory.scan().orphan
    reasons: dict[str, int] = {}
    for reason in [*(directory.orphan_reason(gene) or "no model" for gene in orphans), *tally.failures.values()]:
        kind = re.sub(r"(?<![\w.])-?\d+(\.\d+)?(?![\w.])", "..", reason, count=1)
        reasons[kind] = reasons.get(kind, 0) + 1
    commonest = sorted(reasons.items(), key=lambda item: -item[1])[:3]
    shown = "; ".join(f"{reason} ({count})" for reason, count in commonest)
    return (
        f"no gene was written to {directory.path}: {len(orphans)} without a model, {len(tally.failures)} failed "
        f"[{shown}]; lower [training].score_threshold or raise model_level, or check the network and the layer (of one "
        "that is not imputed most is noise of counting: spacetravlr prepare imputes it)"
    )


def _median(values: list[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.median(known)) if known else float("nan")
