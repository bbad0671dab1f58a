"""Ligand -> receptor as CellPhoneDB keeps it, and as its results show it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeVar

import pandas as pd

from spacetravlr.errors import InputError
from spacetravlr.networks._companions import truth
from spacetravlr.networks._context import Context
from spacetravlr.networks._files import TableFile
from spacetravlr.networks._relations import CONTACT, SECRETED, relations

Way = Literal["a to b", "b to a", "both", "none"]
_T = TypeVar("_T")


def read_interactions(file: TableFile, context: Context) -> pd.DataFrame:
    """Read `interaction_input` of CellPhoneDB 4 or 5.

    Partners are UniProt accessions or complexes, which `gene_input` and `complex_input` among the files translate.
    `directionality` (version 5) says which partner is the ligand; without it the receptor flags of `protein_input` and
    `complex_input` do, and else partner a is taken as the ligand. Two receptors, or two adhesion proteins, act on each
    other by contact: they become an edge in each direction.

    Raises
    ------
    InputError
        There is no `gene_input` among the files.
    """
    known = context.companions
    if not known.symbols:
        raise InputError(
            f"{file.path}: its partners are UniProt accessions; list gene_input.csv (and complex_input.csv) of "
            "CellPhoneDB among the files"
        )
    table = file.frame()
    context.ledger.rows = len(table)
    rows: list[tuple[str | None, str | None, str | None]] = []
    partners = zip(table["partner_a"].astype(str), table["partner_b"].astype(str), _directions(table), strict=True)
    for a, b, direction in partners:
        way = who_sends(direction, known.receptor.get(a), known.receptor.get(b))
        for ligand, receptor in _oriented(a, b, way, context):
            reach = _reach(known.secreted.get(ligand), way)
            rows.append((known.subunits(ligand), known.subunits(receptor), reach))
    return _named(rows, "a partner is in no table of genes or complexes", context)


def read_results(file: TableFile, context: Context) -> pd.DataFrame:
    """Read the interactions out of a result table of CellPhoneDB (means, p values, significant means).

    Single partners have their symbol in `gene_a` and `gene_b`; complexes need the table `deconvoluted` among the
    files. Which partner is the ligand is decided as for `read_interactions`.
    """
    table = file.frame()
    context.ledger.rows = len(table)
    names = {
        end: [_symbol(*pair, context) for pair in zip(table[f"partner_{end}"], table[f"gene_{end}"], strict=True)]
        for end in "ab"
    }
    flags = [_flags(table, name) for name in ("secreted", "receptor_a", "receptor_b")]
    rows: list[tuple[str | None, str | None, str | None]] = []
    for a, b, direction, sent, a_receives, b_receives in zip(
        names["a"], names["b"], _directions(table), *flags, strict=True
    ):
        way = who_sends(direction, a_receives, b_receives)
        rows += [(ligand, receptor, _reach(sent, way)) for ligand, receptor in _oriented(a, b, way, context)]
    return _named(rows, "a complex is not in the table deconvoluted", context)


def who_sends(direction: object, a_receives: bool | None, b_receives: bool | None) -> Way:  # noqa: FBT001
    """Return which partner of an interaction is the ligand.

    Parameters
    ----------
    direction
        The column `directionality`, `Ligand-Receptor` for example; no text if there is none.
    a_receives, b_receives
        Whether each partner is a receptor, None if that is not known; looked at without a direction.
    """
    if isinstance(direction, str) and direction.strip():
        known: dict[str, Way] = {"ligand-receptor": "a to b", "receptor-ligand": "b to a", "ligand-ligand": "none"}
        return known.get(direction.strip().casefold(), "both")
    if a_receives and b_receives:
        return "both"
    return "b to a" if a_receives and not b_receives else "a to b"


def _oriented(a: _T, b: _T, way: Way, context: Context) -> list[tuple[_T, _T]]:
    if way == "none":
        context.ledger.lose("a ligand with a ligand", 1)
        return []
    if way == "both":
        context.ledger.make("both directions of an interaction between equals", 1)
        return [(a, b), (b, a)]
    return [(a, b)] if way == "a to b" else [(b, a)]


def _directions(table: pd.DataFrame) -> Iterable[object]:
    return table["directionality"] if "directionality" in table.columns else [None] * len(table)


def _flags(table: pd.DataFrame, name: str) -> list[bool | None]:
    return [truth(flag) for flag in table[name]] if name in table.columns else [None] * len(table)


def _symbol(partner: object, gene: object, context: Context) -> str | None:
    if isinstance(gene, str) and gene.strip():
        return gene.strip()
    name = str(partner)
    return context.companions.complexes.get(name.removeprefix("complex:"))


def _reach(secreted: bool | None, way: Way) -> str | None:  # noqa: FBT001
    if way == "both":
        return CONTACT
    return None if secreted is None else SECRETED if secreted else CONTACT


def _named(rows: list[tuple[str | None, str | None, str | None]], reason: str, context: Context) -> pd.DataFrame:
    named = [row for row in rows if row[0] and row[1]]
    context.ledger.lose(reason, len(rows) - len(named))
    return relations(
        [str(row[0]) for row in named], [str(row[1]) for row in named], "lr", signaling=[row[2] for row in named]
    )
