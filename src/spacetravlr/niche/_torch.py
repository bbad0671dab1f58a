"""The optional dependency of this room."""

from __future__ import annotations

import importlib

from spacetravlr.errors import MissingExtraError


def require_torch() -> None:
    """Refuse to go on without torch.

    Raises
    ------
    MissingExtraError
        With the command that installs it.
    """
    try:
        importlib.import_module("torch")
    except ImportError as error:
        raise MissingExtraError.of("cnn", "niche networks need torch", reason=error) from error
