"""Which cells the flags mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacetravlr.errors import InputError, UsageError, listing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from spacetravlr.cli._perturb_run import Sample
    from spacetravlr.cli._perturb_voice import Voice
    from spacetravlr.perturbation import CellsCsv
    from spacetravlr.run import Run

SCOPE_FLAGS = ("cells_csv", "cells_csv_column", "cell_type", "where", "region")


def rows_to_perturb(given: Mapping[str, Any], *, run: Run, sample: Sample, voice: Voice) -> NDArray[np.int64] | None:
    """Return the rows of the cells to perturb; None for all cells.

    Without any flag, the run's settings may name a table of cells. Of several flags all must hold.

    Parameters
    ----------
    given
        Values of the flags.
    run
        The run.
    sample
        Its loaded cells.
    voice
        Told if the run names a table without a column.

    Raises
    ------
    UsageError
        If a table or a column is named without the other.
    InputError
        If a table or region cannot be read or does not fit the sample, a cell type is unknown, a query has no
        meaning, or no cell is left.
    """
    import numpy as np

    found: dict[str, NDArray[np.int64]] = {}
    others = [given[name] for name in SCOPE_FLAGS[2:] if given[name]]
    if given["cells_csv"] is not None or given["cells_csv_column"] is not None or not others:
        _add_listed(found, given, run=run, sample=sample, voice=voice)
    elif run.config.perturbation.cells_csv is not None:
        voice.note(f"the table of cells that {run.toml} names is not used: the flags say which cells")
    _add_described(found, given, sample)
    for flag, rows in found.items():
        if not len(rows):
            raise InputError(f"no cell is meant by {flag}")
    if not found:
        return None
    rows = reduce(np.intersect1d, found.values())
    if not len(rows):
        raise InputError(f"no cell is meant by all of {' and '.join(found)} together")
    if given["region"] is not None:
        _tell_pieces(rows, run=run, sample=sample, voice=voice)
    return rows


def _tell_pieces(rows: NDArray[np.int64], *, run: Run, sample: Sample, voice: Voice) -> None:
    """Say if a region lies on several pieces of tissue: who drew it on one may not think of the others."""
    import numpy as np

    samples = run.tissue().samples
    if samples is None:
        return
    counts = np.bincount(samples.codes[sample.rows[rows]], minlength=len(samples.labels))
    touched = [f"{label} ({number})" for label, number in zip(samples.labels, counts.tolist(), strict=True) if number]
    if len(touched) > 1:
        voice.note(
            f"the region holds cells of {len(touched)} samples: {listing(touched, 5)}; to keep to one, add "
            f"--where \"{samples.column} == '...'\""
        )


def stored_table(run: Run) -> CellsCsv | None:
    """Return the table of cells that the settings of a run name; a relative path counts from their file."""
    from spacetravlr.perturbation import CellsCsv

    stored = run.config.perturbation
    if stored.cells_csv is None:
        return None
    return CellsCsv(run.toml.parent / Path(stored.cells_csv).expanduser(), stored.cells_csv_column)


def _add_listed(
    found: dict[str, NDArray[np.int64]], given: Mapping[str, Any], *, run: Run, sample: Sample, voice: Voice
) -> None:
    """Add the cells that a column of a table lists."""
    from spacetravlr.perturbation import read_cells_csv

    stored, named, column = stored_table(run), given["cells_csv"], given["cells_csv_column"]
    if column is None:
        column = run.config.perturbation.cells_csv_column
    elif named is None and stored is None:
        raise UsageError("--cells-csv-column names a column of no table: give --cells-csv FILE too")
    path = Path(named).expanduser() if named is not None else None if stored is None else stored.path
    if path is None:
        return
    if column:
        left_out = run.tissue().left_out
        found[f"column {column!r} of {path}"] = read_cells_csv(path, column, sample.cells, left_out=left_out)
    elif named is None:
        voice.note(f"{run.toml} names a table of cells but no column: all cells are perturbed")
    else:
        raise UsageError("--cells-csv needs --cells-csv-column NAME: which of its columns lists the cells to perturb")


def _add_described(found: dict[str, NDArray[np.int64]], given: Mapping[str, Any], sample: Sample) -> None:
    """Add the cells that a cell type, a query or a region describes."""
    from spacetravlr.perturbation import Region, resolve_cells

    def rows(cells: Any) -> NDArray[np.int64]:
        return resolve_cells(cells, sample.cells, obs=sample.obs, xy=sample.xy, labels=sample.labels)

    if given["cell_type"]:
        types = split_words(given["cell_type"], known=_cell_types(sample))
        if not types:
            raise UsageError("--cell-type names no cell type")
        found[f"--cell-type {','.join(types)}"] = rows({"cell_type": types})
    if given["where"] is not None:
        found[f"--where {given['where']!r}"] = rows(str(given["where"]))
    if given["region"] is not None:
        found[f"--region {given['region']}"] = rows(Region.read(given["region"]))


def _cell_types(sample: Sample) -> set[str]:
    return {str(value) for value in set(sample.obs.get("cell_type", sample.labels))}


def split_words(texts: Sequence[str], known: set[str] | frozenset[str] = frozenset()) -> list[str]:
    """Return the words of texts that are separated by commas, without blanks; a text that is known is one word."""
    pieces = [[text] if text in known else text.split(",") for text in texts]
    return [word.strip() for words in pieces for word in words if word.strip()]
