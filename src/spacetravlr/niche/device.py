"""Where the networks run, and what happens when its memory is not enough."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch

from spacetravlr.device import choose_device
from spacetravlr.errors import InputError
from spacetravlr.threads import one_blas_thread

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DeviceName = Literal["auto", "cpu", "cuda", "mps"]

_LOG = logging.getLogger("spacetravlr")


def resolve_device(name: DeviceName = "auto") -> torch.device:
    """Return the device of a name, as torch knows it; see `choose_device`.

    Parameters
    ----------
    name
        `auto` takes CUDA, then MPS, then the CPU.

    Raises
    ------
    ConfigError
        If the device is not there.
    """
    return torch.device(choose_device(name).kind)


def in_double(values: torch.Tensor) -> torch.Tensor:
    """Return values in float64, on the CPU if their device (MPS) has none."""
    return (values.cpu() if values.device.type == "mps" else values).double()


class _Pin:
    """One thread and steady algorithms while somebody fits; what was set before comes back with the last to leave."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._threads = 1
        self._cudnn: Any = None

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep torch and BLAS to one thread, and convolutions on CUDA to algorithms that give the same bits.

        The products are small and several fits run side by side: threads of torch that wait for each other make them
        ten times slower on a busy machine. And the bits do not depend on how many there are.
        """
        # always asked: when torch first works in a thread, it takes the number of the process, whatever was set before
        threads = torch.get_num_threads()
        with self._lock:
            if self._users == 0:
                self._threads = threads
                flags: Any = torch.backends.cudnn.flags
                # full float32 as on the CPU, so that a network gives the same coefficients wherever it is loaded
                self._cudnn = flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
                self._cudnn.__enter__()
            self._users += 1
        try:
            with one_blas_thread():
                torch.set_num_threads(1)
                yield
        finally:
            with self._lock:
                self._users -= 1
                torch.set_num_threads(self._threads)
                if self._users == 0:
                    self._cudnn.__exit__(None, None, None)


_PIN = _Pin()
reproducible = _PIN.hold
"""Context in which every product has one thread, and results do not depend on the number of threads."""


@dataclass
class BatchSize:
    """How many cells, or targets, are worked on at once; halved when the device has no memory for them.

    Attributes
    ----------
    value
        The number.
    of
        What is counted, in the singular.
    """

    value: int
    of: str = "cell"

    def halve(self) -> None:
        """Halve the batch and say so.

        Raises
        ------
        InputError
            If there is nothing left to halve.
        """
        if self.value <= 1:
            raise InputError(f"the device has no memory for a single {self.of}: use --device cpu")
        self.value = (self.value + 1) // 2
        _LOG.warning("out of memory on the device: going on with batches of %d %ss", self.value, self.of)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether a device ran out of memory (CUDA has a class of its own, others only a message)."""
    return isinstance(error, torch.OutOfMemoryError) or "out of memory" in str(error).lower()


def in_batches(order: NDArray[np.int64], size: BatchSize, work: Callable[[NDArray[np.int64]], None]) -> None:
    """Call `work` on consecutive parts of `order`; a part that does not fit into memory is done again in halves.

    Parameters
    ----------
    order
        (n,) cells or targets.
    size
        Largest part; it stays smaller once it was halved.
    work
        Must be free to be repeated.
    """
    start = 0
    while start < len(order):
        part = order[start : start + size.value]
        try:
            work(part)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        else:
            start += len(part)
            continue
        # outside of the handler, where no traceback holds the memory of the device any more
        size.value = min(size.value, len(part))
        size.halve()
