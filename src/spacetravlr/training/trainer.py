"""Training: blocks of targets are claimed, fitted, written and released, by threads of one or many processes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.events import (
    ClusterFitted,
    Event,
    GeneFailed,
    GeneOrphan,
    GeneWritten,
    Listener,
)
from spacetravlr.threads import one_blas_thread
from spacetravlr.training.descent import CoordinateDescent
from spacetravlr.training.fates import Fates
from spacetravlr.training.fits import (
    BlockSolver,
    TargetFit,
    kept_clusters,
    mean_known,
    orphan_reason,
    to_betas,
    to_log,
)
from spacetravlr.training.readme_solver import ReadmeSolver
from spacetravlr.training.stability import write_stability
from spacetravlr.training.workers import worker_count

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacetravlr.betas import Betas
    from spacetravlr.run import GeneLog, RunDirectory
    from spacetravlr.training.plan import Plan

BLOCK = 64
"""Targets per block. The partition depends on the target list alone, so results do not depend on who does what."""
_FIRST_POLL, _LONGEST_POLL = 0.2, 5.0
"""Seconds between two looks at targets of others; longer and longer while nothing happens."""


class StopRequest:
    """Asks a running training to end: after the blocks at work, or at once."""

    def __init__(self) -> None:
        self.finish = threading.Event()
        """Set: no new block is begun."""
        self.abandon = threading.Event()
        """Set: blocks at work are given up, nothing of them is written."""

    @property
    def asked(self) -> bool:
        """Whether the training is to end early."""
        return self.finish.is_set() or self.abandon.is_set()


@dataclass
class Tally:
    """What this process has done so far."""

    written: int = 0
    orphan: int = 0
    skipped: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    r2_in: list[float] = field(default_factory=list)
    r2_out: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Outcome:
    """What becomes of the fit of a target."""

    fit: TargetFit
    kept: NDArray[np.bool_]
    """(C,), clusters whose coefficients are written."""
    betas: Betas | None
    """None for an orphan."""
    reason: str
    log: GeneLog


def make_solver(plan: Plan) -> BlockSolver:
    """Return the solver that the settings name, with everything that its blocks share."""
    return ReadmeSolver(plan) if plan.config.lasso.solver == "fista" else CoordinateDescent(plan)


def partition(targets: Sequence[str]) -> list[Sequence[str]]:
    """Return the blocks of a run: a function of its target list alone."""
    return [targets[i : i + BLOCK] for i in range(0, len(targets), BLOCK)]


class Trainer:
    """Trains the targets of a plan into a run directory.

    Parameters
    ----------
    plan
        The shared part.
    directory
        Where results go; other processes may work on it at the same time.
    listener
        Receives every event, one at a time.
    stop
        Asks for an early end.
    solver
        Made for this plan before; by default a new one.
    """

    def __init__(
        self,
        plan: Plan,
        directory: RunDirectory,
        listener: Listener,
        stop: StopRequest,
        *,
        solver: BlockSolver | None = None,
    ) -> None:
        self.plan = plan
        self.directory = directory
        self.stop = stop
        self.tally = Tally()
        self._listener = listener
        self._telling = threading.Lock()
        self._lock = threading.Lock()
        self._fates = Fates(directory, self._tell)
        self._solver = solver or make_solver(plan)

    def run(self) -> Tally:
        """Train until every target is done, here or elsewhere, or a stop was asked for.

        Raises
        ------
        RunDirectoryError
            If results cannot be written; all workers have stopped then.
        """
        blocks = partition(self.plan.inputs.targets)
        with one_blas_thread():
            waiting = self._pass(blocks, first=True)
            poll = _FIRST_POLL
            while waiting and not self.stop.asked:
                # the rest is held by other processes: they finish, or their claims become stale
                changes = self._fates.changes
                self._fates.tell_holders(for_ever=self.plan.config.execution.stale_lock_secs == 0)
                self.stop.finish.wait(poll)
                waiting = self._pass(waiting, first=False)
                poll = _FIRST_POLL if self._fates.changes != changes else min(poll * 1.5, _LONGEST_POLL)
        return self.tally

    def _pass(self, blocks: Sequence[Sequence[str]], *, first: bool) -> list[Sequence[str]]:
        """Go through blocks once; return those with targets that are still held elsewhere."""
        queue = iter(blocks)
        held: list[Sequence[str]] = []
        workers = min(worker_count(self.plan.config.execution.n_parallel), len(blocks))
        with ThreadPoolExecutor(workers, thread_name_prefix="trainer") as pool:
            futures = [pool.submit(self._work, queue, held, first=first) for _ in range(workers)]
            self._await(futures)
        return [block for block in blocks if block in held]

    def _await(self, futures: list[Future[None]]) -> None:
        try:
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        except KeyboardInterrupt:
            self.stop.abandon.set()
            raise
        failed = [future for future in done if future.exception() is not None]
        if failed:
            self.stop.abandon.set()
            failed[0].result()

    def _work(self, queue: Iterator[Sequence[str]], held: list[Sequence[str]], *, first: bool) -> None:
        while not self.stop.asked:
            with self._lock:
                block = next(queue, None)
            if block is None:
                return
            if self.train_block(block, first=first):
                with self._lock:
                    held.append(block)

    def train_block(self, block: Sequence[str], *, first: bool) -> bool:
        """Claim, fit and write a block; return whether some of its targets are held elsewhere.

        Several threads may do this at the same time, each with another block.

        Parameters
        ----------
        block
            Targets, as `partition` gives them.
        first
            Whether it is left as a whole to a process that has begun it; otherwise what is free of it is taken.

        Raises
        ------
        RunDirectoryError
            If results cannot be written.
        """
        todo = [gene for gene in block if gene not in self.tally.failures]
        claimed = set(self.directory.claim(todo, together=first))
        try:
            fates = [self._fates.look(gene, claimed=gene in claimed) for gene in todo]
            self.tally.skipped = self._fates.skipped
            if claimed:
                self._fit_and_write(block, claimed)
                failed = {gene: why for gene, why in self.tally.failures.items() if gene in claimed}
                if failed:
                    self.directory.record_failures(failed)
            return "locked" in fates
        finally:
            self.directory.release(claimed)

    def _fit_and_write(self, block: Sequence[str], claimed: set[str]) -> None:
        began = time.perf_counter()
        wanted = [gene in claimed and bool(self.plan.inputs.modulators[gene].names) for gene in block]
        fits = self._fit(block, wanted)
        each = (time.perf_counter() - began) / max(len(claimed), 1)
        for gene, fit in zip(block, fits, strict=True):
            if gene not in claimed:
                continue
            if self.stop.abandon.is_set():
                return
            try:
                outcome = self._settle(gene, fit)
            except Exception as error:  # noqa: BLE001 - reported as the failure of this target
                self._fail(gene, error)
                continue
            self._write(outcome, each)

    def _fit(self, block: Sequence[str], wanted: list[bool]) -> Sequence[TargetFit | Exception | None]:
        """Fit a block; if that fails, fit its targets one by one, so that a bad one does not take the others along."""
        if not any(wanted):
            return [None] * len(block)
        try:
            return self._solver.fit(block, wanted)
        except Exception:  # noqa: BLE001 - whatever went wrong belongs to a target, which is found next
            out: list[TargetFit | Exception | None] = []
            for position, want in enumerate(wanted):
                alone = [want and other == position for other in range(len(block))]
                try:
                    out.append(self._solver.fit(block, alone)[position] if want else None)
                except Exception as error:  # noqa: BLE001 - reported as the failure of this target
                    out.append(error)
            return out

    def _settle(self, gene: str, fit: TargetFit | Exception | None) -> Outcome:
        """Decide what becomes of a fit; raise what went wrong with it."""
        if isinstance(fit, Exception):
            raise fit
        config, clusters = self.plan.config, self.plan.tissue.clusters
        known = fit or TargetFit.empty(self.plan.inputs.modulators[gene], len(clusters.labels))
        kept = kept_clusters(known, config)
        reason = orphan_reason(known, kept, config)
        betas = to_betas(known, kept, clusters, config) if reason is None else None
        return Outcome(known, kept, betas, reason or "", to_log(known, kept, clusters, config))

    def _write(self, outcome: Outcome, seconds: float) -> None:
        fit, gene = outcome.fit, outcome.fit.modulators.target
        r2_in, r2_out = mean_known(fit.r2_in), mean_known(fit.r2_out)
        if fit.modulators.names:
            self.directory.write_log(outcome.log)
            for entry in outcome.log.clusters:
                self._tell(ClusterFitted(gene, entry.cluster, entry.n_cells, entry.r2_in, entry.r2_out))
        if outcome.betas is None:
            self.directory.write_orphan(gene, outcome.reason)
            with self._lock:
                self.tally.orphan += 1
            self._tell(GeneOrphan(gene, outcome.reason))
            return
        write_stability(self.directory.path, fit, outcome.kept, self.plan.tissue.clusters)
        self.directory.write_betas(outcome.betas)
        with self._lock:
            self.tally.written += 1
            self.tally.r2_in.append(r2_in)
            self.tally.r2_out.append(r2_out)
        n_kept = int(np.any(outcome.betas.values != 0.0, axis=0).sum())
        self._tell(GeneWritten(gene, len(fit.modulators.names), n_kept, r2_in, r2_out, seconds))

    def _fail(self, gene: str, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        with self._lock:
            self.tally.failures[gene] = reason
        self._tell(GeneFailed(gene, reason))

    def _tell(self, event: Event) -> None:
        with self._telling:
            self._listener(event)
