"""The fixed standard normal vector from which the compiled edition starts its power iteration.

The Lipschitz start of `solver="fista"` depends on these very numbers, and an early-stopped iterate depends on the
Lipschitz start; so the generator (ChaCha with 8 rounds behind a ziggurat of 256 layers) is rebuilt here exactly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_LAYERS = 256
_RADIUS = 3.654152885361009
_AREA = 0.00492867323399
_CONSTANTS = (0x61707865, 0x3320646E, 0x79622D32, 0x6B206574)
_BLOCK_WORDS = 16
_SMALLEST = 1024


def start_vector(n: int) -> NDArray[np.float64]:
    """Return the first `n` numbers of the fixed standard normal sequence.

    Parameters
    ----------
    n
        How many numbers; the ones column comes first, then the modulators in design order.

    Returns
    -------
    Shape (n,), read-only; a prefix of every longer vector. Some 5 ms for the first call of a size, then free.
    """
    capacity = _SMALLEST
    while capacity < n:
        capacity *= 2
    return _sequence(capacity)[:n]


@lru_cache(maxsize=32)
def _sequence(capacity: int) -> NDArray[np.float64]:
    words = _words()
    layers = _layers()
    heights = [math.exp(-0.5 * x * x) for x in layers]
    values = np.fromiter((_normal(words, layers, heights) for _ in range(capacity)), dtype=np.float64, count=capacity)
    values.flags.writeable = False
    return values


def _normal(words: Iterator[int], layers: list[float], heights: list[float]) -> float:
    while True:
        word = next(words)
        layer = word & (_LAYERS - 1)
        uniform = 2.0 * ((word >> 12) * 2.0**-52) - 1.0
        x = uniform * layers[layer]
        if abs(x) < layers[layer + 1]:
            return x
        if layer == 0:
            tail = _RADIUS + _tail_excess(words)
            return -tail if uniform < 0.0 else tail
        height = heights[layer + 1] + (heights[layer] - heights[layer + 1]) * ((next(words) >> 11) * 2.0**-53)
        if height < math.exp(-0.5 * x * x):
            return x


def _tail_excess(words: Iterator[int]) -> float:
    while True:
        across = math.log(_open_uniform(next(words))) / _RADIUS
        down = math.log(_open_uniform(next(words)))
        if -2.0 * down >= across * across:
            return -across


def _open_uniform(word: int) -> float:
    return ((word >> 12) + 0.5) * 2.0**-52


def _layers() -> list[float]:
    """Return the right edges x_0..x_256 of the ziggurat's layers, widest first."""
    edges = [_AREA / math.exp(-0.5 * _RADIUS * _RADIUS), _RADIUS]
    while len(edges) < _LAYERS:
        last = edges[-1]
        edges.append(math.sqrt(-2.0 * math.log(_AREA / last + math.exp(-0.5 * last * last))))
    return [*edges, 0.0]


def _words() -> Iterator[int]:
    """Yield the 64-bit outputs of ChaCha8 with the key that seed 0 expands to, without end."""
    key = _key()
    first = 0
    while True:
        blocks = _chacha8(key, first, 256)
        yield from blocks.view("<u8").ravel().tolist()
        first += len(blocks)


def _key() -> list[int]:
    """Return the eight key words: PCG32 (XSH-RR) outputs of seed 0."""
    state = 0
    words = []
    for _ in range(8):
        state = (state * 6364136223846793005 + 11634580027462260723) & 0xFFFFFFFFFFFFFFFF
        shifted = (((state >> 18) ^ state) >> 27) & 0xFFFFFFFF
        turn = state >> 59
        words.append(((shifted >> turn) | (shifted << (-turn & 31))) & 0xFFFFFFFF)
    return words


def _chacha8(key: list[int], first: int, count: int) -> NDArray[np.uint32]:
    """Return `count` consecutive blocks from block number `first`, shape (count, 16)."""
    counter = np.arange(first, first + count, dtype=np.uint64)
    start = np.zeros((_BLOCK_WORDS, count), dtype=np.uint32)
    start[:12] = np.array([*_CONSTANTS, *key], dtype=np.uint32)[:, None]
    start[12] = counter & np.uint64(0xFFFFFFFF)
    start[13] = counter >> np.uint64(32)
    a, b, c, d = (start[4 * row : 4 * row + 4].copy() for row in range(4))
    for _ in range(4):
        a, b, c, d = _quarter_rounds(a, b, c, d)
        b, c, d = np.roll(b, -1, axis=0), np.roll(c, -2, axis=0), np.roll(d, -3, axis=0)
        a, b, c, d = _quarter_rounds(a, b, c, d)
        b, c, d = np.roll(b, 1, axis=0), np.roll(c, 2, axis=0), np.roll(d, 3, axis=0)
    return np.ascontiguousarray((np.concatenate([a, b, c, d]) + start).T).astype("<u4", copy=False)


_Words = NDArray[np.uint32]


def _quarter_rounds(a: _Words, b: _Words, c: _Words, d: _Words) -> tuple[_Words, _Words, _Words, _Words]:
    a = a + b
    d = _rotate(d ^ a, 16)
    c = c + d
    b = _rotate(b ^ c, 12)
    a = a + b
    d = _rotate(d ^ a, 8)
    c = c + d
    b = _rotate(b ^ c, 7)
    return a, b, c, d


def _rotate(words: _Words, bits: int) -> _Words:
    return (words << np.uint32(bits)) | (words >> np.uint32(32 - bits))
