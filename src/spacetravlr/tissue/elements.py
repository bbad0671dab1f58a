"""Elements of an h5ad file as anndata reads them; the common ones without importing it, which takes half a second."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import h5py
    import pandas as pd

_PLAIN = ("array", "string-array")


def read_element(node: h5py.Dataset | h5py.Group) -> Any:
    """Return an element in memory, as `anndata.io.read_elem` does.

    Parameters
    ----------
    node
        Data set or group of an open file. Arrays, texts, categories and tables of these are read here, every other
        encoding by anndata.

    Raises
    ------
    Exception
        Whatever a damaged or foreign element makes h5py, pandas or anndata raise.
    """
    kind, version = node.attrs.get("encoding-type"), node.attrs.get("encoding-version")
    reader = _READERS.get((kind, version))
    if reader is not None and hasattr(node, "dtype") == (kind in _PLAIN):
        return reader(node)
    from anndata.io import read_elem

    return read_elem(node)


def _array(node: h5py.Dataset) -> Any:
    return node[()]


def _texts(node: h5py.Dataset) -> Any:
    return node.asstr()[()]


def _texts_or_none(node: h5py.Group) -> Any:
    import pandas as pd

    if int(pd.__version__.partition(".")[0]) < 3:
        # what stands for a missing text is then up to anndata
        from anndata.io import read_elem

        return read_elem(node)
    lost = float("nan") if node.attrs.get("na-value") == "NaN" else pd.NA
    texts: Any = pd.array(_texts(node["values"]), dtype=pd.StringDtype(na_value=lost))
    texts[node["mask"][()]] = pd.NA
    return texts


def _categories(node: h5py.Group) -> pd.Categorical:
    import pandas as pd

    return pd.Categorical.from_codes(
        codes=read_element(node["codes"]),
        categories=read_element(node["categories"]),
        ordered=bool(node.attrs["ordered"]),
    )


def _table(node: h5py.Group) -> pd.DataFrame:
    import pandas as pd

    columns, index = list(node.attrs["column-order"]), node.attrs["_index"]
    table = pd.DataFrame(
        {name: read_element(node[name]) for name in columns},
        index=read_element(node[index]),
        columns=columns or None,
    )
    if index != "_index":
        table.index.name = index
    return table


_READERS: dict[tuple[str, str], Callable[[Any], Any]] = {
    ("array", "0.2.0"): _array,
    ("string-array", "0.2.0"): _texts,
    ("nullable-string-array", "0.1.0"): _texts_or_none,
    ("categorical", "0.2.0"): _categories,
    ("dataframe", "0.2.0"): _table,
}
