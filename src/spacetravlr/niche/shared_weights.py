"""Heads of the shared encoder as an npz file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spacetravlr.atomic import replacing
from spacetravlr.errors import InputError
from spacetravlr.niche.encoder import ALL

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

    from spacetravlr.niche.shared import SharedFit


def save_heads(
    path: str | os.PathLike[str],
    heads: Mapping[int, tuple[SharedFit, int]],
    *,
    modulators: Sequence[str],
    compressed: bool = True,
) -> None:
    """Write the heads of a target, each with the encoder of its cluster.

    Parameters
    ----------
    path
        The file; replaced as a whole.
    heads
        By cluster code: the fit, and the number of the target in it.
    modulators
        (p,) names of the columns, in the order of the coefficients.
    compressed
        Whether to deflate.

    Raises
    ------
    InputError
        If there is no head.
    RunDirectoryError
        If the file cannot be written.
    """
    if not heads:
        raise InputError("there is no head to write")
    arrays: dict[str, NDArray[Any]] = {
        "cluster_ids": np.array(sorted(heads), dtype=np.uint32),
        "meta_encoder": np.array(["shared"]),
        "meta_n_modulators": np.array([len(modulators)], dtype=np.uint32),
        "modulator_names": np.array(list(modulators), dtype=np.str_),
    }
    for cluster in sorted(heads):
        arrays |= {f"c{cluster:04d}_{name}": values for name, values in _arrays(*heads[cluster]).items()}
    with replacing(Path(path)) as temporary, temporary.open("wb") as stream:
        write: Any = np.savez_compressed if compressed else np.savez
        write(stream, **arrays)


def _arrays(fit: SharedFit, target: int) -> dict[str, NDArray[Any]]:
    head, data, encoder = fit.heads[target], fit.data, fit.encoder
    anchors = np.asarray(data.anchors[target], dtype=np.float64)
    transform = encoder.transforms[ALL]
    W = np.zeros((len(anchors), transform.shape[1]), dtype=np.float32)
    if head.W is not None:
        W[head.active] = head.W
    means = np.asarray(data.columns[:, data.column_of[target]], dtype=np.float64).mean(axis=0)
    return {
        "anchors": np.concatenate([[data.intercepts[target]], anchors]),
        "centre": encoder.centre,
        "scale": encoder.scale,
        "transform": transform,
        "W": W,
        "v": np.zeros(len(encoder.centre), dtype=np.float32) if head.v is None else head.v,
        "means": means,
        "unit": np.array([float(data.responses[:, target].std())]),
        "range": np.array(fit.bounds) if head.W is not None else np.array([-np.inf, np.inf]),
    }
