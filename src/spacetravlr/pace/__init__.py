"""How far a training run is, and how fast it goes."""

from __future__ import annotations

from spacetravlr.pace._blocks import Block, Blocks
from spacetravlr.pace._pace import Pace

__all__ = ["Block", "Blocks", "Pace"]
