"""The word that names a network file."""

from __future__ import annotations

from spacetravlr.errors import ConfigError


def species_word(text: str) -> str:
    """Return a species as it stands in the name of a file.

    Raises
    ------
    ConfigError
        It is not one word of letters, digits, `_` and `-`.
    """
    word = text.strip()
    if not (word.isascii() and word.replace("_", "").replace("-", "").isalnum()):
        raise ConfigError(f"species {text!r} must be one word, such as mouse, human or zebrafish: it names the file")
    return word
