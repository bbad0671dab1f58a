"""Tables of an h5ad file read element by element: the encodings that occur in obs and var, without anndata.

Importing anndata takes longer than opening a million cells; what is not known here is read by it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

PLAIN = ("array", "string-array", "categorical", "nullable-integer", "nullable-boolean", "")


def read_element(node: Any) -> Any:
    """Return an element as numpy or pandas holds it.

    Parameters
    ----------
    node
        Data set or group of an open file.

    Returns
    -------
    An array of numbers, an array of texts (objects), or a `pandas.Categorical`; missing integers as NaN, texts as None.
    """
    kind = text_of(node.attrs.get("encoding-type", ""))
    if hasattr(node, "dtype") and kind in PLAIN and node.ndim == 1 and not node.dtype.names:
        if node.dtype.kind in "OS":
            return node.asstr(errors="replace")[()]
        return node[()]
    if kind == "categorical":
        import pandas as pd

        codes = node["codes"][()]
        categories = read_element(node["categories"])
        if codes.ndim == 1 and (not len(codes) or (codes.min() >= -1 and codes.max() < len(categories))):
            return pd.Categorical.from_codes(codes, categories=pd.Index(categories))
    if kind in ("nullable-integer", "nullable-boolean"):
        values, lost = node["values"][()].astype(np.float64), node["mask"][()].astype(bool)
        return np.where(lost, np.nan, values)
    if kind == "nullable-string-array":
        return np.where(node["mask"][()].astype(bool), None, read_element(node["values"]))
    from anndata.io import read_elem

    return read_elem(node)


def text_of(value: Any) -> str:
    """Return an attribute as text."""
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)
