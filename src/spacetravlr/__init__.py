"""SpaceTravLR for Python: learn spatial gene regulation from a tissue, and simulate knock-outs in it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spacetravlr import datasets, pl, pp, tl
    from spacetravlr.betas import Betabase, Betas
    from spacetravlr.config import RunConfig
    from spacetravlr.perturbation import Effect, PropagationModel
    from spacetravlr.prior import PriorNetwork
    from spacetravlr.regression import SparseGroupLasso, SparseGroupLassoCV
    from spacetravlr.run import ConditionRuns, Run
    from spacetravlr.signaling import SignalField
    from spacetravlr.tissue import Tissue

__version__ = "0.1.0"

__all__ = [
    "Betabase",
    "Betas",
    "ConditionRuns",
    "Effect",
    "PriorNetwork",
    "PropagationModel",
    "Run",
    "RunConfig",
    "SignalField",
    "SparseGroupLasso",
    "SparseGroupLassoCV",
    "Tissue",
    "__version__",
    "datasets",
    "pl",
    "pp",
    "tl",
]

_HOME = {
    "Betabase": "betas",
    "Betas": "betas",
    "ConditionRuns": "run",
    "Effect": "perturbation",
    "PriorNetwork": "prior",
    "PropagationModel": "perturbation",
    "Run": "run",
    "RunConfig": "config",
    "SignalField": "signaling",
    "SparseGroupLasso": "regression",
    "SparseGroupLassoCV": "regression",
    "Tissue": "tissue",
}
_DOORS = ("datasets", "pl", "pp", "tl")


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that importing the package costs almost nothing."""
    if name in _DOORS:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
