"""The main screen: genes, what is done to them, and the runs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Input, Static

from spacetravlr.errors import SpaceTravLRError
from spacetravlr.perturbation.workbench import NO_LABEL, Draft, Scope, Table, Workbench
from spacetravlr.tui._help import HelpScreen, KeyLine
from spacetravlr.tui._perturb_ask import ask_dose, ask_steps
from spacetravlr.tui._perturb_keys import FILTER_KEYS, MAIN_HELP, MAIN_KEYS, MAIN_NOTES
from spacetravlr.tui._perturb_layout import MAIN_BINDINGS, MAIN_CSS, FilterInput
from spacetravlr.tui._perturb_result import ResultScreen
from spacetravlr.tui._perturb_runs import RunsPanel
from spacetravlr.tui._perturb_scope import ScopeDialog, TableDialog
from spacetravlr.tui._perturb_text import (
    gene_row,
    number,
    preview_text,
    request_text,
    seconds,
)
from spacetravlr.tui._rows import RowList
from spacetravlr.tui._theme import Palette, palette_of
from spacetravlr.tui._tissue_map import TissueMap

if TYPE_CHECKING:
    from spacetravlr.tui.perturb import PerturbApp

_HIGH, _TALL = 26, 40
_PREVIEW_LINES = 10
# a glance at every gene on the screen costs a pass over all cells each
_MOST_CELLS, _MOST_TYPES = 200_000, 16


class MainScreen(Screen[None]):
    """Chooses genes, doses and cells, and queues runs.

    Parameters
    ----------
    bench
        The loaded run.
    draft
        What is chosen at first.
    """

    app: PerturbApp

    DEFAULT_CSS = MAIN_CSS
    BINDINGS = MAIN_BINDINGS

    def __init__(self, bench: Workbench, draft: Draft) -> None:
        super().__init__()
        self.bench, self.draft = bench, draft
        self._runs = RunsPanel(bench)
        self.queue = self._runs.queue
        self._found = bench.find("")

    def compose(self) -> ComposeResult:
        """Lay the screen out."""
        yield Static(id="head")
        with Horizontal():
            with Vertical(id="list", classes="panel"):
                yield FilterInput(compact=True, placeholder="/ filter", id="filter", select_on_focus=False)
                yield RowList(self._gene_row, id="genes", empty="no gene has that in its name")
            with Vertical(id="right"):
                yield Static(id="preview", classes="panel")
                with Vertical(id="picture", classes="panel"):
                    yield TissueMap("the sample has no positions")
                yield Static(id="request", classes="panel")
                yield self._runs
        yield Static(id="status")
        yield KeyLine(MAIN_KEYS)

    def on_mount(self) -> None:
        """Show the genes."""
        self.query_one("#request").border_title = "Run"
        self._plain_picture()
        place = next((row for row, gene in enumerate(self._found) if gene in self.draft.picks), 0)
        self.set_focus(self.query_one("#genes", RowList).show(len(self._found), cursor=place))
        self._show_all()

    def on_resize(self) -> None:
        """Use the room there is."""
        size = self.app.size
        self.set_class(size.height >= _HIGH, "high")
        self.set_class(size.height >= _TALL, "tall")
        self.call_after_refresh(self._show_all)

    @property
    def gene(self) -> str | None:
        """The highlighted gene."""
        rows = self.query_one("#genes", RowList)
        return self._found[rows.cursor] if self._found else None

    def say(self, text: str, colour: str = "muted") -> None:
        """Say something in the line above the keys; `colour` is a name of a colour of the palette."""
        style = getattr(palette_of(self.app), colour)
        self.query_one("#status", Static).update(Text(text, style=style, no_wrap=True, overflow="ellipsis"))

    # ---- keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Let letters be letters where the filter is typed."""
        return not (action == "letter" and self.query_one(FilterInput).has_focus) and super().check_action(
            action, parameters
        )

    async def action_letter(self, name: str) -> None:
        """Do what a letter stands for, before the next key is looked at: who knows the keys types on."""
        await self.run_action(name)

    def action_filter(self) -> None:
        """Type into the filter."""
        self.set_focus(self.query_one(FilterInput))

    def action_other_list(self) -> None:
        """Go from the genes to the runs, and back."""
        runs = self._runs.rows
        self.set_focus(self.query_one("#genes", RowList) if runs.has_focus else runs)

    def action_dose(self) -> None:
        """Ask for the dose of the highlighted gene if it is marked, else of those to come."""

        def taken(text: str | None) -> None:
            if text is not None:
                self._change(self.draft.with_dose(text, self.gene))

        self.app.push_screen(ask_dose(self.bench, self.draft, self.gene), taken)

    def action_steps(self) -> None:
        """Ask for the number of steps."""

        def taken(text: str | None) -> None:
            if text is not None:
                self._change(self.draft.with_steps(text))

        self.app.push_screen(ask_steps(self.draft), taken)

    def action_cells(self) -> None:
        """Ask for cells by label."""
        scope = self._scope

        def taken(chosen: Scope | None) -> None:
            if chosen is not None:
                self._change(self.draft.with_scope(chosen, self.gene))

        self.app.push_screen(ScopeDialog(self.bench, scope, whose=self._whose), taken)

    def action_table(self) -> None:
        """Ask for cells by a table of names."""
        scope = self._scope

        def taken(table: Table | None) -> None:
            if table is None:
                return
            chosen = replace(scope, table=table if table.column else None)
            self._change(self.draft.with_scope(chosen, self.gene))

        self.app.push_screen(TableDialog(self.bench, scope.table), taken)

    def action_joint(self) -> None:
        """Perturb the marked genes together, or each on its own."""
        self._change(replace(self.draft, joint=not self.draft.joint))
        self.say("marked genes are perturbed " + ("together" if self.draft.joint else "each in a run of its own"))

    def action_unmark(self) -> None:
        """Take all marks away."""
        for gene in self.draft.picks:
            self._change(self.draft.unmarked(gene))

    def action_run(self) -> None:
        """Put what is chosen into the queue."""
        try:
            requests = self.draft.requests(self.bench, highlighted=self.gene)
        except SpaceTravLRError as error:
            self.say(str(error), "bad")
            return
        added = self.queue.add(requests)
        self.say(
            f"queued #{added[0].number} {added[0].request.text}" + (f" and {len(added) - 1} more" * (len(added) > 1))
        )

    def action_result(self) -> None:
        """Show the newest result, or the highlighted one."""
        job, done = self._runs.meant, self._runs.done
        if job is None:
            self.say("there is no result yet: r runs", "warn")
        elif job.state == "failed":
            self.say(f"#{job.number} failed: {job.error}", "bad")
        elif job.state != "done":
            self.say(f"#{job.number} " + ("was cancelled" if job.ended else "has no result yet"), "warn")
        else:
            self.app.push_screen(ResultScreen(done, done.index(job)))

    def action_export(self) -> None:
        """Write the newest result, or the highlighted one."""
        job = self._runs.meant
        if job is None or job.state != "done":
            self.say("there is no result to write yet: r runs", "warn")
        else:
            self.app.export(job)

    def action_cancel(self) -> None:
        """Cancel all runs."""
        number = self.queue.cancel()
        self.say(f"cancelled {number} run{'s' if number != 1 else ''}" if number else "no run is going on", "warn")

    def action_cancel_one(self) -> None:
        """Cancel the highlighted run."""
        job = self._runs.highlighted
        if job is not None:
            self.say(f"cancelled #{job.number}" if self.queue.cancel(job) else f"#{job.number} has ended", "warn")

    def action_clear(self) -> None:
        """Forget the runs that have ended."""
        self.queue.clear()
        self._runs.show()
        self.say("")

    def action_scroll_runs(self, by: int) -> None:
        """Move in the list of runs from anywhere."""
        self._runs.move(by)

    def action_timings(self) -> None:
        """Show how long each step takes, or not."""
        self.app.timings = not self.app.timings
        self.say(f"timings of steps are {'shown' if self.app.timings else 'not shown'}")

    def action_theme(self) -> None:
        """Other colours."""
        self.app.switch_theme()
        self._show_all()

    def action_help(self) -> None:
        """Tell the keys."""
        self.app.push_screen(HelpScreen("Perturbation", MAIN_HELP, notes=MAIN_NOTES))

    # ---- what happens

    @on(Input.Changed, "#filter")
    def _filtered(self, event: Input.Changed) -> None:
        self._found = self.bench.find(event.value)
        self.query_one("#genes", RowList).show(len(self._found))
        self._show_gene()

    @on(RowList.Highlighted, "#genes")
    def _looked_at(self) -> None:
        self._show_gene()

    @on(RowList.Chosen, "#genes")
    def _marked(self) -> None:
        if self.gene is not None:
            self._change(self.draft.toggled(self.gene))

    @on(RowList.Chosen, "#runs")
    def _opened(self) -> None:
        self.action_result()

    @on(events.DescendantFocus)
    def _other_keys(self) -> None:
        self.query_one(KeyLine).show_keys(FILTER_KEYS if self.query_one(FilterInput).has_focus else MAIN_KEYS)

    def on_runs_panel_changed(self, event: RunsPanel.Changed) -> None:
        """Show how the runs stand."""
        job = event.job
        self._runs.show()
        if job.state == "done" and job.summary is not None:
            each = ", ".join(f"{one:.3f}" for one in job.timings)
            times = f" (steps {each} s)" if self.app.timings else ""
            self.say(f"#{job.number} done in {seconds(job.seconds)}{times}: {job.summary.text}; o shows it", "good")
        elif job.state == "failed":
            self.say(f"#{job.number} failed: {job.error}", "bad")

    # ---- showing

    @property
    def _scope(self) -> Scope:
        return self.draft.scope if self.gene is None else self.draft.pick(self.gene).scope

    @property
    def _whose(self) -> str:
        marked = self.gene is not None and self.gene in self.draft.picks
        if marked or not self.draft.picks:
            return f"{self.gene or 'a gene'} is"
        return "genes that are marked from now on are"

    def _change(self, draft: Draft) -> None:
        self.draft = draft
        self.query_one("#genes", RowList).refresh()
        self._show_request()

    def _show_all(self) -> None:
        model, palette = self.bench.model, palette_of(self.app)
        facts = f"{len(model.cells):,} cells × {len(self.bench.genes):,} genes   {len(self.bench.targets):,} models"
        self.query_one("#head", Static).update(
            Text.assemble(
                (self.bench.title, f"bold {palette.value}"), (f"   {facts}", palette.muted), no_wrap=True,
                overflow="ellipsis",
            )
        )  # fmt: skip
        self._show_gene()
        self._runs.show()

    def _show_gene(self) -> None:
        gene, palette, field = self.gene, palette_of(self.app), self.query_one("#preview", Static)
        self.query_one("#list").border_title = f"Genes {len(self._found):,} of {len(self.bench.genes):,}"
        self._show_request()
        field.border_title = gene or ""
        if gene is None:
            field.update("")
            self._plain_picture()
            return
        high = self.has_class("high")
        rows = self.bench.preview(gene, self.bench.columns[0])
        lines = _PREVIEW_LINES if high else field.content_size.height
        width = self.query_one("#right").size.width - 4
        field.update(preview_text(rows, width, lines, palette, role=self._role(gene) if high else ""))
        if high:
            self.query_one("#picture").border_title = f"Expression of {gene}"
            values = np.asarray(self.bench.expression(gene), dtype=np.float64)
            self.query_one(TissueMap).colour_by_value(values, "expression")

    def _plain_picture(self) -> None:
        """Show the cells, and nothing of any gene."""
        self.query_one("#picture").border_title = ""
        if np.isfinite(self.bench.model.xy).all(axis=1).any():
            self.query_one(TissueMap).show_cells(self.bench.model.xy[:, :2])

    def _role(self, gene: str) -> str:
        low, middle, _, top = map(number, self.bench.observed(gene))
        return f"{low} to {top}, median {middle}; {self.bench.role(gene)}"

    def _show_request(self) -> None:
        lines = 6 if self.has_class("high") else 2
        self.query_one("#request", Static).update(request_text(self.draft, self.gene, lines, palette_of(self.app)))

    def _gene_row(self, row: int, width: int, palette: Palette) -> Text:
        gene = self._found[row]
        return gene_row(
            *(gene, width, palette),
            draft=self.draft,
            heard=gene in self.bench.modulators,
            means=self._means(gene),
        )

    def _means(self, gene: str) -> list[float]:
        """Return the mean in each cell type, for a glance."""
        cells = self.bench.grouping(self.bench.columns[0])
        if len(cells.codes) > _MOST_CELLS or len(cells.labels) > _MOST_TYPES:
            return []
        means = {row.label: row.mean for row in self.bench.preview(gene, cells.column)}
        return [means[label or NO_LABEL] for label in cells.labels]
