"""Every error a user can cause or meet; each carries the exit code of the command line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Self

PACKAGE = "spacetravlr-py"
"""Name under which this package is installed."""


class SpaceTravLRError(Exception):
    """Base class: a message of one line that says what was wrong, where, and what to do."""

    exit_code = 1


class InputError(SpaceTravLRError, ValueError):
    """The data given (file, matrix, column, gene, network) cannot be used as it is."""


class ConfigError(SpaceTravLRError, ValueError):
    """A setting is unreadable, unknown in value, or contradicts another one."""


class UsageError(SpaceTravLRError, ValueError):
    """Arguments were combined in a way that has no meaning."""

    exit_code = 2


class RunDirectoryError(SpaceTravLRError, OSError):
    """A run directory cannot be read, written or continued."""


class SettingsChangedError(RunDirectoryError):
    """An existing run directory holds results of other settings."""


class NothingWrittenError(SpaceTravLRError):
    """A training run ended without one coefficient file."""

    exit_code = 3


class MissingExtraError(SpaceTravLRError, ImportError):
    """A face needs an optional dependency that is not installed."""

    @classmethod
    def of(cls, extra: str, what: str, *, reason: object = None, instead: str = "") -> Self:
        """Return the error for an optional part of this package, with the command that installs it.

        Parameters
        ----------
        extra
            Name of the part: ``cnn``.
        what
            What needs which library: ``niche networks need torch``.
        reason
            Why it cannot be imported.
        instead
            What can be done without it: ``use cpu``.
        """
        why = "" if reason is None else f" ({reason})"
        return cls(f"{what}{why}: {install_command(extra)}{f', or {instead}' if instead else ''}")


def install_command(extra: str) -> str:
    """Return the command that installs an optional part of this package: ``cnn``, ``tui``, ..."""
    return f"python -m pip install '{PACKAGE}[{extra}]'"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most like the given one.

    Parameters
    ----------
    name
        What the user wrote.
    known
        The names that exist.

    Returns
    -------
    The closest match (ratio of at least 0.6), or None.
    """
    options = list(known)
    folded = {option.casefold(): option for option in reversed(options)}
    if name.casefold() in folded:
        return folded[name.casefold()]
    close = difflib.get_close_matches(name, options, n=1)
    return close[0] if close else None


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return how a message about an unknown name goes on.

    Parameters
    ----------
    name
        What the user wrote.
    known
        The names that exist.
    otherwise
        What is said if none of them is like it.

    Returns
    -------
    ``; did you mean 'Pax5'?``, or `otherwise`.
    """
    close = nearest(name, known)
    return f"; did you mean {close!r}?" if close else otherwise


def listing(names: Iterable[str], limit: int = 20) -> str:
    """Return names joined for a message, cut after `limit` with a count of the rest."""
    items = [str(name) for name in names]
    shown = ", ".join(items[:limit]) or "none"
    return shown if len(items) <= limit else f"{shown} (+{len(items) - limit} more)"
