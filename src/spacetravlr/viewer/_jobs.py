"""Long jobs: each with its own progress, cancel token and result; a bounded number at work and in memory."""

from __future__ import annotations

import logging
import secrets
import time
from collections import Counter
from collections.abc import Callable, MutableSequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Any, Literal

from spacetravlr.errors import SpaceTravLRError
from spacetravlr.perturbation import SimulationCancelledError
from spacetravlr.viewer._memory import available_memory
from spacetravlr.viewer._problem import ProblemError, plain_message

_LOG = logging.getLogger("spacetravlr")
JobKind = Literal["perturb", "field"]
JobState = Literal["queued", "running", "done", "cancelled", "failed"]
MOST_OPEN = 8
"""Jobs of one session that are not ended."""
MOST_OPEN_IN_ALL = 32
MOST_KEPT = 40
"""Ended jobs of one session."""
MOST_KEPT_IN_ALL = 1000
_KEPT_SHARE = 0.3
"""Part of the available memory that results may take."""


@dataclass(eq=False)
class Job:
    """One job; its worker writes to it, everybody else reads.

    Attributes
    ----------
    session
        Who asked for it.
    dataset, sample
        Id of the data that it is about, and the path of their sample.
    request
        What was asked for.
    result
        What came of it, `size` bytes.
    """

    id: str
    session: str
    kind: JobKind
    title: str
    dataset: str
    request: dict[str, Any]
    created: float = field(default_factory=time.time)
    state: JobState = "queued"
    progress: float = 0.0
    step: str = "waiting"
    message: str | None = None
    status: int = 200
    """HTTP status that stands for the message."""
    started: float | None = None
    ended: float | None = None
    result: Any = None
    size: int = 0
    cancelled: Event = field(default_factory=Event)
    over: Event = field(default_factory=Event)
    sample: str = ""

    def at(self, progress: float, step: str) -> None:
        """Say how far it is; called by its worker."""
        self.progress, self.step = progress, step

    def check(self) -> None:
        """Stop here if it is cancelled.

        Raises
        ------
        SimulationCancelledError
            If so.
        """
        if self.cancelled.is_set():
            raise SimulationCancelledError("cancelled")

    @property
    def seconds(self) -> float:
        """How long it has been at work."""
        return 0.0 if self.started is None else (self.ended or time.time()) - self.started

    def facts(self) -> dict[str, Any]:
        """Return what a client is told."""
        return {
            "id": self.id,
            "kind": self.kind,
            "state": self.state,
            "progress": round(self.progress, 4),
            "step": self.step,
            "message": self.message,
            "title": self.title,
            "dataset": self.dataset,
            "created": self.created,
            "seconds": round(self.seconds, 3),
        }


Work = Callable[[Job], tuple[Any, int]]


