"""The fits of a run as one table."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from spacetravlr.errors import InputError
from spacetravlr.run._log_parser import read_log
from spacetravlr.run.log import GeneLog

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "gene",
    "cluster",
    "n_cells",
    "n_modulators",
    "r2_in",
    "r2_out",
    "train_mse",
    "converged",
    "n_iter",
    "lambda",
    "kept",
)


def read_logs(directory: Path) -> dict[str, GeneLog]:
    """Read all text logs of a run.

    Parameters
    ----------
    directory
        Its `log` directory; a missing one holds no logs.

    Returns
    -------
    Logs by gene, sorted; damaged ones are left out with a warning.
    """
    logs: dict[str, GeneLog] = {}
    for path in sorted(directory.glob("*.log")) if directory.is_dir() else []:
        try:
            log = read_log(path)
        except InputError as error:
            logging.getLogger("spacetravlr").warning("left out: %s", error)
            continue
        if log is not None:
            logs[log.gene] = log
    return dict(sorted(logs.items()))


def score_table(logs: dict[str, GeneLog]) -> pd.DataFrame:
    """Return one row per target and cluster.

    Parameters
    ----------
    logs
        Logs by gene.

    Returns
    -------
    Columns `gene, cluster, n_cells, n_modulators, r2_in, r2_out, train_mse, converged, n_iter, lambda, kept`. `r2_out`
    and `lambda` are NaN where the log does not tell (the compiled edition's never does).
    """
    import pandas as pd

    rows = [
        (
            *(log.gene, entry.cluster, entry.n_cells, entry.n_modulators, entry.r2_in, entry.r2_out),
            *(entry.train_mse, entry.converged, entry.n_iter, entry.penalty, entry.kept),
        )
        for log in logs.values()
        for entry in log.clusters
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    kinds = {"n_cells": "int64", "n_modulators": "int64", "n_iter": "int64", "converged": "bool", "kept": "bool"}
    reals = dict.fromkeys(("r2_in", "r2_out", "train_mse", "lambda"), "float64")
    return table.astype({**kinds, **reals})
