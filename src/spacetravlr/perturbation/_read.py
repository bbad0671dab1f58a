"""Small text files that people write."""

from __future__ import annotations

import csv
from pathlib import Path

from spacetravlr.errors import InputError


def read_text(path: Path) -> str:
    """Return the text of a file in UTF-8, without a byte-order mark.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"cannot read {path}: it is not text in UTF-8") from error


def read_records(path: Path) -> list[list[str]]:
    """Return the rows of a comma-separated file, all values as text.

    Raises
    ------
    InputError
        If it cannot be read, or quotes are not closed.
    """
    try:
        return list(csv.reader(read_text(path).splitlines(keepends=True), strict=True))
    except csv.Error as error:
        raise InputError(f"cannot read {path} as a comma-separated table: {error}") from error
