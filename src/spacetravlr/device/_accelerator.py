"""Work on a device that may fail: the CPU takes over, and whoever runs this is told."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np

from spacetravlr.device._choose import first_line

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacetravlr.device._choose import Device

_Result = TypeVar("_Result")

MOST_FAILURES = 3
"""After so many failures the device is not tried again."""
_WORTH = 1e8
"""Floating-point operations below which a product takes the CPU less than the way to the device and back."""


class Accelerator:
    """A torch device, what is kept on it, and how often it has failed.

    Parameters
    ----------
    place
        What torch calls it: `cuda`, `cuda:1`, `mps`, `cpu`.
    name
        What people call it.
    double
        Whether it has float64; without, only work that is done in float32 on the CPU too, or that is known to be
        stable in float32, is given to it.
    worth
        Floating-point operations from which a product is given to it.

    Notes
    -----
    Safe to use from several threads. A failure is any RuntimeError (torch raises these when memory runs out, when the
    driver fails, and for operations that a device lacks).
    """

    def __init__(self, place: str, *, name: str = "", double: bool = True, worth: float = _WORTH) -> None:
        self.place = place
        self.name = name or place
        self.double = double
        self.worth = worth
        self._kept: dict[int, tuple[weakref.ref[NDArray[Any]], Any]] = {}
        self._failures = 0
        self._notices: list[str] = []
        self._lock = threading.Lock()
        self._block = threading.local()

    @classmethod
    def of(cls, device: Device) -> Self | None:
        """Return the accelerator of a device; None for the CPU, which needs none."""
        return None if device.kind == "cpu" else cls(device.kind, name=str(device), double=device.kind != "mps")

    @property
    def is_trusted(self) -> bool:
        """Whether the next piece of work of this thread goes to the device."""
        return not self.is_given_up and not getattr(self._block, "lost", False)

    @property
    def is_given_up(self) -> bool:
        """Whether it has failed so often that it is not tried again."""
        return self._failures >= MOST_FAILURES

    def pays(self, flop: float) -> bool:
        """Return whether a product of so many operations is worth the way to the device and back."""
        return flop >= self.worth

    @contextmanager
    def block(self, what: str) -> Iterator[None]:
        """Mark work of this thread that belongs together: if the device fails once, the CPU does the rest of it.

        Parameters
        ----------
        what
            Names the work in the notice, "targets A .. B".
        """
        self._block.what, self._block.lost = what, False
        try:
            yield
        finally:
            self._block.what, self._block.lost = None, False

    def attempt(self, on_device: Callable[[], _Result], on_cpu: Callable[[], _Result]) -> _Result:
        """Return what `on_device` returns, or what `on_cpu` does if the device fails or has failed before.

        Parameters
        ----------
        on_device, on_cpu
            The same work, without side effects, in two ways.
        """
        if not self.is_trusted:
            return on_cpu()
        try:
            return on_device()
        except RuntimeError as error:
            reason = first_line(error)
        # outside of the handler, where no traceback holds the memory of the device any more
        self._fail(reason)
        return on_cpu()

    def tensor(self, array: NDArray[Any], dtype: str | None = None) -> Any:
        """Return a copy of an array on the device.

        Parameters
        ----------
        array
            Of any layout.
        dtype
            Name of a torch type; by default that of the array.
        """
        import torch

        wanted = None if dtype is None else getattr(torch, dtype)
        return torch.tensor(np.ascontiguousarray(array), dtype=wanted, device=self.place)

    def kept(self, array: NDArray[Any], dtype: str | None = None) -> Any:
        """Return an array on the device, where it stays as long as the array lives; it must never change.

        Parameters
        ----------
        array
            The array itself, not a view made for this call.
        dtype
            As for `tensor`, always the same for an array.
        """
        key = id(array)
        with self._lock:
            found = self._kept.get(key)
        if found is not None and found[0]() is array:
            return found[1]
        tensor = self.tensor(array, dtype)
        with self._lock:
            self._kept[key] = (weakref.ref(array, lambda _: self._kept.pop(key, None)), tensor)
        return tensor

    def take_notices(self) -> list[str]:
        """Return what there is to tell, once."""
        with self._lock:
            taken, self._notices = self._notices, []
        return taken

    def _fail(self, reason: str) -> None:
        what = getattr(self._block, "what", None)
        if what is not None:
            self._block.lost = True
        with self._lock:
            self._failures += 1
            self._kept.clear()
            told = f"{self.name} failed ({reason}): {what or 'this part'} is computed on the CPU"
            if self._failures == MOST_FAILURES:
                told += f", and everything after it, because this was failure number {MOST_FAILURES}"
            self._notices.append(told)
        if self.place.startswith("cuda"):
            _give_back()


def _give_back() -> None:
    """Return unused memory to the driver; a broken driver refuses even that."""
    import torch

    try:
        torch.cuda.empty_cache()
    except RuntimeError:
        return
