"""Training by worker processes: every block is an order, and a thread here waits for each that is at work."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from spacetravlr import atomic
from spacetravlr.cluster._account import Account
from spacetravlr.cluster._crew import BlockLostError, Crew
from spacetravlr.cluster._messages import Block, Job, Report, own_version
from spacetravlr.cluster._plans import digest, portable
from spacetravlr.cluster._start import connected
from spacetravlr.cluster._watch import Watch
from spacetravlr.errors import SpaceTravLRError, listing
from spacetravlr.events import Notice, StageFinished, StageStarted
from spacetravlr.threads import one_blas_thread
from spacetravlr.training.best_ranked import refine_best
from spacetravlr.training.solvers import make_solver
from spacetravlr.training.trainer import block_size, partition

if TYPE_CHECKING:
    from spacetravlr.events import Listener
    from spacetravlr.run import RunDirectory
    from spacetravlr.training import Plan, StopRequest
    from spacetravlr.training.fits import BlockSolver
    from spacetravlr.training.trainer import Tally

_LOOK_SECONDS = 0.5
_FIRST_POLL, _LONGEST_POLL = 0.5, 5.0
_MOST_AT_ONCE = 4096


class ClusterTrainer:
    """Trains the targets of a plan by the workers of a Dask scheduler.

    Claims, files, events and counts are those of `Trainer`, whatever the number of workers: a worker that sees the run
    directory claims and writes, as a process that has joined the run would; for one that does not, this process does.
    A block whose worker is lost is given to another one.

    Parameters
    ----------
    plan
        The shared part; its configuration says which scheduler.
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
        self._account = Account(directory, listener)
        self.tally: Tally = self._account.tally
        self._lock = threading.Lock()
        self._writes_here = False
        self._plan_sent = False

    def run(self) -> Tally:
        """Train until every target is done, here or elsewhere, or a stop was asked for.

        Raises
        ------
        SpaceTravLRError
            If the scheduler cannot be used, or a worker cannot train at all.
        RunDirectoryError
            If results cannot be written; what was at work is given up then.
        """
        blocks = self._unfinished([tuple(block) for block in self._partition()])
        if blocks and not self.stop.asked:
            self._train(blocks)
        if not self.stop.asked:
            with one_blas_thread():
                refine_best(self.plan, self.directory, self._solver, self._account.tell, self.stop)
        return self.tally

    def _partition(self) -> list[Sequence[str]]:
        return partition(self.plan.inputs.targets, block_size(self.plan.config))

    def _solver(self) -> BlockSolver:
        return make_solver(self.plan, self.directory.path)

    def _train(self, blocks: list[Block]) -> None:
        self._account.tell(StageStarted("workers"))
        began = time.perf_counter()
        cluster = self.plan.config.cluster
        with (
            connected(cluster, self.directory.files.log_directory) as connection,
            self._job() as job,
            Crew(connection, job).at_work() as crew,
        ):
            detail = f"{len(crew.threads())} now, {cluster.scheduler}"
            self._account.tell(StageFinished("workers", time.perf_counter() - began, detail))
            self._run(crew, blocks)

    def _run(self, crew: Crew, blocks: list[Block]) -> None:
        fates = self._account.fates
        watch = Watch(crew, self.stop, self._account.tell)
        waiting = self._pass(watch, blocks, first=True)
        poll = _FIRST_POLL
        while waiting and not self.stop.asked:
            # the rest is held by other processes: they finish, or their claims become stale
            changes = fates.changes
            fates.tell_holders(for_ever=self.plan.config.execution.stale_lock_secs == 0)
            self.stop.finish.wait(poll)
            waiting = self._pass(watch, waiting, first=False)
            poll = _FIRST_POLL if fates.changes != changes else min(poll * 1.5, _LONGEST_POLL)
        self.tally.skipped = fates.skipped

    def _unfinished(self, blocks: list[Block]) -> list[Block]:
        """Return the blocks that need workers; tell of the others that they are done."""
        finished = self.directory.scan().finished
        for block in blocks:
            if finished.issuperset(block):
                self._account.close(block)
        return [block for block in blocks if not finished.issuperset(block)]

    @contextmanager
    def _job(self) -> Iterator[Job]:
        """Describe the training for the workers, and put a file where they can tell whether they see the directory."""
        token = atomic.temporary_name(self.directory.path)
        atomic.write_text(token, "")
        try:
            yield Job(
                name=f"spacetravlr-{uuid.uuid4().hex}",
                root=str(self.directory.path),
                token=token.name,
                settings=self.plan.config,
                digest=digest(self.plan),
                version=own_version(),
            )
        finally:
            with suppress(OSError):
                token.unlink(missing_ok=True)

    def _pass(self, watch: Watch, blocks: list[Block], *, first: bool) -> list[Block]:
        """Go through blocks once; return those with targets that are still held elsewhere."""
        queue = iter(blocks)
        held: list[Block] = []
        most = min(len(blocks), _MOST_AT_ONCE)
        with ThreadPoolExecutor(most, thread_name_prefix="block") as pool:
            lanes: set[Future[None]] = set()
            all_begun = False
            try:
                while not (all_begun and not lanes):
                    # one is always there: without a worker yet its block waits for the first
                    wanted = max(1, watch.look())
                    if not all_begun:
                        more = min(wanted, most) - len(lanes)
                        lanes |= {pool.submit(self._work, watch.crew, queue, held, first=first) for _ in range(more)}
                    ended, lanes = wait(lanes, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED)
                    all_begun |= bool(ended)
                    for lane in ended:
                        lane.result()
            except BaseException:
                self.stop.abandon.set()
                watch.crew.abandon()
                raise
        return [block for block in blocks if block in held]

    def _work(self, crew: Crew, queue: Iterator[Block], held: list[Block], *, first: bool) -> None:
        while not self.stop.asked:
            with self._lock:
                block = next(queue, None)
            if block is None:
                return
            if self._train_block(crew, block, first=first):
                with self._lock:
                    held.append(block)

    def _train_block(self, crew: Crew, block: Block, *, first: bool) -> bool:
        """Have a block trained; return whether some of its targets are held elsewhere."""
        if not self._writes_here:
            failed = tuple(gene for gene in block if gene in self.tally.failures)
            report = self._order(crew, block, first=first, failed=failed)
            if report is None or not report.begun:
                return False
            if "claims" not in report.needs:
                self._account.close(block)
                return report.elsewhere
            self._writes_here = True
        return self._train_and_write(crew, block, first=first)

    def _train_and_write(self, crew: Crew, block: Block, *, first: bool) -> bool:
        """Claim a block, have it trained, and write what comes back."""
        todo = self._account.todo(block)
        claimed = self.directory.claim(todo, together=first)
        try:
            looks = [self._account.look(gene, claimed=gene in set(claimed)) for gene in todo]
            if claimed:
                report = self._order(crew, block, first=False, claimed=claimed)
                if report is not None and report.begun and not self.stop.abandon.is_set():
                    self._account.deliver(report)
            return any(looks)
        finally:
            self.directory.release(claimed)

    def _order(self, crew: Crew, block: Block, **details: Any) -> Report | None:
        """Give an order, pass its events on, and return its report; None if it was given up or cannot be done."""
        while True:
            plan_sent = self._plan_sent
            task, signals = crew.give(block, **details)
            told: Counter[str] = Counter()
            for signal in iter(signals.get, None):
                if told and signal.attempt not in told:
                    what = f"the worker that trained {listing(block, 3)} is lost: another one does it again"
                    self._account.tell(Notice(what, "warning"))
                if signal.index == told[signal.attempt]:
                    told[signal.attempt] += 1
                    self._account.hear(signal.event)
            try:
                report = crew.report(task)
            except BlockLostError as error:
                self._account.lose(block, str(error))
                return None
            if report is None:
                return None
            if details.get("claimed") is None:
                for event in report.events[told[report.attempt] :]:
                    self._account.hear(event)
            if "plan" in report.needs:
                self._send_plan(crew, again=plan_sent)
            if report.needs != {"plan"}:
                return report

    def _send_plan(self, crew: Crew, *, again: bool) -> None:
        if again:
            raise SpaceTravLRError(
                "a worker can neither read the sample nor receive it: give workers a file system that has it"
            )
        with self._lock:
            if not self._plan_sent:
                crew.send_plan(portable(self.plan))
                self._plan_sent = True
