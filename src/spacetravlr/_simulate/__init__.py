"""Machinery of the simulated tissues; the public door is `spacetravlr.datasets`."""

from __future__ import annotations

from spacetravlr._simulate.build import build, cell_effects, knock_out
from spacetravlr._simulate.files import content_hash, write_network
from spacetravlr._simulate.position import PositionPattern
from spacetravlr._simulate.received import Kernel
from spacetravlr._simulate.simulation import Settings
from spacetravlr._simulate.synth import build_synth

__all__ = [
    "Kernel",
    "PositionPattern",
    "Settings",
    "build",
    "build_synth",
    "cell_effects",
    "content_hash",
    "knock_out",
    "write_network",
]
