"""Prior knowledge: which genes may regulate which, before any data is looked at.

`PriorNetwork` holds the edges of a species, and `Modulators` what they allow for one target.
"""

from __future__ import annotations

from spacetravlr.prior._table import EDGE_TYPES, PAIR_SIGNS, check_columns, refuse_pointer
from spacetravlr.prior.extras import parse_extra_lr
from spacetravlr.prior.modulators import GROUPS, Modulators
from spacetravlr.prior.network import ModulatorOptions, PriorNetwork
from spacetravlr.prior.priors import TfPriors
from spacetravlr.prior.species import Species, infer_species

__all__ = [
    "EDGE_TYPES",
    "GROUPS",
    "PAIR_SIGNS",
    "ModulatorOptions",
    "Modulators",
    "PriorNetwork",
    "Species",
    "TfPriors",
    "check_columns",
    "infer_species",
    "parse_extra_lr",
    "refuse_pointer",
]
