"""What the machine does meanwhile: processor, memory, disk, graphics processor."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_HISTORY = 120
_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Telemetry of one moment; None is what cannot be known here."""

    n_cpus: int
    cpu: float | None
    """Share of all processors that is busy."""
    own_cpus: float
    """Processors that this process keeps busy."""
    history: tuple[float, ...]
    """The last values of `cpu`, or of the share of this process, the oldest first."""
    memory_used: int | None
    """Bytes."""
    memory_total: int | None
    own_memory: int | None
    """Bytes in memory of this process."""
    disk_free: int | None
    """Bytes, where the results are."""
    disk_total: int | None
    gpu_used: int | None = None
    gpu_total: int | None = None


class Telemetry:
    """Looks at the machine once a second, in a thread of its own.

    Parameters
    ----------
    place
        Returns the directory whose disk is looked at; it need not exist yet.
    """

    def __init__(self, place: Callable[[], str]) -> None:
        self._place = place
        self._history: deque[float] = deque(maxlen=_HISTORY)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="telemetry", daemon=True)
        self._before = (time.monotonic(), time.process_time())
        self._psutil = _psutil()
        self.now: Machine | None = None
        """The last look; None before the first."""

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._stopped.set()

    def look(self) -> Machine:
        """Look now."""
        wall, own = time.monotonic(), time.process_time()
        passed = max(wall - self._before[0], 1e-6)
        own_cpus = (own - self._before[1]) / passed
        self._before = (wall, own)
        n_cpus = os.cpu_count() or 1
        cpu, memory, resident = _system(self._psutil)
        self._history.append(min(1.0, own_cpus / n_cpus if cpu is None else cpu))
        disk = _disk(Path(self._place() or "."))
        gpu = _gpu()
        return Machine(
            n_cpus=n_cpus,
            cpu=cpu,
            own_cpus=own_cpus,
            history=tuple(self._history),
            memory_used=None if memory is None else memory[0],
            memory_total=None if memory is None else memory[1],
            own_memory=resident,
            disk_free=None if disk is None else disk[0],
            disk_total=None if disk is None else disk[1],
            gpu_used=None if gpu is None else gpu[0],
            gpu_total=None if gpu is None else gpu[1],
        )

    def _go_on(self) -> None:
        while not self._stopped.wait(_SECONDS if self.now is not None else 0.1):
            self.now = self.look()


def _psutil() -> Any:
    try:
        psutil = importlib.import_module("psutil")
    except ImportError:
        return None
    psutil.cpu_percent(None)
    return psutil


def _system(psutil: Any) -> tuple[float | None, tuple[int, int] | None, int | None]:
    """Return the busy share of all processors, memory in use and in all, and that of this process."""
    if psutil is None:
        return None, None, None
    memory = psutil.virtual_memory()
    used = (memory.total - memory.available, memory.total)
    return psutil.cpu_percent(None) / 100.0, used, psutil.Process().memory_info().rss


def _disk(place: Path) -> tuple[int, int] | None:
    for folder in (place, *place.absolute().parents):
        try:
            found = shutil.disk_usage(folder)
        except OSError:
            continue
        return found.free, found.total
    return None


def _gpu() -> tuple[int, int] | None:
    """Return memory in use and in all of the graphics processor that this process uses."""
    # looking must not load torch, nor wake a device that nobody has asked for
    torch = sys.modules.get("torch")
    try:
        if torch is None or not torch.cuda.is_initialized():
            return None
        free, total = torch.cuda.mem_get_info()
    except (AttributeError, RuntimeError):
        return None
    return total - free, total
