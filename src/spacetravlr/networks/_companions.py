"""Tables that state no relations but say what the names in another table mean."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from spacetravlr.errors import InputError
from spacetravlr.networks._relations import joined


@dataclass
class Companions:
    """What the side tables of CellChat and CellPhoneDB say, all files taken together."""

    symbols: dict[str, str] = field(default_factory=dict)
    """UniProt accession -> symbol."""
    complexes: dict[str, str] = field(default_factory=dict)
    """Complex -> its subunits, symbols joined as in `JOIN`; CellPhoneDB's are translated when asked for."""
    parts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Complex -> UniProt accessions of its subunits."""
    receptor: dict[str, bool] = field(default_factory=dict)
    """UniProt accession or complex -> whether it is a receptor."""
    secreted: dict[str, bool] = field(default_factory=dict)
    """UniProt accession or complex -> whether it is secreted."""

    def add_cellchat_complexes(self, table: pd.DataFrame) -> None:
        """Take in CellChat's complexes: names in the first column, subunits in `subunit_1`, ...

        Raises
        ------
        InputError
            The complexes have no names.
        """
        if table.columns[0].startswith("subunit_"):
            raise InputError("its complexes have no names; write it with the names of its rows")
        subunits = [name for name in table.columns if name.startswith("subunit_")]
        for name, *parts in table[[table.columns[0], *subunits]].itertuples(index=False, name=None):
            self.complexes[str(name)] = joined(str(part).strip() for part in parts if _given(part))

    def add_genes(self, table: pd.DataFrame) -> None:
        """Take in CellPhoneDB's `gene_input`: accession and symbol; the first symbol of an accession counts."""
        symbol = "hgnc_symbol" if "hgnc_symbol" in table.columns else "gene_name"
        for accession, name in table[["uniprot", symbol]].itertuples(index=False, name=None):
            if _given(accession) and _given(name):
                self.symbols.setdefault(str(accession), str(name).strip())

    def add_complexes(self, table: pd.DataFrame) -> None:
        """Take in CellPhoneDB's `complex_input`: name, accessions in `uniprot_1`, ..., and what the complex is."""
        columns = [name for name in table.columns if name.startswith("uniprot_")]
        for name, *parts in table[["complex_name", *columns]].itertuples(index=False, name=None):
            self.parts[str(name)] = tuple(str(part).strip() for part in parts if _given(part))
        self._add_flags(table, "complex_name")

    def add_proteins(self, table: pd.DataFrame) -> None:
        """Take in CellPhoneDB's `protein_input`: what each protein is."""
        self._add_flags(table, "uniprot")

    def add_deconvoluted(self, table: pd.DataFrame) -> None:
        """Take in CellPhoneDB's `deconvoluted`: the genes of each complex of its result tables."""
        found: dict[str, dict[str, None]] = {}
        for complex_name, gene in table[["complex_name", "gene_name"]].itertuples(index=False, name=None):
            if _given(complex_name) and _given(gene):
                found.setdefault(str(complex_name), {})[str(gene).strip()] = None
        for name, genes in found.items():
            self.complexes[name] = joined(genes)

    def subunits(self, partner: str) -> str | None:
        """Return the symbols of a partner of CellPhoneDB, or None if one of them is not known."""
        if partner in self.parts:
            symbols = [self.symbols.get(part) for part in self.parts[partner]]
            return joined(filter(None, symbols)) if symbols and all(symbols) else None
        return self.complexes.get(partner) or self.symbols.get(partner)

    def _add_flags(self, table: pd.DataFrame, key: str) -> None:
        for column, known in (("receptor", self.receptor), ("secreted", self.secreted)):
            if column in table.columns:
                for name, flag in table[[key, column]].itertuples(index=False, name=None):
                    known[str(name)] = truth(flag)


def truth(value: object) -> bool:
    """Return whether a cell says yes: True, 1, yes."""
    return str(value).strip().casefold() in {"true", "1", "1.0", "yes", "t"}


def _given(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())
