"""Checks of processors, memory and devices."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from spacetravlr.cli._doctor_check import Check
from spacetravlr.cli._doctor_packages import version_of
from spacetravlr.errors import install_command
from spacetravlr.words import count, size

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_LITTLE_MEMORY = 2e9


def processors() -> Iterator[Check]:
    """Compare the threads that are asked for with the cores that there are."""
    cores = available_cores()
    limit = _container_limit()
    usable = cores if limit is None else min(cores, max(1, round(limit)))
    found = f"{count(cores, 'core')} for this process" + (
        "" if limit is None else f", limited to {limit:g} by its group"
    )
    given = {name: os.environ[name] for name in _THREADS if os.environ.get(name)}
    if given:
        found += "; " + ", ".join(f"{name}={value}" for name, value in given.items())
    wrong = [name for name, value in given.items() if not value.isdigit() or int(value) < 1]
    many = [name for name, value in given.items() if name not in wrong and int(value) > usable]
    if wrong:
        yield Check("threads", "problem", found, f"unset {' '.join(wrong)}: a whole number above 0 is needed")
    elif many:
        yield Check(
            "threads",
            "problem",
            f"{found}: more threads than cores, which is several times slower",
            f"unset {' '.join(many)}, or export {many[0]}={usable}",
        )
    elif usable < cores:
        yield Check("threads", "note", found, f"train with --parallel {usable}")
    else:
        yield Check("threads", "ok", found)


def blas() -> Iterator[Check]:
    """Tell which library multiplies matrices, and with how many threads."""
    import numpy as np
    import threadpoolctl

    # the library is loaded by the first product
    np.ones((2, 2)) @ np.ones((2, 2))
    libraries = [one for one in threadpoolctl.threadpool_info() if one["user_api"] == "blas"]
    if not libraries:
        yield Check("BLAS", "note", "none that can be told", "python -m pip install --force-reinstall numpy")
        return
    names = [f"{one['internal_api']} {one['version']}, {count(one['num_threads'], 'thread')}" for one in libraries]
    yield Check("BLAS", "ok", "; ".join(dict.fromkeys(names)))


def memory() -> Iterator[Check]:
    """Tell how much memory there is."""
    facts = {}
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(":")
            facts[name] = float(value.split()[0]) * 1024.0
    if "MemTotal" not in facts:
        return
    free = facts.get("MemAvailable", facts["MemTotal"])
    found = f"{size(facts['MemTotal'])}, {size(free)} of it free"
    if free < _LITTLE_MEMORY:
        yield Check("memory", "note", found, "close other programs; --dry-run tells what a training will take")
    else:
        yield Check("memory", "ok", found)


def device() -> Iterator[Check]:
    """Tell what dense work is done on."""
    from spacetravlr.device import choose_device

    chosen = choose_device("auto")
    if chosen.kind != "cpu":
        yield Check("device", "ok", str(chosen))
    elif shutil.which("nvidia-smi") is None:
        yield Check("device", "ok", "CPU; no graphics processor is seen")
    elif version_of("torch") is None:
        yield Check(
            "device",
            "note",
            "CPU; there is a graphics processor, but torch is not installed",
            install_command("cnn"),
        )
    else:
        yield Check(
            "device",
            "note",
            f"CPU; there is a graphics processor, but it is not used ({chosen.name or 'torch does not see it'})",
            "see https://pytorch.org/get-started for a torch that fits the driver, and SPACETRAVLR_FORCE_CPU",
        )


def available_cores() -> int:
    """Return the number of cores this process may use."""
    with suppress(AttributeError, OSError):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _container_limit() -> float | None:
    """Return the share of cores that a container or job leaves to this process, None if there is no limit."""
    with suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return None if quota == "max" else float(quota) / float(period)
    return None
