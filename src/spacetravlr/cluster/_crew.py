"""The workers of a Dask scheduler, at work on one training."""

from __future__ import annotations

import atexit
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from spacetravlr.cluster._messages import Job, Order, Report, Signal
from spacetravlr.errors import SpaceTravLRError

if TYPE_CHECKING:
    from distributed import Future

    from spacetravlr.cluster._plugin import JobPlugin, Parcel
    from spacetravlr.cluster._start import Connection
    from spacetravlr.training import Plan

Inbox = SimpleQueue[Signal | None]
"""Signals of one order; None says that there will be no more."""
_PATIENCE_SECONDS = 5.0


class BlockLostError(Exception):
    """Every worker that tried a block has died."""


class Crew:
    """Sends orders to workers, and brings back what they tell.

    Parameters
    ----------
    connection
        Of the scheduler.
    job
        The training.
    """

    def __init__(self, connection: Connection, job: Job) -> None:
        self.job = job
        self._client = connection.client
        self._renew = connection.renew
        self._inboxes: dict[str, Inbox] = {}
        self._futures: dict[str, Future] = {}
        self._lock = threading.Lock()
        self._abandoned = False
        self._plugins: list[str] = []

    @contextmanager
    def at_work(self) -> Iterator[Crew]:
        """Make the training known to all workers, and withdraw it in the end."""
        from spacetravlr.cluster._plugin import JobPlugin

        client, name = self._client, self.job.name
        with _reachable():
            client.subscribe_topic(name, self._hear)
            self._register(JobPlugin(self.job))
        # a second Ctrl-C ends this process without passing here: the claims must be free for others all the same
        atexit.register(self.abandon)
        try:
            yield self
        finally:
            atexit.unregister(self.abandon)
            # whatever is wrong with the scheduler here, the run itself is over
            with suppress(Exception):
                client.unsubscribe_topic(name)
            for plugin in self._plugins:
                with suppress(Exception):
                    client.unregister_worker_plugin(plugin)

    def threads(self) -> Mapping[str, int]:
        """Return how many blocks each worker can train at once, by its address.

        Raises
        ------
        SpaceTravLRError
            If the scheduler does not answer.
        """
        with _reachable():
            self._renew()
            return dict(self._client.nthreads())

    def give(self, block: tuple[str, ...], **details: Any) -> tuple[str, Inbox]:
        """Hand out an order; see `Order` for its details.

        Returns
        -------
        Its name, and where its signals arrive.
        """
        from spacetravlr.cluster._plugin import work_on

        order = Order(f"{self.job.name}-{uuid.uuid4().hex}", block, **details)
        inbox: Inbox = SimpleQueue()
        with self._lock:
            if self._abandoned:
                inbox.put(None)
                return order.task, inbox
            self._inboxes[order.task] = inbox
        with _reachable():
            future = self._client.submit(work_on, self.job.name, order, key=order.task, pure=False)
        self._futures[order.task] = future
        future.add_done_callback(lambda _: inbox.put(None))
        return order.task, inbox

    def report(self, task: str) -> Report | None:
        """Return what became of an order when its inbox has ended; None if it was given up.

        Raises
        ------
        BlockLostError
            If the workers that tried it died.
        SpaceTravLRError
            If a worker could not do it, or the scheduler is gone.
        """
        with self._lock:
            self._inboxes.pop(task, None)
            future = self._futures.pop(task, None)
        return None if future is None or self._abandoned else _result(future)

    def send_plan(self, plan: Plan) -> None:
        """Send the plan to all workers, also those that come later."""
        from spacetravlr.cluster._plugin import Parcel

        with _reachable():
            self._register(Parcel(self.job.name, plan))

    def finish(self) -> frozenset[str]:
        """Ask all workers to begin nothing any more; return the orders at work."""
        return self._ask("finish")

    def give_up(self, task: str) -> None:
        """Do without an order that no worker has begun."""
        with self._lock:
            inbox, future = self._inboxes.get(task), self._futures.get(task)
            if inbox is None or future is None or future.done():
                return
            # without its future it has no report
            del self._futures[task]
        with _reachable():
            future.cancel()
        inbox.put(None)

    @property
    def waiting(self) -> frozenset[str]:
        """Orders that have not come back."""
        with self._lock:
            return frozenset(self._inboxes)

    def abandon(self) -> None:
        """Give up everything that is at work; workers give their claims back."""
        with self._lock:
            if self._abandoned:
                return
            self._abandoned = True
            inboxes, futures = list(self._inboxes.values()), list(self._futures.values())
        for inbox in inboxes:
            inbox.put(None)

        def dismiss() -> None:
            with suppress(Exception):
                self._ask("abandon")
                self._client.cancel(futures)

        # the scheduler may be what is wrong, and then nobody would answer
        thread = threading.Thread(target=dismiss, daemon=True)
        thread.start()
        thread.join(_PATIENCE_SECONDS)

    def _register(self, plugin: JobPlugin | Parcel) -> None:
        self._plugins.append(plugin.name)
        self._client.register_plugin(plugin)

    def _ask(self, what: str) -> frozenset[str]:
        from spacetravlr.cluster._plugin import ask

        with _reachable():
            found = self._client.run(ask, self.job.name, what, on_error="ignore")
        return frozenset().union(*found.values())

    def _hear(self, event: tuple[float, Mapping[str, Any]]) -> None:
        signal = Signal.unpack(event[1])
        inbox = self._inboxes.get(signal.task)
        if inbox is not None:
            inbox.put(signal)


def _result(future: Future) -> Report:
    from distributed import KilledWorker

    with _reachable():
        if future.status in {"cancelled", "lost"}:
            raise SpaceTravLRError("the scheduler has lost the work; finished genes are kept: repeat the command")
        error = future.exception()
        if error is None:
            report: Report = future.result()
            return report
    if isinstance(error, KilledWorker):
        raise BlockLostError(
            f"all workers that tried to train its block died ({error.allowed_failures + 1})"
        ) from error
    if isinstance(error, SpaceTravLRError):
        raise error
    raise SpaceTravLRError(f"a worker cannot train ({type(error).__name__}: {error})") from error


@contextmanager
def _reachable() -> Iterator[None]:
    """Say in one line that the scheduler is gone."""
    try:
        yield
    except SpaceTravLRError:
        raise
    except OSError as error:
        raise SpaceTravLRError(
            f"the scheduler does not answer any more ({error}); finished genes are kept: repeat the command"
        ) from error
