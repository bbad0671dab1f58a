"""Ligand -> receptor as rows of a table: LIANA, OmniPath, or your own."""

from __future__ import annotations

import pandas as pd

from spacetravlr.errors import InputError
from spacetravlr.networks._companions import truth
from spacetravlr.networks._context import Context
from spacetravlr.networks._files import TableFile
from spacetravlr.networks._relations import CONTACT, SECRETED, at_underscores, relations
from spacetravlr.networks._tf_tables import with_confidence

# results of LIANA name the whole complex, and besides it the subunit that is expressed least
LIGANDS = ("ligand_complex", "ligand.complex", "ligand", "ligand_symbol", "ligand_gene_symbol", "ligand gene symbol")
RECEPTORS = tuple(name.replace("ligand", "receptor") for name in LIGANDS)
_SOURCES = ("source_genesymbol", "from", "source")
_TARGETS = ("target_genesymbol", "to", "target")
_SIGNALING = ("signaling", "annotation")
_WEIGHTS = ("weight", "score", "curation_effort", "n_references")
_TF_TARGET, _PROTEINS = "transcriptional", "post_translational"
_INTERCELL = ("genesymbol_intercell_source", "genesymbol_intercell_target")


def read_pairs(file: TableFile, context: Context) -> pd.DataFrame:
    """Read a table with a column of ligands and one of receptors; subunits of complexes are joined by `_`."""
    table = file.frame()
    context.ledger.rows = len(table)
    ligand = context.pick(table.columns, LIGANDS + _SOURCES, "ligands")
    receptor = context.pick(table.columns, RECEPTORS + _TARGETS, "receptors")
    weight = context.find(table.columns, _WEIGHTS)
    signaling = context.find(table.columns, _SIGNALING)
    return relations(
        table[ligand].map(at_underscores),
        table[receptor].map(at_underscores),
        "lr",
        weight=None if weight is None else context.numbers(table[weight]),
        signaling=None if signaling is None else present(table[signaling]),
    )


def read_omnipath(file: TableFile, context: Context) -> pd.DataFrame:
    """Read interactions as OmniPath's web service, its clients and OmnipathR give them.

    Rows of type `transcriptional` are TF -> target, those of type `post_translational` ligand -> receptor; microRNAs
    and small molecules are left out. A table of several datasets keeps, of the latter, the rows flagged `ligrecextra`;
    the intercellular network keeps those whose transmitter is a ligand and whose receiver is a receptor, where it says
    so. Undirected rows are left out.

    Raises
    ------
    InputError
        The table has accessions but no symbols.
    """
    table = file.frame()
    context.ledger.rows = len(table)
    ends = _INTERCELL if set(_INTERCELL) <= set(table.columns) else ("source_genesymbol", "target_genesymbol")
    if not set(ends) <= set(table.columns):
        raise InputError(f"{file.path}: has no gene symbols; ask OmniPath for them (genesymbols=1)")
    table = _directed(table, context)
    if "type" in table.columns:
        proteins = table["type"].isin([_TF_TARGET, _PROTEINS]) | table["type"].isna()
        table = context.keep(table, proteins, f"the type is neither {_TF_TARGET} nor {_PROTEINS}")
    kind = table["type"] if "type" in table.columns else pd.Series("", index=table.index)
    transcriptional = kind == _TF_TARGET
    if "dorothea_level" in table.columns and transcriptional.any():
        table = with_confidence(table, context)
        transcriptional = transcriptional.loc[table.index]
    table = _ligand_receptor(table, transcriptional, context)
    transcriptional = transcriptional.loc[table.index]
    return relations(
        table[ends[0]].map(at_underscores),
        table[ends[1]].map(at_underscores),
        transcriptional.map({True: "grn", False: "lr"}),
        signaling=_reach(table),
    )


def _directed(table: pd.DataFrame, context: Context) -> pd.DataFrame:
    if "is_directed" not in table.columns:
        return table
    return context.keep(table, table["is_directed"].map(truth), "the interaction has no direction")


def _ligand_receptor(table: pd.DataFrame, transcriptional: pd.Series, context: Context) -> pd.DataFrame:
    wanted = pd.Series(data=True, index=table.index)
    if "ligrecextra" in table.columns:
        wanted = table["ligrecextra"].map(truth)
        return context.keep(table, wanted | transcriptional, "not flagged as ligand-receptor")
    if {"category_intercell_source", "category_intercell_target"} <= set(table.columns):
        sends = table["category_intercell_source"].astype(str).str.contains("ligand")
        receives = table["category_intercell_target"].astype(str).str.contains("receptor")
        return context.keep(table, (sends & receives) | transcriptional, "not a ligand with a receptor")
    if not transcriptional.all():
        context.ledger.notes.append("every row that is not transcriptional was taken as ligand -> receptor")
    return table


def _reach(table: pd.DataFrame) -> list[str | None] | None:
    if "secreted_intercell_source" not in table.columns:
        return None
    return [SECRETED if secreted else CONTACT for secreted in table["secreted_intercell_source"].map(truth)]


def present(column: pd.Series) -> list[str | None]:
    """Return the texts of a column, None where there is none."""
    return [str(value) if isinstance(value, str) and value.strip() else None for value in column]
