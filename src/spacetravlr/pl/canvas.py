"""Axes to draw on, and files to save to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from spacetravlr.atomic import replacing
from spacetravlr.errors import UsageError, listing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

Layout = Literal["compressed", "constrained"]
_DPI = 200
FORMATS = (".png", ".pdf", ".svg", ".jpg", ".tif")


def new_figure(width: float, height: float, *, layout: Layout = "compressed") -> Figure:
    """Return a figure that pyplot does not know of.

    Parameters
    ----------
    width, height
        Inches.
    layout
        Engine of the layout; `compressed` suits axes of equal aspect.
    """
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout=layout, facecolor="white")


def axes_or_new(ax: Axes | None, *, size: tuple[float, float], layout: Layout = "compressed") -> Axes:
    """Return the axes that were given, or those of a new figure of this size (inches)."""
    return new_figure(*size, layout=layout).subplots() if ax is None else ax


def saved(ax: Axes, save: str | Path | None) -> Axes:
    """Write the figure if a file is named, and return the axes.

    Raises
    ------
    UsageError
        If the suffix is none that can be written.
    RunDirectoryError
        If the file cannot be written; an older one stays.
    """
    if save is not None:
        save_figure(ax.figure, Path(save).expanduser())
    return ax


def check_save(save: str | Path | None) -> None:
    """Refuse a file that could not be written, before anything is drawn.

    Raises
    ------
    UsageError
        If the suffix is none that can be written.
    """
    if save is not None and Path(save).suffix.casefold() not in FORMATS:
        raise UsageError(f"save={str(save)!r}: a figure is saved as one of {listing(FORMATS)}")


def save_figure(figure: Figure | SubFigure, path: Path) -> None:
    """Write a figure; the format is that of the suffix."""
    import matplotlib as mpl

    whole = figure.get_figure(root=True) if hasattr(figure, "get_figure") else figure
    kind = path.suffix.casefold().removeprefix(".")
    kept = {"Date": None} if kind == "svg" else {"CreationDate": None} if kind == "pdf" else None
    # names inside an SVG are random otherwise
    with replacing(path) as temporary, mpl.rc_context({"svg.hashsalt": "spacetravlr"}):
        whole.savefig(temporary, format=kind, dpi=_DPI, bbox_inches="tight", metadata=kept)  # type: ignore[union-attr]
