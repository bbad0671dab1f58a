"""What other cell types tell about an edge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SHARE = 0.5


def pooled_scores(signed: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return how firm the edges of one target are when its other cell types count too.

    An edge is often active in several cell types. What is found of it in the others is evidence for it in this one, as
    far as the signs agree: `s_cm = |e_cm| + 0.5 |mean over c of e_cm|`.

    Parameters
    ----------
    signed
        (n_cell_types, n_modulators) effect times stability, with the sign of the coefficient; 0 without one, NaN if
        it is unknown.

    Returns
    -------
    (n_cell_types, n_modulators), no unit. For a single cell type the order is that of the sizes.
    """
    values = np.asarray(signed, dtype=np.float64)
    # what is not known of one cell type says nothing about the others
    common: NDArray[np.float64] = np.abs(np.nan_to_num(values, nan=0.0).mean(axis=0, keepdims=True))
    return np.abs(values) + _SHARE * common
