"""TF -> targets as sets: the regulons of pySCENIC's `ctx` step, and GMT files."""

from __future__ import annotations

import re

import pandas as pd

from spacetravlr.errors import InputError
from spacetravlr.networks._context import Context
from spacetravlr.networks._files import TableFile
from spacetravlr.networks._relations import relations

# the entry of a pair in the printed list; NumPy 2 prints its numbers with their type
_PAIR = re.compile(r"\(\s*(['\"])(?P<gene>.*?)\1\s*,\s*(?:np\.float\d+\()?(?P<weight>[-+0-9.eE]+|nan|inf)")
# what SCENIC, pySCENIC and collections of gene sets add to the name of the TF
_SUFFIX = re.compile(
    r"(_extended)?[ _]*(\([+-]\)|\(\d+g\)|_(regulon|target_genes|targets?|activating|repressing))*$", re.IGNORECASE
)


def read_ctx(file: TableFile, context: Context) -> pd.DataFrame:
    """Read the table that `pyscenic ctx` writes as csv: TF, motif, ..., TargetGenes.

    The header has three lines: a level `Enrichment`, the names, and the names of the first two columns. A target that
    several motifs support counts once, with its largest weight.

    Raises
    ------
    InputError
        A target list cannot be understood.
    """
    table = _flat(file)
    if "TF" not in table.columns or "TargetGenes" not in table.columns:
        raise InputError(f"{file.path}: has no columns TF and TargetGenes; is it the csv written by pyscenic ctx?")
    best: dict[tuple[str, str], float] = {}
    listed = 0
    for tf, text in table[["TF", "TargetGenes"]].itertuples(index=False, name=None):
        pairs = [(found["gene"], float(found["weight"])) for found in _PAIR.finditer(str(text))]
        if not pairs and str(text).strip() not in {"[]", "nan"}:
            raise InputError(f"{file.path}: the targets of {tf} are no list of (gene, weight): {str(text)[:40]}")
        listed += len(pairs)
        for gene, weight in pairs:
            best[str(tf), gene] = max(weight, best.get((str(tf), gene), weight))
    context.ledger.rows = listed
    context.ledger.lose("several motifs support the same edge", listed - len(best))
    return relations([tf for tf, _ in best], [gene for _, gene in best], "grn", weight=best.values())


def _flat(file: TableFile) -> pd.DataFrame:
    table = file.frame()
    if "TargetGenes" in table.columns:
        return table
    names = [str(name) for name in table.iloc[0]]
    firsts = [str(name) for name in table.iloc[1]]
    table = table.iloc[2:].copy()
    table.columns = [first if name == "nan" else name for name, first in zip(names, firsts, strict=True)]
    return table


def read_gmt(file: TableFile, context: Context) -> pd.DataFrame:
    """Read gene sets, one a line: name, description, genes, all separated by tabs.

    The name is that of the TF, up to the first blank, without `(+)`, `(34g)`, `_extended`, `_targets` and the like.

    Raises
    ------
    InputError
        A line has no genes, or the file is no text.
    """
    tfs: list[str] = []
    targets: list[str] = []
    for number, line in enumerate(file.lines(), 1):
        if not line.strip():
            continue
        name, *rest = line.rstrip("\t").split("\t")
        if len(rest) < 2:
            raise InputError(f"{file.path}: line {number} is no gene set; GMT is name, description, genes, by tabs")
        # some collections write gene,weight
        genes = [gene.split(",")[0].strip() for gene in rest[1:] if gene.strip()]
        tfs += [tf_of(name)] * len(genes)
        targets += genes
    context.ledger.rows = len(tfs)
    return relations(tfs, targets, "grn")


def tf_of(name: str) -> str:
    """Return the TF that a regulon or gene set is called after: `Atf3_extended (52g)` -> `Atf3`."""
    name = name.strip()
    bare = _SUFFIX.sub("", name)
    return (bare or name).split(" ")[0]
