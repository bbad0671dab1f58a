"""How many threads work."""

from __future__ import annotations

import os


def worker_count(asked: int) -> int:
    """Return the number of worker threads: what was asked for, or one per core this process may use."""
    if asked > 0:
        return asked
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
