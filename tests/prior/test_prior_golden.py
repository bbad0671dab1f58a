"""The columns of the compiled edition 1.2.0, and a real panel."""

from __future__ import annotations

import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from spacetravlr.prior import PriorNetwork


def is_subsequence(part: list[str], whole: tuple[str, ...]) -> bool:
    rest = iter(whole)
    return all(name in rest for name in part)


@pytest.fixture(scope="module")
def genes(golden: Path) -> list[str]:
    return [str(name) for name in np.load(golden / "design_tissue.npz")["var_names"]]


@pytest.fixture(scope="module")
def means(golden: Path, genes: list[str]) -> dict[str, float]:
    expression = np.load(golden / "design_tissue.npz")["imputed_count"]
    return dict(zip(genes, expression.mean(axis=0).tolist(), strict=True))


@pytest.mark.parametrize("run", ["readme", "strong"])
def test_columns_of_the_compiled_edition_are_ours_in_order(
    golden: Path, genes: list[str], means: dict[str, float], run: str
) -> None:
    figures = np.load(golden / f"v1_train_{run}.npz")
    network = PriorNetwork.read(golden / "v1_mouse_network.parquet").restrict(genes)
    written = same = 0
    for gene in figures["genes"].tolist():
        columns = [name.removeprefix("beta_") for name in figures[f"cols_{gene}"].tolist() if name != "beta0"]
        ours = network.modulators(
            gene,
            tf_ligand_cutoff=float(figures["tf_ligand_cutoff"]),
            max_ligands=int(figures["max_ligands"]),
            gene_means=means,
        )
        # It leaves out columns that are zero in every cluster.
        assert is_subsequence(columns, ours.names), gene
        assert len(set(ours.names)) == len(ours.names)
        written += len(columns)
        same += list(ours.names) == columns
    assert written > 500
    # Nearly without penalty no column is zero, so the lists are the same.
    assert run == "strong" or same == len(figures["genes"]) == 30


def test_every_target_of_a_real_panel_takes_less_than_a_millisecond(shared: Path) -> None:
    file = shared / "data" / "mouse_starmap_visual_cortex.h5ad"
    if not file.is_file():
        pytest.skip("the real sample is not here")
    with h5py.File(file) as sample:
        genes = [name.decode() for name in sample["var"][sample["var"].attrs["_index"]][:]]
    network = PriorNetwork.load("mouse", shared / "data" / "network").restrict(genes)
    assert len(genes) == 1020
    assert network.source != "starter"
    started = time.perf_counter()
    found = list(network.all_modulators(genes, tf_ligand_cutoff=0.05))
    seconds = time.perf_counter() - started
    assert [m.target for m in found] == genes
    assert max(len(m.lr_pairs) for m in found) == network.counts()["lr"]
    assert sum(len(m.regulators) for m in found) == network.counts()["grn"] - int(
        ((network.edges["edge_type"] == "grn") & (network.edges["source"] == network.edges["target"])).sum()
    )
    assert seconds < 1.0
