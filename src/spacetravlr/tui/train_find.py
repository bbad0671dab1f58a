"""Find a gene: what has become of it, and how well it is fitted in every cluster."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static

from spacetravlr.tui._fit import bar, fitted
from spacetravlr.tui._theme import Palette, palette_of
from spacetravlr.words import duration, score

if TYPE_CHECKING:
    from spacetravlr.tui.dashboard_state import Dashboard
    from spacetravlr.tui.dashboard_view import GeneRecord

_WORDS = {
    "waiting": ("muted", "not begun"),
    "at work": ("accent", "at work"),
    "written": ("good", "done"),
    "orphan": ("warn", "orphan: no model"),
    "failed": ("bad", "failed"),
    "done before": ("muted", "skipped: done before"),
    "elsewhere": ("accent", "held by another process"),
    "by others": ("good", "done by another process"),
}


class FindScreen(ModalScreen[str | None]):
    """Asks for a gene; Enter returns it, Esc nothing.

    Parameters
    ----------
    dashboard
        Knows the genes.
    """

    DEFAULT_CSS = """
    FindScreen { align: center middle; background: $background 60%; }
    FindScreen > Vertical {
        width: 84; max-width: 100%; height: 22; max-height: 100%;
        background: $surface; border: round $primary; border-title-color: $primary;
        border-subtitle-color: $text-muted;
    }
    FindScreen Input { height: 1; padding: 0 1; background: $surface; }
    FindScreen Horizontal { height: 1fr; }
    FindScreen OptionList { width: 30%; max-width: 24; height: 1fr; border: none; background: $surface; padding: 0 1; }
    FindScreen Static { width: 1fr; height: 1fr; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Close", show=False),
        Binding("down", "move(1)", "Next", show=False, priority=True),
        Binding("up", "move(-1)", "Before", show=False, priority=True),
        Binding("pagedown", "move(10)", "Further", show=False, priority=True),
        Binding("pageup", "move(-10)", "Back", show=False, priority=True),
    ]

    def __init__(self, dashboard: Dashboard) -> None:
        super().__init__()
        self._dashboard = dashboard
        self._found: list[str] = []

    def compose(self) -> ComposeResult:
        """Lay it out."""
        with Vertical() as box:
            box.border_title = "find a gene"
            box.border_subtitle = "↑ ↓ choose   Enter: on the tissue   Esc closes"
            yield Input(placeholder="part of a name", compact=True)
            with Horizontal():
                yield OptionList()
                yield Static()

    def on_mount(self) -> None:
        """Show the first genes."""
        self.query_one(OptionList).can_focus = False
        self.query_one(Input).focus()
        self._search("")
        self.set_interval(1.0, self._tell)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._search(event.value.strip())

    @on(Input.Submitted)
    def _chosen(self) -> None:
        self.dismiss(self._gene() or None)

    @on(OptionList.OptionSelected)
    def _clicked(self) -> None:
        self.dismiss(self._gene() or None)

    @on(OptionList.OptionHighlighted)
    def _looked_at(self) -> None:
        self._tell()

    def action_close(self) -> None:
        """Close without a gene."""
        self.dismiss(None)

    def action_move(self, by: int) -> None:
        """Choose a gene further down or up."""
        options = self.query_one(OptionList)
        if self._found:
            options.highlighted = min(max((options.highlighted or 0) + by, 0), len(self._found) - 1)

    def _search(self, text: str) -> None:
        self._found = self._dashboard.search(text)
        options = self.query_one(OptionList)
        options.clear_options()
        options.add_options(self._found)
        options.highlighted = 0 if self._found else None
        self._tell()

    def _gene(self) -> str:
        at = self.query_one(OptionList).highlighted
        return self._found[at] if at is not None and at < len(self._found) else ""

    def _tell(self) -> None:
        detail = self.query_one(Static)
        gene, palette = self._gene(), palette_of(self.app)
        record = self._dashboard.gene(gene) if gene else None
        if record is None:
            word = "no gene of this run has that in its name" if self._dashboard.search("", 1) else _TOO_EARLY
            detail.update(Text(word, style=palette.muted))
            return
        width = max(20, detail.content_size.width)
        detail.update(gene_text(gene, record, self._dashboard.cluster_scores(gene), width, palette))


_TOO_EARLY = "the genes are known when the set-up is done"


def gene_text(
    gene: str, record: GeneRecord, clusters: dict[str, tuple[float, float]], width: int, palette: Palette
) -> Text:
    """Return what is known about a gene."""
    colour, word = _WORDS[record.fate]
    text = Text.assemble((f"{gene}  ", f"bold {palette.value}"), (word, f"bold {getattr(palette, colour)}"))
    if record.reason:
        text.append(f"\n{record.reason}", style=palette.text)
    if math.isfinite(record.r2_in):
        rows = [("R2 out", score(record.r2_out)), ("R2 in", score(record.r2_in))]
        rows.append(("kept", f"{record.n_kept:,} of {record.n_modulators:,} modulators"))
        if math.isfinite(record.seconds):
            rows.append(("time", duration(record.seconds)))
        for name, value in rows:
            text.append(f"\n{name:<8}", style=palette.muted).append(value, style=palette.value)
    if clusters:
        name_width = min(max(map(cell_len, clusters)), max(8, width - 22))
        text.append(f"\n\n{'cluster':<{name_width}}    out     in", style=palette.muted)
        for label, (r2_in, r2_out) in clusters.items():
            text.append(f"\n{fitted(label, name_width):<{name_width}} ", style=palette.text)
            text.append(f"{score(r2_out):>6}", style=palette.value).append(f" {score(r2_in):>6} ", style=palette.muted)
            text.append(bar(r2_out if math.isfinite(r2_out) else 0.0, 7), style=palette.accent)
    return text
