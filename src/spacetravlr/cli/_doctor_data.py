"""Checks of networks, of the disk, and of a sample."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from spacetravlr.cli._doctor_check import Check
from spacetravlr.cli._peek import next_command
from spacetravlr.errors import SpaceTravLRError
from spacetravlr.words import size

_LITTLE_DISK = 1e9


def networks() -> Iterator[Check]:
    """Look for the networks where a training would, and read them."""
    from spacetravlr.prior import PriorNetwork, Species
    from spacetravlr.prior._locate import VARIABLE

    named = os.environ.get(VARIABLE)
    if named and not Path(named).expanduser().is_dir():
        yield Check("networks", "problem", f"{VARIABLE} names {named}, which is no directory", f"unset {VARIABLE}")
    for species in get_args(Species):
        try:
            found = PriorNetwork.load(species)
        except SpaceTravLRError as error:
            yield Check("networks", "problem", str(error), "replace the file, or move it away")
            continue
        if found.source == "starter":
            yield Check(
                "networks",
                "note",
                f"{species}: only the starter network, enough to try things out",
                f"`spacetravlr network` makes or fetches {species}_network.parquet; name its directory in "
                f"[grn].network_data_dir or {VARIABLE}",
            )
        else:
            counts = ", ".join(f"{number:,} {kind}" for kind, number in found.counts().items())
            yield Check("networks", "ok", f"{species}: {found.source} ({counts})")


def writing() -> Iterator[Check]:
    """Write a file, rename it and link to it in the current directory, as a run does."""
    here = Path.cwd()
    fix = "go to another directory, or give --output-dir and --output"
    try:
        with tempfile.TemporaryDirectory(prefix=".spacetravlr-doctor-", dir=here) as folder:
            first, second, third = (Path(folder) / name for name in ("a", "b", "c"))
            first.write_text("x", encoding="utf-8")
            first.replace(second)
            try:
                third.hardlink_to(second)
                links = ""
            except OSError:
                links = "; hard links are not possible here, claims are made without"
    except OSError as error:
        yield Check("writing", "problem", f"{here}: {error.strerror or error}", fix)
        return
    free = shutil.disk_usage(here).free
    found = f"{here} can be written, {size(free)} free{links}"
    if free < _LITTLE_DISK:
        yield Check("writing", "note", found, "free some space, or choose another disk")
    else:
        yield Check("writing", "ok", found)


def locking() -> Iterator[Check]:
    """Lock a file in the current directory as HDF5 does, and open one twice."""
    setting = os.environ.get("HDF5_USE_FILE_LOCKING")
    told = "" if setting is None else f"; HDF5_USE_FILE_LOCKING={setting}"
    fix = "export HDF5_USE_FILE_LOCKING=FALSE (files are only read), or keep samples on a local disk"
    import h5py

    try:
        with tempfile.TemporaryDirectory(prefix=".spacetravlr-doctor-", dir=Path.cwd()) as folder:
            path = Path(folder) / "lock.h5"
            with h5py.File(path, "w") as handle:
                handle["x"] = 1
            with h5py.File(path, "r") as one, h5py.File(path, "r") as two:
                good = int(one["x"][()]) == int(two["x"][()]) == 1
            kernel = _kernel_lock(path)
    except OSError as error:
        yield Check("file locks", "problem", f"HDF5 cannot lock files here: {error}{told}", fix)
        return
    if not good:
        yield Check("file locks", "problem", f"a file that was just written reads differently{told}", fix)
    elif kernel:
        yield Check("file locks", "note", f"the file system has no locks ({kernel}); HDF5 does without{told}")
    else:
        yield Check("file locks", "ok", f"files can be locked and read by several{told}")


def compiled() -> Iterator[Check]:
    """Tell where compiled kernels are kept; without a place, every start compiles anew."""
    folder = os.environ.get("NUMBA_CACHE_DIR")
    place = Path(folder) if folder else Path(__file__).resolve().parents[1]
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in {"", "0"}:
        yield Check("kernels", "problem", "NUMBA_DISABLE_JIT is set: everything is slow", "unset NUMBA_DISABLE_JIT")
    elif os.access(place, os.W_OK) or (folder and not place.exists()):
        yield Check("kernels", "ok", f"kept {'in' if folder else 'beside the package in'} {place}")
    else:
        yield Check(
            "kernels",
            "note",
            f"{place} cannot be written: kernels are kept in the cache of the user, or compiled at every start",
            "export NUMBA_CACHE_DIR=DIR, a directory of yours",
        )


def sample(file: str, um_per_unit: float | None = None) -> Iterator[Check]:
    """Look at a sample: units, and what a training would lack."""
    from spacetravlr.preparation import look_at

    try:
        found = look_at(file, um_per_unit=um_per_unit)
    except SpaceTravLRError as error:
        yield Check("sample", "problem", str(error), "name an .h5ad file that is complete")
        return
    yield Check("sample", "ok", f"{found.path}: {found.n_cells:,} cells x {found.n_genes:,} genes, {found.species}")
    if found.missing:
        yield Check("sample", "problem", f"training lacks {', '.join(found.missing)}", next_command(found, um_per_unit))
    if found.judged == "imputed_count" and "truth" not in found.uns:
        what, _, fix = found.response.partition(": ")
        yield Check("response", "note", what, fix)
    elif found.response:
        yield Check("response", "ok", found.response)
    if found.units is None:
        return
    if found.units.warnings:
        for text in found.units.warnings:
            what, _, fix = text.partition(". ")
            yield Check("units", "problem", f"{found.units.line}: {what}", fix)
    elif found.units.scale is None:
        yield Check("units", "note", found.units.line, "if they are not micrometres: spacetravlr prepare --um-per-unit")
    else:
        yield Check("units", "ok", found.units.line)


def _kernel_lock(path: Path) -> str:
    """Return why a file cannot be locked, empty if it can be."""
    if sys.platform == "win32":
        return ""
    import fcntl

    try:
        with path.open("r+b") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(stream, fcntl.LOCK_UN)
    except OSError as error:
        return error.strerror or str(error)
    return ""
