"""`spacetravlr edges`: what regulates what in a run, the firmest first."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacetravlr.cli._perturb_run import check_file
from spacetravlr.cli._perturb_tables import check_table_name, write_table
from spacetravlr.cli._perturb_voice import Voice
from spacetravlr.cli._recap import perturb_line
from spacetravlr.errors import UsageError
from spacetravlr.words import count, one_line

if TYPE_CHECKING:
    import pandas as pd

_TOP = 20
_MEMBERS = 3


def show_edges(
    directory: str,
    *,
    gene: str | None = None,
    cluster: str | None = None,
    top: int | None = None,
    csv: str | None = None,
    pooled: bool = False,
) -> int:
    """Show or write the edges of a run, and return the exit code.

    Parameters
    ----------
    directory
        Of the run, or its TOML.
    gene
        Targets separated by commas; None for all.
    cluster
        One cluster or its cell type; None for all.
    top
        How many; None for 20 on the screen and all in a file.
    csv
        File to write instead.
    pooled
        Whether other clusters count in the score.

    Raises
    ------
    SpaceTravLRError
        If the run or an argument cannot be used, or the file cannot be written.
    """
    if top is not None and top < 1:
        raise UsageError("--top must be at least 1")
    file = None if csv is None else Path(csv).expanduser()
    if file is not None:
        check_table_name(file, "--csv")
        check_file(file, "--csv")
    voice = Voice(verbose=False)
    with voice.hearing_logs():
        from spacetravlr.run import Run
        from spacetravlr.run.edges import cell_types_of

        genes = None if gene is None else [name.strip() for name in gene.split(",") if name.strip()]
        run = Run.open(directory)
        found = run.edges(genes, cluster, members=True, pooled=pooled)
        types = {} if csv else cell_types_of(run)
    shown = found.head(top or (len(found) if file is not None else _TOP))
    if file is not None:
        write_table(shown, file)
        voice.say(f"Wrote {file} ({count(len(shown), 'edge')})")
        return 0
    for line in lines(shown, types):
        sys.stdout.write(f"{line}\n")
    if len(shown) < len(found):
        voice.say(f"{len(shown):,} of {count(len(found), 'edge')}; --top N shows more, --csv FILE writes all")
    if len(shown):
        gene, *_ = re.split(r"[$#]", str(shown.modulator.iloc[0]))  # of a pair the ligand
        voice.say(perturb_line(run, gene))
    return 0


def lines(edges: pd.DataFrame, types: Mapping[str, str] | None = None) -> list[str]:
    """Return edges as a table for people.

    Parameters
    ----------
    edges
        The edges.
    types
        The cell type of each cluster; they have a column unless they are called as the clusters are.
    """
    named = {label: one_line(name) for label, name in (types or {}).items()}
    named = named if any(label != name for label, name in named.items()) else {}
    head = ("target", "cluster", "modulator", "beta", "95 % interval", "stability", "score", "group")
    rows = [head, *(_cells(row) for row in edges.to_dict(orient="records"))]
    if named:
        rows = [(*row[:2], named.get(row[1], "-") if at else "cell type", *row[2:]) for at, row in enumerate(rows)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _cells(row: Mapping[Hashable, Any]) -> tuple[str, ...]:
    return (
        *(one_line(str(row[name])) for name in ("target", "cluster", "modulator")),
        f"{row['beta']:.4g}",
        "-" if math.isnan(row["low"]) else f"{row['low']:.3g} .. {row['high']:.3g}",
        _number(row["stability"], ".2f"),
        _number(row["score"], ".3f"),
        _group(str(row["members"]).split(), row["group_size"]),
    )


def _number(value: float, form: str) -> str:
    return "-" if math.isnan(value) else format(value, form)


def _group(members: list[str], size: object) -> str:
    if not members:
        return ""
    shown = ", ".join(members[:_MEMBERS])
    more = f", ... ({size})" if isinstance(size, int) and size > min(len(members), _MEMBERS) else ""
    return f"one of {shown}{more}"
