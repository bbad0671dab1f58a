"""Training: blocks of targets are claimed, fitted, written and released, by threads of one or many processes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.errors import RunDirectoryError
from spacetravlr.events import (
    ClusterFitted,
    Event,
    GeneClaimed,
    GeneFailed,
    GeneOrphan,
    GeneSkipped,
    GeneWritten,
    Listener,
)
from spacetravlr.threads import one_blas_thread
from spacetravlr.training.descent import CoordinateDescent
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
    from spacetravlr.run import RunDirectory
    from spacetravlr.training.plan import Plan

BLOCK = 64
"""Targets per block. The partition depends on the target list alone, so results do not depend on who does what."""
_POLL_SECONDS = 1.0


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
    """

    def __init__(self, plan: Plan, directory: RunDirectory, listener: Listener, stop: StopRequest) -> None:
        self.plan = plan
        self.directory = directory
        self.stop = stop
        self.tally = Tally()
        self._listener = listener
        self._lock = threading.Lock()
        self._solver: BlockSolver = (
            ReadmeSolver(plan) if plan.config.lasso.solver == "fista" else CoordinateDescent(plan)
        )

    def run(self) -> Tally:
        """Train until every target is done, here or elsewhere, or a stop was asked for.

        Raises
        ------
        RunDirectoryError
            If results cannot be written; all workers have stopped then.
        """
        blocks = [self.plan.targets[i : i + BLOCK] for i in range(0, len(self.plan.targets), BLOCK)]
        with one_blas_thread():
            waiting = self._pass(blocks, first=True)
            while waiting and not self.stop.asked:
                # the rest is held by other processes: they finish, or their claims become stale
                self.stop.finish.wait(_POLL_SECONDS)
                waiting = self._pass(waiting, first=False)
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
            if self._train_block(block, first=first):
                with self._lock:
                    held.append(block)

    def _train_block(self, block: Sequence[str], *, first: bool) -> bool:
        """Claim, fit and write a block; return whether some of its targets are held elsewhere."""
        todo = [gene for gene in block if gene not in self.tally.failures]
        claimed = set(self.directory.claim(todo))
        try:
            elsewhere = False
            for gene in todo:
                if gene in claimed:
                    self._tell(GeneClaimed(gene))
                elif self.directory.done(gene):
                    if first:
                        self._skip(gene, locked=False)
                else:
                    elsewhere = True
                    if first:
                        self._skip(gene, locked=True)
            if claimed:
                self._fit_and_write(block, claimed)
            return elsewhere
        finally:
            self.directory.release(claimed)

    def _fit_and_write(self, block: Sequence[str], claimed: set[str]) -> None:
        began = time.perf_counter()
        wanted = [gene in claimed and bool(self.plan.modulators[gene].names) for gene in block]
        fits = self._fit(block, wanted)
        each = (time.perf_counter() - began) / max(len(claimed), 1)
        for gene, fit in zip(block, fits, strict=True):
            if gene not in claimed:
                continue
            if self.stop.abandon.is_set():
                return
            if isinstance(fit, Exception):
                self._fail(gene, fit)
            else:
                self._write(fit or TargetFit.empty(self.plan.modulators[gene], len(self.plan.rows)), each)

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

    def _write(self, fit: TargetFit, seconds: float) -> None:
        gene = fit.modulators.target
        config = self.plan.config
        clusters = self.plan.tissue.clusters
        kept = kept_clusters(fit, config)
        reason = orphan_reason(fit, kept, config)
        r2_in, r2_out = mean_known(fit.r2_in), mean_known(fit.r2_out)
        if fit.modulators.names:
            self.directory.write_log(to_log(fit, kept, clusters, config))
            for c, label in enumerate(clusters.labels):
                n = len(self.plan.rows[c])
                self._tell(ClusterFitted(gene, label, n, float(fit.r2_in[c]), float(fit.r2_out[c])))
        if reason is not None:
            self.directory.write_orphan(gene, reason)
            with self._lock:
                self.tally.orphan += 1
            self._tell(GeneOrphan(gene, reason))
            return
        betas = to_betas(fit, kept, clusters, config)
        if fit.stability is not None:
            write_stability(self.directory.path, fit, kept, clusters)
        self.directory.write_betas(betas)
        with self._lock:
            self.tally.written += 1
            self.tally.r2_in.append(r2_in)
            self.tally.r2_out.append(r2_out)
        n_kept = int(np.any(betas.values != 0.0, axis=0).sum())
        self._tell(GeneWritten(gene, len(fit.modulators.names), n_kept, r2_in, r2_out, seconds))

    def _skip(self, gene: str, *, locked: bool) -> None:
        with self._lock:
            self.tally.skipped += 1
        self._tell(GeneSkipped(gene, "locked" if locked else "done"))

    def _fail(self, gene: str, error: Exception) -> None:
        if isinstance(error, RunDirectoryError):
            raise error
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        with self._lock:
            self.tally.failures[gene] = reason
        self._tell(GeneFailed(gene, reason))

    def _tell(self, event: Event) -> None:
        with self._lock:
            self._listener(event)
