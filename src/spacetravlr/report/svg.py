"""Figures as SVG inside a page: its fonts, and its colours by name, so that they follow light, dark and print."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, MUTED, LINE = "#0a0b0c", "#1a1b1c", "#2a2b2c"
"""Stand for the colours of text, of quiet text, and of lines of the page."""
SERIES = ("#3a3b31", "#3a3b32", "#3a3b33")
"""Stand for the colours of the first, second and third series."""
_VARIABLES = {INK: "--ink", MUTED: "--muted", LINE: "--line", **{c: f"--c{i + 1}" for i, c in enumerate(SERIES)}}
_FONT = re.compile(r"font: (?P<weight>\w+ )?(?P<size>[\d.]+px) [^;\"]*")
_NAMES = re.compile(r'(?P<mark>\bid="|href="#|url\(#)')
_DPI = 130


def figure_of(width: float, height: float) -> Figure:
    """Return a figure (inches) without a background, unknown to pyplot."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_visible(False)
    return figure


def dress(ax: Axes, *, grid: str = "y") -> None:
    """Give axes the colours of the page: lines of a grid, text, no frame."""
    ax.patch.set_visible(False)
    for name, side in ax.spines.items():
        side.set_visible(name == "bottom")
        side.set_color(LINE)
    ax.tick_params(colors=MUTED, labelsize=8, length=0)
    ax.xaxis.label.set(color=MUTED, fontsize=8.5)
    ax.yaxis.label.set(color=MUTED, fontsize=8.5)
    if grid:
        ax.grid(axis=grid, color=LINE, linewidth=0.7)  # type: ignore[arg-type]
    ax.set_axisbelow(True)


def to_svg(figure: Figure, name: str, label: str) -> str:
    """Return the figure as an SVG element.

    Parameters
    ----------
    figure
        Drawn with the colours of this module where they shall follow the page.
    name
        Of letters; makes the names inside unique in the page.
    label
        What is to be seen, for those who do not see it.
    """
    buffer = io.StringIO()
    _lay_out(figure)
    # text stays text: it can be read aloud, searched, and follows the fonts of the page
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", dpi=_DPI, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    text = _FONT.sub(
        lambda found: f"font-size: {found['size']}; font-weight: {(found['weight'] or 'normal').strip()}", text
    )
    text = _NAMES.sub(rf"\g<mark>{name}-", text)
    head, rest = text.split(">", 1)
    head = re.sub(r'\s(width|height|xmlns:xlink)="[^"]*"', "", head)
    return f'{head} role="img" aria-label="{_attribute(label)}">{rest.replace("xlink:href", "href")}'


def _lay_out(figure: Figure) -> None:
    """Find the places of the axes now: saving a figure that does so itself draws everything once more for it."""
    FigureCanvasSVG(figure)
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
    figure.set_layout_engine(None)


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")
