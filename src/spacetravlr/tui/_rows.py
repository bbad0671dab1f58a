"""`RowList`: any number of rows with a cursor; only those on the screen are drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from spacetravlr.tui._theme import Palette, palette_of

if TYPE_CHECKING:
    from typing import Self

DrawRow = Callable[[int, int, Palette], Text]
"""Gets the number of a row, the width and the colours; returns the row."""


class RowList(ScrollView, can_focus=True):
    """Rows, one a line, of which one is highlighted.

    Parameters
    ----------
    draw
        Returns a row.
    empty
        What to say when there are no rows.
    """

    DEFAULT_CSS = """
    RowList { height: 1fr; width: 1fr; scrollbar-size-vertical: 1; scrollbar-size-horizontal: 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", show=False),
        Binding("down", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home", "jump(False)", show=False),
        Binding("end", "jump(True)", show=False),
        Binding("enter,space", "choose", show=False),
    ]

    class Highlighted(Message):
        """The cursor is on another row."""

        def __init__(self, rows: RowList) -> None:
            super().__init__()
            self.rows = rows

        @property
        def control(self) -> RowList:
            """The list."""
            return self.rows

    class Chosen(Message):
        """Enter, Space or a click on the highlighted row."""

        def __init__(self, rows: RowList) -> None:
            super().__init__()
            self.rows = rows

        @property
        def control(self) -> RowList:
            """The list."""
            return self.rows

    def __init__(self, draw: DrawRow, *, empty: str = "", id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._draw = draw
        self.empty = empty
        self.count = 0
        self.cursor = 0
        self.skipped: frozenset[int] = frozenset()
        """Rows that the cursor passes over: headings."""

    def show(self, count: int, *, cursor: int = 0, skipped: frozenset[int] = frozenset()) -> Self:
        """Show other rows.

        Parameters
        ----------
        count
            How many there are.
        cursor
            The row to highlight.
        skipped
            Headings.
        """
        self.count, self.skipped = count, skipped
        self.virtual_size = Size(max(self.size.width, 1), max(count, 1))
        self.cursor = max(0, min(cursor, count - 1))
        if self.cursor in skipped:
            self.cursor = self._step(self.cursor, 1)
        self._reveal()
        self.refresh()
        return self

    def move_to(self, row: int) -> None:
        """Put the cursor on a row, and tell so if it was on another."""
        row = max(0, min(row, self.count - 1))
        if row in self.skipped or row == self.cursor:
            return
        self.cursor = row
        self._reveal()
        self.refresh()
        self.post_message(self.Highlighted(self))

    def action_move(self, by: int) -> None:
        """Go to the next or the last row that is no heading."""
        self.move_to(self._step(self.cursor, by))

    def action_page(self, by: int) -> None:
        """Go a page further."""
        target = max(0, min(self.cursor + by * max(1, self.size.height - 1), self.count - 1))
        self.move_to(self._step(target, by) if target in self.skipped else target)

    def action_jump(self, end: bool) -> None:  # noqa: FBT001 - the signature of an action
        """Go to the first or the last row."""
        target = self.count - 1 if end else 0
        self.move_to(self._step(target, -1 if end else 1) if target in self.skipped else target)

    def action_choose(self) -> None:
        """Tell that the highlighted row is meant."""
        if self.count:
            self.post_message(self.Chosen(self))

    def render_line(self, y: int) -> Strip:
        """Return a line of the screen."""
        palette, width = palette_of(self.app), self.size.width
        row = y + self.scroll_offset.y
        if not self.count and y == 0 and self.empty:
            text = Text(f" {self.empty}", style=palette.muted)
        elif row >= self.count:
            return Strip.blank(width, Style(bgcolor=palette.background))
        else:
            text = self._draw(row, width, palette)
        style = Style(bgcolor=palette.background)
        if self.count and row == self.cursor:
            style = Style(bgcolor=palette.faint if self.has_focus else palette.surface, bold=self.has_focus)
        text.truncate(width, overflow="ellipsis")
        # a text of one style only is rendered without it
        text.stylize(text.style)
        return Strip(list(text.render(self.app.console))).adjust_cell_length(width).apply_style(style)

    def on_resize(self, event: events.Resize) -> None:
        """Keep the cursor on the screen."""
        self.virtual_size = Size(event.size.width, max(self.count, 1))
        self._reveal()

    def on_focus(self) -> None:
        """Show that keys go here."""
        self.refresh()

    def on_blur(self) -> None:
        """Show that keys go elsewhere."""
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """Go to the row that is clicked, or choose it if it was highlighted."""
        row = event.y + self.scroll_offset.y
        if row == self.cursor:
            self.action_choose()
        elif row < self.count:
            self.move_to(row)

    def _step(self, row: int, by: int) -> int:
        target = row + by
        while 0 <= target < self.count and target in self.skipped:
            target += by
        return target if 0 <= target < self.count else row

    def _reveal(self) -> None:
        if self.size.height:
            # a heading right above the first row is worth seeing
            top = self.cursor - 1 if self.cursor - 1 in self.skipped else self.cursor
            self.scroll_to_region(Region(0, top, 1, self.cursor - top + 1), animate=False, force=True)
