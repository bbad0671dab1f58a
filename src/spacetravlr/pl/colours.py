"""Colours that people who do not see red and green as two tell apart, and symmetrical limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

CATEGORIES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#A6761D", "#7F7F7F")
"""For kinds of things, as many as can be told apart without a legend at hand."""
NEAR_ZERO = "#D4D4D2"
"""What is near zero on a scale that has a sign."""
_DIVERGING = ("#053B6E", "#2878B8", "#86B9DD", NEAR_ZERO, "#F3AE7F", "#D9631E", "#7A2800")
_SEQUENTIAL = ("#DCDCDA", "#A9CBE3", "#5A9BCB", "#1F66A5", "#072F5F")
_CLIPPED = 0.995


def diverging() -> Colormap:
    """Return the colours of a scale with a sign: blue, grey for what is near zero, orange."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("spacetravlr_diverging", list(_DIVERGING))


def sequential() -> Colormap:
    """Return the colours of a scale that begins at zero: grey to dark blue."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("spacetravlr_sequential", list(_SEQUENTIAL))


def categorical(n: int) -> list[str]:
    """Return colours for `n` kinds: the first of `CATEGORIES`, or steps of turning hue and lightness for more."""
    if n <= len(CATEGORIES):
        return list(CATEGORIES[:n])
    from colorsys import hsv_to_rgb

    from matplotlib.colors import to_hex

    # neighbours in the list differ in lightness, which everybody sees
    return [to_hex(hsv_to_rgb(i / n, (0.85, 0.55, 0.70)[i % 3], (0.55, 0.85, 0.70)[i % 3])) for i in range(n)]


def symmetric_limit(values: ArrayLike) -> float:
    """Return how far a symmetrical scale reaches: the 99.5th percentile of the absolute values that are not zero.

    Parameters
    ----------
    values
        Of any shape; what is not finite is passed over.

    Returns
    -------
    A positive number, 1 if there is nothing to show.
    """
    sizes = np.abs(np.asarray(values, dtype=np.float64))
    sizes = sizes[np.isfinite(sizes) & (sizes > 0.0)]
    return float(np.quantile(sizes, _CLIPPED)) if sizes.size else 1.0
