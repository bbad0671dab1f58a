"""Numbers, durations and messages as people read them, for the command line."""

from __future__ import annotations

from spacetravlr.words import count, duration, one_line, score, size, speed

__all__ = ["count", "duration", "one_line", "score", "size", "speed"]
