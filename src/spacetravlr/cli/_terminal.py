"""What the streams of this process lead to."""

from __future__ import annotations

import os
from typing import Any

_DUMB = ("dumb", "unknown")


def is_terminal(stream: Any) -> bool:
    """Return whether a stream is there, open, and a terminal."""
    return stream is not None and not getattr(stream, "closed", False) and bool(stream.isatty())


def draws(*streams: Any) -> bool:
    """Return whether all streams go to a terminal that can move its cursor."""
    return all(map(is_terminal, streams)) and os.environ.get("TERM", "").casefold() not in _DUMB
