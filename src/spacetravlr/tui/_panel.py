"""A framed panel whose text is a function of what there is to show and of its size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.text import Text
from textual.widgets import Static

from spacetravlr.tui._theme import Palette, palette_of

Draw = Callable[[Any, int, int, Palette], Text]
"""Gets what there is to show, width, height, and colours."""


class Panel(Static):
    """Draws only if the text is another one than before.

    Parameters
    ----------
    draw
        Makes the text.
    title
        In the frame; without one there is no frame.
    """

    DEFAULT_CSS = """
    Panel { height: auto; text-wrap: nowrap; text-overflow: clip; }
    Panel.framed {
        border: round $border; border-title-color: $primary; border-title-style: bold;
        border-subtitle-color: $text-muted; padding: 0 1;
    }
    """

    def __init__(self, draw: Draw, title: str = "", *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes="framed" if title else "")
        self._draw = draw
        self._drawn: Text | None = None
        self.border_title = title or None

    def show(self, what: Any) -> None:
        """Draw it, if the panel is visible."""
        width, height = self.content_size
        if not self.display or width < 1 or height < 1:
            return
        text = self._draw(what, width, height, palette_of(self.app))
        if text != self._drawn:
            self._drawn = text
            # the place of the panel does not depend on its text
            self.update(text, layout=False)

    def forget(self) -> None:
        """Draw again the next time, whatever was drawn before."""
        self._drawn = None
