"""Extra modulators asked for by the user: tokens and files."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path

from spacetravlr.errors import ConfigError, listing

log = logging.getLogger("spacetravlr")


def parse_extra_lr(tokens: Iterable[str | tuple[str, str]], *, strict: bool = False) -> tuple[tuple[str, str], ...]:
    """Turn ``LIG$REC`` or ``LIG,REC`` into (ligand, receptor).

    Parameters
    ----------
    tokens
        Texts, split at the first ``$``, else at the first comma, blanks trimmed; pairs pass as they are.
    strict
        Raise on a token that is no pair. By default it is left out with one warning for all of them.

    Returns
    -------
    Each pair once, in order.

    Raises
    ------
    ConfigError
        A token is no pair and `strict` is set.
    """
    pairs: dict[tuple[str, str], None] = {}
    bad: list[str] = []
    for token in tokens:
        if isinstance(token, str):
            left, _, right = token.partition("$" if "$" in token else ",")
        else:
            left, right = token
        if left.strip() and right.strip():
            pairs[left.strip(), right.strip()] = None
        else:
            bad.append(str(token))
    if bad and strict:
        raise ConfigError(f"extra_lr: {listing(bad, 5)}: expected LIGAND$RECEPTOR or LIGAND,RECEPTOR")
    if bad:
        log.warning("extra_lr: ignored %s: expected LIGAND$RECEPTOR or LIGAND,RECEPTOR", listing(bad, 5))
    return tuple(pairs)


def read_extra_lr(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Read ``[grn].extra_lr_file``: one pair a line, ``#`` starts a comment.

    Returns
    -------
    The lines as tokens for `parse_extra_lr`.

    Raises
    ------
    ConfigError
        The file cannot be read.
    """
    return tuple(_lines(path, "extra_lr_file"))


def read_extra_modulators(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Read ``[grn].extra_modulators_file``: genes, one a line or comma separated, ``#`` starts a comment.

    Returns
    -------
    Each gene once, in order.

    Raises
    ------
    ConfigError
        The file cannot be read.
    """
    genes = (gene.strip() for line in _lines(path, "extra_modulators_file") for gene in line.split(","))
    return tuple(dict.fromkeys(gene for gene in genes if gene))


def _lines(path: str | os.PathLike[str], key: str) -> list[str]:
    file = Path(path).expanduser()
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(f"[grn].{key} = {file}: cannot be read ({cause})") from error
    kept = (line.split("#", 1)[0].strip() for line in text.splitlines())
    return [line for line in kept if line]
