"""Running independent blocks of work on as many threads as BLAS has been given.

The blocks never depend on the number of threads and BLAS itself runs single-threaded inside them,
so the same input gives the same bits on any number of threads.
"""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from threadpoolctl import ThreadpoolController


@lru_cache(maxsize=1)
def _blas_after(n_modules: int) -> Any:  # noqa: ARG001 - another number of modules: another library may have come
    return ThreadpoolController().select(user_api="blas")


def _blas() -> list[Any]:
    libraries: list[Any] = _blas_after(len(sys.modules)).lib_controllers
    return libraries


def _set_threads(library: Any, threads: int) -> None:
    # threadpoolctl (3.8) lets the thread that was first to set a number set it again, and silently nobody else; here
    # whoever comes last must be able to restore what whoever came first has changed
    anybody = getattr(library, "clear_controlling_thread", None)
    if anybody is not None:
        anybody(force=True)
    library.set_num_threads(threads)
    if anybody is not None:
        anybody(force=True)


class _Pin:
    """BLAS limited to one thread while at least one caller needs it, restored by the last to leave.

    numpy, scipy and torch bring a BLAS each, loaded when they are first imported: every entry looks for new ones.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._before: dict[str, tuple[Any, int]] = {}
        self._workers = 1

    def _take(self) -> int:
        found = [(library, library.num_threads or 1) for library in _blas()]
        for library, threads in found:
            # the first look knows what there was before any, also where that was one thread
            self._before.setdefault(library.filepath, (library, threads))
            if threads != 1:
                _set_threads(library, 1)
        return max((threads for _, threads in found), default=1)

    def join(self) -> None:
        """Hold what was loaded since; where BLAS is made with OpenMP, every thread has a number of its own."""
        with self._lock:
            self._take()

    @contextmanager
    def hold(self) -> Iterator[int]:
        """Keep BLAS to one thread; gives the number it had."""
        with self._lock:
            threads = self._take()
            if self._users == 0:
                self._workers = threads
            self._users += 1
        try:
            yield self._workers
        finally:
            with self._lock:
                self._users -= 1
                if self._users == 0:
                    for library, threads in self._before.values():
                        if threads != 1:
                            _set_threads(library, threads)
                    self._before.clear()


_PIN = _Pin()
one_blas_thread = _PIN.hold
"""Context in which BLAS has one thread, so that our own threads do not fight with its; gives the number it had."""


class _Share(threading.local):
    """How many threads blocks may take that are begun on this thread."""

    threads: float = math.inf


_SHARE = _Share()


def begin_worker(threads: float = math.inf) -> None:
    """Make this thread one of several that work while BLAS is held to one thread.

    Parameters
    ----------
    threads
        How many threads blocks that are begun on it may take.
    """
    _SHARE.threads = threads
    _PIN.join()


def for_each_block(work: Callable[[int], None], count: int) -> None:
    """Call `work(0) ... work(count - 1)`; each call must write only what no other call touches."""
    with one_blas_thread() as threads:
        workers = int(min(threads, _SHARE.threads, count))
        if workers <= 1:
            for block in range(count):
                work(block)
            return
        with ThreadPoolExecutor(workers, initializer=begin_worker, initargs=(_SHARE.threads,)) as pool:
            list(pool.map(work, range(count)))
