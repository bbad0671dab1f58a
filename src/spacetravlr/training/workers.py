"""How many threads work, and how they keep out of each other's way."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


def worker_count(asked: int) -> int:
    """Return the number of worker threads: what was asked for, or one per core this process may use."""
    return (
        asked
        if asked > 0
        else len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count() or 1
    )


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold BLAS to one thread while our own threads run; oversubscription costs a multiple."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield
