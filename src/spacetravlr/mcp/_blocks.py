"""The binary columns of the viewer."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from mcp.server.mcpserver.exceptions import ToolError
from numpy.typing import NDArray

_HEADER = struct.Struct("<4sHBBQIffI")
_TYPES: dict[int, type[Any]] = {0: np.float32, 1: np.float16, 2: np.uint8, 3: np.uint16, 4: np.uint32}


def blocks(content: bytes) -> list[NDArray[Any]]:
    """Return the ``(n, ncomp)`` arrays of a binary answer.

    Raises
    ------
    ToolError
        If it is none.
    """
    found, place = [], 0
    while place < len(content):
        if len(content) - place < _HEADER.size:
            raise ToolError("the viewer's answer ends too early")
        magic, version, dtype, _, n, width, *_ = _HEADER.unpack_from(content, place)
        if magic != b"STLC" or version != 1 or dtype not in _TYPES:
            raise ToolError("the viewer's answer is no column: it is of another version")
        start, kind = place + _HEADER.size, np.dtype(_TYPES[dtype])
        end = start + n * width * kind.itemsize
        found.append(np.frombuffer(content[start:end], dtype=kind).reshape(n, width))
        place = -(-end // 8) * 8
    return found
