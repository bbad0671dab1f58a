"""Training: blocks of targets are claimed, fitted, written and released, by threads of one or many processes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from functools import partial
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
from spacetravlr.threads import begin_worker, one_blas_thread
from spacetravlr.training._writer import BackgroundWriter
from spacetravlr.training.best_ranked import refine_best
from spacetravlr.training.fallback import fallback_told
from spacetravlr.training.fates import Fates
from spacetravlr.training.fits import BlockSolver, Outcome, TargetFit, mean_known, settle
from spacetravlr.training.refining import NETWORK_BLOCK, RefiningSolver, refines
from spacetravlr.training.solvers import make_solver
from spacetravlr.training.stability import write_stability
from spacetravlr.training.stages import stage
from spacetravlr.training.weight_files import write_weights
from spacetravlr.training.workers import worker_count

if TYPE_CHECKING:
    from spacetravlr.config import RunConfig
    from spacetravlr.run import RunDirectory
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
    device_given_up: bool = False
    """Whether the device has failed so often that the rest was left to the CPU."""


def partition(targets: Sequence[str], size: int | None = None) -> list[Sequence[str]]:
    """Return the blocks of a run: a function of its target list and its settings alone."""
    step = size or BLOCK
    return [targets[i : i + step] for i in range(0, len(targets), step)]


def block_size(config: RunConfig) -> int:
    """Return how many targets a block has."""
    own_networks = refines(config) and config.cnn.encoder == "per_gene"
    return min(BLOCK, NETWORK_BLOCK) if own_networks else BLOCK


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
        self._solver = solver or make_solver(plan, directory.path)

    def run(self) -> Tally:
        """Train until every target is done, here or elsewhere, or a stop was asked for.

        Raises
        ------
        RunDirectoryError
            If results cannot be written; all workers have stopped then.
        """
        blocks = partition(self.plan.inputs.targets, block_size(self.plan.config))
        with one_blas_thread():
            self._prepare()
            waiting = self._pass(blocks, first=True)
            poll = _FIRST_POLL
            while waiting and not self.stop.asked:
                # the rest is held by other processes: they finish, or their claims become stale
                changes = self._fates.changes
                self._fates.tell_holders(for_ever=self.plan.config.execution.stale_lock_secs == 0)
                self.stop.finish.wait(poll)
                waiting = self._pass(waiting, first=False)
                poll = _FIRST_POLL if self._fates.changes != changes else min(poll * 1.5, _LONGEST_POLL)
            if not self.stop.asked:
                refine_best(self.plan, self.directory, lambda: self._solver, self._tell, self.stop)
        return self.tally

    def _prepare(self) -> None:
        """Make what all networks share before the first block is taken, unless there is nothing left to do."""
        if not isinstance(self._solver, RefiningSolver):
            return
        if set(self.plan.inputs.targets) <= self.directory.scan().finished:
            return
        with stage("niche networks", self._tell) as done:
            self._solver.refiner.prepare()
            done(f"[cnn].encoder = {self.plan.config.cnn.encoder}")

    def _pass(self, blocks: Sequence[Sequence[str]], *, first: bool) -> list[Sequence[str]]:
        """Go through blocks once; return those with targets that are still held elsewhere."""
        queue = iter(blocks)
        held: list[Sequence[str]] = []
        workers = min(worker_count(self.plan.config.execution.n_parallel), len(blocks))
        with (
            BackgroundWriter(self.stop.abandon) as writer,
            ThreadPoolExecutor(workers, thread_name_prefix="trainer", initializer=begin_worker) as pool,
        ):
            futures = [pool.submit(self._work, queue, held, writer, first=first) for _ in range(workers)]
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

    def _work(
        self, queue: Iterator[Sequence[str]], held: list[Sequence[str]], writer: BackgroundWriter, *, first: bool
    ) -> None:
        while not self.stop.asked:
            with self._lock:
                block = next(queue, None)
            if block is None:
                return
            claimed, elsewhere = self._take(block, first=first)
            if elsewhere:
                with self._lock:
                    held.append(block)
            if claimed:
                writer.put(partial(self._finish, block, claimed, *self._fit(block, claimed)))

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
        claimed, elsewhere = self._take(block, first=first)
        if claimed:
            self._finish(block, claimed, *self._fit(block, claimed))
        return elsewhere

    def _take(self, block: Sequence[str], *, first: bool) -> tuple[frozenset[str], bool]:
        """Claim what is free of a block; return it, and whether others hold some of the rest."""
        todo = [gene for gene in block if gene not in self.tally.failures]
        claimed = frozenset(self.directory.claim(todo, together=first))
        try:
            fates = [self._fates.look(gene, claimed=gene in claimed) for gene in todo]
        except BaseException:
            self.directory.release(claimed)
            raise
        self.tally.skipped = self._fates.skipped
        return claimed, "locked" in fates

    def _fit(
        self, block: Sequence[str], claimed: frozenset[str]
    ) -> tuple[Sequence[TargetFit | Exception | None], float]:
        """Fit the claimed targets of a block; return also the seconds that each has taken."""
        began = time.perf_counter()
        wanted = [gene in claimed and bool(self.plan.inputs.modulators[gene].names) for gene in block]
        with fallback_told(self._solver.accelerator, block, self._tell, self.tally):
            fits = self._fit_wanted(block, wanted)
        return fits, (time.perf_counter() - began) / len(claimed)

    def _fit_wanted(self, block: Sequence[str], wanted: list[bool]) -> Sequence[TargetFit | Exception | None]:
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

    def _finish(
        self,
        block: Sequence[str],
        claimed: frozenset[str],
        fits: Sequence[TargetFit | Exception | None],
        seconds: float,
    ) -> None:
        """Write what a block has given, and only then give its claims back."""
        try:
            for gene, fit in zip(block, fits, strict=True):
                if gene not in claimed:
                    continue
                if self.stop.abandon.is_set():
                    break
                try:
                    outcome = self._settle(gene, fit)
                except Exception as error:  # noqa: BLE001 - reported as the failure of this target
                    self._fail(gene, error)
                    continue
                self._write(outcome, seconds)
            failed = {gene: why for gene, why in self.tally.failures.items() if gene in claimed}
            if failed:
                self.directory.record_failures(failed)
        finally:
            self.directory.release(claimed)

    def _settle(self, gene: str, fit: TargetFit | Exception | None) -> Outcome:
        """Decide what becomes of a fit; raise what went wrong with it."""
        if isinstance(fit, Exception):
            raise fit
        clusters = self.plan.tissue.clusters
        known = fit or TargetFit.empty(self.plan.inputs.modulators[gene], len(clusters.labels))
        outcome = settle(known, clusters, self.plan.config)
        if outcome.betas is None or known.refined is None or not known.refined.by_cell:
            return outcome
        return replace(outcome, betas=known.refined.spread(outcome.betas, self.plan.tissue))

    def _write(self, outcome: Outcome, seconds: float) -> None:
        fit, gene = outcome.fit, outcome.fit.modulators.target
        r2_in, r2_out = mean_known(fit.r2_in), mean_known(fit.r2_out)
        self.directory.write_scores(outcome.scores)
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
        write_stability(self.directory.path, fit, outcome.kept, self.plan.tissue.clusters, self.plan.config)
        if fit.refined is not None and isinstance(self._solver, RefiningSolver):
            write_weights(
                self.plan,
                self.directory.path,
                gene,
                modulators=fit.modulators.names,
                refined=fit.refined,
                refiner=self._solver.refiner,
            )
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
