"""Ligand -> TF as a matrix: NicheNet's ligand-target and ligand-TF matrices."""

from __future__ import annotations

import numpy as np
import pandas as pd

from spacetravlr.errors import InputError
from spacetravlr.networks._context import Context
from spacetravlr.networks._files import TableFile
from spacetravlr.networks._relations import relations


def read_matrix(file: TableFile, context: Context) -> pd.DataFrame:
    """Read a matrix of regulatory potentials, written from R as csv, or as parquet.

    The ligand-target matrix of NicheNet has targets in rows and ligands in columns; its ligand-TF matrix has ligands
    in rows unless asked otherwise, so say where they are (`Context.ligands`). Only entries that the network has a use
    for are kept: the target is one of its TFs and the ligand has a receptor. Others would be ignored in training, and
    they are nearly all of the 17 million entries.

    Raises
    ------
    InputError
        The table is no matrix of numbers, or none of its names is wanted in the place where it is.
    """
    matrix = file.matrix()
    if context.ligands == "rows":
        matrix = matrix.T
    values = matrix.to_numpy(np.float64, copy=False)
    nonzero = values > 0  # not where it is NaN
    entries = int(nonzero.sum())
    context.ledger.rows = entries
    tfs = [str(name) for name in matrix.index]
    ligands = [str(name) for name in matrix.columns]
    rows, columns = context.wanted_tfs(tfs), context.wanted_ligands(ligands)
    if not rows.any() or not columns.any():
        other = "rows" if context.ligands == "columns" else "columns"
        raise InputError(
            f"{file.path}: {'no row is a TF' if not rows.any() else 'no column is a ligand'} of this network "
            f"(rows like {tfs[0]}, columns like {ligands[0]}); are its ligands in the {other}?"
        )
    context.ledger.lose("the target is no TF of the network", int(nonzero[~rows].sum()))
    context.ledger.lose("no pair of the network has the ligand", int(nonzero[rows][:, ~columns].sum()))
    kept = np.flatnonzero(rows), np.flatnonzero(columns)
    # strongest first within a ligand is the business of whoever uses the edges; the order here is that of the file
    at_tf, at_ligand = np.nonzero(nonzero[np.ix_(*kept)])
    at_tf, at_ligand = kept[0][at_tf], kept[1][at_ligand]
    return relations(
        np.asarray(ligands, dtype=object)[at_ligand].tolist(),
        np.asarray(tfs, dtype=object)[at_tf].tolist(),
        "nichenet",
        weight=values[at_tf, at_ligand],
    )
