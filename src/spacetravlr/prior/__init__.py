"""Prior knowledge: which genes may regulate which, before any data is looked at.

`PriorNetwork` holds the edges of a species, and `Modulators` what they allow for one target.
"""

from __future__ import annotations

from spacetravlr.prior.extras import parse_extra_lr
from spacetravlr.prior.modulators import GROUPS, Modulators
from spacetravlr.prior.network import ModulatorOptions, PriorNetwork
from spacetravlr.prior.priors import TfPriors
from spacetravlr.prior.species import Species, infer_species

__all__ = [
    "GROUPS",
    "ModulatorOptions",
    "Modulators",
    "PriorNetwork",
    "Species",
    "TfPriors",
    "infer_species",
    "parse_extra_lr",
]
