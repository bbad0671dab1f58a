"""`spacetravlr collect-interactions`: the coefficients of all targets in one table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, get_args

from spacetravlr.cli._perturb_run import check_file
from spacetravlr.cli._perturb_tables import check_table_name, write_table
from spacetravlr.cli._perturb_voice import Voice
from spacetravlr.cli._recap import perturb_line
from spacetravlr.errors import InputError, UsageError, did_you_mean, listing

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from spacetravlr.run import Run

_NAME = "plucked_feathers.feather"
TRUST = ("stability", "low", "high", "effect", "score", "group")
"""Columns of the file beside those of `collect_interactions`."""


def collect(
    run_toml: str,
    *,
    h5ad: str | None = None,
    annot: str | None = None,
    aggregate: str = "mean",
    out: str | None = None,
) -> int:
    """Write the table, and return the exit code.

    Parameters
    ----------
    run_toml
        TOML or directory of a run.
    h5ad
        The sample, if it is not where the run found it.
    annot
        Column of obs with the cell types; None for the usual names, else the clusters of the run.
    aggregate
        What becomes of several rows of one cell type; several, separated by commas, give a column each.
    out
        File; None for the usual name in the run.

    Raises
    ------
    SpaceTravLRError
        If run, sample or column are missing, a word is unknown, or the file cannot be written.
    """
    file = None if out is None else Path(out).expanduser()
    if file is not None:
        check_table_name(file, "--out")
    voice = Voice(verbose=False)
    with voice.hearing_logs():
        from spacetravlr.betas.interactions import Aggregate, collect_interactions
        from spacetravlr.report import worth_perturbing
        from spacetravlr.run import Run

        words = [word.strip() for word in aggregate.split(",") if word.strip()]
        _check_words(words, get_args(Aggregate))
        run = Run.open(run_toml, adata=h5ad)
        file = run.path / _NAME if file is None else file
        check_file(file, "--out")
        if not run.directory.scan().done:
            raise InputError(f"there are no models in {run.path}: train first, then collect")
        with voice.working(f"collecting the coefficients in {run.path}"):
            types = _cell_types(run, annot)
            table = collect_interactions(
                run.betabase,
                types,
                aggregate=words,  # type: ignore[arg-type]
            )
            write_table(with_trust(table, run.edges(), types), file)
    n_targets, n_types = table["target_gene"].nunique(), table["cell_type"].nunique()
    voice.say(f"Wrote {file} ({len(table):,} rows: {n_targets:,} targets in {n_types:,} cell types)")
    gene = worth_perturbing(run)
    if gene is not None:
        voice.say(perturb_line(run, gene))
    return 0


def with_trust(table: pd.DataFrame, edges: pd.DataFrame, types: Mapping[str, str]) -> pd.DataFrame:
    """Add how far coefficients can be trusted: stability, interval, effect, score and group.

    Parameters
    ----------
    table
        As `collect_interactions` returns it.
    edges
        Of the same run.
    types
        Cell type of each row label.

    Returns
    -------
    The table with the columns `TRUST`; where a cell type has several clusters, means over those with a coefficient, and
    the group of the first of them. NaN where the run does not tell.
    """
    own = edges.assign(
        cell_type=[types.get(label, "") for label in edges["cluster"].astype(str)],
        target_gene=edges["target"].astype(str),
        interaction=edges["modulator"].astype(str),
    )
    keys = ["target_gene", "interaction", "cell_type"]
    how = dict.fromkeys(TRUST[:-1], "mean") | {"group": "first"}
    trust = own.groupby(keys, sort=False, observed=True).agg(how).reset_index()
    places = table[keys].astype(str).merge(trust, on=keys, how="left")
    return table.assign(**{name: places[name].to_numpy() for name in TRUST[:-1]}, group=places["group"].array)


def _check_words(words: list[str], known: tuple[str, ...]) -> None:
    unknown = [word for word in words if word not in known]
    if unknown or not words:
        hint = did_you_mean(unknown[0], known) if unknown else ""
        shown = listing(unknown) if unknown else "nothing"
        raise UsageError(f"--aggregate: {shown} is none of {listing(known)}{hint}")


def _cell_types(run: Run, annot: str | None) -> dict[str, str]:
    """Return the cell type of each row label: of clusters the most frequent one, and of cells where tables need it."""
    import numpy as np

    from spacetravlr.tissue.clusters import cell_type_column, read_labels

    tissue = run.tissue()
    name = annot or cell_type_column(tissue.obs) or tissue.clusters.column
    column = tissue.obs_column(name)
    known = column.notna().to_numpy()
    labels, codes = read_labels(column[known], name)
    cells = np.array(tissue.cells, dtype=object)[known]
    types: dict[str, str] = {}
    if any(table.by == "cell" for table in run.betabase.values()):
        types |= {str(cell): labels[code] for cell, code in zip(cells, codes, strict=True)}
    # the first keys are the usual ones, so they come last and win
    for keys in reversed(tissue.row_keys):
        types |= _most_frequent(keys[known], codes, labels)
    return types


def _most_frequent(keys: NDArray[np.str_], codes: NDArray[np.int64], labels: tuple[str, ...]) -> dict[str, str]:
    """Return for each distinct key the label that goes with it most often; of equals the first."""
    import numpy as np

    distinct, row = np.unique(keys, return_inverse=True)
    counts = np.zeros((len(distinct), len(labels)), dtype=np.int64)
    np.add.at(counts, (row, codes), 1)
    return {str(key): labels[best] for key, best in zip(distinct, counts.argmax(axis=1), strict=True)}
