"""Train the targets of a simulated tissue (recipe synth-v1): the whole command, in a fresh process each time."""

from __future__ import annotations

import argparse
from pathlib import Path

from spacetravlr.bench._session import Session
from spacetravlr.bench._training import add_setting, time_settings, write_config


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    add_setting(parser)
    parser.add_argument("--cells", type=int, help="number of cells (2000; 300 with --quick)")
    parser.add_argument("--genes", type=int, help="number of genes, all of them targets (200; 40 with --quick)")
    parser.add_argument("--seed", type=int, default=42, help="seed of the tissue (42)")


def run(session: Session) -> None:
    """Make the tissue, then train it with each setting."""
    options = session.options
    size = {
        "cells": options.cells or (300 if options.quick else 2000),
        "genes": options.genes or (40 if options.quick else 200),
        "seed": options.seed,
    }
    digest, clusters = make_tissue(session.scratch, **size)
    session.dataset = {"recipe": "synth-v1", **size, "clusters": clusters, "sha256": digest}
    session.say(f"  tissue synth-v1, seed {options.seed}, sha256 {digest[:12]}")
    grn = {"network_data_dir": str(session.scratch / "network")}
    time_settings(session, session.scratch / "tissue.h5ad", write_config(session.scratch / "bench.toml", grn))


def make_tissue(folder: Path, *, cells: int, genes: int, seed: int) -> tuple[str, int]:
    """Write ``tissue.h5ad`` and its network into a directory; return the fingerprint and the number of clusters."""
    from spacetravlr.datasets import content_hash, synth_v1, write_network

    adata = synth_v1(cells, genes, seed)
    adata.write_h5ad(folder / "tissue.h5ad")
    write_network(adata, folder / "network")
    return content_hash(adata), int(adata.obs["cell_type"].nunique())
