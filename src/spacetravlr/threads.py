"""Running independent blocks of work on as many threads as BLAS has been given.

The blocks never depend on the number of threads and BLAS itself runs single-threaded inside them,
so the same input gives the same bits on any number of threads.
"""

from __future__ import annotations

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


def _blas() -> Any:
    return _blas_after(len(sys.modules))


class _Pin:
    """BLAS limited to one thread while at least one caller needs it, restored by the last to leave.

    numpy, scipy and torch bring a BLAS each, loaded when they are first imported: every entry looks for new ones.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._limits: dict[Any, Any] = {}
        self._workers = 1

    @contextmanager
    def hold(self) -> Iterator[int]:
        """Keep BLAS to one thread; gives the number it had."""
        with self._lock:
            found = _blas()
            if self._users == 0:
                self._workers = max((library.num_threads for library in found.lib_controllers), default=1)
            if found not in self._limits:
                self._limits[found] = found.limit(limits=1)
            self._users += 1
        try:
            yield self._workers
        finally:
            with self._lock:
                self._users -= 1
                if self._users == 0:
                    # the first limit knows what there was before any
                    for limit in reversed(self._limits.values()):
                        limit.restore_original_limits()
                    self._limits.clear()


_PIN = _Pin()
one_blas_thread = _PIN.hold
"""Context in which BLAS has one thread, so that our own threads do not fight with its; gives the number it had."""


def for_each_block(work: Callable[[int], None], count: int) -> None:
    """Call `work(0) ... work(count - 1)`; each call must write only what no other call touches."""
    with one_blas_thread() as workers:
        if min(workers, count) <= 1:
            for block in range(count):
                work(block)
            return
        with ThreadPoolExecutor(min(workers, count)) as pool:
            list(pool.map(work, range(count)))
