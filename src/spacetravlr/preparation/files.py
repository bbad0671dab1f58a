"""Prepared samples as files."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacetravlr.atomic import make_directory, refusal, temporary_name
from spacetravlr.errors import InputError, UsageError
from spacetravlr.events import Listener, StageFinished, StageStarted, silent
from spacetravlr.preparation._prepare import prepare
from spacetravlr.preparation._write import write_ready
from spacetravlr.preparation.readers import recognise
from spacetravlr.tissue.units import RECORD

if TYPE_CHECKING:
    from anndata import AnnData

    from spacetravlr.preparation.options import PrepareOptions

_ORIGIN = "origin"


def prepare_file(
    raw: str | Path,
    ready: str | Path,
    options: PrepareOptions | None = None,
    *,
    listener: Listener = silent,
    **how: Any,
) -> AnnData:
    """Prepare a raw sample and write it as h5ad.

    Parameters
    ----------
    raw
        Anything that `read_raw` reads.
    ready
        The file to write; it appears complete or not at all. What was prepared from the same file before is replaced.
    options
        All parameters.
    listener
        Receives the events.
    how
        Other arguments of `prepare`.

    Returns
    -------
    What was written.

    Raises
    ------
    UsageError
        If both are the same file, or the target is another file that is there.
    RunDirectoryError
        If the target cannot be written; found out before anything is computed.
    SpaceTravLRError
        As `prepare`.
    """
    source, target = Path(raw).expanduser(), Path(ready).expanduser()
    if target.suffix.lower() != ".h5ad":
        raise UsageError(f"{target} must end in .h5ad")
    recognise(source)
    before = origin(source)
    if target.exists():
        _check_replaceable(target, source, before)
    _check_writable(target)
    adata = prepare(source, options, listener=listener, **how)
    adata.uns[RECORD][_ORIGIN] = before
    listener(StageStarted("writing"))
    began = time.perf_counter()
    make_directory(target.absolute().parent)
    write_ready(adata, target)
    listener(StageFinished("writing", time.perf_counter() - began, str(target)))
    return adata


def _check_replaceable(target: Path, source: Path, before: str) -> None:
    if target.resolve() == source.resolve():
        raise UsageError(f"{target} is the raw file itself; choose another name with --output")
    made_from = read_origin(target)
    if made_from is None:
        raise UsageError(f"{target} is there already and was not made by prepare; choose another name")
    if made_from != before:
        raise UsageError(
            f"{target} is there already, made from another file than {source} or before that changed: remove it, or "
            "choose another name with --output"
        )


def _check_writable(target: Path) -> None:
    """Write nothing into the directory, or into the one it will be made in."""
    folder = next(place for place in target.absolute().parents if place.exists())
    probe = temporary_name(folder)
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise refusal(target, error) from error


def read_origin(path: Path) -> str | None:
    """Return the origin of a prepared file, empty if it is not recorded; None if it is no prepared file."""
    import h5py

    try:
        with h5py.File(path, "r") as handle:
            if f"uns/{RECORD}" not in handle:
                return None
    except OSError:
        return None
    return _read(path, _ORIGIN) or ""


def read_step(path: Path, name: str) -> str | None:
    """Return the parameters of a step of a prepared file, JSON; None if it was not done."""
    return _read(path, f"steps/{name}")


def _read(path: Path, name: str) -> str | None:
    import h5py

    with h5py.File(path, "r") as handle:
        stored = handle.get(f"uns/{RECORD}/{name}")
        return None if stored is None else str(stored.asstr()[()])


def origin(path: Path) -> str:
    """Return name, size and time of a file, or of a folder with all that is in it: tells whether it has changed.

    Raises
    ------
    InputError
        If it is not there.
    """
    try:
        files = [path] if path.is_file() else sorted(place for place in path.rglob("*") if place.is_file())
        facts = [place.stat() for place in files]
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    size, last = sum(one.st_size for one in facts), max((one.st_mtime_ns for one in facts), default=0)
    return f"{path.name} {size} {last}"
