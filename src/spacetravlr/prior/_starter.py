"""The starter network: a few hundred textbook relations, written down for this package."""

from __future__ import annotations

from importlib.resources import files

import pandas as pd

from spacetravlr.prior.species import Species

TABLE = "starter_network.csv"


def starter_edges(species: Species) -> pd.DataFrame:
    """Return the relations of the starter network with the symbols of a species.

    Returns
    -------
    Columns source, target, edge_type, weight, signaling, and note (why the relation is listed).
    """
    with files("spacetravlr.prior").joinpath("data", TABLE).open(encoding="utf-8") as file:
        table = pd.read_csv(file, comment="#", keep_default_na=False, dtype={"weight": "float64"})
    table["signaling"] = table["signaling"].replace("", None)
    return table.rename(columns={f"{species}_source": "source", f"{species}_target": "target"})[
        ["source", "target", "edge_type", "weight", "signaling", "note"]
    ]
