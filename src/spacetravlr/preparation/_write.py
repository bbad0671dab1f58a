"""Write an AnnData so that a full disk is an error and nothing worse.

HDF5 does not survive a write that fails: it goes on with every handle that is given up and when the process ends, and
crashes. So it writes through a file that never fails but remembers that it has, and is asked between two elements.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacetravlr.atomic import refusal, replacing

if TYPE_CHECKING:
    from anndata import AnnData

_LARGE = 1_000_000
"""Bytes from which on a piece is data, which is not read back while a file is written."""


def write_ready(adata: AnnData, path: Path) -> None:
    """Write an AnnData as h5ad; it appears complete or not at all.

    Raises
    ------
    RunDirectoryError
        If the file system refuses, or the disk is full.
    """
    import h5py
    from anndata.experimental import write_dispatched

    adata.strings_to_categoricals()
    with replacing(path, durable=True) as temporary, temporary.open("w+b", buffering=0) as stream:
        target = _Patient(stream)

        def write(
            function: Any, store: Any, name: str, element: Any, *, dataset_kwargs: Mapping[str, Any], **_: Any
        ) -> None:
            target.check(path)
            if name.strip("/") == "raw" and element is None:
                # older readers do not know how nothing is written
                return
            function(store, name, element, dataset_kwargs=dataset_kwargs)

        with h5py.File(target, "w") as handle:
            # a fast compression: imputed values are dense and hardly shrink
            write_dispatched(handle, "/", adata, write, dataset_kwargs={"compression": "lzf"})
        target.check(path)


class _Patient:
    """A file to write, as h5py wants it: what cannot be written is kept as far as it may be read back."""

    def __init__(self, stream: io.FileIO) -> None:
        self._stream, self._at, self._size = stream, 0, 0
        self._trouble: OSError | None = None
        self._kept: list[tuple[int, bytes]] = []

    def check(self, path: Path) -> None:
        """Raise if anything could not be written."""
        if self._trouble is not None:
            raise refusal(path, self._trouble) from None

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go somewhere."""
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def write(self, data: Any) -> int:
        """Write, or remember."""
        view = memoryview(data).cast("B")
        if self._trouble is None:
            try:
                self._stream.seek(self._at)
                done = 0
                while done < len(view):
                    done += self._stream.write(view[done:])
            except OSError as error:
                self._trouble = error
        if self._trouble is not None and len(view) < _LARGE:
            self._kept.append((self._at, bytes(view)))
        self._at += len(view)
        self._size = max(self._size, self._at)
        return len(view)

    def read(self, size: int) -> bytes:
        """As `readinto`; h5py takes nothing for a file that has no such method."""
        buffer = bytearray(size)
        self.readinto(buffer)
        return bytes(buffer)

    def readinto(self, buffer: Any) -> int:
        """Read what was written, zeros where nothing was."""
        view = memoryview(buffer).cast("B")
        start, end = self._at, self._at + len(view)
        self._stream.seek(start)
        found = self._stream.read(len(view))
        view[:] = found + bytes(len(view) - len(found))
        for at, data in self._kept:
            low, high = max(at, start), min(at + len(data), end)
            if low < high:
                view[low - start : high - start] = data[low - at : high - at]
        self._at = end
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """Set the size."""
        self._size = self._at if size is None else size
        if self._trouble is None:
            try:
                self._stream.truncate(self._size)
            except OSError as error:
                self._trouble = error
        return self._size

    def flush(self) -> None:
        """Nothing is held back."""
