"""Columns as bytes: a header of 32 bytes, then values in the precision asked for."""

from __future__ import annotations

import struct
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spacetravlr.viewer._obs import Labels

Precision = Literal["f32", "f16", "u8"]
MAGIC = b"STLC"
VERSION = 1
HEADER = struct.Struct("<4sHBBQIffI")
"""Magic, version, type of the values, flags, rows, values a row, lowest, highest, cells without a row."""
CODES = {"f32": 0, "f16": 1, "u8": 2, "u16": 3, "u32": 4}
CATEGORICAL = 1
MISSING_U8, MISSING_U16 = 255, 65_535
_LEVELS = 254
_LARGEST_HALF = float(np.finfo(np.float16).max)


def number_block(values: NDArray[np.floating], precision: Precision, *, unmatched: int = 0) -> bytes:
    """Return ``(n,)`` or ``(n, k)`` numbers as a block; NaN is missing.

    Lowest and highest are those of the finite values (0 and 0 if there is none). In `u8` they are the levels 0 and
    254, and 255 is missing; infinite values count as the end they are beyond.
    """
    table = values if values.ndim == 2 else values[:, None]
    low, high = finite_range(table)
    header = _header(CODES[precision], 0, table.shape, (low, high), unmatched)
    if precision == "f32":
        return header + np.ascontiguousarray(table, dtype="<f4").tobytes()
    if precision == "f16":
        return header + bytes(np.clip(table, -_LARGEST_HALF, _LARGEST_HALF).astype("<f2").tobytes())
    return header + bytes(quantised(table, low, high).tobytes())


def label_block(labels: Labels) -> bytes:
    """Return a column with names as a block: codes in `u8`, or `u16` for more than 255 names."""
    small = len(labels.categories) <= MISSING_U8
    missing = MISSING_U8 if small else MISSING_U16
    codes = np.where(labels.codes < 0, missing, labels.codes).astype("<u1" if small else "<u2")
    kind = CODES["u8" if small else "u16"]
    top = float(max(len(labels.categories) - 1, 0))
    return _header(kind, CATEGORICAL, (len(codes), 1), (0.0, top), 0) + codes.tobytes()


def quantised(values: NDArray[np.floating], low: float, high: float) -> NDArray[np.uint8]:
    """Return values as levels 0 (low) to 254 (high), 255 where there is none."""
    single = values.astype(np.float32, copy=False)
    if high > low:
        # in double precision where the range would overflow a single one
        exact = np.float32(high) - np.float32(low)
        wide = not np.isfinite(exact) or exact < np.finfo(np.float32).tiny * _LEVELS
        scaled = (values.astype(np.float64) - low) / (high - low) if wide else (single - np.float32(low)) / exact
        levels = np.rint(np.clip(scaled, 0.0, 1.0) * _LEVELS)
    else:
        levels = np.zeros(values.shape, dtype=np.float32)
    lost = np.isnan(single)
    if lost.any():
        levels = np.where(lost, MISSING_U8, levels)
    return levels.astype(np.uint8)


def finite_range(values: NDArray[np.floating]) -> tuple[float, float]:
    """Return the smallest and the largest finite value; 0 and 0 if there is none."""
    if not values.size:
        return 0.0, 0.0
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        finite = values[np.isfinite(values)]
        if not finite.size:
            return 0.0, 0.0
        low, high = float(finite.min()), float(finite.max())
    return low, high


def joined(blocks: list[bytes]) -> bytes:
    """Return blocks one after the other, each padded to a multiple of 8 bytes."""
    return b"".join(block + b"\0" * (-len(block) % 8) for block in blocks)


def _header(kind: int, flags: int, shape: tuple[int, ...], ends: tuple[float, float], unmatched: int) -> bytes:
    largest = float(np.finfo(np.float32).max)
    low, high = (min(max(end, -largest), largest) for end in ends)
    return HEADER.pack(MAGIC, VERSION, kind, flags, shape[0], shape[1], low, high, min(unmatched, 2**32 - 1))
