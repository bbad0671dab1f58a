"""Tools: training."""

from spacetravlr.training import train

__all__ = ["train"]
