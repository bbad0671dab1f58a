"""Tools: training, transition fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spacetravlr.training import train

if TYPE_CHECKING:
    from spacetravlr.perturbation.transition import transition_field

__all__ = ["train", "transition_field"]


def __getattr__(name: str) -> Any:
    """Import what has to do with perturbations when it is first used: training needs none of it."""
    if name == "transition_field":
        from spacetravlr.perturbation.transition import transition_field

        return transition_field
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
