"""`spacetravlr-perturb make-cells-csv`: a table of cells to choose from."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacetravlr.cli._perturb_run import check_file, read_sample
from spacetravlr.cli._perturb_voice import Voice
from spacetravlr.errors import InputError, UsageError, listing
from spacetravlr.words import count

if TYPE_CHECKING:
    import pandas as pd

_NAME = "cells.csv"


def make_cells_csv(given: Mapping[str, Any]) -> int:
    """Write the table, and return the exit code.

    Parameters
    ----------
    given
        Value of every flag by its name, None for those that were not given.

    Raises
    ------
    SpaceTravLRError
        If run, sample or column are missing, or the file cannot be written.
    """
    if given["run_toml"] is None:
        raise UsageError("--run-toml is missing. For example: spacetravlr-perturb make-cells-csv --run-toml my_run")
    voice = Voice(verbose=False)
    with voice.hearing_logs():
        from spacetravlr.atomic import make_directory, write_text
        from spacetravlr.run import Run

        run = Run.open(given["run_toml"], adata=given["h5ad"])
        out = run.path / _NAME if given["out"] is None else Path(given["out"]).expanduser()
        check_file(out, "--out")
        sample, name = read_sample(run), given["annot"] or run.tissue().clusters.column
        values = run.tissue().obs_column(name).iloc[sample.rows]
        columns = _columns(values[values.notna().to_numpy()], name)
        make_directory(out.parent)
        write_text(out, _csv(columns))
        unlabelled = len(sample.cells) - sum(map(len, columns.values()))
        if unlabelled:
            voice.say(f"note: {unlabelled} cells without a label in obs[{name!r}] are in no column")
    voice.say(f"Wrote {out} ({count(len(columns), 'column')}: {listing(columns, 8)})")
    toml, file, first = (shlex.quote(str(one)) for one in (run.directory.files.toml, out, next(iter(columns))))
    voice.say(f"next: spacetravlr-perturb --run-toml {toml} --cells-csv {file} --cells-csv-column {first}")
    return 0


def _columns(values: pd.Series, name: str) -> dict[str, list[str]]:
    """Return the sorted names of the cells of each label."""
    from spacetravlr.tissue.clusters import read_labels

    labels, codes = read_labels(values, name)
    # numbers are in the order of their values
    order = labels if all(label.isdigit() for label in labels) else sorted(labels)
    columns: dict[str, list[str]] = {label: [] for label in order if label}
    for cell, code in sorted(zip(map(str, values.index), codes, strict=True)):
        if labels[code]:
            columns[labels[code]].append(cell)
    if not columns:
        raise InputError(f"no cell has a label in obs[{name!r}]")
    return columns


def _csv(columns: Mapping[str, list[str]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip_longest(*columns.values(), fillvalue=""))
    return stream.getvalue()
