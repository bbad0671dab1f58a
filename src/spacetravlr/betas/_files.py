"""The betadata files of a directory."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from spacetravlr.betas.names import SUFFIXES, gene_of_file, is_betadata_file_name
from spacetravlr.errors import RunDirectoryError, listing

_log = logging.getLogger("spacetravlr")


def betadata_files(directory: Path | str) -> dict[str, Path]:
    """Return the betadata file of each gene in a directory.

    Exactly ``*_betadata.feather``, ``*_betadata.parquet`` and ``*_betadata.csv`` count. Of several files of one gene
    feather is taken before parquet before csv, with one warning for the directory.

    Parameters
    ----------
    directory
        A run directory, or one of its ``conditions/<label>``.

    Returns
    -------
    Gene to file, sorted by gene; empty if there is none.

    Raises
    ------
    RunDirectoryError
        If the directory is missing or cannot be listed.
    """
    folder = Path(directory)
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if is_betadata_file_name(entry.name) and entry.is_file())
    except OSError as error:
        raise RunDirectoryError(
            f"{folder}: cannot be read as a run directory ({error.strerror or error}); check the path"
        ) from error
    # stable: of two files of one kind the first by name
    names.sort(key=lambda name: SUFFIXES.index(Path(name).suffix))
    files: dict[str, Path] = {}
    several: set[str] = set()
    for name in names:
        gene = gene_of_file(name)
        if gene in files:
            several.add(gene)
        files.setdefault(gene, folder / name)
    if several:
        _log.warning(
            "%s: several betadata files for %d gene(s) (%s): feather is read before parquet before csv; "
            "delete the ones that are out of date",
            *(folder, len(several), listing(sorted(several))),
        )
    return dict(sorted(files.items()))


def where_else(folder: Path) -> str:
    """Return the end of the message for a directory without betadata: where they are, or why there are none."""
    inside = [
        path
        for pattern in ("conditions/*", "conditions/*/samples/*", "betadata", "samples/*")
        for path in sorted(folder.glob(pattern))
        if path.is_dir() and any(is_betadata_file_name(entry.name) for entry in path.iterdir())
    ]
    if inside:
        return f"; they are in {listing(map(str, inside), 5)}: give one of these"
    n_orphans = sum(1 for _ in folder.glob("*.orphan"))
    if n_orphans:
        return f"; its {n_orphans} genes are marked .orphan (no modulator was kept): train with other settings"
    return "; train first, or check the path"
