"""Many simulations at once."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

from spacetravlr.errors import ConfigError
from spacetravlr.threads import begin_worker, one_blas_thread

Item = TypeVar("Item")
Result = TypeVar("Result")

_MOST_WORKERS = 8
# share of the machine's memory that simulations at once may take
_MEMORY_SHARE = 0.5


def choose_workers(n_jobs: int | None, n_items: int, bytes_each: float) -> int:
    """Return how many simulations run at once.

    Parameters
    ----------
    n_jobs
        As asked for; None for one per available core, at most 8, and no more than fit into half of the memory.
    n_items
        Number of simulations.
    bytes_each
        Memory that one of them takes.

    Raises
    ------
    ConfigError
        If `n_jobs` is no whole number of at least 1.
    """
    if n_jobs is not None:
        if isinstance(n_jobs, bool) or not isinstance(n_jobs, int) or n_jobs < 1:
            raise ConfigError(f"the number of jobs at once must be a whole number of at least 1, not {n_jobs!r}")
        return max(1, min(n_jobs, n_items))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2
    fit = int(_MEMORY_SHARE * machine_memory() / max(bytes_each, 1.0))
    return max(1, min(cores, _MOST_WORKERS, n_items, fit))


def run_all(
    work: Callable[[Item, Callable[[], bool]], Result],
    items: Sequence[Item],
    *,
    workers: int,
    done: Callable[[int, Result], None] | None = None,
) -> list[Result]:
    """Call `work` for every item on some threads, in order of the items.

    The available threads are shared out, so that those of one simulation do not fight with those of another. What
    `work` returns must not depend on that; BLAS has one thread meanwhile, so its bits do not.

    Parameters
    ----------
    work
        Gets an item and a function that tells whether to stop.
    items
        The items.
    workers
        Number of threads.
    done
        Called on the calling thread with the place of each item and its result, as they come in; if it raises, or the
        program is interrupted, the others are stopped.

    Returns
    -------
    The results, in order of the items.
    """
    results: dict[int, Result] = {}
    stop = threading.Event()
    with one_blas_thread() as threads, _pool(workers, max(1, threads // workers)) as pool:
        futures = {pool.submit(work, item, stop.is_set): place for place, item in enumerate(items)}
        try:
            for future in as_completed(futures):
                place = futures[future]
                results[place] = future.result()
                if done is not None:
                    done(place, results[place])
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [results[place] for place in range(len(items))]


def _pool(workers: int, share: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(workers, initializer=begin_worker, initargs=(share,))


def machine_memory() -> float:
    """Return the memory of the machine, bytes; infinite where it cannot be told."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):
        return float("inf")
