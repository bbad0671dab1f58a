"""The whole log of a run: scroll and search."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.screen import Screen
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import Input

from spacetravlr.tui._help import KeyLine
from spacetravlr.tui._theme import palette_of
from spacetravlr.tui.dashboard_draw import log_line

if TYPE_CHECKING:
    from spacetravlr.tui.dashboard_state import Dashboard
    from spacetravlr.tui.dashboard_view import LogLine

_SECONDS = 0.25


class LogView(ScrollView, can_focus=True):
    """Lines of a log, one below the other; it stays at the end as long as it is there."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", show=False),
        Binding("k", "scroll_up", show=False),
        Binding("g", "scroll_home", show=False),
        Binding("G", "scroll_end", show=False),
        Binding("space", "page_down", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.wanted = ""
        """The text that is looked for."""
        self.at = -1
        """The line that was found last; -1 without one."""
        self._lines: list[LogLine] = []

    def add(self, lines: list[LogLine]) -> None:
        """Show more lines."""
        if not lines:
            return
        at_end = self.scroll_offset.y >= self.max_scroll_y
        self._lines += lines
        widest = max(len(line.text) + len(line.clock) + 1 for line in self._lines)
        self.virtual_size = Size(widest, len(self._lines))
        self.refresh()
        if at_end:
            self.call_after_refresh(self.scroll_end, animate=False, immediate=True)

    def found(self) -> list[int]:
        """Return the lines that have the text in them."""
        wanted = self.wanted.casefold()
        return [at for at, line in enumerate(self._lines) if wanted in line.text.casefold()] if wanted else []

    def go_to(self, at: int) -> None:
        """Show a line in the middle."""
        self.at = at
        self.scroll_to(y=max(0, at - self.size.height // 2), animate=False, immediate=True)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return a line of the screen."""
        palette = palette_of(self.app)
        x, top = self.scroll_offset
        width = self.size.width
        at = top + y
        if at >= len(self._lines):
            return Strip.blank(width, self.rich_style)
        text = log_line(self._lines[at], None, palette)
        if self.wanted:
            text.highlight_words(
                [self.wanted], style=f"bold {palette.background} on {palette.warn}", case_sensitive=False
            )
        if at == self.at:
            text.stylize("bold underline")
        strip = Strip(text.render(self.app.console), text.cell_len)
        return strip.crop_extend(x, x + width, self.rich_style).apply_style(self.rich_style)


class LogScreen(Screen[None]):
    """The log on a screen of its own.

    Parameters
    ----------
    dashboard
        Keeps the lines.
    """

    DEFAULT_CSS = """
    LogScreen { layout: vertical; background: $background; }
    LogScreen LogView {
        height: 1fr; border: round $border; border-title-color: $primary; border-title-style: bold;
        border-subtitle-color: $text-muted; padding: 0 1; background: $background;
        scrollbar-size: 1 1;
    }
    LogScreen Input { dock: bottom; height: 1; padding: 0 1; margin-bottom: 1; background: $surface; }
    LogScreen Input.-hidden { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,l,q", "close", "Close", show=False),
        Binding("slash", "search", "Search", show=False),
        Binding("n", "next(1)", "Next", show=False),
        Binding("N", "next(-1)", "Before", show=False),
    ]

    def __init__(self, dashboard: Dashboard) -> None:
        super().__init__()
        self._dashboard = dashboard
        self._n_seen = 0

    def compose(self) -> ComposeResult:
        """Lay it out."""
        view = LogView()
        view.border_title = "log"
        yield view
        yield Input(placeholder="search the log", classes="-hidden", compact=True)
        yield KeyLine(
            [("Esc", "back"), ("/", "search"), ("n N", "next, before"), ("↑ ↓ PgUp PgDn", "scroll"), ("g G", "ends")]
        )

    def on_mount(self) -> None:
        """Fill it."""
        self.query_one(LogView).focus()
        self._fill()
        self.set_interval(_SECONDS, self._fill)

    def action_close(self) -> None:
        """Close the search, or the screen."""
        field = self.query_one(Input)
        if field.has_focus:
            field.value = ""
            self._leave_search()
        else:
            self.dismiss()

    def action_search(self) -> None:
        """Ask what to look for."""
        field = self.query_one(Input)
        field.remove_class("-hidden")
        field.focus()

    def action_next(self, step: int) -> None:
        """Go to the next line that was found, or the one before."""
        view = self.query_one(LogView)
        found = view.found()
        if not found:
            return
        later = [at for at in found if at > view.at] if step > 0 else [at for at in reversed(found) if at < view.at]
        view.go_to(later[0] if later else found[0 if step > 0 else -1])
        self._count()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        view = self.query_one(LogView)
        view.wanted = event.value.strip()
        found = view.found()
        if found:
            view.go_to(found[-1])
        else:
            view.at = -1
            view.refresh()
        self._count()

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self._leave_search()

    def _leave_search(self) -> None:
        self.query_one(Input).add_class("-hidden")
        self.query_one(LogView).focus()

    def _fill(self) -> None:
        self._n_seen, lines = self._dashboard.lines(self._n_seen)
        self.query_one(LogView).add(lines)
        self._count()

    def _count(self) -> None:
        view = self.query_one(LogView)
        found = view.found()
        if view.wanted:
            place = f"{found.index(view.at) + 1} of {len(found)}" if view.at in found else f"{len(found)}"
            view.border_subtitle = Text(f"{view.wanted!r}: {place if found else 'not found'}").plain
        else:
            view.border_subtitle = f"{self._n_seen:,} lines"
