"""Checks of the settings of a transition field."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np

from spacetravlr.errors import ConfigError, listing
from spacetravlr.perturbation._settings import check_number

NullMode = Literal["clip_renorm", "raw"]
_FEWEST_POINTS = 16


@dataclass(frozen=True)
class FieldSettings:
    """Checked settings; see `transition_field`."""

    n_neighbors: int
    temperature: float
    remove_null: bool
    null_mode: NullMode
    unit_directions: bool
    grid_scale: float
    grid_size: tuple[int, int] | None
    vector_scale: float
    delta_rescale: float
    magnitude_threshold: float
    full_graph: bool
    full_graph_max_cells: int
    max_grid_points: int

    def record(self) -> dict[str, Any]:
        """Return the settings as plain values that any file format takes; what is not set is left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def check_field_settings(
    *,
    n_neighbors: int,
    temperature: float,
    remove_null: bool,
    null_mode: NullMode,
    unit_directions: bool,
    grid_scale: float,
    grid_size: int | tuple[int, int] | None,
    vector_scale: float,
    delta_rescale: float,
    magnitude_threshold: float,
    full_graph: bool,
    full_graph_max_cells: int,
    max_grid_points: int,
) -> FieldSettings:
    """Return the settings of a field, as described there.

    Raises
    ------
    ConfigError
        If one is out of its range.
    """
    if null_mode not in get_args(NullMode):
        raise ConfigError(f"unknown null_mode {null_mode!r} (known: {listing(get_args(NullMode))})")
    rescale = delta_rescale if isinstance(delta_rescale, int | float | np.number) else math.nan
    if not math.isfinite(rescale):
        raise ConfigError(f"delta_rescale must be a finite number, not {delta_rescale!r}")
    return FieldSettings(
        n_neighbors=check_count("n_neighbors", n_neighbors),
        temperature=check_number("temperature", temperature, zero=True),
        remove_null=bool(remove_null),
        null_mode=null_mode,
        unit_directions=bool(unit_directions),
        grid_scale=check_number("grid_scale", grid_scale),
        grid_size=None if grid_size is None else _check_size(grid_size),
        vector_scale=check_number("vector_scale", vector_scale),
        delta_rescale=float(rescale),
        magnitude_threshold=check_number("magnitude_threshold", magnitude_threshold, zero=True),
        full_graph=bool(full_graph),
        full_graph_max_cells=check_count("full_graph_max_cells", full_graph_max_cells),
        max_grid_points=check_count("max_grid_points", max_grid_points, least=_FEWEST_POINTS),
    )


def check_count(name: str, value: Any, *, least: int = 1) -> int:
    """Return a setting that must be a whole number of at least `least`.

    Raises
    ------
    ConfigError
        Otherwise.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ConfigError(f"{name} must be a whole number of at least {least}, not {value!r}")
    return int(value)


def _check_size(grid_size: Any) -> tuple[int, int]:
    pair = tuple(grid_size) if isinstance(grid_size, tuple | list | np.ndarray) else (grid_size, grid_size)
    if len(pair) != 2:
        raise ConfigError(f"grid_size must be one number of points or a pair, not {grid_size!r}")
    return check_count("grid_size", pair[0], least=2), check_count("grid_size", pair[1], least=2)
