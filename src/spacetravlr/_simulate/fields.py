"""Smooth random fields over the plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SmoothField:
    """A sum of random plane waves: close to a Gaussian process with a squared exponential covariance.

    Attributes
    ----------
    waves
        (n_waves, 2), wave vectors, 1 / coordinate units.
    phases
        (n_waves,), radians.
    """

    waves: Array
    phases: Array

    @classmethod
    def draw(cls, length: float, rng: np.random.Generator, *, n_waves: int = 48) -> Self:
        """Draw a field whose correlation falls to exp(-1/2) over the distance `length`."""
        return cls(rng.standard_normal((n_waves, 2)) / length, rng.uniform(0.0, 2.0 * np.pi, n_waves))

    def at(self, xy: Array) -> Array:
        """Return the field at (n, 2) positions: (n,), mean 0 and variance 1 over draws; cost n times waves."""
        total = np.zeros(len(xy))
        for (kx, ky), phase in zip(self.waves, self.phases, strict=True):
            total += np.cos(kx * xy[:, 0] + ky * xy[:, 1] + phase)
        total *= np.sqrt(2.0 / len(self.phases))
        return total


def standardised(values: Array) -> Array:
    """Return the columns of (n, k) values with mean 0 and sd 1 over the cells (a constant one becomes 0)."""
    centred = values - values.mean(axis=0)
    sd = np.sqrt((centred**2).mean(axis=0))
    scaled: Array = centred / np.where(sd > 0.0, sd, 1.0)
    return scaled
