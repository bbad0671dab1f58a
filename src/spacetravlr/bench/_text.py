"""Numbers and tables for the terminal."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, indent: str = "  ") -> list[str]:
    """Return the lines of a table: first column to the left, all others to the right.

    Parameters
    ----------
    headers
        One per column.
    rows
        Texts, as many as headers in each.
    indent
        In front of every line.
    """
    widths = [max(len(row[column]) for row in (headers, *rows)) for column in range(len(headers))]
    lines = []
    for row in (headers, *rows):
        cells = [text.ljust(width) if not column else text.rjust(width) for column, (text, width) in
                 enumerate(zip(row, widths, strict=True))]  # fmt: skip
        lines.append((indent + "  ".join(cells)).rstrip())
    return lines


def seconds(value: float | None) -> str:
    """Return a duration with three digits and the unit that suits it."""
    if value is None or not math.isfinite(value):
        return "-"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if value >= size or unit == "us":
            return f"{_three_digits(value / size)} {unit}"
    raise AssertionError("unreachable")


def _three_digits(value: float) -> str:
    decimals = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{decimals}f}"


def megabytes(value: float | None) -> str:
    """Return an amount of memory."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value / 1024:.1f} GB" if value >= 10_000 else f"{value:.0f} MB"


def decimal(value: float | None, places: int = 2) -> str:
    """Return a number, or `-` where there is none."""
    return "-" if value is None or not math.isfinite(value) else f"{value:.{places}f}"


def power(value: float | None) -> str:
    """Return an error such as 2.4e-07, or `-` where there is none."""
    return "-" if value is None or not math.isfinite(value) else f"{value:.1e}"


def to_json(content: Any) -> str:
    """Return the text of a JSON file; numbers that are not finite become null."""
    return json.dumps(_plain(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
