r"""The spreading window of the gridded method, and the bound on what it costs in accuracy.

Along one axis the kernel is replaced by `k(x, y) = sum_p sum_q f(x - p) C(p - q) f(q - y)` over grid points p, q with
a Kaiser-Bessel window f of `width` points. The taps C have the Fourier transform that makes the sum closest to the
Gaussian in the least-squares sense over all positions, `C^(k) = sum_j g^(k_j) f^(k_j)^2 / (sum_j f^(k_j)^2)^2` with
k_j = k + 2 pi j / h: division by the window's own transform where there is no aliasing (Dutt and Rokhlin 1993;
Barnett, Magland and af Klinteberg 2019). The kernel of the plane is the product of two of these, of space of three.

Lengths are in units of the kernel's sigma, the spacing is h.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import i0e

from spacetravlr.signaling._weights import Floats

# positions within a grid cell at which the error is taken
_OFFSETS = 13
_FREQUENCIES = 1024
_ALIASES = 3
# the error is covered by kernels at this distance from each other
_COVER_STEP = 0.5
_SHRINK = 0.97
_MAX_WIDTH = 16
_FINEST = 0.15


@dataclass(frozen=True)
class Window:
    """A spreading window and the taps of the convolution between.

    `cover` is the sum of the weights of shifted Gaussians that together exceed the error of the kernel along an axis;
    `excess` likewise for what the same sums over absolute weights and taps exceed the Gaussian by.
    """

    width: int
    spacing: float
    shape: float
    taps: Floats
    cover: float
    excess: float

    def first_point(self, positions: Floats) -> Floats:
        """Return the index of the leftmost of the `width` grid points that see a position."""
        return np.floor(positions / self.spacing - 0.5 * self.width) + 1.0

    def weights(self, positions: Floats) -> Floats:
        """Return the weights of those grid points, (n, width)."""
        offset = self.first_point(positions) - positions / self.spacing
        return _kaiser_bessel(offset[:, None] + np.arange(self.width), self.width, self.shape)


def _kaiser_bessel(offset: Floats, width: int, shape: float) -> Floats:
    root = np.sqrt(np.maximum(0.0, 1.0 - (2.0 * offset / width) ** 2))
    window: Floats = i0e(shape * root) / i0e(shape) * np.exp(shape * (root - 1.0))
    return window


def _transform(frequency: Floats, width: int, shape: float) -> Floats:
    """Fourier transform of the window, frequency in radians per grid point, times exp(shape) * i0e(shape) / width."""
    square = shape * shape - (0.5 * width * frequency) ** 2
    root = np.sqrt(np.abs(square))
    inside = 0.5 * (np.exp(root - shape) - np.exp(-root - shape)) / np.maximum(root, 1e-300)
    outside = np.exp(-shape) * np.sinc(root / np.pi)
    transform: Floats = np.where(square > 1e-12, inside, outside)
    return transform * width / float(i0e(shape))


def _taps(width: int, spacing: float, shape: float, count: int) -> Floats:
    """Return C(0), ..., C(count): the least-squares convolution weights."""
    base = (np.arange(_FREQUENCIES) / _FREQUENCIES - 0.5) * 2.0 * np.pi
    wanted, power = np.zeros_like(base), np.zeros_like(base)
    for alias in range(-_ALIASES, _ALIASES + 1):
        frequency = base + 2.0 * np.pi * alias
        squared = _transform(frequency, width, shape) ** 2
        gaussian = math.sqrt(2.0 * np.pi) / spacing * np.exp(-0.5 * (frequency / spacing) ** 2)
        wanted += gaussian * squared
        power += squared
    spectrum = wanted / power**2
    taps: Floats = np.cos(np.outer(np.arange(count + 1), base)) @ spectrum / _FREQUENCIES
    return taps


def _errors(width: int, spacing: float, shape: float, taps: Floats) -> tuple[Floats, Floats]:
    """Return distances and differences from the Gaussian along one axis, for all offsets of both cells and all lags."""
    last = len(taps) - 1
    lags = last + width + math.ceil(2.0 / spacing)
    offset = np.linspace(0.0, 1.0, _OFFSETS)
    if width % 2 == 0:
        points = np.arange(width) - width // 2 + 1
    else:
        points = np.arange(width) - width // 2
        offset = offset - 0.5
    window = _kaiser_bessel(points[None, :] - offset[:, None], width, shape)
    steps = np.arange(-lags, 2 * width)[:, None] - np.arange(width)[None, :]
    kernel = np.where(np.abs(steps) <= last, taps[np.minimum(np.abs(steps), last)], 0.0)
    convolved = window @ kernel.T
    seen = np.lib.stride_tricks.sliding_window_view(convolved, width, axis=1)
    approximate = np.einsum("ap,blp->abl", window, seen)
    shift = np.arange(approximate.shape[2]) - lags
    distance = (offset[:, None, None] - offset[None, :, None] + shift) * spacing
    return distance.ravel(), np.abs(approximate - np.exp(-0.5 * distance**2)).ravel()


def _cover(distance: Floats, error: Floats) -> float:
    """Return the sum of the weights of shifted Gaussians that together exceed the error at every distance."""
    distance = np.abs(distance)
    place = np.rint(distance / _COVER_STEP).astype(np.int64)
    height = np.zeros(int(place.max()) + 1)
    np.maximum.at(height, place, error)
    centres = np.arange(1 - len(height), len(height)) * _COVER_STEP
    weights = np.concatenate([height[:0:-1], height])
    covered = np.exp(-0.5 * (distance[:, None] - centres) ** 2) @ weights
    return float(weights.sum() * (error / np.maximum(covered, 1e-300)).max())


def _measure(width: int, spacing: float, digits: float) -> Window:
    """Return the window of this width and spacing with its bound."""
    band = math.sqrt(2.0 * math.log(10.0) * digits)
    oversampling = max(1.05, math.pi / (spacing * band))
    shape = math.pi * width * (1.0 - 0.36 / oversampling**1.4)
    taps = _taps(width, spacing, shape, math.ceil(band * 1.5 / spacing))
    needed = np.flatnonzero(np.abs(taps) > 0.1 * 10.0**-digits)[-1]
    taps = taps[: needed + 1]
    covers = [_cover(*_errors(width, spacing, shape, each)) for each in (taps, np.abs(taps))]
    return Window(width, spacing, shape, taps, *covers)


@lru_cache(maxsize=64)
def windows_for(cover: float) -> tuple[Window, ...]:
    """Return windows within a bound along one axis, narrow on a fine grid to wide on a coarse one.

    The width needed is about the number of digits; a starting spacing comes from a fit to the best ones
    (1.245 / sqrt(digits) once the width exceeds the digits) and shrinks until the measured bound is met.
    """
    digits = -math.log10(cover / 5.0)
    found: list[Window] = []
    for width in range(max(2, round(digits) - 1), min(_MAX_WIDTH, round(digits) + 2) + 1):
        slack = min(1.0, width - digits)
        spacing = 1.3 / math.sqrt(digits) * (1.0 if slack >= 1.0 else 0.72 ** (1.0 - slack))
        while spacing > _FINEST:
            window = _measure(width, spacing, digits)
            if window.cover <= cover:
                found.append(window)
                break
            spacing *= _SHRINK
    return tuple(found)
