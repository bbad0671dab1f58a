"""Telling that a block was computed on the CPU because the device failed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from spacetravlr.events import Event, Notice

if TYPE_CHECKING:
    from spacetravlr.device import Accelerator
    from spacetravlr.training.trainer import Tally


@contextmanager
def fallback_told(
    accelerator: Accelerator | None, block: Sequence[str], tell: Callable[[Event], None], tally: Tally
) -> Iterator[None]:
    """Fit a block, and give notice if the device failed in it, or before it while its products were prepared.

    Parameters
    ----------
    accelerator
        The device; None for the CPU, which does not fail.
    block
        Targets.
    tell
        Receives a notice for every failure.
    tally
        Is marked if the device is given up for good.
    """
    if accelerator is None:
        yield
        return
    try:
        with accelerator.block(f"the block {block[0]} .. {block[-1]}"):
            yield
    finally:
        for message in accelerator.take_notices():
            tell(Notice(message, "warning"))
        tally.device_given_up = tally.device_given_up or accelerator.is_given_up
