"""Training: from a sample to a directory of coefficients."""

from spacetravlr.training.api import train
from spacetravlr.training.fits import TargetFit
from spacetravlr.training.plan import Plan, make_plan
from spacetravlr.training.trainer import StopRequest, Trainer

__all__ = ["Plan", "StopRequest", "TargetFit", "Trainer", "make_plan", "train"]
