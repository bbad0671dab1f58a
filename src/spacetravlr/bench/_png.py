"""Charts of benchmarks as PNG files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 130


def save_png(figure: Figure, path: Path) -> Path:
    """Write a figure, and return the file; equal figures give equal bytes.

    Raises
    ------
    RunDirectoryError
        If it cannot be written.
    """
    from spacetravlr.atomic import replacing

    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI, metadata={"Software": None})
    return path
