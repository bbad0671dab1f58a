"""`TrainApp`: the full-screen dashboard of a training, or of one that others have begun."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.events import Print, Resize

from spacetravlr.tui import dashboard_draw as draw
from spacetravlr.tui._help import HelpScreen, KeyLine, Keys
from spacetravlr.tui._layout import PAGES, arrange, kind_of
from spacetravlr.tui._panel import Panel
from spacetravlr.tui._theme import Palette, install_themes, next_theme, palette_of
from spacetravlr.tui._tissue_map import TissueMap
from spacetravlr.tui.dashboard_gauge import gauge, head, one_line
from spacetravlr.tui.dashboard_state import Dashboard
from spacetravlr.tui.dashboard_view import ENDED, View
from spacetravlr.tui.train_files import Files
from spacetravlr.tui.train_find import FindScreen
from spacetravlr.tui.train_keys import FOOT, HELP, NOTES, Role
from spacetravlr.tui.train_log import LogScreen
from spacetravlr.tui.train_machine import Machine, Telemetry
from spacetravlr.words import count, score
from spacetravlr.words import one_line as line_of

FRAME = 0.25
"""Seconds between two frames."""
_MAP_FRAMES = 8
"""Frames between two pictures of the latest gene."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What the panels of one frame draw."""

    view: View
    machine: Machine | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """What keys do to the training, and when the screen closes by itself."""

    finish: Callable[[], None]
    """Finish the blocks at work and stop; asked again, nothing more."""
    stop_now: Callable[[], None]
    """Stop at once."""
    is_over: Callable[[], bool]
    """Asked in every frame; True closes the screen."""
    overhear: Callable[[str], None] | None = None
    """Receives lines that are printed while the screen is open; without it they are in the log of the screen."""


