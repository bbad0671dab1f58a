"""A result: the genes that change most by cell type and by distance, and where one of them changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Static

from spacetravlr.perturbation.workbench import QueuedJob
from spacetravlr.tui._help import HelpScreen, KeyLine
from spacetravlr.tui._perturb_keys import RESULT_HELP, RESULT_KEYS
from spacetravlr.tui._perturb_text import (
    change_header,
    change_row,
    fitted,
    seconds,
    targets_line,
)
from spacetravlr.tui._rows import RowList
from spacetravlr.tui._theme import Palette, palette_of
from spacetravlr.tui._tissue_map import TissueMap

if TYPE_CHECKING:
    from spacetravlr.perturbation.workbench.summary import GroupChanges
    from spacetravlr.tui.perturb import PerturbApp

_WIDE = 96
"""Columns from which table and picture are side by side."""


class ResultScreen(Screen[None]):
    """Shows results of the queue, one at a time.

    Parameters
    ----------
    jobs
        Those that are done, the oldest first.
    place
        Which of them to show first.
    """

    app: PerturbApp

    DEFAULT_CSS = """
    ResultScreen #head { height: 1; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    ResultScreen #notes { height: auto; max-height: 3; padding: 0 1; }
    ResultScreen .panel { border: round $border; border-title-color: $primary; }
    ResultScreen .panel:focus-within { border: round $primary; }
    ResultScreen #where { width: 26; }
    ResultScreen #genes { width: 11fr; }
    ResultScreen #picture { width: 9fr; display: none; }
    ResultScreen #columns { height: 1; width: 1fr; }
    ResultScreen.wide #picture { display: block; }
    ResultScreen.map #genes { display: none; }
    ResultScreen.map #picture { display: block; }
    ResultScreen.wide.map #genes { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "leave", show=False),
        Binding("left", "focus_list('where')", show=False),
        Binding("right", "focus_list('genes')", show=False),
        Binding("m", "map", show=False),
        Binding("n,right_square_bracket", "other(1)", show=False),
        Binding("b,left_square_bracket", "other(-1)", show=False),
        Binding("x", "export", show=False),
        Binding("ctrl+s", "export", show=False, priority=True),
        Binding("v", "timings", show=False),
        Binding("ctrl+v", "timings", show=False, priority=True),
        Binding("t", "theme", show=False),
        Binding("question_mark", "help", show=False),
    ]

    def __init__(self, jobs: Sequence[QueuedJob], place: int) -> None:
        super().__init__()
        self._jobs, self._place = list(jobs), place
        self._groups: list[tuple[str, GroupChanges | None]] = []

    @property
    def job(self) -> QueuedJob:
        """The one that is shown."""
        return self._jobs[self._place]

    def compose(self) -> ComposeResult:
        """Lay the screen out."""
        yield Static(id="head")
        yield Static(id="notes")
        with Horizontal():
            with Vertical(id="where", classes="panel") as where:
                where.border_title = "Where"
                yield RowList(self._group_row, id="groups")
            with Vertical(id="genes", classes="panel"):
                yield Static(id="columns")
                yield RowList(self._change_row, id="changes", empty="no other gene changes here")
            with Vertical(id="picture", classes="panel"):
                yield TissueMap("the sample has no positions")
        yield KeyLine(RESULT_KEYS)

    def on_mount(self) -> None:
        """Show the result."""
        self._show()
        self.set_focus(self.query_one("#changes", RowList))

    def on_resize(self) -> None:
        """Show the picture beside the table where there is room."""
        self.set_class(self.app.size.width >= _WIDE, "wide")
        self.query_one("#where").styles.width = 26 if self.app.size.width >= 80 else 20
        self.call_after_refresh(self._columns)

    def action_leave(self) -> None:
        """Go back."""
        self.dismiss(None)

    def action_focus_list(self, name: str) -> None:
        """Go to the groups or to the genes."""
        self.set_focus(self.query_one(f"#{name} RowList", RowList))

    def action_map(self) -> None:
        """Show the picture in place of the table, and the other way round."""
        self.toggle_class("map")

    def action_other(self, by: int) -> None:
        """Show another result."""
        self._place = (self._place + by) % len(self._jobs)
        self._show()

    def action_export(self) -> None:
        """Write it to a file."""
        self.app.export(self.job)

    def action_timings(self) -> None:
        """Show how long each step took, or not."""
        self.app.timings = not self.app.timings
        self._notes()

    def action_theme(self) -> None:
        """Other colours."""
        self.app.switch_theme()
        self._show()

    def action_help(self) -> None:
        """Tell the keys."""
        self.app.push_screen(HelpScreen("Result", RESULT_HELP))

    def _show(self) -> None:
        job, palette = self.job, palette_of(self.app)
        summary = job.summary
        if summary is None:
            return
        self.query_one("#head", Static).update(
            Text.assemble(
                (f"#{job.number} ", palette.muted),
                (job.request.text, f"bold {palette.value}"),
                (f"   {summary.text}", palette.muted),
                no_wrap=True,
                overflow="ellipsis",
            )
        )
        self._groups = [("", summary.whole)]
        for name, groups in (("cell types", summary.types), ("distance", summary.rings)):
            if groups:
                self._groups += [(name, None), *(("", group) for group in groups)]
        heads = frozenset(place for place, (_, group) in enumerate(self._groups) if group is None)
        self.query_one("#groups", RowList).show(len(self._groups), skipped=heads)
        self._notes()
        self._table()

    def _notes(self) -> None:
        job, palette = self.job, palette_of(self.app)
        if job.summary is None:
            return
        text = Text(targets_line(job.summary), style=palette.text, overflow="fold")
        for note in () if job.effect is None else job.effect.notes:
            text.append(f"\n{note}", style=palette.warn)
        if self.app.timings:
            each = "  ".join(f"{step}: {value:.3f} s" for step, value in enumerate(job.timings, start=1))
            text = Text(f"in all {seconds(job.seconds)}; steps  {each}", style=palette.accent)
        self.query_one("#notes", Static).update(text)

    @property
    def _group(self) -> GroupChanges | None:
        rows = self.query_one("#groups", RowList)
        return self._groups[rows.cursor][1] if self._groups else None

    def _table(self) -> None:
        group = self._group
        if group is not None:
            self.query_one("#changes", RowList).show(len(group.changes))
            self.query_one("#genes").border_title = f"Most changed: {group.label}"
        self._columns()
        self._picture()

    def _columns(self) -> None:
        field = self.query_one("#columns", Static)
        field.update(change_header(self.query_one("#changes", RowList).size.width, palette_of(self.app)))

    def _picture(self) -> None:
        group, effect = self._group, self.job.effect
        picture, panel = self.query_one(TissueMap), self.query_one("#picture")
        place = self.query_one("#changes", RowList).cursor
        gene = group.changes[place].gene if group is not None and group.changes else None
        panel.border_title = "Where it changes" if gene is None else f"Change of {gene}"
        if effect is None or effect.xy is None or gene is None:
            picture.note = (
                "nothing to show" if effect is not None else "this result was let go to save memory: run it again"
            )
            picture.show_cells(np.empty((0, 2)))
            return
        column = effect.genes.index(gene)
        picture.show_cells(effect.xy[:, :2])
        delta = effect.gene(gene) - np.asarray(effect.baseline[:, column], dtype=np.float64)
        picture.colour_by_value(delta, "change", diverging=True)

    @on(RowList.Highlighted, "#groups")
    def _other_group(self) -> None:
        self._table()

    @on(RowList.Highlighted, "#changes")
    def _other_gene(self) -> None:
        self._picture()

    @on(RowList.Chosen, "#groups")
    def _to_genes(self) -> None:
        self.set_focus(self.query_one("#changes", RowList))

    @on(RowList.Chosen, "#changes")
    def _to_map(self) -> None:
        self.action_map()

    def _group_row(self, row: int, width: int, palette: Palette) -> Text:
        name, group = self._groups[row]
        if group is None:
            return Text(f" {name}", style=palette.muted)
        size = f"{group.n_cells:,}"
        room = max(4, width - len(size) - 1)
        return Text.assemble((f" {fitted(group.label, room - 1)}", palette.text), (size, palette.muted))

    def _change_row(self, row: int, width: int, palette: Palette) -> Text:
        group = self._group
        if group is None:
            return Text("")
        return change_row(group.changes[row], width, palette, high=group.changes[0].magnitude)
