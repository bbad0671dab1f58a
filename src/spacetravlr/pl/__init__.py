"""Plots: axes in, axes out.

Every function takes `ax`, the axes to draw on, and `save`, a file to write. Without `ax` it makes a figure of its own
that pyplot does not know of, so nothing stays open; `ax.figure` shows it in a notebook. Settings of matplotlib are
left as they are. Colours are told apart by people who do not see red and green as two; scales that have a sign are
symmetrical, with a neutral grey for what is near zero. Points are rasterised, so that a PDF or SVG of a large tissue
stays small.
"""

from __future__ import annotations

from spacetravlr.pl.arrows import field
from spacetravlr.pl.curves import training_curves
from spacetravlr.pl.maps import betas, clusters, effect
from spacetravlr.pl.profiles import niche_profile
from spacetravlr.pl.ranking import top_effects

__all__ = ["betas", "clusters", "effect", "field", "niche_profile", "top_effects", "training_curves"]
