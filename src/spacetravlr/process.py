"""Who is running here, and whether a process that wrote its name into a file is still alive."""

from __future__ import annotations

import importlib
import os
import platform
import signal
import uuid
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import ModuleType


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process, named so that another process can tell whether it is gone."""

    host: str
    pid: int
    machine: str
    """Boot and pid namespace: two processes with the same one see the same pids."""
    started: str
    """Start time of the process as the kernel counts it, empty if unknown; tells a reused pid apart."""

    @property
    def tag(self) -> str:
        """A text for file names, the same for all processes that see the same pids."""
        return sha256(self.machine.encode()).hexdigest()[:8]


def this_process() -> ProcessId:
    """Return the running process (also after a fork)."""
    return _identity(os.getpid())


def is_gone(process: ProcessId) -> bool:
    """Return True only if the process is known to have ended.

    A process of another host, container or boot is never known to have ended: only its heartbeat can tell.
    """
    # os.kill(pid, 0) would be a Ctrl+C on Windows
    if os.name != "posix" or process.pid <= 0 or process.machine != this_process().machine:
        return False
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass  # it exists and belongs to somebody else
    state, started = _kernel_view(process.pid)
    # a killed process stays visible until its parent asks for its exit status
    return state in {"Z", "X"} or bool(process.started and started and process.started != started)


@cache
def _identity(pid: int) -> ProcessId:
    return ProcessId(platform.node() or "localhost", pid, _machine(), _kernel_view(pid)[1])


@cache
def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}".replace(" ", "")
    except OSError:
        return f"{platform.node()}/{uuid.getnode():x}".replace(" ", "")


def _kernel_view(pid: int) -> tuple[str, str]:
    """Return the state letter and the start time of a process, both empty where there is no /proc."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", ""
    # the name, in brackets, may itself hold blanks and brackets
    fields = text.rpartition(")")[2].split()
    return (fields[0], fields[19]) if len(fields) > 19 else ("", "")


def import_quietly(module: str) -> ModuleType:
    """Import a module and keep the handler of Ctrl-C, which dask_jobqueue replaces when it is imported.

    Parameters
    ----------
    module
        Full name.

    Raises
    ------
    ImportError
        If there is no such module; and whatever its code raises.
    """
    before = signal.getsignal(signal.SIGINT)
    try:
        return importlib.import_module(module)
    finally:
        if before is not None and signal.getsignal(signal.SIGINT) is not before:
            signal.signal(signal.SIGINT, before)
