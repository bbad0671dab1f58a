"""A checked, read-only view of one spatial sample: expression, names, coordinates, clusters."""

from spacetravlr.tissue._file import MEASURED
from spacetravlr.tissue._layers import is_imputed
from spacetravlr.tissue.clusters import CELL_TYPE_NAMES, Clusters
from spacetravlr.tissue.labels import MISSING, CellGroups
from spacetravlr.tissue.matrix import ExpressionMatrix
from spacetravlr.tissue.tissue import Tissue

__all__ = [
    "CELL_TYPE_NAMES",
    "MEASURED",
    "MISSING",
    "CellGroups",
    "Clusters",
    "ExpressionMatrix",
    "Tissue",
    "is_imputed",
]
