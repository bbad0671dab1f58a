"""Sparse regression of many targets on shared columns: moments, solvers, choice of the penalty."""

from spacetravlr.regression.blocks import deal_folds, spatial_blocks
from spacetravlr.regression.bootstrap import Bootstraps, Resampled, block_weights, bootstrap_cluster, resampled_bytes
from spacetravlr.regression.catalogue import Catalogue
from spacetravlr.regression.cv import (
    GAP,
    KKT,
    MIN_CELLS,
    Choice,
    ClusterFits,
    ColumnSets,
    choose_penalty,
    fit_cluster,
)
from spacetravlr.regression.estimators import SparseGroupLasso, SparseGroupLassoCV
from spacetravlr.regression.evidence import better_than
from spacetravlr.regression.gram import ClusterGram, Fold, Responses, choose_gram, gram_bytes
from spacetravlr.regression.penalty import ENET_RIDGE, LAMBDAS, Path, objective

__all__ = [
    "ENET_RIDGE",
    "GAP",
    "KKT",
    "LAMBDAS",
    "MIN_CELLS",
    "Bootstraps",
    "Catalogue",
    "Choice",
    "ClusterFits",
    "ClusterGram",
    "ColumnSets",
    "Fold",
    "Path",
    "Resampled",
    "Responses",
    "SparseGroupLasso",
    "SparseGroupLassoCV",
    "better_than",
    "block_weights",
    "bootstrap_cluster",
    "choose_gram",
    "choose_penalty",
    "deal_folds",
    "fit_cluster",
    "gram_bytes",
    "objective",
    "resampled_bytes",
    "spatial_blocks",
]
