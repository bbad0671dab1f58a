"""Extra ligand-receptor pairs asked for by the user."""

from __future__ import annotations

import logging
from collections.abc import Iterable

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
