"""Small questions over a screen: a value, yes or no."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from spacetravlr.errors import SpaceTravLRError
from spacetravlr.tui._theme import palette_of

Explain = Callable[[str], str]
"""Returns what a text means, or raises the error that says why it means nothing."""

DIALOG_CSS = """
.dialog { align: center middle; background: $background 60%; }
.dialog > Vertical {
    width: 72; max-width: 100%; height: auto; max-height: 100%; padding: 0 1;
    background: $background; border: round $primary; border-title-color: $primary;
}
.dialog Static { width: 1fr; height: auto; }
.dialog Input { margin: 0 0 1 0; background: $surface; }
"""


class AskDialog(ModalScreen[str | None]):
    """Asks for a value and tells while it is typed what it means; Enter takes it once it means something.

    Parameters
    ----------
    title
        What is asked for.
    hints
        Lines above the field.
    value
        What is there at first.
    explain
        Tells what the text means.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", show=False),
        Binding("ctrl+c", "dismiss(None)", show=False, priority=True),
    ]

    def __init__(self, title: str, *, hints: str, value: str, explain: Explain) -> None:
        super().__init__(classes="dialog")
        self._title, self._hints, self._value, self._explain = title, hints, value, explain

    def compose(self) -> ComposeResult:
        """Lay the dialog out."""
        with Vertical() as box:
            box.border_title = self._title
            box.border_subtitle = "Enter takes it   Esc leaves it"
            if self._hints:
                yield Static(Text(self._hints, style=palette_of(self.app).muted))
            yield Input(self._value, compact=True, select_on_focus=False)
            yield Static(id="means")

    def on_mount(self) -> None:
        """Take the keys; what is typed replaces what is there."""
        field = self.query_one(Input)
        self.set_focus(field)
        field.action_select_all()

    def on_key(self, event: events.Key) -> None:
        """Pass on a letter that came before the field was there: who knows the keys types on."""
        if event.character is not None and event.is_printable:
            field = self.query_one(Input)
            field.replace(event.character, *sorted(field.selection))
            event.stop()

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self._tell(event.value)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if self._tell(event.value):
            self.dismiss(event.value)

    def _tell(self, value: str) -> bool:
        palette, means = palette_of(self.app), self.query_one("#means", Static)
        try:
            means.update(Text(self._explain(value), style=palette.good))
        except SpaceTravLRError as error:
            means.update(Text(str(error), style=palette.bad))
            return False
        return True


class ConfirmDialog(ModalScreen[bool]):
    """Asks yes or no.

    Parameters
    ----------
    title
        What it is about.
    question
        The question.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "dismiss(True)", show=False),
        Binding("n,escape,enter", "dismiss(False)", show=False),
        Binding("ctrl+c", "dismiss(False)", show=False, priority=True),
    ]

    def __init__(self, title: str, question: str) -> None:
        super().__init__(classes="dialog")
        self._title, self._question = title, question

    def compose(self) -> ComposeResult:
        """Lay the dialog out."""
        with Vertical() as box:
            box.border_title = self._title
            box.border_subtitle = "y yes   n no"
            yield Static(Text(self._question, style=palette_of(self.app).text))
