"""Files that are either complete or not there: written to a temporary name and renamed."""

from __future__ import annotations

import errno
import itertools
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from spacetravlr.errors import RunDirectoryError
from spacetravlr.process import ProcessId, is_gone, this_process

_TEMPORARY = re.compile(r"\.tmp-(?P<tag>[0-9a-f]{8})-(?P<pid>\d+)-(?P<started>\d+)-\d+")
_COUNTER = itertools.count()

_ADVICE = {
    errno.ENOSPC: "no space left on the disk; free some and repeat the command: finished genes are kept",
    errno.EDQUOT: "the disk quota is used up; free some space and repeat the command: finished genes are kept",
    errno.EACCES: "permission denied; choose another --output-dir or change its permissions",
    errno.EPERM: "not permitted; choose another --output-dir or change its permissions",
    errno.EROFS: "the file system is read-only; choose another --output-dir",
    errno.ENOTDIR: "a part of the path is a file, not a directory; choose another --output-dir",
    errno.EEXIST: "a file is in the way; choose another --output-dir",
    errno.EISDIR: "a directory of that name is in the way; remove it or choose another --output-dir",
    errno.ENOENT: "the directory does not exist; create it, or was it removed while the run was going on?",
    errno.ENAMETOOLONG: "the name is too long for this file system",
}


def refusal(path: Path, error: OSError, action: str = "cannot write") -> RunDirectoryError:
    """Return the error to raise when the operating system refuses a file, with what to do about it."""
    return RunDirectoryError(f"{action} {path}: {_ADVICE.get(error.errno or 0, error.strerror or str(error))}")


def make_directory(path: Path) -> None:
    """Create a directory with its parents if it is not there.

    Raises
    ------
    RunDirectoryError
        If it cannot be created, or a file is in its place.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise refusal(path, error, "cannot create the directory") from error


def check_directory(directory: Path, wanted: Path | None = None) -> None:
    """Refuse a directory, which need not exist yet, in which nothing can be written.

    Raises
    ------
    RunDirectoryError
        If so; the message names `wanted`, a file in it.
    """
    shown = directory if wanted is None else wanted
    place = next(above for above in (directory.absolute(), *directory.absolute().parents) if above.exists())
    if not place.is_dir():
        raise RunDirectoryError(f"cannot write {shown}: {place} is a file, not a directory")
    if not os.access(place, os.W_OK):
        raise RunDirectoryError(f"cannot write {shown}: permission denied in {place}")


def temporary_name(directory: Path) -> Path:
    """Return a new name in a directory; it tells which process made it, so that left-overs can be found."""
    me = this_process()
    return directory / f".tmp-{me.tag}-{me.pid}-{me.started or 0}-{next(_COUNTER)}"


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Give a temporary name to write to; on success it becomes `path`, on failure it is removed.

    Parameters
    ----------
    path
        The final name; an existing file is replaced.
    durable
        Wait until the content is on the disk, so that not even a power failure leaves an empty file.

    Raises
    ------
    RunDirectoryError
        If the file system refuses.
    """
    temporary = temporary_name(path.parent)
    try:
        yield temporary
        if durable:
            _flush(temporary)
        _rename(temporary, path)
    except RunDirectoryError:
        raise
    except OSError as error:
        raise refusal(path, error) from error
    finally:
        _discard(temporary)


def write_bytes(path: Path, content: bytes | memoryview, *, durable: bool = False) -> None:
    """Write a whole file atomically.

    Parameters
    ----------
    path
        The file; an existing one is replaced.
    content
        All of it.
    durable
        As for `replacing`.

    Raises
    ------
    RunDirectoryError
        If the file system refuses; no part of the file is left then.
    """
    with replacing(path, durable=durable) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str, *, durable: bool = False) -> None:
    """Write a whole UTF-8 file atomically; as `write_bytes`."""
    write_bytes(path, content.encode(), durable=durable)


def create_text(path: Path, content: str) -> bool:
    """Create a whole UTF-8 file unless the name is taken; as `create_bytes`."""
    return create_bytes(path, content.encode())


def create_bytes(path: Path, content: bytes) -> bool:
    """Create a whole file unless the name is taken; of several processes exactly one succeeds.

    Parameters
    ----------
    path
        The file.
    content
        All of it.

    Returns
    -------
    False if the file exists already (it is left alone).

    Raises
    ------
    RunDirectoryError
        If the file system refuses.
    """
    temporary = temporary_name(path.parent)
    try:
        temporary.write_bytes(content)
        _flush(temporary)
        try:
            # unlike a rename, a link never replaces, and the name appears together with its content
            path.hardlink_to(temporary)
        except FileExistsError:
            return False
        except OSError:
            return create_exclusively(path, content)
    except RunDirectoryError:
        raise
    except OSError as error:
        raise refusal(path, error) from error
    else:
        return True
    finally:
        _discard(temporary)


def create_exclusively(path: Path, content: bytes) -> bool:
    """Create a small file by O_CREAT | O_EXCL; of several processes exactly one succeeds.

    The name appears a moment before its content does.

    Parameters
    ----------
    path
        The file.
    content
        All of it.

    Returns
    -------
    False if the name is taken.

    Raises
    ------
    RunDirectoryError
        If the file system refuses; the file is removed again then.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        return False
    except OSError as error:
        raise refusal(path, error) from error
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
    except OSError as error:
        _discard(path)
        raise refusal(path, error) from error
    return True


def remove_left_overs(directory: Path) -> int:
    """Remove temporary files of processes that were killed while writing; return how many.

    Only those of processes of this machine can be judged; others are left alone.
    """
    me, gone = this_process(), []
    for path in directory.glob(".tmp-*"):
        name = _TEMPORARY.fullmatch(path.name)
        if name is not None and name["tag"] == me.tag:
            started = "" if name["started"] == "0" else name["started"]
            if is_gone(ProcessId(me.host, int(name["pid"]), me.machine, started)):
                gone.append(path)
    for path in gone:
        _discard(path)
    return len(gone)


def _rename(temporary: Path, path: Path) -> None:
    written = temporary.stat()
    try:
        temporary.replace(path)
    except FileNotFoundError:
        # over a network the answer to a rename that succeeded may get lost, and the request be repeated
        try:
            there = path.stat()
        except OSError:
            there = None
        if there is None or not os.path.samestat(there, written):
            raise


def _discard(path: Path) -> None:
    # called while another error is on its way: that one is worth reading, this one is not
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
