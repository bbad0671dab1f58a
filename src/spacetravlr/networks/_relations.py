"""Relations as they come from a source, before they are edges: an end may be a complex of several genes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
import pandas as pd

EdgeType = Literal["grn", "lr", "nichenet"]
JOIN = "\x1f"
"""Between the subunits of a complex; cannot occur in a symbol."""
COLUMNS = ("source", "target", "edge_type", "weight", "share", "signaling")

SECRETED = "Secreted Signaling"
CONTACT = "Cell-Cell Contact"


def relations(
    source: Sequence[str | None] | pd.Series,
    target: Sequence[str | None] | pd.Series,
    edge_type: EdgeType | Sequence[str] | pd.Series,
    *,
    weight: Iterable[float] | None = None,
    signaling: Iterable[str | None] | None = None,
) -> pd.DataFrame:
    """Put relations into the one form that the builder takes.

    Parameters
    ----------
    source, target
        Symbols; of a complex all subunits, joined by `JOIN`. None where there is none.
    edge_type
        Of all, or of each.
    weight
        What the source says about the strength of each; NaN where it says nothing.
    signaling
        How a ligand reaches its receptor.

    Returns
    -------
    Columns `COLUMNS`; share is 1.
    """
    n = len(source)
    frame = pd.DataFrame(
        {
            "source": pd.Series(list(source), dtype=object),
            "target": pd.Series(list(target), dtype=object),
            "edge_type": edge_type if isinstance(edge_type, str) else list(edge_type),
            "weight": np.full(n, np.nan) if weight is None else np.asarray(list(weight), dtype=np.float64),
            "share": np.ones(n),
            "signaling": pd.Series([None] * n if signaling is None else list(signaling), dtype=object),
        },
        columns=list(COLUMNS),
    )
    frame["edge_type"] = frame["edge_type"].astype(object)
    return frame


def joined(subunits: Iterable[str]) -> str:
    """Return the subunits of a complex as one name, each once."""
    return JOIN.join(dict.fromkeys(subunits))


def at_underscores(name: object) -> str | None:
    """Return a name like `COMPLEX:ITGA1_ITGB1` as its subunits."""
    if not isinstance(name, str):
        return None
    parts = [part.strip() for part in name.removeprefix("COMPLEX:").split("_")]
    return joined(part for part in parts if part) or None
