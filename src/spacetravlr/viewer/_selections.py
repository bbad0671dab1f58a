"""Selections of cells: bitmaps with an id, kept for a session."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from spacetravlr.viewer._problem import ProblemError

_MOST = 64
_MOST_BYTES = 256 << 20


@dataclass(frozen=True, eq=False)
class Selection:
    """Some cells of a dataset."""

    id: str
    session: str
    file: str
    """Path of the sample that it is about."""
    n_obs: int
    bits: bytes
    """A bit for each cell, lowest bit first."""
    n: int
    """Number of cells."""

    def rows(self) -> NDArray[np.int64]:
        """Return the cells, ascending."""
        return np.flatnonzero(unpack(self.bits, self.n_obs))


class Selections:
    """The selections of all sessions; the oldest are forgotten when there are too many."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], Selection] = OrderedDict()
        self._size = 0
        self._lock = Lock()

    def add(self, session: str, file: str, mask: NDArray[np.bool_]) -> Selection:
        """Keep a selection."""
        bits = np.packbits(mask, bitorder="little").tobytes()
        made = Selection(secrets.token_hex(8), session, file, len(mask), bits, int(mask.sum()))
        with self._lock:
            self._kept[session, made.id] = made
            self._size += len(bits)
            own = [key for key in self._kept if key[0] == session]
            for key in own[: max(0, len(own) - _MOST)]:
                self._size -= len(self._kept.pop(key).bits)
            while self._size > _MOST_BYTES and len(self._kept) > 1:
                self._size -= len(self._kept.popitem(last=False)[1].bits)
        return made

    def forget(self, session: str) -> None:
        """Drop the selections of a session."""
        with self._lock:
            for key in [key for key in self._kept if key[0] == session]:
                self._size -= len(self._kept.pop(key).bits)

    def get(self, session: str, identifier: str, file: str) -> Selection:
        """Return a selection.

        Raises
        ------
        ProblemError
            404 if the session has none of that id for this sample.
        """
        found = self._kept.get((session, identifier))
        if found is None or found.file != file:
            raise ProblemError(404, "no such selection for this sample: select again", code="no_such_selection")
        return found


def unpack(bits: bytes, n_obs: int) -> NDArray[np.bool_]:
    """Return the mask of a bitmap.

    Raises
    ------
    ProblemError
        400 if its length does not fit.
    """
    if len(bits) != (n_obs + 7) // 8:
        raise ProblemError(400, f"a bitmap of {n_obs} cells has {(n_obs + 7) // 8} bytes, not {len(bits)}")
    return np.unpackbits(np.frombuffer(bits, dtype=np.uint8), count=n_obs, bitorder="little").astype(bool)
