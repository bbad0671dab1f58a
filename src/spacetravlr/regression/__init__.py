"""Sparse regression of many targets on shared columns: moments, solvers, choice of the penalty."""

from spacetravlr.regression.blocks import deal_folds, spatial_blocks
from spacetravlr.regression.bootstrap import Bootstraps, Resampled, block_weights, bootstrap_cluster, resampled_bytes
from spacetravlr.regression.catalogue import Catalogue
from spacetravlr.regression.collinear import TOGETHER, Lookalikes
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
from spacetravlr.regression.judged import Judged, judge, units
from spacetravlr.regression.local_skill import LocalSkill, fit_without_folds, local_skill
from spacetravlr.regression.penalty import ENET_RIDGE, LAMBDAS, Path, objective
from spacetravlr.regression.surroundings import along_curve, nearest_cells

__all__ = [
    "ENET_RIDGE",
    "GAP",
    "KKT",
    "LAMBDAS",
    "MIN_CELLS",
    "TOGETHER",
    "Bootstraps",
    "Catalogue",
    "Choice",
    "ClusterFits",
    "ClusterGram",
    "ColumnSets",
    "Fold",
    "Judged",
    "LocalSkill",
    "Lookalikes",
    "Path",
    "Resampled",
    "Responses",
    "SparseGroupLasso",
    "SparseGroupLassoCV",
    "along_curve",
    "better_than",
    "block_weights",
    "bootstrap_cluster",
    "choose_gram",
    "choose_penalty",
    "deal_folds",
    "fit_cluster",
    "fit_without_folds",
    "gram_bytes",
    "judge",
    "local_skill",
    "nearest_cells",
    "objective",
    "resampled_bytes",
    "spatial_blocks",
    "units",
]
