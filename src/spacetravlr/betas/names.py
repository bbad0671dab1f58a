"""Gene names as file names: a reversible escaping, and the name rule of betadata files."""

from __future__ import annotations

import re
from pathlib import Path

SUFFIXES = (".feather", ".parquet", ".csv")
_TAIL = "_betadata"
_NOT_IN_FILE_NAMES = re.compile(r'[\x00-\x1f/\\%:*?"<>|]|\A\.|[. ]\Z')
_ESCAPED = re.compile(r"%([0-9A-Fa-f]{2})")
_ESCAPABLE = frozenset('/\\%:*?"<>|. ') | frozenset(map(chr, range(32)))


def escape_gene(name: str) -> str:
    r"""Return a gene name as the stem of a file name.

    Control characters, ``/ \ % : * ? " < > |``, a leading dot and a trailing dot or blank become ``%`` and two
    hexadecimal digits; every ordinary symbol (``HLA-A``, ``Nkx2-1``, ``Gm123.1``) stays as it is.

    Parameters
    ----------
    name
        The gene symbol.

    Returns
    -------
    A stem that is legal on every file system; `unescape_gene` gives the symbol back.
    """
    return _NOT_IN_FILE_NAMES.sub(lambda match: f"%{ord(match[0]):02X}", name)


def unescape_gene(stem: str) -> str:
    """Return the gene name that `escape_gene` turned into this stem.

    A ``%`` that is not followed by the code of a character that gets escaped stays as it is, so names that other
    programs wrote unescaped are read as they are.

    Parameters
    ----------
    stem
        What stands before ``_betadata`` (or ``.lock``, ``.orphan``, ...) in a file name.

    Returns
    -------
    The gene symbol.
    """

    def plain(match: re.Match[str]) -> str:
        character = chr(int(match[1], 16))
        return character if character in _ESCAPABLE else match[0]

    return _ESCAPED.sub(plain, stem)


def betadata_file_name(gene: str, suffix: str = ".feather") -> str:
    """Return the file name of a gene's coefficients, for example ``Pax5_betadata.feather``."""
    return f"{escape_gene(gene)}{_TAIL}{suffix}"


def gene_of_file(path: Path | str) -> str:
    """Return the gene of a betadata file: its stem without one trailing ``_betadata``, unescaped."""
    return unescape_gene(Path(path).stem.removesuffix(_TAIL))


def is_betadata_file_name(name: str) -> bool:
    """Say whether a file name is exactly ``*_betadata.feather``, ``.parquet`` or ``.csv``, and not a hidden file."""
    return not name.startswith(".") and name.endswith(tuple(_TAIL + suffix for suffix in SUFFIXES))
