"""The first screens: which run, and how far it is loaded."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Center, Middle, Vertical
from textual.message import Message
from textual.screen import Screen
from textual.suggester import Suggester
from textual.widgets import Input, Static

from spacetravlr.errors import SpaceTravLRError
from spacetravlr.perturbation.workbench import Draft, Workbench
from spacetravlr.run.loading import LoadingCancelledError, LoadProgress
from spacetravlr.run.nearby import NearbyRun, nearby_runs, path_completions, recent_runs
from spacetravlr.tui._help import HelpScreen, KeyLine
from spacetravlr.tui._perturb_paths import complete, shown
from spacetravlr.tui._perturb_text import bar, fitted
from spacetravlr.tui._rows import RowList
from spacetravlr.tui._theme import Palette, palette_of

Loader = Callable[[Path, LoadProgress, Callable[[], bool]], tuple[Workbench, Draft]]
"""Loads the run at a path, telling its progress and asking whether to stop; returns it with what is chosen at first."""

_KEYS = (("Enter", "load"), ("Tab", "complete"), ("↓", "runs"), ("F1", "help"), ("Esc", "quit"))
_HELP = {
    "Which run": [
        ("Enter", "load the run TOML or directory that is typed or highlighted"),
        ("Tab", "complete the path as far as it is clear; → takes the grey proposal"),
        ("↓ ↑", "go to the list of runs and back"),
        ("Esc  Ctrl+Q", "quit"),
    ]
}


class _Paths(Suggester):
    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        found = path_completions(value) if value else []
        return found[0] if found else None


class PathScreen(Screen[Path]):
    """Asks for a run: a path with completion, or one of the runs opened lately and lying around.

    Parameters
    ----------
    text
        What is typed already.
    error
        Why the last one could not be loaded.
    """

    DEFAULT_CSS = """
    PathScreen #box { margin: 0 1; border: round $border; border-title-color: $primary; padding: 0 1; height: 1fr; }
    PathScreen Input { background: $surface; margin: 0 0 1 0; }
    PathScreen #error { height: auto; }
    PathScreen #intro { height: auto; margin: 0 0 1 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "app.quit", show=False),
        Binding("tab", "complete", show=False, priority=True),
        Binding("f1", "help", show=False),
        Binding("question_mark", "help", show=False),
    ]

    def __init__(self, text: str = "", error: str = "") -> None:
        super().__init__()
        self._text, self._error = text, error
        self._runs: list[tuple[str, NearbyRun | None]] = []

    def compose(self) -> ComposeResult:
        """Lay the screen out."""
        with Vertical(id="box") as box:
            box.border_title = "SpaceTravLR perturbation"
            yield Static("Run TOML, or the directory of a trained run", id="intro")
            yield Input(
                self._text,
                compact=True,
                placeholder="my_run/spacetravlr_run_repro.toml",
                suggester=_Paths(),
                select_on_focus=False,
            )
            yield Static(id="error")
            yield RowList(self._row, empty="looking for runs around here …")
        yield KeyLine(_KEYS)

    def on_mount(self) -> None:
        """Look for runs without holding up who types."""
        self.show_error(self._error)
        self.set_focus(self.query_one(Input))
        self._look()

    def show_error(self, text: str) -> None:
        """Say why a path will not do."""
        self.query_one("#error", Static).update(Text(text, style=palette_of(self.app).bad))

    @work(thread=True, exclusive=True)
    def _look(self) -> None:
        recent = recent_runs()
        known = {run.path for run in recent}
        nearby = [run for run in nearby_runs() if run.path not in known]
        self.post_message(_Found(recent, nearby))

    def on__found(self, event: _Found) -> None:
        """Show the runs that were found."""
        self._runs = []
        for name, runs in (("Opened lately", event.recent), ("In this directory and below", event.nearby)):
            if runs:
                self._runs += [(name, None), *((shown(run.path), run) for run in runs)]
        rows = self.query_one(RowList)
        rows.empty = "no trained runs are in this directory or below: type a path"
        heads = frozenset(place for place, (_, run) in enumerate(self._runs) if run is None)
        rows.show(len(self._runs), cursor=1 if self._runs else 0, skipped=heads)

    def action_complete(self) -> None:
        """Complete the path, or go back to it from the list."""
        field = self.query_one(Input)
        if not field.has_focus:
            self.set_focus(field)
            return
        field.value = complete(field.value)
        field.cursor_position = len(field.value)

    def action_help(self) -> None:
        """Tell the keys."""
        self.app.push_screen(HelpScreen("Which run", _HELP))

    def key_down(self) -> None:
        """Go to the list."""
        if self.query_one(Input).has_focus and self._runs:
            self.set_focus(self.query_one(RowList))

    def key_up(self) -> None:
        """Go back to the field."""
        self.set_focus(self.query_one(Input))

    @on(Input.Submitted)
    def _typed(self, event: Input.Submitted) -> None:
        text = event.value.strip()
        if not text and self._runs:
            self.set_focus(self.query_one(RowList))
        elif not text:
            self.show_error("type the path of a run TOML, or of the directory of a trained run")
        else:
            self.dismiss(Path(text).expanduser())

    @on(RowList.Chosen)
    def _picked(self, event: RowList.Chosen) -> None:
        run = self._runs[event.rows.cursor][1]
        if run is not None:
            self.dismiss(run.path)

    def _row(self, row: int, width: int, palette: Palette) -> Text:
        text, run = self._runs[row]
        if run is None:
            return Text(text, style=palette.muted)
        tail = f"{run.n_models:>7,} models  {_ago(time.time() - run.changed):>10}"
        return Text.assemble(
            ("  " + fitted(text, max(10, width - len(tail) - 4)), palette.text), " ", (tail, palette.muted)
        )


