"""The formats that are read, and how each is recognised by its columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from spacetravlr.errors import ConfigError, InputError, listing, nearest
from spacetravlr.networks._base_grn import GENE, read_base_grn
from spacetravlr.networks._cellchat import read_cellchat
from spacetravlr.networks._cellphonedb import read_interactions, read_results
from spacetravlr.networks._companions import Companions
from spacetravlr.networks._context import Context
from spacetravlr.networks._files import TableFile
from spacetravlr.networks._network_file import read_network_table
from spacetravlr.networks._nichenet import read_matrix
from spacetravlr.networks._pairs import LIGANDS, RECEPTORS, read_omnipath, read_pairs
from spacetravlr.networks._regulons import read_ctx, read_gmt
from spacetravlr.networks._tf_tables import TARGETS, TFS, read_tf_table

Reader = Callable[[TableFile, Context], pd.DataFrame]


@dataclass(frozen=True)
class Format:
    """A format of relations."""

    name: str
    summary: str
    """What it is, for people."""
    read: Reader
    needs: tuple[frozenset[str], ...] = ()
    """The file is of this format if it has all columns of one of these sets."""


@dataclass(frozen=True)
class SideTable:
    """A table that says what names in another one mean."""

    name: str
    needs: frozenset[str]
    add: Callable[[Companions, pd.DataFrame], None]


def _sets(*groups: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(group.split()) for group in groups)


FORMATS = {
    one.name: one
    for one in (
        Format(
            "network",
            "a network file: source, target, edge_type, weight",
            read_network_table,
            _sets("source target edge_type"),
        ),
        Format("pyscenic", "regulons as csv of pyscenic ctx", read_ctx, _sets("TF TargetGenes", "TF MotifID")),
        Format("celloracle", f"base network: a row for each peak, {GENE}, 0/1 for each TF", read_base_grn, _sets(GENE)),
        Format(
            "cellchat",
            "CellChat's interactions: ligand, receptor, annotation; with its table of complexes if it is listed",
            read_cellchat,
            _sets(
                "ligand receptor interaction_name", "ligand receptor pathway_name", "ligand receptor pathway signaling"
            ),
        ),
        Format(
            "cellphonedb-results",
            "means or p values of CellPhoneDB, with deconvoluted for complexes",
            read_results,
            _sets("partner_a partner_b gene_a gene_b"),
        ),
        Format(
            "cellphonedb",
            "interaction_input of CellPhoneDB 4 or 5, with gene_input, complex_input, protein_input",
            read_interactions,
            _sets("partner_a partner_b"),
        ),
        Format(
            "omnipath",
            "interactions of OmniPath with gene symbols, or its intercellular network",
            read_omnipath,
            _sets("source_genesymbol target_genesymbol", "genesymbol_intercell_source genesymbol_intercell_target"),
        ),
        Format(
            "liana",
            "ligand and receptor in columns, subunits joined by _: LIANA, or your own (lr)",
            read_pairs,
        ),
        Format("tf", "TF and target in columns: CollecTRI, DoRothEA, GRNBoost, or your own", read_tf_table),
        Format("gmt", "gene sets named after TFs, one a line", read_gmt),
        Format("nichenet", "ligand-target matrix of NicheNet as csv or parquet", read_matrix),
    )
}
ALIASES = {
    "collectri": "tf",
    "dorothea": "tf",
    "grnboost": "tf",
    "adjacencies": "tf",
    "lr": "liana",
    "scenic": "pyscenic",
}

SIDE_TABLES = (
    SideTable("cellchat-complexes", frozenset({"subunit_1"}), Companions.add_cellchat_complexes),
    SideTable("cellphonedb-complexes", frozenset({"complex_name", "uniprot_1"}), Companions.add_complexes),
    SideTable("cellphonedb-deconvoluted", frozenset({"complex_name", "gene_name"}), Companions.add_deconvoluted),
    SideTable("cellphonedb-genes", frozenset({"uniprot", "hgnc_symbol"}), Companions.add_genes),
    SideTable("cellphonedb-proteins", frozenset({"uniprot", "protein_name"}), Companions.add_proteins),
)


def format_of(name: str) -> Format:
    """Return a format by its name or another word for it.

    Raises
    ------
    ConfigError
        There is none of that name.
    """
    word = ALIASES.get(name.casefold(), name.casefold())
    if word not in FORMATS:
        known = [*FORMATS, *ALIASES]
        close = nearest(name, known)
        hint = f"; did you mean {close}?" if close else ""
        raise ConfigError(f"format {name!r} is unknown{hint} (there are: {listing(known, 30)})")
    return FORMATS[word]


def side_table(file: TableFile) -> SideTable | None:
    """Return what kind of side table a file is; None if it is none."""
    columns = frozenset(file.columns)
    return next((one for one in SIDE_TABLES if one.needs <= columns), None)


def recognise(file: TableFile) -> Format:
    """Tell by name and columns in which format a file states relations.

    Raises
    ------
    InputError
        It is none of the formats; the message names its columns.
    """
    if ".gmt" in file.path.suffixes:
        return FORMATS["gmt"]
    columns = frozenset(file.columns)
    if "Enrichment" in {name.split(".")[0] for name in file.columns}:  # first of the three lines of its header
        return FORMATS["pyscenic"]
    for form in FORMATS.values():
        if any(group <= columns for group in form.needs):
            return form
    if Context.find(file.columns, LIGANDS) and Context.find(file.columns, RECEPTORS):
        return FORMATS["liana"]
    tf = Context.find(file.columns, TFS)
    if tf is not None and Context.find(file.columns, TARGETS):
        if tf.casefold() == "from":
            raise InputError(
                f"{file.path}: its columns from and to, as in all networks of NicheNet, do not tell what they hold; "
                "say which: format lr (ligand-receptor) or tf (gene regulatory)"
            )
        return FORMATS["tf"]
    if len(file.columns) > 2 and _is_matrix(file):
        return FORMATS["nichenet"]
    raise InputError(
        f"{file.path}: not recognised by its columns ({listing(file.columns, 8)}); name its format "
        f"({', '.join(FORMATS)}) or rename its columns, and give it a header if it has none"
    )


def _is_matrix(file: TableFile) -> bool:
    """Tell whether there is one column of names and the rest is numbers, by the first rows."""
    head = file.head(50)
    return sum(not pd.api.types.is_numeric_dtype(head[name]) for name in head.columns) == 1
