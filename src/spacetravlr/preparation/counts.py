"""Find the counts in a file, or whatever comes nearest to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import sparse

from spacetravlr.errors import InputError, did_you_mean, listing
from spacetravlr.tissue._file import layer_names

if TYPE_CHECKING:
    from anndata import AnnData

COUNT_LAYERS = ("counts", "raw_counts", "count")
_LOOKED_AT = 1_000_000
_LARGEST_LOG = 25.0
"""log1p of seventy billion: what is larger is no logarithm."""

Kind = Literal["counts", "log", "linear"]


@dataclass(frozen=True, slots=True)
class Source:
    """The matrix a preparation starts from."""

    adata: AnnData
    """With the genes of that matrix; `raw` may have more than X."""
    matrix: sparse.csr_matrix
    """(n_cells, n_genes), float32."""
    name: str
    kind: Kind
    """`counts`; `log` of normalised ones; `linear`: normalised, but no logarithm."""


def find_source(adata: AnnData, layer: str | None = None) -> Source:
    """Return the counts of a sample: a named layer, else `counts`, else X, else `raw`, whichever holds counts.

    If none of them does, X is taken as it is.

    Parameters
    ----------
    adata
        The sample; it is not changed.
    layer
        The layer to take; `X` is the main matrix.

    Raises
    ------
    InputError
        If the layer does not exist, there is no matrix at all, or it holds negative or missing values.
    """
    if layer is not None:
        return _source(adata, _named(adata, layer), layer)
    for name in COUNT_LAYERS:
        if name in adata.layers and classify(adata.layers[name]) == "counts":
            return _source(adata, adata.layers[name], name)
    if adata.X is not None and classify(adata.X) == "counts":
        return _source(adata, adata.X, "X")
    if adata.raw is not None and classify(adata.raw.X) == "counts":
        whole = adata.raw.to_adata()
        return _source(whole, whole.X, "raw")
    if adata.X is None:
        raise InputError(
            f"there is no X and no layer of counts; name the layer to start from. Layers: {listing(layer_names(adata))}"
        )
    return _source(adata, adata.X, "X")


def classify(matrix: Any) -> Kind | Literal["signed", "unusable"]:
    """Tell what kind of values a matrix holds, from up to a million of those stored.

    Parameters
    ----------
    matrix
        Dense or sparse.

    Returns
    -------
    `counts` (whole numbers), `log`, `linear`, `signed` (some are negative: scaled or centred), or `unusable` (no
    numbers, NaN or infinite).
    """
    values = np.asarray(matrix.data if sparse.issparse(matrix) else matrix).reshape(-1)
    if not (np.issubdtype(values.dtype, np.number) or values.dtype == np.bool_):
        return "unusable"
    return classify_values(values[:: max(1, values.size // _LOOKED_AT)])


def classify_values(values: np.ndarray[Any, Any]) -> Kind | Literal["signed", "unusable"]:
    """Tell the same of some values."""
    if not np.isfinite(values).all():
        return "unusable"
    if values.size and values.min() < 0:
        return "signed"
    if np.array_equal(values, np.rint(values)):
        return "counts"
    return "log" if values.max() <= _LARGEST_LOG else "linear"


def _named(adata: AnnData, layer: str) -> Any:
    if layer in {"", "X"}:
        if adata.X is None:
            raise InputError(f"the file has no X matrix. Layers: {listing(layer_names(adata))}")
        return adata.X
    if layer in adata.layers:
        return adata.layers[layer]
    hint = did_you_mean(layer, [*layer_names(adata), "X"], ".")
    raise InputError(f"layer {layer!r} is not in the file{hint} Layers: {listing(layer_names(adata))}")


def _source(adata: AnnData, stored: Any, name: str) -> Source:
    if hasattr(stored, "iloc"):
        raise InputError(f"{name} is a data frame; store it as a dense or sparse matrix")
    kind = classify(stored)
    if kind == "signed":
        raise InputError(f"{name} holds negative values, so it was scaled or centred; name a layer of counts instead")
    if kind == "unusable":
        raise InputError(f"{name} holds text, NaN or infinite values; name a layer of counts instead")
    matrix = sparse.csr_matrix(stored, dtype=np.float32, copy=True)
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return Source(adata, matrix, name, kind)
