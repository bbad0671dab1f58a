"""The demo's input: a simulated tissue, its network and a configuration, as files that anybody could have."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacetravlr.atomic import make_directory, replacing, write_text
from spacetravlr.errors import RunDirectoryError

if TYPE_CHECKING:
    from anndata import AnnData

TISSUE, NETWORK, CONFIG = "tissue.h5ad", "network", "spaceship_config.toml"


@dataclass(frozen=True, slots=True)
class DemoInput:
    """What the demo trains on.

    Attributes
    ----------
    adata
        As read from the file; the answer key is in ``uns["truth"]``.
    tissue, network, config
        The files (`network` is a directory).
    continued
        Whether the tissue was there already.
    """

    adata: AnnData
    tissue: Path
    network: Path
    config: Path
    continued: bool


def prepare_input(out: Path, *, seed: int, n_cells: int, n_genes: int) -> DemoInput:
    """Simulate the tissue into a directory, or take the one that is there.

    Parameters
    ----------
    out
        The directory; made if it is not there.
    seed, n_cells, n_genes
        The tissue.

    Raises
    ------
    RunDirectoryError
        If the directory holds another demo, or something else.
    """
    from anndata import read_h5ad

    from spacetravlr.datasets import write_network

    tissue = out / TISSUE
    continued = tissue.exists()
    if continued:
        adata = read_h5ad(tissue)
        _compare(adata, out, {"seed": seed, "n_cells": n_cells, "n_genes": n_genes})
    else:
        _simulate(out, tissue, seed=seed, n_cells=n_cells, n_genes=n_genes)
        # what is scored is what is in the file
        adata = read_h5ad(tissue)
    network = write_network(adata, out / NETWORK).parent
    config = out / CONFIG
    write_text(config, _toml(tissue, network, out / "run"))
    return DemoInput(adata, tissue, network, config, continued)


def _simulate(out: Path, tissue: Path, *, seed: int, n_cells: int, n_genes: int) -> None:
    from spacetravlr.datasets import simulated_tissue

    if out.is_dir() and any(out.iterdir()):
        raise RunDirectoryError(
            f"{out} is not empty and holds no demo: name another directory with --out, or empty this one"
        )
    adata = simulated_tissue(n_cells, n_genes, seed=seed)
    make_directory(out)
    with replacing(tissue) as temporary:
        adata.write_h5ad(temporary)


def _compare(adata: AnnData, out: Path, wanted: dict[str, int]) -> None:
    """Refuse a directory with another tissue."""
    truth: dict[str, Any] = adata.uns.get("truth", {})
    parameters = truth.get("parameters", {})
    held = {"seed": truth.get("seed"), **{name: parameters.get(name) for name in ("n_cells", "n_genes")}}
    other = [f"{name} {held[name]} (not {value})" for name, value in wanted.items() if held[name] != value]
    if other:
        raise RunDirectoryError(
            f"{out} holds the demo of another tissue, {', '.join(other)}: name another directory with --out, "
            "or remove this one"
        )


def _toml(tissue: Path, network: Path, run: Path) -> str:
    def quoted(path: Path) -> str:
        return json.dumps(str(path), ensure_ascii=False)

    return f"""# What the demo trains with; everything that is not here has its default.
# Repeat it with: spacetravlr -c {CONFIG}

[data]
adata_path = {quoted(tissue)}
layer = "imputed_count"
cluster_annot = "cell_type_int"

[grn]
network_data_dir = {quoted(network)}

[execution]
output_dir = {quoted(run)}
"""
