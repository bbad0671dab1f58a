"""Reading single keys of a batch file: types, lengths and ranges, with errors that name the key."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from spacetravlr.errors import ConfigError

Value = TypeVar("Value")


class Keys:
    """The root table of a batch file.

    Parameters
    ----------
    table
        The keys and values.
    source
        What messages call the file.
    base
        Directory against which relative paths resolve.
    """

    def __init__(self, table: Mapping[str, Any], source: str, base: Path) -> None:
        self.table = table
        self.source = source
        self.base = base

    def __contains__(self, key: str) -> bool:
        return key in self.table

    def error(self, text: str) -> ConfigError:
        """Return an error of this file."""
        return ConfigError(f"{self.source}: {text}")

    def one_of(self, *keys: str, what: str) -> str:
        """Return the one key of several that is there.

        Raises
        ------
        ConfigError
            If none or more than one is.
        """
        there = [key for key in keys if key in self.table]
        if len(there) != 1:
            problem = f"{' and '.join(there)} exclude each other" if there else f"{' or '.join(keys)} is missing"
            raise self.error(f"{problem}: {what}")
        return there[0]

    def text(self, key: str) -> str:
        """Return a text without blanks around it."""
        value = self.table[key]
        if not isinstance(value, str):
            raise self.error(f"{key} must be a text, not {value!r}")
        return value.strip()

    def texts(self, key: str) -> list[str]:
        """Return a text or a list of texts as a list; blanks around them are removed, blank ones stay."""
        value = self.table[key]
        items = value if isinstance(value, list) else [value]
        if not all(isinstance(item, str) for item in items):
            raise self.error(f"{key} must be a text or a list of texts, not {value!r}")
        return [item.strip() for item in items]

    def flag(self, key: str) -> bool:
        """Return true or false; false where the key is not there."""
        value = self.table.get(key, False)
        if not isinstance(value, bool):
            raise self.error(f"{key} must be true or false, not {value!r}")
        return value

    def number(self, key: str, *, zero: bool) -> float:
        """Return a finite number above 0, or of at least 0."""
        value = self.table[key]
        good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not good or value < 0 or (value == 0 and not zero):
            raise self.error(f"{key} must be a finite number {'of at least' if zero else 'above'} 0, not {value!r}")
        return float(value)

    def whole(self, key: str, *, low: int) -> int:
        """Return a whole number of at least `low`."""
        return self.as_whole(key, self.table[key], low=low)

    def as_whole(self, key: str, value: Any, *, low: int, high: int | None = None) -> int:
        """Check a whole number."""
        if isinstance(value, bool) or not isinstance(value, int) or value < low or (high is not None and value > high):
            limits = f"of at least {low}" if high is None else f"from {low} to {high}"
            raise self.error(f"{key} must be a whole number {limits}, not {value!r}")
        return value

    def per_gene(self, key: str, n: int, read: Callable[[Any], Value], default: Value) -> list[Value]:
        """Return a value for each of `n` genes from a single value, a list of one, or a list of `n`."""
        if key not in self.table:
            return [default] * n
        value = self.table[key]
        items = value if isinstance(value, list) else [value]
        if len(items) not in (1, n):
            raise self.error(f"{key} has {len(items)} values for {n} genes: give one, or one for each")
        values = [read(item) for item in items]
        return values if len(values) == n else values * n

    def path(self, text: str) -> Path:
        """Return a path, ``~`` expanded, relative to the directory of the file."""
        return self.base / Path(text).expanduser()
