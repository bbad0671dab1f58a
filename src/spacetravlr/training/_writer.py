"""Files are written behind the back of the fits: no fit waits for a disk, and no disk is left far behind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

AHEAD = 2
"""Blocks that may be unfinished, the one that is being written included; their fits are kept in memory so long."""


class BackgroundWriter:
    """One thread that does jobs in the order in which they are put.

    Leave the `with` block to wait for all of them; it raises the error of the first job that has failed, unless another
    error is on its way.

    Parameters
    ----------
    abandon
        Set when a job fails. The jobs after it are begun all the same: what they must do in any case, such as giving
        claims back, is theirs to know.
    """

    def __init__(self, abandon: threading.Event) -> None:
        self._abandon = abandon
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._room = threading.Semaphore(AHEAD)
        self._error: BaseException | None = None

    def put(self, job: Callable[[], None]) -> None:
        """Have something done; waits while there are `AHEAD` jobs before it."""
        self._room.acquire()
        self._pool.submit(self._do, job)

    def _do(self, job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:  # noqa: BLE001 - raised again where the writer is closed
            self._error = self._error or error
            self._abandon.set()
        finally:
            self._room.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()
        if self._error is not None and error is None:
            raise self._error
