"""Machinery of the simulated tissues; the public door is `spacetravlr.datasets`."""

from __future__ import annotations

from spacetravlr._simulate.build import build, cell_effects, knock_out
from spacetravlr._simulate.files import content_hash, read_tissue, write_network, write_tissue
from spacetravlr._simulate.measure import Measurement
from spacetravlr._simulate.position import PositionPattern
from spacetravlr._simulate.received import Kernel
from spacetravlr._simulate.settings import Settings
from spacetravlr._simulate.synth import build_synth

__all__ = [
    "Kernel",
    "Measurement",
    "PositionPattern",
    "Settings",
    "build",
    "build_synth",
    "cell_effects",
    "content_hash",
    "knock_out",
    "read_tissue",
    "write_network",
    "write_tissue",
]
