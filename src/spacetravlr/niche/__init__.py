"""Niche networks: coefficients that vary from cell to cell.

Two ways to turn the coefficients of a cluster (the anchors) into those of its cells:

* `fit_network` trains the network of the README for one target in one cluster, from spatial maps and neighbour counts
  (`NicheInputs`, made once for the tissue).
* `train_encoder` learns, once for a cluster and from all its targets, what of the neighbourhood matters (`niche_table`,
  made once for the tissue); `fit_heads` then fits one small head for each target, in blocks as they come. This costs
  about one network instead of thousands.

Both hold out spatial blocks, fall back to the anchors where they do not predict those better, and say so in a
`NicheRecord`. Inputs are arrays: positions, cluster codes, and for a cluster the columns of the design, responses,
anchors, intercepts and folds (`ClusterTask` for one target, `ClusterTargets` for many). Coefficients come as
(n_c, p + 1) float32, intercept first; with the shared encoder only when they are asked for (`SharedFit.betas`).

`decide` is the gate of hybrid mode, on the Moran's I of `moran_test`. `save_weights` and `load` write and read the
networks of a target.

Everything random comes from (seed, gene, cluster). torch is the optional extra `cnn`: maps, counts, Moran's I and the
gate work without it, the rest raises `MissingExtraError`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from spacetravlr.niche._torch import require_torch
from spacetravlr.niche.features import NicheInputs, Scaling, neighbour_counts, niche_table
from spacetravlr.niche.gate import Gate, GateInputs, Thresholds, decide, read_gene_set, top_ranked
from spacetravlr.niche.maps import MapGrid, spatial_maps
from spacetravlr.niche.moran import Moran, SpatialGraph, moran_test, morans_i
from spacetravlr.niche.options import NicheOptions
from spacetravlr.niche.record import NicheRecord

if TYPE_CHECKING:
    from spacetravlr.niche._stack import ClusterTargets
    from spacetravlr.niche.device import resolve_device
    from spacetravlr.niche.encoder import NicheEncoder
    from spacetravlr.niche.network import NicheHead, NicheNetwork, predict
    from spacetravlr.niche.per_gene import ClusterTask, NetworkFit, fit_network
    from spacetravlr.niche.shared import SharedFit, fit_heads, train_encoder
    from spacetravlr.niche.shared_weights import save_heads
    from spacetravlr.niche.weights import load, map_grid, save_weights

_NEEDS_TORCH = {
    "ClusterTargets": "_stack",
    "resolve_device": "device",
    "NicheEncoder": "encoder",
    "NicheHead": "network",
    "NicheNetwork": "network",
    "predict": "network",
    "ClusterTask": "per_gene",
    "NetworkFit": "per_gene",
    "fit_network": "per_gene",
    "SharedFit": "shared",
    "fit_heads": "shared",
    "train_encoder": "shared",
    "load": "weights",
    "map_grid": "weights",
    "save_heads": "shared_weights",
    "save_weights": "weights",
}

__all__ = [
    "ClusterTargets",
    "ClusterTask",
    "Gate",
    "GateInputs",
    "MapGrid",
    "Moran",
    "NetworkFit",
    "NicheEncoder",
    "NicheHead",
    "NicheInputs",
    "NicheNetwork",
    "NicheOptions",
    "NicheRecord",
    "Scaling",
    "SharedFit",
    "SpatialGraph",
    "Thresholds",
    "decide",
    "fit_heads",
    "fit_network",
    "load",
    "map_grid",
    "moran_test",
    "morans_i",
    "neighbour_counts",
    "niche_table",
    "predict",
    "read_gene_set",
    "require_torch",
    "resolve_device",
    "save_heads",
    "save_weights",
    "spatial_maps",
    "top_ranked",
    "train_encoder",
]


def __getattr__(name: str) -> Any:
    if name not in _NEEDS_TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    require_torch()
    value = getattr(importlib.import_module(f"spacetravlr.niche.{_NEEDS_TORCH[name]}"), name)
    globals()[name] = value
    return value