class JobBook:
    """All jobs of a server.

    Parameters
    ----------
    workers
        Jobs at work at once.
    """

    def __init__(self, workers: int) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="viewer-job")
        self._jobs: dict[str, Job] = {}
        self._futures: dict[str, Future[None]] = {}
        self._lock = Lock()
        self.memory = int(_KEPT_SHARE * available_memory())
        """Bytes of results kept."""

    def submit(
        self,
        session: str,
        kind: JobKind,
        work: Work,
        *,
        title: str,
        dataset: str,
        request: dict[str, Any],
        sample: str = "",
        most: int = MOST_OPEN,
    ) -> Job:
        """Queue a job; a session may have `most` that are not ended.

        Raises
        ------
        ProblemError
            503 if too many are waiting.
        """
        job = Job(secrets.token_hex(8), session, kind, title, dataset, request, sample=sample)
        with self._lock:
            waiting = [one for one in self._jobs.values() if one.ended is None]
            own = sum(one.session == session for one in waiting)
            if own >= most or len(waiting) >= MOST_OPEN_IN_ALL:
                raise ProblemError(
                    503, f"{own} jobs of yours and {len(waiting)} in all are waiting: try later", code="too_many_jobs"
                )
            self._jobs[job.id] = job
            self._futures[job.id] = self._pool.submit(self._run, job, work)
        return job

    def list(self, session: str) -> list[Job]:
        """Return the jobs of a session, the newest first."""
        with self._lock:
            own = [job for job in self._jobs.values() if job.session == session]
        return sorted(own, key=lambda job: -job.created)

    def get(self, session: str, identifier: str) -> Job:
        """Return a job of a session.

        Raises
        ------
        ProblemError
            404 if it has none of that id.
        """
        job = self._jobs.get(identifier)
        if job is None or job.session != session:
            raise ProblemError(404, "no such job: it was forgotten, or belongs to another tab", code="no_such_job")
        return job

    def result(self, session: str, identifier: str, kind: JobKind, *, sample: str | None = None) -> Job:
        """Return a job that has a result.

        Parameters
        ----------
        session, identifier, kind
            Which one.
        sample
            Path of the sample that it has to be about; None takes a job about any.

        Raises
        ------
        ProblemError
            404 for an unknown one, 409 if it is of another kind, about another sample, or has no result.
        """
        job = self.get(session, identifier)
        if job.kind != kind:
            raise ProblemError(409, f"this is a {job.kind} job, a {kind} job is needed", code="wrong_job")
        if job.state != "done":
            raise ProblemError(409, f"the job is {job.state}: it has no result", code="no_result")
        if sample is not None and job.sample != sample:
            # as many cells would fit as well, and would get the changes of others
            raise ProblemError(409, "the perturbation is about the cells of another sample", code="wrong_job")
        return job

    def cancel(self, job: Job) -> None:
        """Ask a job to stop; one that waits ends at once."""
        job.cancelled.set()
        future = self._futures.get(job.id)
        if future is not None and future.cancel():
            self._end(job, "cancelled", None)

    def forget(self, job: Job) -> None:
        """Drop an ended job and its result."""
        with self._lock:
            self._jobs.pop(job.id, None)
            self._futures.pop(job.id, None)

    def forget_sample(self, sample: str) -> None:
        """Drop the ended jobs about a sample, and their results."""
        with self._lock:
            for job in list(self._jobs.values()):
                if job.sample == sample and job.ended is not None:
                    self._jobs.pop(job.id)
                    self._futures.pop(job.id, None)

    def forget_session(self, session: str) -> None:
        """Cancel the jobs of a session and drop their results; what is at work is given up once it hears of it."""
        with self._lock:
            own = [job for job in self._jobs.values() if job.session == session]
        for job in own:
            if job.ended is None:
                self.cancel(job)
            self.forget(job)

    def cancel_all(self, session: str | None = None) -> None:
        """Cancel the jobs of a session, or all."""
        with self._lock:
            jobs = [job for job in self._jobs.values() if job.ended is None]
        for job in jobs:
            if session is None or job.session == session:
                self.cancel(job)

    def close(self) -> None:
        """Cancel everything and wait for what is at work."""
        self.cancel_all()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _run(self, job: Job, work: Work) -> None:
        job.started, job.state = time.time(), "running"
        try:
            job.check()
            result, size = work(job)
        except SimulationCancelledError:
            self._end(job, "cancelled", None, status=408)
        except ProblemError as error:
            self._end(job, "failed", error.message, status=error.status)
        except SpaceTravLRError as error:
            self._end(job, "failed", plain_message(str(error)), status=400)
        except MemoryError:
            self._end(job, "failed", "not enough memory: choose fewer steps, or close other results", status=507)
        except Exception:  # noqa: BLE001 - whatever it is, the page must hear of it, and the log tells the rest
            _LOG.exception("job %s (%s) failed", job.id, job.title)
            self._end(job, "failed", "internal error, see the log of the server", status=500)
        else:
            job.result, job.size = result, size
            self._end(job, "done", None)

    def _end(self, job: Job, state: JobState, message: str | None, *, status: int = 200) -> None:
        with self._lock:
            if job.ended is not None:
                return
            job.message, job.status, job.ended = message, status, time.time()
            if state == "done":
                job.progress, job.step = 1.0, "done"
            job.state = state
            self._shrink(job)
        job.over.set()

    def _shrink(self, newest: Job) -> None:
        """Forget the oldest ended jobs while there are too many, or their results are too large.

        Where results are too large, the session that keeps most goes first: it takes nothing from others.
        """
        ended = sorted((job for job in self._jobs.values() if job.ended is not None), key=lambda job: job.ended or 0.0)
        old = [job for job in ended if job is not newest]
        own = sum(job.session == newest.session for job in ended)
        left = len(ended)
        for job in list(old):
            if (own > MOST_KEPT and job.session == newest.session) or left > MOST_KEPT_IN_ALL:
                self._drop(job, old)
                own -= job.session == newest.session
                left -= 1
        sizes = Counter[str]()
        for job in (*old, newest):
            sizes[job.session] += job.size
        while old and sizes.total() > self.memory:
            holders = {job.session for job in old if job.size}
            if not holders:
                return
            most = max(holders, key=lambda session: sizes[session])
            job = next(job for job in old if job.session == most and job.size)
            self._drop(job, old)
            sizes[most] -= job.size

    def _drop(self, job: Job, old: MutableSequence[Job]) -> None:
        old.remove(job)
        self._jobs.pop(job.id, None)
        self._futures.pop(job.id, None)
