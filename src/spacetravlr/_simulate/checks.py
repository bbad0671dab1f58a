"""Bounds of the arguments of a simulation."""

from __future__ import annotations

from spacetravlr.errors import InputError

Rule = tuple[bool, str, object, str]
"""(holds, name, value, what it must be)."""


def require(*rules: Rule) -> None:
    """Raise on the first rule that does not hold.

    Raises
    ------
    InputError
        With the name of the argument, its value and what it must be.
    """
    for holds, name, value, wanted in rules:
        if not holds:
            raise InputError(f"{name} = {value!r}: must be {wanted}")


def size_rules(n_cells: int, n_genes: int, n_types: int, seed: int) -> tuple[Rule, ...]:
    """Return the bounds that every simulated tissue shares."""
    return (
        (n_types >= 1, "n_types", n_types, "at least 1"),
        (n_cells >= 10 * n_types, "n_cells", n_cells, f"at least 10 per type, {10 * n_types} here"),
        (n_genes >= 10, "n_genes", n_genes, "at least 10"),
        (seed >= 0, "seed", seed, "0 or more"),
    )
