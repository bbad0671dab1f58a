"""Tissues with a known answer.

`simulated_tissue` makes a tissue whose regulation, communication and knock-outs are known; `synth_v1` makes the larger,
simpler one on which training is timed.
"""

from __future__ import annotations

from spacetravlr.datasets._files import content_hash, read_tissue, synth_v1, write_network, write_tissue
from spacetravlr.datasets._simulated import cell_effects, knock_out_truth, simulated_tissue

__all__ = [
    "cell_effects",
    "content_hash",
    "knock_out_truth",
    "read_tissue",
    "simulated_tissue",
    "synth_v1",
    "write_network",
    "write_tissue",
]
