"""Tables of results: as text for people, and as files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spacetravlr.errors import UsageError, listing
from spacetravlr.words import one_line

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

    from spacetravlr.perturbation import Effect

TABLE_SUFFIXES = (".feather", ".csv", ".parquet")
CONTROLS_ASK = (
    "p shuffled: does it depend on where single cells lie (1 where only TFs take part)? "
    "p other genes: does this gene do more than others like it?"
)
"""What the negative controls ask, in a line."""
_DIGITS = 9
_NOISE = 10.0**-_DIGITS
"""Changes of expression below this are the rounding of sums."""
_CONTROLS = {"shuffled": "p shuffled", "random_targets": "p other genes"}


def text_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table with aligned columns; numbers have three digits and stand at the right.

    Parameters
    ----------
    header
        Names of the columns.
    rows
        Values; None is shown as `-`.
    """
    content = [list(row) for row in rows]
    columns = []
    for place, name in enumerate(header):
        values = [row[place] for row in content]
        numeric = any(isinstance(value, int | float) for value in values)
        texts = [name, *map(_shown, values)]
        width = max(map(len, texts))
        columns.append([text.rjust(width) if numeric else text.ljust(width) for text in texts])
    return "\n".join("  ".join(line).rstrip() for line in zip(*columns, strict=True))


def _shown(value: object) -> str:
    if value is None or value != value:  # noqa: PLR0124 - not a number
        return "-"
    if isinstance(value, float):
        return f"{value:#.3g}".rstrip(".")
    return f"{value:,}" if isinstance(value, int) else one_line(str(value))


def observed_text(values: ArrayLike) -> str:
    """Return the range of a gene in some cells, to compare a dose with; `values` are its expression there."""
    import numpy as np

    low, middle, high, top = (
        float(np.quantile(np.asarray(values, dtype=np.float64), q)) for q in (0.0, 0.5, 0.99, 1.0)
    )
    return f"min {low:.4g}, median {middle:.4g}, p99 {high:.4g}, max {top:.4g}"


def written_text(effect: Effect, path: Path) -> str:
    """Return what was written where."""
    shape = f"{len(effect.cells)} cells × {len(effect.genes)} genes"
    return f"Wrote {path} ({shape}, n_propagation={effect.n_propagation})"


def changed_text(effect: Effect, n: int = 3) -> str:
    """Return in one line what changes most, over all cells."""
    table = _beyond_rounding(effect.top(n))
    if table.empty:
        return "no other gene changes: no model listens to what was perturbed, or it is not expressed there"
    shown = ", ".join(f"{one_line(str(row.gene))} {row.mean_delta:+.3g}" for row in table.itertuples())
    return f"changes most (mean over all cells): {shown}; --top N shows cell types"


def top_text(effect: Effect, n: int) -> str:
    """Return the genes that change most in each cell type."""
    table = natural_order(_beyond_rounding(effect.top(n, by="cell_type")), "cell_type")
    if table.empty:
        return "no other gene changes"
    columns = ["cell_type", "gene", "mean_delta", "mean_abs_delta", "baseline_mean", "simulated_mean"]
    header = ["cell type", "gene", "change", "|change|", "before", "after"]
    return text_table(header, table[columns].itertuples(index=False, name=None))


def control_text(table: pd.DataFrame, n: int) -> str:
    """Return the genes that change most in each cell type, with the p values of their negative controls."""
    table = table if table.empty else table[table["mean_abs_delta"] >= _NOISE]
    if table.empty:
        return "no other gene changes, so there is nothing to compare"
    keys = ["cell_type", "gene", "mean_abs_delta"]
    wide = table.pivot_table(index=keys, columns="control", values="p_value").reset_index()
    wide = natural_order(wide.sort_values(["mean_abs_delta", "gene"], ascending=[False, True]), "cell_type")
    wide = wide.groupby("cell_type", sort=False).head(n)
    kinds = [kind for kind in _CONTROLS if kind in wide]
    header = ["cell type", "gene", "|change|", *(_CONTROLS[kind] for kind in kinds)]
    return text_table(header, wide[[*keys, *kinds]].itertuples(index=False, name=None))


def _beyond_rounding(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that change by more than the rounding of sums, and means that cancel out as 0."""
    kept = table[table["mean_abs_delta"] >= _NOISE]
    # no minus before a 0
    return kept.assign(mean_delta=kept["mean_delta"].round(_DIGITS) + 0.0)


def natural_order(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return a table sorted by labels as people count, 2 before 10; rows of one label keep their order."""
    order = {label: place for place, label in enumerate(sorted(table[column].unique(), key=_natural))}
    return table.sort_values(column, key=lambda labels: labels.map(order), kind="stable")


def _natural(label: object) -> list[int | str]:
    # every other piece is a number
    return [int(piece) if place % 2 else piece.casefold() for place, piece in enumerate(re.split(r"(\d+)", str(label)))]


def screen_text(table: pd.DataFrame, n: int, n_top: int = 5) -> str:
    """Return the genes of a screen that change the others most.

    Parameters
    ----------
    table
        The summary.
    n
        How many of them.
    n_top
        How many of the genes that follow are named.
    """
    prefix = "mean_abs_change_"
    by_type = [name for name in table.columns if name.startswith(prefix)]
    strongest = table.sort_values(["mean_abs_change", "gene"], ascending=[False, True]).head(n)
    rows = []
    for row in strongest.to_dict("records"):
        types = {name.removeprefix(prefix): row[name] for name in by_type if row[name] > 0}
        where = max(types, key=lambda label: types[label]) if types else None
        top = row["top_genes"].split(";")[:n_top]
        rows.append((row["gene"], row["n_cells"], row["mean_abs_change"], where, " ".join(top)))
    return text_table(["gene", "cells", "|change|", "most in", "genes that follow"], rows)


def check_table_name(path: Path, flag: str) -> None:
    """Refuse a name whose suffix says nothing.

    Raises
    ------
    UsageError
        If so.
    """
    if path.suffix not in TABLE_SUFFIXES:
        raise UsageError(f"{flag} {path}: the name must end in {listing(TABLE_SUFFIXES)}")


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as its suffix says, whole or not at all; missing directories are made.

    Raises
    ------
    RunDirectoryError
        If the file system refuses.
    """
    from pyarrow import feather

    from spacetravlr.atomic import make_directory, replacing

    make_directory(path.parent)
    with replacing(path) as temporary:
        if path.suffix == ".csv":
            table.to_csv(temporary, index=False)
        elif path.suffix == ".parquet":
            table.to_parquet(temporary, index=False, engine="pyarrow")
        else:
            feather.write_feather(table, str(temporary), compression="lz4")
