"""`[training].mode = "full" | "hybrid"`: blocks of targets are fitted, and those that should be are refined."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from spacetravlr.training.encoders import anchors_of
from spacetravlr.training.gating import GateKeeper
from spacetravlr.training.refined import Anchors, Refined
from spacetravlr.training.refiners import Refiner, make_refiner

if TYPE_CHECKING:
    from spacetravlr.config import RunConfig
    from spacetravlr.niche import Gate
    from spacetravlr.training.fits import BlockSolver, TargetFit
    from spacetravlr.training.plan import Plan

NETWORK_BLOCK = 4
"""Targets per block where each has networks of its own, which take a minute: so much is lost if a process is killed."""


def refines(config: RunConfig) -> bool:
    """Return whether targets may get coefficients by cell.

    Without epochs a network of the README would be its random start: the coefficients by cluster are better.
    """
    training = config.training
    return training.mode != "seed" and (config.cnn.encoder == "shared" or training.epochs > 0)


class RefiningSolver:
    """Fits blocks of targets by another solver, and makes coefficients by cell of what it found.

    Parameters
    ----------
    base
        Fits the regression.
    plan
        The shared part.
    root
        Run directory; None if it cannot be reached.

    Raises
    ------
    InputError
        If a list of genes for the gate cannot be read.
    """

    def __init__(self, base: BlockSolver, plan: Plan, root: Path | None) -> None:
        self.plan = plan
        self.base = base
        self.accelerator = base.accelerator
        self.refiner: Refiner = make_refiner(plan, base, root)
        training = plan.config.training
        self._gates = GateKeeper(plan) if training.mode == "hybrid" else None
        # the best of all targets are known only when all are fitted
        self._later = training.mode == "hybrid" and training.hybrid.hybrid_cnn_top_k is not None
        self._broken: set[tuple[str, ...]] = set()
        self._lock = threading.Lock()

    def fit(self, targets: Sequence[str], wanted: Sequence[bool]) -> list[TargetFit | None]:
        """Fit and refine the wanted targets of a block."""
        block = tuple(targets)
        if self._later or not self.refiner.whole_blocks or block in self._broken:
            return self._fit(targets, wanted)
        # heads of a block are fitted together, and their rounding depends on who is there: so all are, as they are
        # when nobody has been interrupted
        fitted = [bool(self.plan.inputs.modulators[target].names) for target in targets]
        try:
            fits = self._fit(targets, fitted)
        except Exception:
            with self._lock:
                self._broken.add(block)
            raise
        return [fit if want else None for fit, want in zip(fits, wanted, strict=True)]

    def _fit(self, targets: Sequence[str], wanted: Sequence[bool]) -> list[TargetFit | None]:
        fits = self.base.fit(targets, wanted)
        gates: list[Gate | None] = [None] * len(fits) if self._gates is None else self._gates.decide(fits)
        anchors: dict[int, Anchors] = {}
        for number, (fit, gate) in enumerate(zip(fits, gates, strict=True)):
            one = None if self._later or (gate is not None and not gate.use_cnn) else anchors_of(fit, self.plan)
            if one is not None:
                anchors[number] = one
        parts = dict(zip(anchors, self.refiner.refine(list(anchors.values())), strict=True)) if anchors else {}
        return [
            fit if fit is None else replace(fit, refined=_refined(parts.get(number), gate))
            for number, (fit, gate) in enumerate(zip(fits, gates, strict=True))
        ]


def _refined(parts: object, gate: Gate | None) -> Refined | None:
    if not isinstance(parts, dict):
        return Refined.undone(gate)
    return Refined(parts, {} if gate is None else dict(gate.facts))
