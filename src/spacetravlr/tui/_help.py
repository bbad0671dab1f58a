"""Which keys there are: a line at the foot of a screen, and a page that tells them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.console import Group
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from spacetravlr.tui._theme import Palette, palette_of

Keys = Sequence[tuple[str, str]]
"""Keys as people write them, with what they do."""


class KeyLine(Static):
    """The keys that matter now, the first ones first, as many as fit; `?` should be among the first.

    Parameters
    ----------
    keys
        Keys with a word or two on each.
    """

    DEFAULT_CSS = "KeyLine { dock: bottom; height: 1; padding: 0 1; background: $surface; }"

    def __init__(self, keys: Keys, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._keys = tuple(keys)
        self._before: tuple[str, str] | None = None

    def show_keys(self, keys: Keys, *, before: str = "", colour: str = "warn") -> None:
        """Show other keys.

        Parameters
        ----------
        keys
            As for the class.
        before
            A message in front of them.
        colour
            Of the message, a name of a colour of `Palette`.
        """
        told = tuple(keys), (before, colour) if before else None
        if told != (self._keys, self._before):
            self._keys, self._before = told
            self.refresh()

    def render(self) -> Text:
        """Return the line."""
        return key_line(self._keys, self.size.width, palette_of(self.app), before=self._before)


def key_line(keys: Keys, width: int, palette: Palette, *, before: tuple[str, str] | None = None) -> Text:
    """Return as many keys as fit into a line."""
    text = Text(no_wrap=True, overflow="ellipsis")
    if before is not None:
        text.append(before[0], style=f"bold {getattr(palette, before[1])}")
    for key, what in keys:
        part = Text.assemble((key, f"bold {palette.accent}"), " ", (what, palette.muted))
        gap = "   " if text else ""
        if cell_len(text.plain) + len(gap) + cell_len(part.plain) > width:
            break
        text.append(gap)
        text.append(part)
    return text


class HelpScreen(ModalScreen[None]):
    """All keys and what the signs mean; any of `?`, Esc, Enter and `q` closes it.

    Parameters
    ----------
    title
        Of the page.
    sections
        Keys by what they are for.
    notes
        Paragraphs below them.
    """

    DEFAULT_CSS = """
    HelpScreen { align: center middle; background: $background 60%; }
    HelpScreen > VerticalScroll {
        width: 76; max-width: 100%; height: auto; max-height: 100%;
        background: $surface; border: round $primary; border-title-color: $primary; padding: 0 1 0 2;
        scrollbar-size: 1 1;
    }
    HelpScreen Static { width: 1fr; height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark,escape,enter,q", "dismiss", "Close", show=False),
    ]

    def __init__(self, title: str, sections: Mapping[str, Keys], *, notes: Sequence[str] = ()) -> None:
        super().__init__()
        self._heading = title
        self._sections = sections
        self._notes = notes

    def compose(self) -> ComposeResult:
        """Lay the page out."""
        with VerticalScroll() as box:
            box.border_title = self._heading
            box.border_subtitle = "Esc closes"
            yield Static(help_text(self._sections, self._notes, palette_of(self.app)))


def help_text(sections: Mapping[str, Keys], notes: Sequence[str], palette: Palette) -> Group:
    """Return the page."""
    width = max(cell_len(key) for keys in sections.values() for key, _ in keys)
    parts: list[Text | Table] = []
    for name, keys in sections.items():
        parts.append(Text(name, style=f"bold {palette.text}"))
        table = Table.grid(padding=(0, 2), pad_edge=False)
        table.add_column(width=width + 2, no_wrap=True, style=f"bold {palette.accent}")
        table.add_column(style=palette.text)
        for key, what in keys:
            table.add_row(f"  {key}", what)
        parts += [table, Text("")]
    parts += [Text(note, style=palette.muted) for note in notes]
    return Group(*parts)
