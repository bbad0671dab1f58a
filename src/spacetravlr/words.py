"""Numbers, durations and messages as people read them."""

from __future__ import annotations

import math

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_NEAR_ZERO = 0.0995


def one_line(text: str) -> str:
    """Return a text on one line without characters that would move a cursor."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def score(value: float) -> str:
    """Return an R2 with two decimals, near 0 with three, `-` if it is unknown."""
    if math.isnan(value):
        return "-"
    # judged by counts, good models have no more than a few hundredths
    digits = 2 if abs(value) >= _NEAR_ZERO else 3
    # a zero has no sign
    return f"{round(value, digits) + 0.0:.{digits}f}"


def duration(seconds: float) -> str:
    """Return a duration: `0.4s`, `12s`, `3m05s`, `2h10m`, `4d03h`; `-` if it is unknown."""
    if not math.isfinite(seconds):
        return "-"
    if seconds < 10:
        return f"{max(seconds, 0.0):.1f}s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole}s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m{whole % _MINUTE:02d}s"
    if whole < _DAY:
        return f"{whole // _HOUR}h{whole % _HOUR // _MINUTE:02d}m"
    return f"{whole // _DAY}d{whole % _DAY // _HOUR:02d}h"


def speed(per_second: float) -> str:
    """Return genes per second, minute or hour, whichever reads well; `-` if it is unknown."""
    if not math.isfinite(per_second) or per_second <= 0:
        return "-"
    for unit, seconds in (("s", 1), ("min", _MINUTE)):
        if per_second * seconds >= 1:
            return f"{per_second * seconds:.3g}/{unit}"
    return f"{per_second * _HOUR:.3g}/h"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun: `1 gene`, `2,000 cells`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def size(n_bytes: float) -> str:
    """Return a size in decimal units: `512 B`, `8.1 MB`, `3.25 GB`."""
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= scale:
            return f"{n_bytes / scale:.3g} {unit}"
    return f"{n_bytes:.0f} B"