class _Found(Message):
    def __init__(self, recent: list[NearbyRun], nearby: list[NearbyRun]) -> None:
        super().__init__()
        self.recent, self.nearby = recent, nearby


class LoadingScreen(Screen[tuple[Workbench, Draft] | str]):
    """Loads a run on another thread; ends with it, or with why there is none (empty if it was cancelled).

    Parameters
    ----------
    path
        The run.
    load
        How to load it.
    """

    DEFAULT_CSS = """
    LoadingScreen Vertical {
        width: 64; max-width: 100%; height: auto; padding: 1 2;
        border: round $primary; border-title-color: $primary;
    }
    LoadingScreen Static { width: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", show=False),
        Binding("ctrl+c,ctrl+x", "cancel", show=False, priority=True),
    ]

    class Told(Message):
        """How far it is."""

        def __init__(self, what: str, share: float) -> None:
            super().__init__()
            self.what, self.share = what, share

    class Ended(Message):
        """It is loaded, or not."""

        def __init__(self, loaded: tuple[Workbench, Draft] | str | Exception) -> None:
            super().__init__()
            self.loaded = loaded

    def __init__(self, path: Path, load: Loader) -> None:
        super().__init__()
        self._path, self._load = path, load
        self._stop = threading.Event()
        self._told: tuple[str, float] = ("looking at the run", 0.0)

    def compose(self) -> ComposeResult:
        """Lay the screen out."""
        with Middle(), Center(), Vertical() as box:
            box.border_title = "Loading"
            box.border_subtitle = "Esc cancels"
            yield Static(Text(shown(self._path), no_wrap=True, overflow="ellipsis"), id="path")
            yield Static(id="bar")
            yield Static(id="what")

    def on_mount(self) -> None:
        """Begin."""
        self._draw()
        threading.Thread(target=self._work, name="loading", daemon=True).start()

    def on_resize(self) -> None:
        """Draw the bar anew."""
        self.call_after_refresh(self._draw)

    def action_cancel(self) -> None:
        """Leave at once; what the thread finds later is of no interest."""
        self._stop.set()
        self.dismiss("")

    def _work(self) -> None:
        def progress(what: str, share: float) -> None:
            self.post_message(self.Told(what, share))

        try:
            loaded: tuple[Workbench, Draft] | str | Exception = self._load(self._path, progress, self._stop.is_set)
        except LoadingCancelledError:
            return
        except SpaceTravLRError as error:
            loaded = str(error)
        except Exception as error:  # noqa: BLE001 - raised again where it ends the program in order
            loaded = error
        if not self._stop.is_set():
            self.post_message(self.Ended(loaded))

    def on_loading_screen_told(self, event: Told) -> None:
        """Show how far it is."""
        self._told = (event.what, event.share)
        self._draw()

    def on_loading_screen_ended(self, event: Ended) -> None:
        """Hand the run over."""
        if isinstance(event.loaded, Exception):
            raise event.loaded
        if not self._stop.is_set():
            self.dismiss(event.loaded)

    def _draw(self) -> None:
        if not self.query("#bar"):  # told before the screen stands, or after it has gone
            return
        palette, (what, share) = palette_of(self.app), self._told
        field = self.query_one("#bar", Static)
        text = bar(share, max(10, field.size.width - 6), palette.accent, palette.faint)
        text.append(f" {share * 100:>3.0f} %", style=palette.value)
        field.update(text)
        self.query_one("#what", Static).update(Text(what, style=palette.muted))


def _ago(gone: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if gone >= length:
            return f"{gone / length:.0f} {unit} ago"
    return "now"
