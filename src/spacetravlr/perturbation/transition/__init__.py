"""Transition fields: which way a perturbation moves the cells on an embedding."""

from __future__ import annotations

from spacetravlr.perturbation.transition.build import transition_field
from spacetravlr.perturbation.transition.field import TransitionField

__all__ = ["TransitionField", "transition_field"]
