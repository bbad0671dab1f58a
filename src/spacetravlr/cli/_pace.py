"""How far a training run is, for the command line."""

from __future__ import annotations

from spacetravlr.pace import Pace

__all__ = ["Pace"]
