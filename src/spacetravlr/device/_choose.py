"""From `[execution].device` and the environment to a device that is really there.

torch takes seconds to import, so `auto` looks for traces of a graphics processor in the system first, and a machine
without one never loads it.
"""

from __future__ import annotations

import os
import platform
import sys
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from spacetravlr.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from types import ModuleType

Kind = Literal["cpu", "cuda", "mps"]

FORCE_CPU = ("SPACETRAVLR_FORCE_CPU", "SPACETRAVLR_DISABLE_WGPU")
"""Environment variables that mean the CPU, whatever was asked for, if they are 1 or true."""
_TRACES = (
    "/dev/nvidiactl",
    "/dev/nvidia0",
    "/proc/driver/nvidia/version",
    "/dev/dxg",  # Windows subsystem for Linux
    "/dev/nvhost-gpu",  # Jetson
    "/dev/kfd",  # AMD, which torch calls cuda too
)


@dataclass(frozen=True, slots=True)
class Device:
    """A device that is there."""

    kind: Kind
    name: str = ""
    """Of the hardware, as the driver tells it; for the CPU, why it was taken where that is not plain."""

    def __str__(self) -> str:
        return f"{self.kind} ({self.name})" if self.name else self.kind


def choose_device(asked: str) -> Device:
    """Return the device to use.

    Parameters
    ----------
    asked
        `auto` (the first of CUDA, MPS and CPU that is there), `cpu`, `cuda` or `mps`.

    Returns
    -------
    The CPU if `SPACETRAVLR_FORCE_CPU` or `SPACETRAVLR_DISABLE_WGPU` is 1 or true, or if `auto` finds nothing else.

    Raises
    ------
    MissingExtraError
        If a device is asked for by name and torch is not installed.
    ConfigError
        If a device is asked for by name and torch does not see it.

    Notes
    -----
    Imports torch, some seconds the first time, only if a device is asked for by name or the system has traces of one.
    """
    forced = next((name for name in FORCE_CPU if os.environ.get(name, "").strip().lower() in ("1", "true")), None)
    if forced is not None:
        return Device("cpu", f"{forced} is set")
    if asked == "cpu":
        return Device("cpu")
    if asked in ("cuda", "mps"):
        return _named("cuda" if asked == "cuda" else "mps")
    likely: list[Kind] = []
    if _may_have_cuda():
        likely.append("cuda")
    if _may_have_mps():
        likely.append("mps")
    if not likely:
        return Device("cpu")
    try:
        torch = _torch()
    except (ImportError, OSError):
        return Device("cpu")
    for kind in likely:
        # a card that another program holds for itself, or a sick driver, shows only when it is asked something
        with suppress(RuntimeError):
            if _sees(torch, kind):
                return Device(kind, _name(torch, kind))
    return Device("cpu")


def _named(kind: Kind) -> Device:
    try:
        torch = _torch()
    except (ImportError, OSError) as error:
        raise MissingExtraError.of(
            "cnn",
            f"device {kind!r} ([execution].device, --device) needs torch",
            reason=error,
            instead="use auto or cpu",
        ) from error
    try:
        if _sees(torch, kind):
            return Device(kind, _name(torch, kind))
    except RuntimeError as error:
        raise ConfigError(
            f"device {kind!r} ([execution].device, --device) does not answer ({first_line(error)}): use auto or cpu"
        ) from error
    raise ConfigError(
        f"device {kind!r} ([execution].device, --device) is not there: torch {torch.__version__} sees none; "
        "use auto or cpu, or check the driver and that torch is built for it"
    )


def first_line(error: RuntimeError) -> str:
    """Return the first line of an error of torch, which may write many."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def _torch() -> ModuleType:
    import torch

    module: ModuleType = torch
    return module


def _sees(torch: Any, kind: Kind) -> bool:
    # an old driver is told by a warning: that there is no device is all that matters here
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bool(torch.cuda.is_available() if kind == "cuda" else torch.backends.mps.is_available())


def _name(torch: Any, kind: Kind) -> str:
    return str(torch.cuda.get_device_name()) if kind == "cuda" else platform.machine()


def _may_have_cuda() -> bool:
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):
        return False
    if sys.platform == "win32":
        return (Path(os.environ.get("SYSTEMROOT", r"C:\Windows")) / "System32" / "nvcuda.dll").exists()
    return any(Path(trace).exists() for trace in _TRACES)


def _may_have_mps() -> bool:
    return sys.platform == "darwin" and platform.machine() == "arm64"
