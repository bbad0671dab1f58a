"""A cache bounded in bytes, and how much memory is left."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from pathlib import Path
from threading import Lock
from typing import Generic, TypeVar

V = TypeVar("V")
_UNKNOWN = 1 << 50
"""Bytes where the system tells nothing: then nothing is refused."""
_CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


class ByteCache(Generic[V]):
    """The values used last, as many as fit; values asked for at the same time are made once.

    Parameters
    ----------
    limit
        Bytes kept at most. A larger value is returned and not kept.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.size = 0
        self._kept: OrderedDict[Hashable, tuple[V, int]] = OrderedDict()
        self._made: dict[Hashable, Future[V]] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable) -> V | None:
        """Return a kept value, or None."""
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def put(self, key: Hashable, value: V, size: int) -> None:
        """Keep a value of `size` bytes, if it fits."""
        with self._lock:
            if key in self._kept:
                self.size -= self._kept.pop(key)[1]
            if size > self.limit:
                return
            self._kept[key] = value, size
            self.size += size
            while self.size > self.limit:
                self.size -= self._kept.popitem(last=False)[1][1]

    def take(self, key: Hashable, make: Callable[[], tuple[V, int]]) -> V:
        """Return a value, making it (with its size in bytes) if it is not kept; no lock is held meanwhile."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key][0]
            waiting = self._made.get(key)
            if waiting is None:
                own: Future[V] = Future()
                self._made[key] = own
        if waiting is not None:
            return waiting.result()
        try:
            value, size = make()
        except BaseException as error:
            with self._lock:
                del self._made[key]
            own.set_exception(error)
            raise
        self.put(key, value, size)
        with self._lock:
            del self._made[key]
        own.set_result(value)
        return value

    def drop(self, belongs: Callable[[Hashable], bool]) -> None:
        """Forget the values whose keys belong to something that is gone."""
        with self._lock:
            for key in [key for key in self._kept if belongs(key)]:
                self.size -= self._kept.pop(key)[1]


def available_memory() -> int:
    """Return the bytes that this process may still take, as far as the system tells."""
    found = [_meminfo()]
    for limit, usage in _CGROUPS:
        try:
            most, used = Path(limit).read_text(encoding="ascii"), Path(usage).read_text(encoding="ascii")
            found.append(int(most) - int(used))
        except (OSError, ValueError):
            continue  # no such group, or no limit ("max")
    return max(0, min(found))


def _meminfo() -> int:
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    except OSError:
        pass  # another system than Linux
    if not hasattr(os, "sysconf"):
        return _UNKNOWN
    return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
