"""What a measurement was made on: machine, operating system, versions, threads."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

_REPORTED = ("spacetravlr-py", "numpy", "scipy", "numba", "pandas", "pyarrow", "anndata", "threadpoolctl")
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
)


def usable_cores() -> int:
    """Return the number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def host_facts() -> dict[str, Any]:
    """Return the machine: cpu, cores, usable_cores, ram_gb, gpu (none is used), os, and the load before measuring."""
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "usable_cores": usable_cores(),
        "ram_gb": _memory_gb(),
        "gpu": None,
        "os": platform.platform(),
        "load_average": _load(),
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that do the work."""
    found = {"python": platform.python_version()}
    for name in _REPORTED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def thread_environment(threads: int) -> dict[str, str]:
    """Return the environment of a process whose BLAS, OpenMP and numba use that many threads."""
    return {**os.environ, **dict.fromkeys(_THREAD_VARIABLES, str(threads))}


def peak_memory_mb() -> float | None:
    """Return the largest resident memory of this process so far, MB; None where the system does not tell."""
    status = Path("/proc/self/status")
    if status.exists():
        # unlike getrusage, this does not begin with what the maker of the process held
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return float(line.split()[1]) / 1024
    try:
        import resource
    except ImportError:
        return None
    return rusage_mb(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def rusage_mb(ru_maxrss: int) -> float:
    """Return the memory figure of a resource usage record, MB."""
    return ru_maxrss / (1024**2 if platform.system() == "Darwin" else 1024)


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3, 1)
    except (AttributeError, ValueError, OSError):
        return None


def _load() -> float | None:
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
