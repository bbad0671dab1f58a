"""Tools: training, the choice of a radius, transition fields."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from spacetravlr.cluster import ClusterExecutor
from spacetravlr.training import train as train_with

if TYPE_CHECKING:
    from spacetravlr.perturbation.transition import transition_field
    from spacetravlr.training.radius import suggest_radius

    train = train_with
else:

    @wraps(train_with)
    def train(*arguments, **settings):
        """Train where `[cluster].scheduler` says: on threads, or on worker processes."""
        return train_with(*arguments, **{"executor": ClusterExecutor(), **settings})


__all__ = ["suggest_radius", "train", "transition_field"]


def __getattr__(name: str) -> Any:
    """Import what has to do with perturbations when it is first used: training needs none of it."""
    if name == "transition_field":
        from spacetravlr.perturbation.transition import transition_field

        return transition_field
    if name == "suggest_radius":
        from spacetravlr.training.radius import suggest_radius

        return suggest_radius
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
