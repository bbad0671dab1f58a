"""Expression of one gene in all cells: from columns on the disk, or from the file until these are there."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from threading import Event, Lock, Thread, get_native_id
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spacetravlr.errors import InputError, did_you_mean
from spacetravlr.viewer import _column_file as column_file
from spacetravlr.viewer._h5ad import H5adFile
from spacetravlr.viewer._memory import ByteCache

_LOG = logging.getLogger("spacetravlr")
_FEW = 600
"""Cells that are read one by one."""
_SMALL = 4 << 20
"""Layers below this many bytes are read from the file: nothing is gained by columns."""


class _Layer:
    """One layer, and how far its columns are."""

    def __init__(self, node: Any, *, ready: bool) -> None:
        self.node = node
        self.ready = ready
        self.progress = 1.0 if ready else 0.0
        self.by_row = hasattr(node, "dtype") or node.attrs["encoding-type"] == "csr_matrix"
        self.columns: column_file.ColumnFile | None = None
        self.message: str | None = None


class Expression:
    """The layers of one sample, read by gene.

    Parameters
    ----------
    file
        The sample.
    folder
        Where columns are kept on the disk; None keeps none.
    disk
        Bytes that all columns there may take.
    memory
        Bytes of columns kept in memory.
    """

    def __init__(self, file: H5adFile, *, folder: Path | None, disk: int, memory: int) -> None:
        self._file = file
        self._folder = folder
        self._disk = disk
        self._kept: ByteCache[NDArray[np.float32]] = ByteCache(memory)
        self._layers: dict[str, _Layer] = {}
        self._lock = Lock()
        self._closed = Event()
        self._builders: list[Thread] = []

    def ready(self, layer: str) -> bool:
        """Say whether a gene of a layer costs no more than what is stored of it."""
        return self._layer(layer).ready

    def progress(self, layer: str) -> float:
        """Return the share of a layer's columns that is written, 1 when no more will be."""
        return self._layer(layer).progress

    def gene(self, gene: str) -> int:
        """Return the column of a gene.

        Raises
        ------
        InputError
            If it is not measured.
        """
        place = self._file.gene_index.get(gene)
        if place is None:
            hint = did_you_mean(gene, self._file.genes) if len(self._file.genes) <= 50_000 else ""
            raise InputError(f"gene {gene!r} is not measured{hint}")
        return place

    def column(self, gene: str, layer: str) -> NDArray[np.float32]:
        """Return ``(n_obs,)`` expression of a gene; not to be written to.

        Raises
        ------
        InputError
            If the gene is not measured, or the layer is not there.
        """
        place = self.gene(gene)
        found = self._layer(layer)
        return self._kept.take((layer, place), lambda: self._read(found, layer, place))

    def rows(self, cells: NDArray[np.int64], genes: list[str], layer: str) -> NDArray[np.float32]:
        """Return ``(n, n_genes)`` expression of some cells: by rows of the file where these are few."""
        if len(cells) <= _FEW and self._layer(layer).by_row:
            places = [self.gene(gene) for gene in genes]
            found = np.zeros((len(cells), len(genes)), dtype=np.float32)
            for at, cell in enumerate(cells.tolist()):
                found[at] = self.cell_row(cell, layer)[places]
            return found
        return np.stack([self.column(gene, layer)[cells] for gene in genes], axis=1)

    def cell_row(self, cell: int, layer: str) -> NDArray[np.float32]:
        """Return ``(n_genes,)`` expression of one cell, read from the file."""
        node = self._layer(layer).node
        if hasattr(node, "dtype"):
            return np.asarray(node[cell], dtype=np.float32)
        values = np.zeros(len(self._file.genes), dtype=np.float32)
        if node.attrs["encoding-type"] == "csr_matrix":
            low, high = (int(at) for at in node["indptr"][cell : cell + 2])
            values[node["indices"][low:high]] = node["data"][low:high]
            return values
        for place, gene in enumerate(self._file.genes):
            values[place] = self.column(gene, layer)[cell]
        return values

    def close(self) -> None:
        """Stop what is being written, and wait for it."""
        self._closed.set()
        for thread in self._builders:
            thread.join()

    def wait(self) -> None:
        """Return when the columns that are being written are there."""
        for thread in list(self._builders):
            thread.join()

    def _layer(self, layer: str) -> _Layer:
        with self._lock:
            if layer not in self._layers:
                self._file.matrix(layer)  # refuses what is no matrix
                self._layers[layer] = self._begin(layer)
            return self._layers[layer]

    def _begin(self, layer: str) -> _Layer:
        node = self._file.matrix_node(layer)
        shape = self._file.n_obs, len(self._file.genes)
        by_column = not hasattr(node, "dtype") and node.attrs["encoding-type"] == "csc_matrix"
        size = column_file.size_of(node, shape)
        if by_column or size < _SMALL or self._folder is None or not self._disk:
            return _Layer(node, ready=True)
        state = _Layer(node, ready=False)
        folder = self._folder / self._name(layer)
        state.columns = column_file.ColumnFile.open(folder)
        if state.columns is not None:
            with suppress(OSError):
                os.utime(folder)  # used just now
            state.ready, state.progress = True, 1.0
            return state
        thread = Thread(target=self._build, args=(state, layer, folder, size), name="viewer-columns", daemon=True)
        self._builders.append(thread)
        thread.start()
        return state

    def _build(self, state: _Layer, layer: str, folder: Path, size: int) -> None:
        with suppress(AttributeError, OSError):  # people who wait come first, where threads have priorities
            os.setpriority(os.PRIO_PROCESS, get_native_id(), 10)

        def step(share: float) -> None:
            state.progress = share
            if self._closed.is_set():
                raise column_file.CancelledBuildError

        try:
            if not column_file.make_room(folder.parent, size, self._disk):
                raise OSError(f"no room for {size >> 20} MB of columns")
            state.columns = column_file.build(state.node, (self._file.n_obs, len(self._file.genes)), folder, step=step)
        except column_file.CancelledBuildError:
            return
        except (OSError, RuntimeError, ValueError, MemoryError) as error:
            # the file itself is still there to be read
            _LOG.warning("columns of layer %s are not kept on the disk: %s", layer, error)
            state.message = "columns are read from the file each time"
        state.ready, state.progress = True, 1.0

    def _name(self, layer: str) -> str:
        facts = self._file.path.stat()
        words = (str(self._file.path.resolve()), facts.st_size, facts.st_mtime_ns, layer)
        return sha256(repr(words).encode()).hexdigest()[:32]

    def _read(self, found: _Layer, layer: str, place: int) -> tuple[NDArray[np.float32], int]:
        try:
            return self._stored(found, layer, place)
        except (OSError, RuntimeError) as error:
            gene = self._file.genes[place]
            raise InputError(
                f"the expression of {gene!r} in layer {layer!r} cannot be read: the file is damaged"
            ) from error

    def _stored(self, found: _Layer, layer: str, place: int) -> tuple[NDArray[np.float32], int]:
        if found.columns is not None:
            column = found.columns.column(place)
        elif hasattr(found.node, "dtype"):
            column = np.asarray(found.node[:, place], dtype=np.float32)
        elif found.node.attrs["encoding-type"] == "csr_matrix":
            column = column_file.scan_rows(found.node, self._file.n_obs, place)
        else:
            column = self._file.matrix(layer).columns([place])[:, 0].astype(np.float32)
        column.flags.writeable = False
        return column, column.nbytes