class TrainApp(App[None]):
    """Shows a dashboard; it changes nothing by itself, and drops frames rather than make anybody wait.

    Parameters
    ----------
    dashboard
        What is shown.
    controls
        What the keys do.
    files
        Reads the files of the run; None if there are none.
    telemetry
        Looks at the machine.
    role
        Whether this process trains, watches, or pretends.
    """

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #head, #gauge { height: 1; padding: 0 1; }
    #gauge { height: 2; }
    #body { height: 1fr; layout: vertical; }
    #body > * { position: absolute; }
    #tissue {
        border: round $border; border-title-color: $primary; border-title-style: bold;
        border-subtitle-color: $text-muted;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "finish", "finish and stop"),
        Binding("Q", "stop_now", "stop now"),
        Binding("ctrl+c", "interrupt", "stop", priority=True, show=False),
        Binding("ctrl+q", "finish", "finish and stop", priority=True, show=False),
        Binding("l", "log", "log"),
        Binding("slash", "find", "find a gene"),
        Binding("m", "map", "map"),
        Binding("r", "rank", "rank"),
        Binding("t", "theme", "theme"),
        Binding("tab", "page", "page", priority=True),
        Binding("question_mark", "help", "help"),
    ]

    def __init__(
        self,
        dashboard: Dashboard,
        controls: Controls,
        *,
        files: Files | None,
        telemetry: Telemetry,
        role: Role = "train",
    ) -> None:
        super().__init__()
        _keep_numbers(self)
        self.dashboard = dashboard
        self.pinned = ""
        """The gene that was asked for; its fit is shown on the tissue in place of the latest one's."""
        self.colour_by: Literal["cluster", "fit"] = "cluster"
        self.page = 0
        self.trouble = ""
        """What went wrong with the screen, if it closed by itself."""
        self._controls = controls
        self._files = files
        self._telemetry = telemetry
        self._role = role
        self._printed = ""
        self._kind = ""
        self._frames = 0
        self._mapped: tuple[object, ...] = ()
        self._arranged: tuple[object, ...] = ()

    def compose(self) -> ComposeResult:
        """Lay the parts out; their places follow from the size of the terminal."""
        yield Panel(lambda now, width, _, palette: head(now.view, width, palette), id="head")
        with Container(id="body"):
            for name, title, drawn in _PANELS:
                yield Panel(drawn, title, id=name)
            with Vertical(id="tissue") as frame:
                frame.border_title = "tissue"
                yield TissueMap("read when the training begins", with_names=False, id="map")
        yield Panel(lambda now, width, _, palette: gauge(now.view, width, palette), id="gauge")
        yield KeyLine(self._keys())

    def on_mount(self) -> None:
        """Begin to draw."""
        install_themes(self)
        self.begin_capture_print(self)
        self.set_interval(FRAME, self.tick)
        self.call_after_refresh(self.tick)

    def _handle_exception(self, error: Exception) -> None:
        # whoever opened the screen goes on without it and tells why
        self.trouble = f"{type(error).__name__}: {error}"
        super()._handle_exception(error)
        self._exit_renderables.clear()

    def on_print(self, event: Print) -> None:
        """Keep what is written to the terminal meanwhile in the log."""
        *lines, self._printed = (self._printed + event.text).split("\n")
        for line in map(line_of, lines):
            if line:
                (self._controls.overhear or self.dashboard.log)(line)

    def on_resize(self, event: Resize) -> None:
        """Give the panels other places."""
        self._arrange(event.size.width, event.size.height)
        self.call_after_refresh(self.tick)

    def tick(self) -> None:
        """Draw a frame, or close the screen."""
        if self._controls.is_over():
            self.exit()
            return
        if not self.is_running or not self.screen_stack:
            return
        self._frames += 1
        view = self.dashboard.view()
        now = Moment(view, self._telemetry.now)
        self._arrange(self.size.width, self.size.height, training=bool(view.counts.total))
        base = self.screen_stack[0]
        for panel in base.query(Panel):
            panel.show(now)
        self._subtitles(view)
        self._draw_map(view)
        base.query_one(KeyLine).show_keys(self._keys(), before=self._message(view))

    def action_finish(self) -> None:
        """Finish the blocks at work and stop."""
        if self._role == "train" and not self.dashboard.finishing:
            self.dashboard.finishing = True
            self._controls.finish()
        elif self._role != "train":
            self._controls.finish()
        self.tick()

    def action_stop_now(self) -> None:
        """Stop at once."""
        self._controls.stop_now()

    def action_interrupt(self) -> None:
        """Finish; the second time, stop at once."""
        if self.dashboard.finishing:
            self.action_stop_now()
        else:
            self.action_finish()

    def action_log(self) -> None:
        """Open the whole log."""
        self.push_screen(LogScreen(self.dashboard))

    def action_find(self) -> None:
        """Ask for a gene."""

        def chosen(gene: str | None) -> None:
            if gene is not None:
                self.pinned, self.colour_by = gene, "fit"
                self._draw_map_at_once()

        self.push_screen(FindScreen(self.dashboard), chosen)

    def action_map(self) -> None:
        """Colour the tissue by cluster, by the fit of the latest gene, or of the one that was asked for."""
        if self.colour_by == "cluster":
            self.colour_by = "fit"
        elif self.pinned:
            self.pinned = ""
        else:
            self.colour_by = "cluster"
        self._draw_map_at_once()

    def action_rank(self) -> None:
        """Rank by the other R2."""
        self.dashboard.rank_by = "in" if self.dashboard.rank_by == "out" else "out"
        self.tick()

    def action_theme(self) -> None:
        """Take the next colours."""
        palette = next_theme(self)
        self.notify(palette.name, title="theme", timeout=1.5)
        for panel in self.screen_stack[0].query(Panel):
            panel.forget()
        self.tick()

    def action_page(self) -> None:
        """Turn the page of a small screen; in a popup, go to its next part."""
        if len(self.screen_stack) > 1:
            self.screen.focus_next()
            return
        self.page = (self.page + 1) % PAGES
        self.tick()

    def action_help(self) -> None:
        """Show the keys."""
        self.push_screen(HelpScreen("keys", HELP[self._role], notes=NOTES))

    def _arrange(self, width: int, height: int, *, training: bool = True) -> None:
        body = self.screen_stack[0].query_one("#body") if self.screen_stack else None
        key = (width, height, self.page, training)
        if body is None or key == self._arranged:
            return
        self._arranged = key
        room = (width, height - 4)
        self._kind = kind_of(*room)
        places = arrange(*room, page=self.page, training=training)
        for child in body.children:
            place = places.get(child.id or "")
            child.display = place is not None
            if place is not None:
                child.styles.offset = (place.x, place.y)
                child.styles.width, child.styles.height = place.width, place.height
        self.call_after_refresh(self.tick)

    def _subtitles(self, view: View) -> None:
        median = score(view.median_r2_out if view.rank_by == "out" else view.median_r2_in)
        told = {
            "scores": f"median {view.rank_by} {median}" if view.n_scored else None,
            "types": f"{len(view.cell_types)}" if view.cell_types else None,
            "log": count(view.n_lines, "line") if view.n_lines else None,
            "work": count(view.counts.at_work, "gene") if view.counts.at_work else None,
        }
        for name, text in told.items():
            panel = self.screen_stack[0].query_one(f"#{name}")
            if panel.border_subtitle != text:
                panel.border_subtitle = text

    def _draw_map(self, view: View) -> None:
        found = None if self._files is None else self._files.picture
        frame, tissue = self.screen_stack[0].query_one("#tissue"), self.screen_stack[0].query_one(TissueMap)
        if found is None:
            trouble = "" if self._files is None else self._files.trouble
            if trouble and tissue.note != trouble:
                tissue.note = trouble
                tissue.refresh()
            return
        gene = (self.pinned or view.latest) if self.colour_by == "fit" else ""
        key = (id(found), self.colour_by, gene, view.rank_by)
        fresh = not self._mapped or self._mapped[0] != key[0]
        if key == self._mapped or (not fresh and not self.pinned and self._is_early(key)):
            return
        if fresh:
            tissue.show_cells(found.xy)
        self._mapped = key
        if gene:
            at = 0 if view.rank_by == "in" else 1
            scores = {label: pair[at] for label, pair in self.dashboard.cluster_scores(gene).items()}
            limits = (0.0, max(0.1, *(value for value in scores.values() if math.isfinite(value)), 0.0))
            tissue.colour_by_value(found.by_cluster(scores), "R2", limits=limits)
            frame.border_title = f"tissue: fit of {gene}"
        else:
            tissue.colour_by_category(found.codes, [*found.labels])
            frame.border_title = "tissue"
        frame.border_subtitle = "by cluster" if not gene else "R2 held out" if at else "R2 in sample"

    def _draw_map_at_once(self) -> None:
        self._frames = -1
        self.tick()

    def _is_early(self, key: tuple[object, ...]) -> bool:
        """Return whether only the latest gene is another one, and its picture is still new."""
        return key[:2] == self._mapped[:2] and key[3] == self._mapped[3] and self._frames % _MAP_FRAMES != 0

    def _keys(self) -> Keys:
        keys = list(FOOT[self._role])
        if self.dashboard.finishing:
            keys = keys[1:]
        if self._kind == "small":
            keys.insert(2, ("tab", f"page {self.page + 1}/{PAGES}"))
        return keys

    def _message(self, view: View) -> str:
        if self._kind == "tiny":
            return one_line(view, self.size.width - 4, palette_of(self)).plain
        if view.phase == "finishing":
            return "finishing the blocks at work" if view.counts.total else "stopping"
        return "ended" if self._role == "watch" and view.phase in ENDED else ""


def _keep_numbers(app: App[None]) -> None:
    """Let the streams that stand in for standard output and error have the numbers of those.

    Whoever starts processes passes them on, and the ones of the library are no numbers of any stream.
    """
    for name, number in (("_capture_stdout", 1), ("_capture_stderr", 2)):
        stand_in = getattr(app, name, None)
        if stand_in is not None:
            stand_in.fileno = partial(int, number)


def _of_view(drawn: Callable[[View, int, int, Palette], Text]) -> Callable[[Moment, int, int, Palette], Text]:
    return lambda now, width, height, palette: drawn(now.view, width, height, palette)


_PANELS = (
    ("config", "run", _of_view(draw.configuration)),
    ("machine", "machine", lambda now, *room: draw.machine_panel(now.machine, now.view, *room)),
    ("pipeline", "pipeline", _of_view(draw.pipeline)),
    ("work", "at work", _of_view(draw.at_work)),
    ("scores", "R2 best and worst", _of_view(draw.scores)),
    ("types", "cell types", _of_view(draw.cell_types)),
    ("log", "log", _of_view(draw.log_tail)),
)
