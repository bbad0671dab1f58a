"""Which species a list of gene names belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

from spacetravlr.errors import ConfigError, did_you_mean

Species = Literal["mouse", "human"]
"""The species that have network files."""


def infer_species(genes: Iterable[str]) -> Species:
    """Decide between mouse and human from the style of the gene names.

    Every name votes at most once: ``Pax5`` (first letter upper case, none after it) for mouse, ``PAX5`` (at least one
    upper case letter, no lower case letter) for human. A mouse Ensembl identifier (``ENSMUSG...``) votes for mouse,
    although it is written in capitals. The majority wins; a tie, like an empty list, means human.

    Parameters
    ----------
    genes
        Gene names of the sample; all of them are looked at, so that the answer is the same every time.

    Returns
    -------
    ``"mouse"`` or ``"human"``.

    Notes
    -----
    The patterns are those of the compiled edition 1.2.0, which asks a random sample of 100 names.
    """
    balance = 0
    for gene in genes:
        if _looks_mouse(gene):
            balance += 1
        elif _looks_human(gene):
            balance -= 1
    return "mouse" if balance > 0 else "human"


def check_species(species: str) -> Species:
    """Return the species if it is a known one.

    Raises
    ------
    ConfigError
        The name is neither ``mouse`` nor ``human``; the message suggests the nearest one.
    """
    for known in get_args(Species):
        if species == known:
            return known  # type: ignore[no-any-return]
    hint = did_you_mean(species, get_args(Species))
    raise ConfigError(f"species {species!r} is unknown: use 'mouse' or 'human'{hint}")


def _looks_mouse(name: str) -> bool:
    if name.startswith("ENSMUSG"):
        return True
    return len(name) > 1 and name[0].isupper() and not any(letter.isupper() for letter in name[1:])


def _looks_human(name: str) -> bool:
    return any(letter.isupper() for letter in name) and all(letter.isupper() or not letter.isalpha() for letter in name)
