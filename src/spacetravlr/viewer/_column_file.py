"""A layer by columns on the disk, mapped into memory: one gene costs what is stored of it, not the matrix."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spacetravlr.atomic import temporary_name

_FACTS = "facts.json"
_FORMAT = 1
_BLOCK_BYTES = 48 << 20


class CancelledBuildError(Exception):
    """The columns are no longer wanted."""


@dataclass(frozen=True, eq=False)
class ColumnFile:
    """Columns of one layer, as they lie in a directory.

    Attributes
    ----------
    n_obs
        Length of a column.
    dense
        ``(n_genes, n_obs)`` mapped values, or None.
    indptr, rows, values
        Compressed columns, or None: column j has `values` at `rows`, both from `indptr[j]` to `indptr[j + 1]`.
    """

    n_obs: int
    dense: NDArray[np.float32] | None = None
    indptr: NDArray[np.int64] | None = None
    rows: NDArray[np.int32] | None = None
    values: NDArray[np.float32] | None = None

    @classmethod
    def open(cls, folder: Path) -> ColumnFile | None:
        """Map the columns of a directory; None if they are not there or not complete."""
        try:
            facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
            if facts["format"] != _FORMAT:
                return None

            def mapped(name: str) -> Any:
                # nothing but numbers is read from a file of a directory that others may write to
                return np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)

            if facts["kind"] == "dense":
                return cls(int(facts["n_obs"]), dense=mapped("dense"))
            parts = {name: mapped(name) for name in ("indptr", "rows", "values")}
            return cls(int(facts["n_obs"]), **parts)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def column(self, gene: int) -> NDArray[np.float32]:
        """Return ``(n_obs,)`` values of one gene."""
        if self.dense is not None:
            return np.array(self.dense[gene])
        if self.indptr is None or self.rows is None or self.values is None:
            raise ValueError("neither dense nor compressed columns")
        low, high = int(self.indptr[gene]), int(self.indptr[gene + 1])
        column = np.zeros(self.n_obs, dtype=np.float32)
        column[self.rows[low:high]] = self.values[low:high]
        return column


def size_of(node: Any, shape: tuple[int, int]) -> int:
    """Return the bytes that the columns of a stored matrix take."""
    if hasattr(node, "dtype"):
        return 4 * shape[0] * shape[1]
    return 8 * int(node["data"].shape[0]) + 8 * (shape[1] + 1)


def build(node: Any, shape: tuple[int, int], folder: Path, *, step: Callable[[float], None]) -> ColumnFile:
    """Write the columns of a stored matrix to a directory, which appears at once or not at all.

    Parameters
    ----------
    node
        Dense data set or CSR group of an open h5ad file.
    shape
        Cells and genes.
    folder
        Where they go; if another process is faster, its columns are taken.
    step
        Called now and then with the share that is done; may raise to stop.

    Returns
    -------
    The columns, mapped. Memory: a block of 48 MB and what belongs to it.
    """
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = temporary_name(folder.parent)
    temporary.mkdir(mode=0o700)
    try:
        kind = "dense" if hasattr(node, "dtype") else "sparse"
        (_build_dense if kind == "dense" else _build_sparse)(node, shape, temporary, step)
        facts = {"format": _FORMAT, "kind": kind, "n_obs": shape[0], "n_genes": shape[1], "made": time.time()}
        (temporary / _FACTS).write_text(json.dumps(facts), encoding="utf-8")
        with suppress(OSError):  # somebody else has put the same columns there
            temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    found = ColumnFile.open(folder)
    if found is None:
        raise OSError(f"the columns in {folder} cannot be read")
    return found


def scan_rows(node: Any, n_obs: int, gene: int) -> NDArray[np.float32]:
    """Return a column of a matrix stored by rows: one look at all its indices."""
    given = node["indptr"][()].astype(np.int64)
    column = np.zeros(n_obs, dtype=np.float32)
    step = _BLOCK_BYTES // 4
    for low in range(0, int(given[-1]), step):
        at = np.flatnonzero(node["indices"][low : low + step] == gene)
        if len(at):
            # repeated entries add up, as everywhere
            rows = np.searchsorted(given, at + low, side="right") - 1
            np.add.at(column, rows, node["data"][low : low + step][at])
    return column


def make_room(folder: Path, wanted: int, limit: int) -> bool:
    """Remove the columns used longest ago until there is room; says whether there is.

    Parameters
    ----------
    folder
        Directory of all columns.
    wanted
        Bytes to be written.
    limit
        Bytes that all of them may take.
    """
    if wanted > limit:
        return False
    kept = []
    for entry in folder.iterdir() if folder.is_dir() else ():
        with suppress(OSError):
            if entry.is_dir() and not entry.name.startswith("."):
                size = sum(file.stat().st_size for file in entry.iterdir() if file.is_file())
                kept.append((entry.stat().st_mtime, size, entry))
    taken = sum(size for _, size, _ in kept)
    for _, size, entry in sorted(kept, key=lambda one: one[0]):
        if taken + wanted <= limit:
            break
        shutil.rmtree(entry, ignore_errors=True)
        taken -= size
    near = folder
    while not near.exists():
        near = near.parent
    return taken + wanted <= limit and shutil.disk_usage(near).free > 1.2 * wanted


def _build_dense(node: Any, shape: tuple[int, int], folder: Path, step: Callable[[float], None]) -> None:
    n_obs, n_genes = shape
    out = np.lib.format.open_memmap(folder / "dense.npy", mode="w+", dtype=np.float32, shape=(n_genes, n_obs))
    rows = max(1, _BLOCK_BYTES // (4 * n_genes))
    for start in range(0, n_obs, rows):
        step(start / n_obs)
        stop = min(start + rows, n_obs)
        out[:, start:stop] = node[start:stop].astype(np.float32).T
    out.flush()


def _build_sparse(node: Any, shape: tuple[int, int], folder: Path, step: Callable[[float], None]) -> None:
    n_genes = shape[1]
    given = node["indptr"][()].astype(np.int64)
    counts = np.zeros(n_genes, dtype=np.int64)
    total = int(given[-1])
    for low in range(0, total, _BLOCK_BYTES // 8):
        step(0.3 * low / max(total, 1))
        counts += np.bincount(node["indices"][low : low + _BLOCK_BYTES // 8], minlength=n_genes)
    indptr = np.concatenate([[0], np.cumsum(counts)])
    np.save(folder / "indptr.npy", indptr, allow_pickle=False)
    files: Any = np.lib.format
    rows = files.open_memmap(folder / "rows.npy", mode="w+", dtype=np.int32, shape=(total,))
    values = files.open_memmap(folder / "values.npy", mode="w+", dtype=np.float32, shape=(total,))
    free = indptr[:-1].copy()
    for first, last in _row_blocks(given):
        low, high = int(given[first]), int(given[last])
        step(0.3 + 0.7 * low / max(total, 1))
        genes = node["indices"][low:high].astype(np.uint16 if n_genes < 65_536 else np.int32)
        order = np.argsort(genes, kind="stable")
        own = np.bincount(genes, minlength=n_genes)
        within = np.arange(high - low) - np.repeat(np.cumsum(own) - own, own)
        at = np.repeat(free, own) + within
        cells = np.repeat(np.arange(first, last, dtype=np.int32), np.diff(given[first : last + 1]))
        rows[at] = cells[order]
        values[at] = node["data"][low:high].astype(np.float32)[order]
        free += own
    rows.flush()
    values.flush()


def _row_blocks(indptr: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Yield ranges of rows that hold a million values each, at least one row.

    Small ones: what is done with a block holds up the answers to requests.
    """
    first, n_obs = 0, len(indptr) - 1
    while first < n_obs:
        last = int(np.searchsorted(indptr, indptr[first] + _BLOCK_BYTES // 48, side="right")) - 1
        last = min(max(last, first + 1), n_obs)
        yield first, last
        first = last
