"""A small tissue with a known relation or two, and its network, shared by the training tests."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

GENES = ("Tf1", "Tf2", "Tf3", "Lig1", "Lig2", "Rec1", "Rec2", "T1", "T2", "T3", "T4", "Noise", "Lonely")


@pytest.fixture(scope="session")
def network() -> pd.DataFrame:
    grn = [(tf, target) for target in ("T1", "T2", "T3", "T4", "Noise") for tf in ("Tf1", "Tf2", "Tf3")]
    rows = [(tf, target, "grn", 1.0, None) for tf, target in grn]
    rows += [("Lig1", "Rec1", "lr", 1.0, "Secreted Signaling"), ("Lig2", "Rec2", "lr", 1.0, "Cell-Cell Contact")]
    rows += [("Lig1", "Tf1", "nichenet", 0.9, None), ("Lig2", "Tf2", "nichenet", 0.8, None)]
    return pd.DataFrame(rows, columns=["source", "target", "edge_type", "weight", "signaling"])


@pytest.fixture(scope="session")
def network_dir(network: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("network")
    network.to_parquet(folder / "mouse_network.parquet")
    return folder


@pytest.fixture(scope="session")
def tissue_data() -> anndata.AnnData:
    """260 cells of three types: T1 follows Tf1, T2 follows Lig1 x Rec1, T3 is Tf2 minus Tf3 in type 1 only."""
    rng = np.random.default_rng(7)
    n = 260
    xy = rng.uniform(0, 1000, (n, 2))
    cluster = np.repeat([0, 1, 2], [120, 110, 30])
    E = {gene: np.exp(rng.normal(0, 0.5, n)) for gene in GENES}
    d2 = ((xy[:, None] - xy[None]) ** 2).sum(axis=-1)
    received = np.exp(-d2 / (2 * 200.0**2)) @ E["Lig1"] / n
    E["T1"] = 1.0 + 0.8 * E["Tf1"] + 0.2 * rng.normal(size=n)
    E["T2"] = 1.0 + 20.0 * received * E["Rec1"] + 0.2 * rng.normal(size=n)
    E["T3"] = 2.0 + np.where(cluster == 1, 0.9 * E["Tf2"] - 0.7 * E["Tf3"], 0.0) + 0.2 * rng.normal(size=n)
    E["T4"] = 0.5 + 0.5 * E["Tf2"] + 0.3 * rng.normal(size=n)
    values = np.column_stack([E[gene] for gene in GENES])
    adata = anndata.AnnData(
        X=values,
        obs=pd.DataFrame(
            {"cell_type_int": cluster, "cell_type": np.array(["a", "b", "c"])[cluster]},
            index=[f"c{i}" for i in range(n)],
        ),
        var=pd.DataFrame(index=list(GENES)),
        obsm={"spatial": xy},
    )
    adata.layers["imputed_count"] = values
    return adata


@pytest.fixture(scope="session")
def h5ad(tissue_data: anndata.AnnData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sample") / "tissue.h5ad"
    tissue_data.write_h5ad(path)
    return path
