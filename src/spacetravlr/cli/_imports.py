"""Importing quickly."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Import without a search for garbage, and leave what was imported out of every later one.

    Modules make some 300,000 objects that stay. To go through them again and again takes a tenth of a short command.
    """
    enabled, before = gc.isenabled(), len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        # where nothing was imported there may be garbage to find
        if len(sys.modules) > before:
            gc.freeze()
        if enabled:
            gc.enable()
