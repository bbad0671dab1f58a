"""Where the panels of the training dashboard are, by the size of the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

SMALLEST = (60, 16)
"""Columns and rows from which there are panels."""
PAGES = 3
"""Pages of a small screen."""
_MEDIUM = (92, 22)
_LARGE = (140, 38)

Kind = Literal["tiny", "small", "medium", "large"]


class Box(NamedTuple):
    """A place, in characters."""

    x: int
    y: int
    width: int
    height: int


def kind_of(width: int, height: int) -> Kind:
    """Return the kind of arrangement for a body of this size, without head, gauge and foot."""
    if width < SMALLEST[0] or height < SMALLEST[1] - 4:
        return "tiny"
    for kind, (columns, rows) in (("large", _LARGE), ("medium", _MEDIUM)):
        if width >= columns and height >= rows:
            return kind  # type: ignore[return-value]
    return "small"


def arrange(width: int, height: int, *, page: int = 0, training: bool = True) -> Mapping[str, Box]:
    """Return the place of every panel that is shown.

    Parameters
    ----------
    width, height
        Of the body.
    page
        Which page of a small screen.
    training
        Whether genes are trained; before, a small screen shows nothing but the steps of the set-up and the log.
    """
    kind = kind_of(width, height)
    if kind == "small":
        return _small(width, height, page, training=training)
    if kind == "medium":
        return _medium(width, height)
    return _large(width, height) if kind == "large" else {}


def _small(width: int, height: int, page: int, *, training: bool) -> Mapping[str, Box]:
    half, half_height = width // 2, height // 2
    if page == 1:
        low = min(7, half_height)
        return {
            "config": Box(0, 0, half, height),
            "machine": Box(half, 0, width - half, height - low),
            "pipeline": Box(half, height - low, width - half, low),
        }
    if page == 2:
        side = min(34, width // 2 + 2)
        return {"tissue": Box(0, 0, width - side, height), "types": Box(width - side, 0, side, height)}
    low = max(5, height // 3)
    top = height - low
    if not training:
        return {"pipeline": Box(0, 0, width, half_height), "log": Box(0, half_height, width, height - half_height)}
    steps = 0 if top < 12 else 6 if top < 14 else 7
    left = {"work": Box(0, steps, half, top - steps)}
    if steps:
        left["pipeline"] = Box(0, 0, half, steps)
    return {**left, "scores": Box(half, 0, width - half, top), "log": Box(0, top, width, low)}


def _medium(width: int, height: int) -> Mapping[str, Box]:
    low = min(max(6, height * 28 // 100), 16)
    top = height - low
    first, second = width * 34 // 100, width * 33 // 100
    third = width - first - second
    machine = 8
    config = max(machine, min(18, top - 7))
    types = min(max(6, top * 35 // 100), 14)
    return {
        "config": Box(0, 0, first, config),
        "pipeline": Box(0, config, first, top - config),
        "machine": Box(first, 0, second, machine),
        "scores": Box(first, machine, second, top - machine),
        "tissue": Box(first + second, 0, third, top - types),
        "types": Box(first + second, top - types, third, types),
        "work": Box(0, top, first, low),
        "log": Box(first, top, width - first, low),
    }


def _large(width: int, height: int) -> Mapping[str, Box]:
    low = min(max(9, height * 28 // 100), 20)
    top = height - low
    first = second = width * 22 // 100
    third = width * 29 // 100
    fourth = width - first - second - third
    x2, x3, x4 = first, first + second, first + second + third
    config = min(18, top * 60 // 100)
    machine = 9
    types = min(max(8, top * 35 // 100), 20)
    return {
        "config": Box(0, 0, first, config),
        "pipeline": Box(0, config, first, top - config),
        "machine": Box(x2, 0, second, machine),
        "work": Box(x2, machine, second, top - machine),
        "scores": Box(x3, 0, third, top),
        "tissue": Box(x4, 0, fourth, top - types),
        "types": Box(x4, top - types, fourth, types),
        "log": Box(0, top, width, low),
    }
