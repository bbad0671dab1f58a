"""Results as files of a person's choice."""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from spacetravlr.atomic import check_directory, make_directory, replacing
from spacetravlr.errors import UsageError
from spacetravlr.perturbation.jobs import file_stem

if TYPE_CHECKING:
    from spacetravlr.perturbation.effect import Effect
    from spacetravlr.perturbation.workbench.request import Request

EXPORT_SUFFIXES = (".feather", ".csv", ".h5ad")
FOLDER = "perturbations"
_NOT_IN_WORDS = re.compile(r"[^\w.+-]+")
_LONGEST = 120


def default_export(request: Request, place: Path, suffix: str = ".feather") -> Path:
    """Return a name that tells genes, doses, cells and steps, with a checksum where words cannot tell all of them.

    Parameters
    ----------
    request
        What was asked for.
    place
        The run directory.
    suffix
        Format of the file.
    """
    genes = "_".join(f"{file_stem(item.gene)}_{item.dose.label}" for item in request.items)
    where = "" if request.where == "all cells" else f"_{_NOT_IN_WORDS.sub('-', request.where).strip('-')}"
    stem = f"{genes}{where}"
    if len(stem) > _LONGEST or not all(item.scope.told for item in request.items):
        scopes = [(item.gene, item.dose.label, item.scope) for item in request.items]
        stem = f"{stem[:_LONGEST]}_{zlib.crc32(repr(scopes).encode()):08x}"
    return place / FOLDER / f"{stem}_n{request.n_propagation}{suffix}"


def check_export(text: str, *, base: Path | None = None) -> Path:
    """Return the file that a person means.

    Parameters
    ----------
    text
        Its name; `~` is expanded.
    base
        Where a relative name counts from; None for the working directory.

    Raises
    ------
    UsageError
        If the suffix is unknown, or it is a directory.
    RunDirectoryError
        If the directory, or the nearest one above that exists, is not to be written to.
    """
    if not text.strip():
        raise UsageError("name a file")
    named = Path(text.strip()).expanduser()
    path = named if base is None else base / named
    if path.is_dir():
        raise UsageError(f"{path} is a directory; give the name of a file in it")
    if path.suffix not in EXPORT_SUFFIXES:
        raise UsageError(f"{path.name}: the name must end in {' or '.join(EXPORT_SUFFIXES)}")
    check_directory(path.absolute().parent, path)
    return path


def write_export(effect: Effect, path: Path, *, overwrite: bool = False) -> Path:
    """Write an effect as its suffix says, whole or not at all; missing directories are made.

    Parameters
    ----------
    effect
        The effect.
    path
        `.feather` or `.csv` for the simulated expression (`CellID` and a column per gene; every digit is kept), `.h5ad`
        for baseline, simulated expression and difference.
    overwrite
        Whether an existing file may be replaced.

    Raises
    ------
    UsageError
        For another suffix, or an existing file.
    RunDirectoryError
        If the file system refuses.
    """
    if path.exists() and not overwrite:
        raise UsageError(f"{path} exists; it is not replaced unless you say so")
    if path.suffix != ".csv":
        return effect.write(path)
    import pandas as pd

    table = pd.DataFrame(effect.simulated, columns=list(effect.genes))
    table.insert(0, "CellID", list(effect.cells), allow_duplicates=True)
    make_directory(path.parent)
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False)
    return path
