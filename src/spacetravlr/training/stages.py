"""Timed steps of the set-up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from spacetravlr.events import Listener, StageFinished, StageStarted


@contextmanager
def stage(name: str, listener: Listener) -> Iterator[Callable[[str], None]]:
    """Report that a step begins, and its time when it has succeeded; call what is yielded to add a detail."""
    listener(StageStarted(name))
    began = time.perf_counter()
    detail = ""

    def describe(text: str) -> None:
        nonlocal detail
        detail = text

    yield describe
    listener(StageFinished(name, time.perf_counter() - began, detail))
