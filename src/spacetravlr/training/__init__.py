"""Training: from a sample to a directory of coefficients."""

from spacetravlr.training.api import plan_training, train
from spacetravlr.training.estimate import Estimate, estimate_training
from spacetravlr.training.executor import Executor, Threads
from spacetravlr.training.fits import TargetFit
from spacetravlr.training.plan import Plan
from spacetravlr.training.trainer import StopRequest, Trainer

__all__ = [
    "Estimate",
    "Executor",
    "Plan",
    "StopRequest",
    "TargetFit",
    "Threads",
    "Trainer",
    "estimate_training",
    "plan_training",
    "train",
]
