"""Files that are there without their content: after a power failure, or a copy that was interrupted.

Every file is written under another name and renamed when it is complete, so a process that is killed, or a full disk,
never leaves half a file. But what the system has not put on the disk when the power goes is lost: a file may then be
empty, cut off or full of zeros. Training does not wait for the disk; whoever opens or continues a run looks at its
files instead, which takes a fraction of a millisecond for each target.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from spacetravlr.errors import InputError, listing
from spacetravlr.run._scores import record_path
from spacetravlr.run.manifest import Manifest
from spacetravlr.run.paths import RunPaths, Scan
from spacetravlr.run.stability import stability_file

_READ_WHOLE = 1 << 20
"""Bytes up to which a table is decoded; of larger ones (coefficients by cell) only the end is read."""
_WORKERS, _AT_ONCE = 8, 64
_ARROW, _PARQUET, _TAIL = b"ARROW1", b"PAR1", 10
_ENDS = {".json": b"}\n", ".csv": b""}
_EMPTY, _ZEROS, _INCOMPLETE = "empty", "full of zeros", "incomplete"


@dataclass(frozen=True, slots=True)
class Damage:
    """A file that is not whole."""

    gene: str
    """The target whose file it is; empty for a file of the run as a whole."""
    path: Path
    shown: str
    """The path below the run directory."""
    why: str
    """`empty`, `full of zeros` or `incomplete`."""

    def __str__(self) -> str:
        return f"{self.shown} is {self.why}"


def damage_of(path: Path, *, decode: bool = True) -> str | None:
    """Return what is wrong with a file of a run, in a word or two.

    Parameters
    ----------
    path
        Its ending tells what it must look like: tables begin and end with their mark and can be decoded, text ends with
        the end of a line.
    decode
        Whether tables are decoded too; otherwise their two ends are looked at, which finds what is empty, cut off or
        ends in zeros.

    Returns
    -------
    None if it is whole, or not there, or cannot be opened (whoever reads it says why).
    """
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            size = os.fstat(handle).st_size
            return _damage(handle, size, path, decode=decode) if size else _EMPTY
        finally:
            os.close(handle)
    except OSError:
        return None


def damage_of_text(content: bytes, end: bytes = b"\n") -> str | None:
    """Return what is wrong with a text that is not empty and has this end; None if it is whole."""
    if not content:
        return _EMPTY
    if b"\0" in content:
        return _INCOMPLETE if content.strip(b"\0") else _ZEROS
    return None if content.endswith(end) else _INCOMPLETE


def damaged_targets(files: RunPaths, found: Scan, *, own: bool, decode: bool = True) -> list[Damage]:
    """Return the files of finished targets that are not whole, by target.

    Parameters
    ----------
    files
        Of the run.
    found
        Its targets.
    own
        Whether this edition began the run; of others only coefficients are looked at.
    decode
        As for `damage_of`.

    Notes
    -----
    Several files are read at a time, so that a file system far away does not take long either.
    """
    genes = sorted(found.finished)

    def look(first: int) -> list[Damage]:
        some = genes[first : first + _AT_ONCE]
        return [one for gene in some for one in damage_of_target(files, gene, own=own, decode=decode)]

    with ThreadPoolExecutor(_WORKERS) as pool:
        return [one for some in pool.map(look, range(0, len(genes), _AT_ONCE)) for one in some]


def damage_of_target(files: RunPaths, gene: str, *, own: bool, decode: bool = True) -> list[Damage]:
    """Return the files of one target that are not whole; as `damaged_targets`."""
    places, record, marker = list(files.finished(gene)), record_path(files.root, gene), files.orphan(gene)
    # another edition that has joined the run keeps no records
    ours = own and record.exists()
    if ours:
        places += [record, stability_file(files.root, gene), files.log(gene)]
    judged = {path: why for path in places if (why := damage_of(path, decode=decode)) is not None}
    if not ours and judged.get(marker) == _EMPTY:
        # and its markers are empty
        del judged[marker]
    return [Damage(gene, path, path.relative_to(files.root).as_posix(), why) for path, why in judged.items()]


def damage_of_manifest(path: Path) -> str | None:
    """Return what is wrong with a manifest; None if it is whole, or not there, or cannot be opened."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    why = damage_of_text(content, b"")
    if why is None:
        try:
            Manifest.from_json(content.decode())
        except (InputError, UnicodeDecodeError):
            why = _INCOMPLETE
    return why


def damage_told(found: Sequence[Damage]) -> str:
    """Return the beginning of a line about files that are not whole."""
    what = "1 file is" if len(found) == 1 else f"{len(found)} files are"
    return f"{what} damaged, as after a power failure or a copy that was interrupted ({listing(map(str, found), 3)})"


def again(root: Path) -> str:
    """Return the command that makes again what is damaged in a run."""
    return f"spacetravlr --join-output-dir {shlex.quote(str(root))}"


def _damage(handle: int, size: int, path: Path, *, decode: bool) -> str | None:
    suffix = path.suffix
    if suffix not in (".feather", ".parquet"):
        return damage_of_text(os.read(handle, size), _ENDS.get(suffix, b"\n"))
    content = os.read(handle, size if decode and size <= _READ_WHOLE else len(_ARROW))
    os.lseek(handle, max(0, size - _TAIL), os.SEEK_SET)
    end = os.read(handle, _TAIL)
    if suffix == ".parquet":
        whole = size > _TAIL and content.startswith(_PARQUET) and end.endswith(_PARQUET)
    else:
        whole = _has_ends(content, end, size) and (not decode or _is_readable(content, size, path))
    if whole:
        return None
    os.lseek(handle, 0, os.SEEK_SET)
    return _INCOMPLETE if os.read(handle, 4096).strip(b"\0") else _ZEROS


def _has_ends(begin: bytes, end: bytes, size: int) -> bool:
    """Return whether an Arrow file has its marks at both ends, and room for the description before the last."""
    length = int.from_bytes(end[: -len(_ARROW)][-4:], "little", signed=True)
    return begin.startswith(_ARROW) and end.endswith(_ARROW) and 0 < length <= size - 2 * len(_ARROW) - 4


def _is_readable(content: bytes, size: int, path: Path) -> bool:
    import pyarrow as pa

    try:
        if len(content) < size:
            # the end tells where everything is, and it is the last that was written
            with pa.memory_map(str(path)) as stream:
                pa.ipc.open_file(stream)
            return True
        reader = pa.ipc.open_file(pa.py_buffer(content), options=pa.ipc.IpcReadOptions(use_threads=False))
        for number in range(reader.num_record_batches):
            reader.get_batch(number).validate(full=True)
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        if getattr(error, "errno", None) is not None:
            # the system has refused, which says nothing about the content
            raise
        return False
    return True
