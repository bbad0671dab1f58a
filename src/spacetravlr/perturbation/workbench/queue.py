"""Simulations one after the other on a thread of their own, so that whoever asks for them can go on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, Protocol

from spacetravlr.perturbation._engine import SimulationCancelledError
from spacetravlr.perturbation._pool import machine_memory
from spacetravlr.perturbation.batch import lowest_value, verify
from spacetravlr.perturbation.workbench.summary import Summary, summarize

if TYPE_CHECKING:
    from spacetravlr.perturbation.effect import Effect
    from spacetravlr.perturbation.workbench.bench import Workbench
    from spacetravlr.perturbation.workbench.request import Request

State = Literal["waiting", "running", "done", "failed", "cancelled"]
_ENDED = ("done", "failed", "cancelled")
# share of the machine's memory that results may keep
_KEPT = 0.25


class Kept(Protocol):
    """A result whose effect may be let go."""

    effect: Effect | None


@dataclass(eq=False)
class QueuedJob:
    """A simulation and what has become of it; written by the queue only.

    Attributes
    ----------
    number
        From 1, in the order of asking.
    request
        What was asked for.
    state, error
        How it stands, and why it failed.
    step, n_steps
        Steps done, of how many.
    timings
        Seconds that each step took.
    seconds
        How long it took, tables included.
    effect
        The result; None before, and once the memory was needed for newer ones.
    summary
        Its tables, which are kept.
    """

    number: int
    request: Request
    state: State = "waiting"
    step: int = 0
    n_steps: int = 0
    seconds: float = 0.0
    timings: tuple[float, ...] = ()
    effect: Effect | None = None
    summary: Summary | None = None
    error: Exception | None = None
    _stop: threading.Event = field(default_factory=threading.Event, repr=False)

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in _ENDED


class JobQueue:
    """Does requests in the order of asking, one at a time (a simulation uses all cores by itself).

    Parameters
    ----------
    bench
        The model.
    changed
        Called with a job whenever something about it has changed, on any thread; it must return soon.
    by
        Column of the cell types in tables.
    keep
        Bytes of results that are kept; None for a quarter of the machine's memory. The newest is always kept.
    """

    def __init__(
        self,
        bench: Workbench,
        *,
        changed: Callable[[QueuedJob], None] = lambda _: None,
        by: str = "cell_type",
        keep: float | None = None,
    ) -> None:
        self._bench, self._changed, self._by = bench, changed, by
        self._keep = keep
        self._jobs: list[QueuedJob] = []
        self._lock = threading.Condition()
        self._worker: threading.Thread | None = None
        self._count = 0
        self._closed = self._telling = False

    @property
    def jobs(self) -> tuple[QueuedJob, ...]:
        """All jobs that were not cleared, in the order of asking."""
        with self._lock:
            return tuple(self._jobs)

    @property
    def busy(self) -> bool:
        """Whether a job runs or waits, or one has just ended and nobody was told yet."""
        with self._lock:
            return self._telling or any(not job.ended for job in self._jobs)

    @property
    def latest(self) -> QueuedJob | None:
        """The newest job that is done."""
        return next((job for job in reversed(self.jobs) if job.state == "done"), None)

    def add(self, requests: Sequence[Request]) -> list[QueuedJob]:
        """Put requests at the end of the queue, and return their jobs."""
        with self._lock:
            added = []
            for request in requests:
                self._count += 1
                added.append(QueuedJob(self._count, request, n_steps=request.n_propagation))
            self._jobs += added
            if self._worker is None:
                # a daemon: a program that is left does not wait for a step to end
                self._worker = threading.Thread(target=self._work, name="perturbation", daemon=True)
                self._worker.start()
            self._lock.notify_all()
        for job in added:
            self._changed(job)
        return added

    def cancel(self, job: QueuedJob | None = None) -> int:
        """Cancel a job, or all of them: those that wait at once, a running one after its step; return how many."""
        with self._lock:
            asked = [one for one in self._jobs if not one.ended and (job is None or one is job)]
            for one in asked:
                one._stop.set()
                if one.state == "waiting":
                    one.state = "cancelled"
        for one in asked:
            self._changed(one)
        return len(asked)

    def clear(self) -> None:
        """Forget all jobs that have ended."""
        with self._lock:
            self._jobs = [job for job in self._jobs if not job.ended]

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until no job runs or waits; return False if the time was not enough."""
        with self._lock:
            return self._lock.wait_for(lambda: not self._telling and all(job.ended for job in self._jobs), timeout)

    def close(self, timeout: float | None = 5.0) -> None:
        """Cancel everything, and wait some seconds for the running step."""
        with self._lock:
            self._closed = True
            self._lock.notify_all()
        self.cancel()
        if self._worker is not None:
            self._worker.join(timeout)

    def _next(self) -> QueuedJob | None:
        with self._lock:
            while not self._closed:
                for job in self._jobs:
                    if job.state == "waiting":
                        job.state = "running"
                        return job
                self._lock.wait()
        return None

    def _work(self) -> None:
        while (job := self._next()) is not None:
            self._changed(job)
            began = time.perf_counter()
            try:
                self._simulate(job)
                state: State = "done"
            except SimulationCancelledError:
                state = "cancelled"
            except Exception as error:  # noqa: BLE001 - shown as the failure of this job; the others go on
                job.error, state = error, "failed"
            job.seconds = time.perf_counter() - began
            with self._lock:
                job.state, self._telling = state, True
            self._drop_old(job)
            self._changed(job)
            with self._lock:
                self._telling = False
                self._lock.notify_all()

    def _simulate(self, job: QueuedJob) -> None:
        times = [time.perf_counter()]

        def progress(step: int, steps: int) -> None:
            times.append(time.perf_counter())
            job.step, job.n_steps = step, steps
            # the first call comes before any step
            job.timings = tuple(after - before for before, after in pairwise(times[1:]))
            self._changed(job)

        effect = simulate_request(self._bench, job.request, progress=progress, cancelled=job._stop.is_set)
        job.summary = summarize(effect, by=self._by)
        job.effect = effect

    def _drop_old(self, newest: QueuedJob) -> None:
        """Let go of the oldest results if all together are too large."""
        let_go([job for job in self.jobs if job is not newest] + [newest], keep=self._keep)


def let_go(results: Sequence[Kept], *, keep: float | None = None) -> None:
    """Let go of the effects of the oldest results if all together are too large; never of the last.

    Parameters
    ----------
    results
        The oldest first.
    keep
        Bytes that may be kept; None for a quarter of the machine's memory.
    """
    most = machine_memory() * _KEPT if keep is None else keep
    total = 0.0
    for place, result in enumerate(reversed(results)):
        if result.effect is None:
            continue
        total += result.effect.values.nbytes
        if total > most and place:
            result.effect = None


def simulate_request(
    bench: Workbench,
    request: Request,
    *,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Effect:
    """Do what was asked for, on this thread, and check the result (see `PropagationModel.simulate`)."""
    effect = bench.model.simulate(
        request.targets, n_propagation=request.n_propagation, progress=progress, cancelled=cancelled
    )
    verify(effect, lowest=lowest_value(bench.model))
    return effect
