"""What a worker process does: read the sample once, and train one block after the other."""

from __future__ import annotations

import os
import platform
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from spacetravlr.cluster._messages import Job, Need, Order, Report, Signal, own_version
from spacetravlr.cluster._plans import digest, is_readable, read_plan
from spacetravlr.errors import InputError, SpaceTravLRError
from spacetravlr.run import RunDirectory
from spacetravlr.threads import one_blas_thread
from spacetravlr.training import StopRequest, Trainer
from spacetravlr.training.solvers import make_solver

if TYPE_CHECKING:
    from spacetravlr.events import Event, Listener
    from spacetravlr.training import Plan
    from spacetravlr.training.fits import BlockSolver

Send = Callable[[Signal], None]


class Workbench:
    """The share of one worker process in one training.

    Parameters
    ----------
    job
        The training.
    scratch
        Where temporary files may be.
    sent
        Returns the plan that was sent to this process, if one was.
    """

    def __init__(self, job: Job, scratch: str | None, sent: Callable[[], Plan | None]) -> None:
        self.job = job
        self.stop = StopRequest()
        self._scratch = scratch
        self._sent = sent
        # reading a sample takes minutes, everything else an instant: whoever asks for a stop must not wait
        self._reading = threading.Lock()
        self._lock = threading.Lock()
        self._prepared: tuple[Plan, BlockSolver] | None = None
        self._directory: RunDirectory | None = None
        self._at_work: set[str] = set()

    def train(self, order: Order, send: Send) -> Report:
        """Train a block; several threads may do this at the same time.

        Parameters
        ----------
        order
            What to do.
        send
            Receives events while they happen, unless the files are returned: then nothing has happened yet.

        Raises
        ------
        SpaceTravLRError
            If this process runs another version or reads another sample, or results cannot be written.
        """
        attempt = uuid.uuid4().hex
        with self._working(order.task):
            if self.stop.asked:
                return Report(attempt, begun=False)
            needs = self._needs(order)
            if needs:
                return Report(attempt, needs=needs)
            plan, solver = self._prepare()
            events: list[Event] = []

            def listen(event: Event) -> None:
                events.append(event)
                if order.claimed is None:
                    send(Signal(order.task, attempt, len(events) - 1, event))

            with one_blas_thread():
                if order.claimed is None:
                    elsewhere = self._train_into(self._run_directory(), order, listen, (plan, solver))
                    return Report(attempt, elsewhere=elsewhere, events=tuple(events))
                with tempfile.TemporaryDirectory(prefix="spacetravlr-", dir=self._scratch) as folder:
                    with RunDirectory(folder, stale_lock_secs=0.0) as directory:
                        self._train_into(directory, order, listen, (plan, solver))
                    return Report(attempt, events=tuple(events), files=_contents(Path(folder)))

    def ask(self, what: str) -> frozenset[str]:
        """Begin no block any more (`finish`), or also give up those at work and their claims (`abandon`).

        Returns
        -------
        The orders at work.
        """
        with self._lock:
            if what == "abandon":
                self.stop.abandon.set()
                if self._directory is not None:
                    self._directory.release()
            self.stop.finish.set()
            return frozenset(self._at_work)

    def close(self) -> None:
        """Give everything back: the training is over, or this worker is."""
        self.ask("abandon")
        with self._lock:
            if self._directory is not None:
                self._directory.close()
            self._prepared = None

    @contextmanager
    def _working(self, task: str) -> Iterator[None]:
        with self._lock:
            self._at_work.add(task)
        try:
            yield
        finally:
            with self._lock:
                self._at_work.discard(task)
                if not self._at_work and self._directory is not None:
                    # no heartbeat while idle: nothing is held, and whoever gave the orders may be gone for good
                    self._directory.close()

    def _needs(self, order: Order) -> frozenset[Need]:
        needs: set[Need] = set()
        if order.claimed is None and not self._sees_directory():
            needs.add("claims")
        if self._prepared is None and self._sent() is None and not is_readable(self.job.settings):
            needs.add("plan")
        return frozenset(needs)

    def _sees_directory(self) -> bool:
        return (Path(self.job.root) / self.job.token).exists() and os.access(self.job.root, os.W_OK)

    def _run_directory(self) -> RunDirectory:
        with self._lock:
            if self._directory is None:
                seconds = self.job.settings.execution.stale_lock_secs
                self._directory = RunDirectory(self.job.root, stale_lock_secs=seconds)
            return self._directory

    def _prepare(self) -> tuple[Plan, BlockSolver]:
        with self._reading:
            if self._prepared is None:
                if own_version() != self.job.version:
                    raise SpaceTravLRError(
                        f"the worker on {platform.node()} has version {own_version()} of spacetravlr, and "
                        f"this run {self.job.version}: install the same version everywhere"
                    )
                plan = self._sent() or read_plan(self.job.settings)
                if digest(plan) != self.job.digest:
                    raise InputError(
                        f"the worker on {platform.node()} finds another sample or network than this run has: "
                        f"{self.job.settings.data.adata_path} or the network there differs"
                    )
                root = Path(self.job.root) if self._sees_directory() else None
                self._prepared = (plan, make_solver(plan, root))
            return self._prepared

    def _train_into(
        self, directory: RunDirectory, order: Order, listen: Listener, prepared: tuple[Plan, BlockSolver]
    ) -> bool:
        plan, solver = prepared
        trainer = Trainer(plan, directory, listen, self.stop, solver=solver)
        left_out = order.failed if order.claimed is None else tuple(set(order.block) - set(order.claimed))
        trainer.tally.failures.update(dict.fromkeys(left_out, ""))
        return trainer.train_block(order.block, first=order.first)


def _contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a run directory that are there to stay."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }
