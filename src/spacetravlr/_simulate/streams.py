"""Random numbers: one independent stream for each part of a simulation."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What the random numbers are for; the number is the spawn key, so it must never change."""

    PANEL = 0
    LAYOUT = 1
    TYPES = 2
    EXPRESSION = 3
    COUNTS = 4
    WIRING = 5
    POSITION = 6
    MISSING = 7
    TF_PROGRAMME = 8
    LIGAND_PROGRAMME = 9
    DROPOUT = 10


def generator(seed: int, stream: Stream) -> np.random.Generator:
    """Return the generator of one part of a simulation, independent of every other part."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(int(stream),))))
