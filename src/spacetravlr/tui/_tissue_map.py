"""`TissueMap`: the cells of a sample in their places, coloured by category or by value, with a legend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from spacetravlr.tui._raster import Grid, characters, commonest, mean, place, steps
from spacetravlr.tui._theme import Palette, palette_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_LEGEND_LINES = 4
_SMALLEST_PICTURE = 4
"""Lines that the legend leaves to the picture."""


class TissueMap(Widget):
    """Draws cells in as many characters as there are.

    Nothing is shown until `show_cells` has been called; until then, and where a sample has no positions, `note` is.

    Parameters
    ----------
    note
        What to say as long as there is no cell.
    with_names
        Tell below the picture which colour is which category; without, something else on the screen must.
    """

    DEFAULT_CSS = "TissueMap { height: 1fr; width: 1fr; }"

    def __init__(
        self,
        note: str = "",
        *,
        with_names: bool = True,
        id: str | None = None,  # noqa: A002
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.note = note
        self._with_names = with_names
        self._xy: NDArray[np.float64] | None = None
        self._codes: NDArray[np.int64] | None = None
        self._labels: tuple[str, ...] = ()
        self._values: NDArray[np.float64] | None = None
        self._quantity = ""
        self._limits: tuple[float, float] | None = None
        self._diverging = False
        self._grid: tuple[tuple[int, int], Grid] | None = None
        self._strips: tuple[tuple[int, int, str], list[Strip]] | None = None

    def show_cells(self, xy: NDArray[np.float64]) -> None:
        """Take the positions.

        Parameters
        ----------
        xy
            (n_cells, 2), any unit; cells without a finite position are left out.
        """
        self._xy, self._grid = xy, None
        self._codes = self._values = None
        self._redraw()

    def colour_by_category(self, codes: NDArray[np.int64], labels: Sequence[str]) -> None:
        """Colour the cells by cluster, cell type or the like.

        Parameters
        ----------
        codes
            (n_cells,) number of the category, negative where there is none.
        labels
            Names of the categories, in the order of their numbers, which is also that of the colours.
        """
        self._codes, self._labels, self._values = codes, tuple(labels), None
        self._redraw()

    def colour_by_value(
        self,
        values: NDArray[np.float64],
        name: str,
        *,
        limits: tuple[float, float] | None = None,
        diverging: bool = False,
    ) -> None:
        """Colour the cells by a number.

        Parameters
        ----------
        values
            (n_cells,), NaN where it is not known.
        name
            What it is, for the legend.
        limits
            Values of the first and last colour; by default the 1st and 99th percentile.
        diverging
            Zero is the middle of the colours.
        """
        self._values, self._quantity, self._limits, self._diverging = values, name, limits, diverging
        self._redraw()

    def render_line(self, y: int) -> Strip:
        """Return a line of the picture or of the legend."""
        strips = self._drawn()
        return strips[y] if y < len(strips) else Strip.blank(self.size.width, self._ground())

    def _redraw(self) -> None:
        self._strips = None
        self.refresh()

    def _ground(self) -> Style:
        return Style(bgcolor=palette_of(self.app).background)

    def _drawn(self) -> list[Strip]:
        width, height = self.size
        key = (width, height, palette_of(self.app).name)
        if self._strips is None or self._strips[0] != key:
            self._strips = (key, self._draw(width, height, palette_of(self.app)))
        return self._strips[1]

    def _draw(self, width: int, height: int, palette: Palette) -> list[Strip]:
        ground = self._ground()
        if self._xy is None or not self._xy.size or width < 2 or height < 2:
            text = self.note[:width]
            left = (width - cell_len(text)) // 2
            blank = [Strip.blank(width, ground)] * (max(height - 1, 0) // 2)
            note = Strip([Segment(" " * left, ground), Segment(text, ground + Style(color=palette.muted))])
            return [*blank, note.extend_cell_length(width, ground)]
        legend = self._legend(width, palette, lines=min(_MOST_LEGEND_LINES, max(0, height - _SMALLEST_PICTURE)))
        rows = height - len(legend)
        if self._grid is None or self._grid[0] != (width, rows):
            self._grid = ((width, rows), place(self._xy, width, rows))
        return [*self._picture(self._grid[1], palette), *legend]

    def _picture(self, grid: Grid, palette: Palette) -> list[Strip]:
        occupied = np.bincount(grid.pixel, minlength=grid.shape[0] * grid.shape[1]).reshape(grid.shape) > 0
        if self._values is not None:
            ramp = self._ramp(palette)
            low, high = self._range(self._values)
            colours = steps(mean(grid, self._values), low, high, len(ramp))
        elif self._codes is not None:
            ramp = palette.categories
            found = commonest(grid, self._codes, len(self._labels))
            colours = np.where(found >= 0, found % len(ramp), -1)
        else:
            ramp, colours = (palette.muted,), np.zeros(grid.shape, dtype=np.int64)
        inks = {-2: palette.background, -1: palette.faint, **dict(enumerate(ramp))}
        styles: dict[tuple[int, int], Style] = {}
        strips = []
        for line in characters(grid, colours, occupied):
            segments = []
            for text, front, back in line:
                if (front, back) not in styles:
                    styles[front, back] = Style(color=inks[front], bgcolor=inks[back])
                segments.append(Segment(text, styles[front, back]))
            strips.append(Strip(segments, grid.width))
        return strips

    def _range(self, values: NDArray[np.float64]) -> tuple[float, float]:
        if self._limits is not None:
            return self._limits
        known = values[np.isfinite(values)]
        if not known.size:
            return 0.0, 1.0
        if self._diverging:
            reach = float(np.percentile(np.abs(known), 99)) or float(np.abs(known).max()) or 1.0
            return -reach, reach
        low, high = (float(one) for one in np.percentile(known, [1, 99]))
        return low, high

    def _legend(self, width: int, palette: Palette, *, lines: int) -> list[Strip]:
        ground = self._ground()
        if lines < 1:
            return []
        if self._values is not None:
            return [self._ramp_legend(width, palette, self._values)]
        if self._codes is None or not self._with_names:
            return []
        return _category_legend(width, palette, ground, self._labels, lines)

    def _ramp_legend(self, width: int, palette: Palette, values: NDArray[np.float64]) -> Strip:
        ground = self._ground()
        muted = ground + Style(color=palette.muted)
        first, last = self._range(values)
        low, high = f"{first:.3g} ", f" {last:.3g}"
        bar = [Segment("█", ground + Style(color=colour)) for colour in self._ramp(palette)]
        room = width - len(low) - len(high) - len(bar)
        title = f"{self._quantity}  " if room >= cell_len(self._quantity) + 2 else ""
        text = Segment(title, ground + Style(color=palette.text))
        strip = Strip([text, Segment(low, muted), *bar, Segment(high, muted)])
        left = max(0, (width - strip.cell_length) // 2)
        return Strip([Segment(" " * left, ground), *strip]).adjust_cell_length(width, ground)

    def _ramp(self, palette: Palette) -> tuple[str, ...]:
        return palette.diverging if self._diverging else palette.ramp


def _category_legend(width: int, palette: Palette, ground: Style, labels: Sequence[str], lines: int) -> list[Strip]:
    """Return names with their colours, as many as fit into the lines, and how many more there are."""
    columns = max(1, width // (max((min(cell_len(label), 18) for label in labels), default=1) + 3))
    each = width // columns
    shown = list(labels) if len(labels) <= columns * lines else list(labels[: columns * lines - 1])
    text = ground + Style(color=palette.text)
    parts = [
        [Segment("■ ", ground + Style(color=palette.category(code))), Segment(_fitted(label, each - 3), text)]
        for code, label in enumerate(shown)
    ]
    if len(shown) < len(labels):
        parts.append([Segment(f"+{len(labels) - len(shown)} more", ground + Style(color=palette.muted))])
    strips = []
    for begin in range(0, len(parts), columns):
        line: list[Segment] = []
        for part in parts[begin : begin + columns]:
            line += Strip(part).adjust_cell_length(each, ground)
        strips.append(Strip(line).adjust_cell_length(width, ground))
    return strips


def _fitted(text: str, width: int) -> str:
    return text if cell_len(text) <= width else f"{text[: max(width - 1, 1)]}…"
