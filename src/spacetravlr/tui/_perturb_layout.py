"""How the main screen is laid out, and what its keys do."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.widgets import Input

from spacetravlr.tui._rows import RowList

MAIN_CSS = """
MainScreen #head, MainScreen #status {
    height: 1; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis;
}
MainScreen .panel { border: round $border; border-title-color: $primary; height: auto; }
MainScreen .panel:focus-within { border: round $primary; }
MainScreen #list { width: 9fr; max-width: 56; height: 1fr; }
MainScreen #right { width: 11fr; }
MainScreen #picture { height: 1fr; min-height: 7; display: none; }
MainScreen.high #picture { display: block; }
MainScreen FilterInput { height: 1; padding: 0 1; background: $background; }
MainScreen #preview { height: 1fr; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
MainScreen.high #preview { height: auto; max-height: 12; }
MainScreen #request { padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
MainScreen #runs-panel { height: 4; }
MainScreen.high #runs-panel { height: 6; }
MainScreen.tall #runs-panel { height: 10; }
"""
MAIN_BINDINGS: list[BindingType] = [
    Binding("slash", "letter('filter')", show=False, priority=True),
    Binding("e", "letter('dose')", show=False, priority=True),
    Binding("ctrl+e", "dose", show=False, priority=True),
    Binding("p", "letter('steps')", show=False, priority=True),
    Binding("ctrl+p", "steps", show=False, priority=True),
    Binding("s", "letter('cells')", show=False, priority=True),
    Binding("ctrl+t", "cells", show=False, priority=True),
    Binding("c", "letter('table')", show=False, priority=True),
    Binding("ctrl+o", "table", show=False, priority=True),
    Binding("j", "joint", show=False),
    Binding("u", "unmark", show=False),
    Binding("r", "run", show=False),
    Binding("ctrl+r", "run", show=False, priority=True),
    Binding("o", "result", show=False),
    Binding("x", "export", show=False),
    Binding("ctrl+s", "export", show=False, priority=True),
    Binding("v", "timings", show=False),
    Binding("ctrl+v", "timings", show=False, priority=True),
    Binding("ctrl+x", "cancel", show=False, priority=True),
    Binding("delete", "cancel_one", show=False),
    Binding("ctrl+l", "clear", show=False, priority=True),
    Binding("alt+pageup", "scroll_runs(-3)", show=False, priority=True),
    Binding("alt+pagedown", "scroll_runs(3)", show=False, priority=True),
    Binding("tab", "other_list", show=False),
    Binding("t", "theme", show=False),
    Binding("question_mark", "help", show=False),
    Binding("q", "app.quit", show=False),
]


class FilterInput(Input):
    """The filter of the gene list."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "empty", show=False, priority=True),
        Binding("down,enter,tab", "leave", show=False, priority=True),
    ]

    def on_key(self, event: events.Key) -> None:
        """Pass over a slash at the beginning: whoever presses it once more only means to filter."""
        if event.character == "/" and not self.value:
            event.prevent_default()
            event.stop()

    def action_empty(self) -> None:
        """Clear it, and leave it if it was clear."""
        if not self.value:
            self.action_leave()
        self.value = ""

    def action_leave(self) -> None:
        """Go to the list."""
        self.screen.set_focus(self.screen.query_one("#genes", RowList))
