"""`hybrid_cnn_top_k`: when all targets are fitted, the best ranked ones get networks; no regression is repeated."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.betas import Betas
from spacetravlr.events import Event, Notice
from spacetravlr.niche import Gate, top_ranked
from spacetravlr.run import read_log
from spacetravlr.training.refined import Anchors, Refined
from spacetravlr.training.refining import RefiningSolver, refines
from spacetravlr.training.weight_files import write_weights

if TYPE_CHECKING:
    from spacetravlr.run import GeneLog, GeneScores, RunDirectory
    from spacetravlr.training.fits import BlockSolver
    from spacetravlr.training.plan import Plan
    from spacetravlr.training.trainer import StopRequest

_LOG = logging.getLogger("spacetravlr")


def refine_best(
    plan: Plan,
    directory: RunDirectory,
    solver: Callable[[], BlockSolver],
    tell: Callable[[Event], None],
    stop: StopRequest,
) -> None:
    """Refine the best ranked targets of a run that are accepted by the gate; nothing unless `hybrid_cnn_top_k` is set.

    What they are follows from the logs of all targets, whoever has trained them. The coefficients by cluster are read
    from their file, which the ones by cell replace; a target that has them already is left alone, so a process that
    is killed here is continued by the next one.

    Parameters
    ----------
    plan
        The shared part.
    directory
        The run; every target of the plan must be finished, else nothing is done.
    solver
        Makes or returns the solver of the plan.
    tell
        Receives a notice.
    stop
        Asks for an early end.

    Raises
    ------
    RunDirectoryError
        If results cannot be written.
    """
    config = plan.config
    top_k = config.training.hybrid.hybrid_cnn_top_k
    if config.training.mode != "hybrid" or top_k is None or not refines(config):
        return
    found = directory.scan()
    if not set(plan.inputs.targets) <= found.finished:
        return
    logs = {gene: _log_of(directory, gene) for gene in plan.inputs.targets if gene in found.done}
    best = top_ranked((_gate(log) for log in logs.values() if log is not None and log.gate), top_k)
    waiting = [gene for gene in best if Betas.read(directory.files.betadata(gene)).by == "cluster"]
    if not waiting:
        return
    tell(Notice(f"niche networks for the {len(waiting)} best ranked of {len(logs)} targets"))
    refining = solver()
    assert isinstance(refining, RefiningSolver)
    scores = {one.gene: one for one in directory.scores()}
    # several processes may be here: each begins elsewhere, and they meet where everything is done
    first = os.getpid() % len(waiting)
    for gene in (*waiting[first:], *waiting[:first]):
        log, record = logs[gene], scores.get(gene)
        if stop.asked:
            return
        if log is not None and record is not None:
            _refine(plan, directory, refining, log, record)


def _refine(plan: Plan, directory: RunDirectory, solver: RefiningSolver, log: GeneLog, record: GeneScores) -> None:
    betas = Betas.read(directory.files.betadata(log.gene))
    if betas.by == "cell":
        return
    anchors = _anchors(plan, betas, record)
    parts = solver.refiner.refine([anchors])[0]
    refined = Refined(parts, log.gate)
    whole = replace(betas, intercept=anchors.intercept, modulators=anchors.modulators, values=anchors.coef)
    # the coefficients last: as long as those by cluster are there, this can be done again
    directory.write_scores(replace(record, clusters={**record.clusters, **refined.columns(len(plan.rows))}))
    directory.write_log(refined.told(log))
    write_weights(
        plan, directory.path, log.gene, modulators=anchors.modulators, refined=refined, refiner=solver.refiner
    )
    directory.write_betas(refined.spread(whole, plan.tissue))


def _anchors(plan: Plan, betas: Betas, record: GeneScores) -> Anchors:
    names = plan.inputs.modulators[betas.target].names
    at = {name: column for column, name in enumerate(names)}
    coef = np.zeros((len(betas.row_labels), len(names)))
    coef[:, [at[name] for name in betas.modulators]] = betas.values
    kept = np.array(record.clusters["kept"], dtype=np.bool_)
    return Anchors(betas.target, names, coef, betas.intercept, kept)


def _log_of(directory: RunDirectory, gene: str) -> GeneLog | None:
    path = directory.files.log(gene)
    return read_log(path) if path.exists() else None


def _gate(log: GeneLog) -> Gate:
    rank = log.gate.get("gate_rank_score")
    accepted = log.gate.get("gate_use_cnn") is True
    score = float(rank) if isinstance(rank, int | float) else float("-inf")
    return Gate(log.gene, accepted, str(log.gate.get("gate_reason")), score, dict(log.gate))
