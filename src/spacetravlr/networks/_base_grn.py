"""TF -> target as a wide table of accessible peaks: the format of CellOracle's base networks."""

from __future__ import annotations

import numpy as np
import pandas as pd

from spacetravlr.errors import InputError
from spacetravlr.networks._context import Context
from spacetravlr.networks._files import TableFile
from spacetravlr.networks._relations import relations

GENE = "gene_short_name"
_NOT_TFS = {"peak_id", GENE, "index", "__index_level_0__", "rownames", "Unnamed: 0"}
_AT_ONCE = 200


def read_base_grn(file: TableFile, context: Context) -> pd.DataFrame:
    """Read a table with a row for each peak, its gene in `gene_short_name`, and a 0/1 column for each TF.

    A TF that has motifs in several peaks of a gene counts once. The columns are read in blocks, so memory stays small
    for tables of 100,000 peaks and more; a text file is gone through once for each block.

    Raises
    ------
    InputError
        A TF column holds text.
    """
    tfs = [name for name in file.columns if name not in _NOT_TFS]
    genes = file.frame([GENE])[GENE].astype(object).to_numpy()
    named = pd.notna(genes)
    codes, symbols = pd.factorize(genes)
    sources: list[str] = []
    targets: list[str] = []
    entries = without_gene = 0
    for start in range(0, len(tfs), _AT_ONCE):
        block = tfs[start : start + _AT_ONCE]
        part = file.frame(block)
        for tf in block:
            # few different values: they are read as numbers once each
            at, texts = pd.factorize(part[tf])
            levels = pd.to_numeric(pd.Series(texts), errors="coerce").to_numpy(np.float64)
            if np.isnan(levels).any():
                raise InputError(
                    f"{file.path}: column {tf} should hold 0 and 1; it holds {texts[int(np.isnan(levels).argmax())]!r}"
                )
            bound = np.append(levels != 0, False)[at]  # an empty cell has the code -1
            entries += int(bound.sum())
            without_gene += int((bound & ~named).sum())
            hit = np.unique(codes[bound & named])
            sources += [tf] * len(hit)
            targets += symbols[hit].tolist()
    context.ledger.rows = entries
    context.ledger.lose("the peak has no gene", without_gene)
    context.ledger.lose("several peaks support the same edge", entries - without_gene - len(sources))
    return relations(sources, targets, "grn")
