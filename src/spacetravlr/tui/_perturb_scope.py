"""Choosing cells: by the labels of a column, and by a column of a table of cells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from spacetravlr.errors import SpaceTravLRError
from spacetravlr.perturbation.workbench import NO_LABEL, Scope, Table, Workbench
from spacetravlr.tui._perturb_text import bar, fitted
from spacetravlr.tui._rows import RowList
from spacetravlr.tui._theme import Palette, palette_of

_LEAVE = Binding("escape", "dismiss(None)", show=False)
_INTERRUPT = Binding("ctrl+c", "dismiss(None)", show=False, priority=True)


class ScopeDialog(ModalScreen[Scope | None]):
    """Marks labels of a column; with a table of cells, both must hold.

    Parameters
    ----------
    bench
        The cells.
    scope
        What is chosen so far.
    whose
        What is perturbed there.
    """

    DEFAULT_CSS = """
    ScopeDialog RowList { height: auto; min-height: 3; max-height: 16; }
    ScopeDialog #column { margin: 0 0 1 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        _LEAVE,
        _INTERRUPT,
        Binding("space", "mark", show=False, priority=True),
        Binding("enter", "save", show=False, priority=True),
        Binding("left", "column(-1)", show=False, priority=True),
        Binding("right", "column(1)", show=False, priority=True),
        Binding("a", "all", show=False),
        Binding("ctrl+o,o,c", "table", show=False, priority=True),
        Binding("w", "whole", show=False),
    ]

    def __init__(self, bench: Workbench, scope: Scope, *, whose: str) -> None:
        super().__init__(classes="dialog")
        self._bench, self._scope, self._whose = bench, scope, whose
        columns = bench.columns
        self._column = columns.index(scope.column) if scope.column in columns else 0
        self._marked = set(scope.labels)

    def compose(self) -> ComposeResult:
        """Lay the dialog out."""
        with Vertical() as box:
            box.border_title = f"Cells in which {self._whose} perturbed"
            box.border_subtitle = "Enter saves   Esc leaves it"
            yield Static(id="column")
            yield RowList(self._row)
            yield Static(id="found")
            yield Static(id="keys")

    def on_mount(self) -> None:
        """Show the labels."""
        keys = "Space mark  a all  ←→ column  o table  w everywhere"
        self.query_one("#keys", Static).update(Text(keys, style=palette_of(self.app).muted))
        self._show()
        self.set_focus(self.query_one(RowList))

    def action_mark(self) -> None:
        """Mark a label, or take its mark away."""
        label = self._labels[self.query_one(RowList).cursor]
        self._marked ^= {label}
        self._tell()

    def action_all(self) -> None:
        """Mark all labels, or none if all are marked."""
        self._marked = set() if self._marked >= set(self._labels) else set(self._labels)
        self._tell()

    def action_column(self, by: int) -> None:
        """Choose by another column; marks of this one are dropped."""
        self._column = (self._column + by) % len(self._bench.columns)
        self._marked = set()
        self._show()

    def action_whole(self) -> None:
        """Take the whole tissue."""
        self.dismiss(Scope())

    def action_table(self) -> None:
        """Choose a column of a table of cells."""

        def chosen(table: Table | None) -> None:
            if table is not None:
                self._scope = replace(self._scope, table=table if table.column else None)
                self._tell()

        self.app.push_screen(TableDialog(self._bench, self._scope.table), chosen)

    def action_save(self) -> None:
        """Take what is marked, unless no cell is left."""
        scope = self._chosen()
        if not self._marked and scope.everywhere:
            self._tell(
                "nothing is marked: mark a label with Space, take the whole tissue with w, or leave with Esc", bad=True
            )
            return
        try:
            scope.resolve(self._bench)
        except SpaceTravLRError as error:
            self._tell(str(error), bad=True)
            return
        self.dismiss(scope)

    @property
    def _labels(self) -> tuple[str, ...]:
        return self._bench.grouping(self._bench.columns[self._column]).labels

    def _chosen(self) -> Scope:
        marked = tuple(label for label in self._labels if label in self._marked)
        every = len(marked) == len(self._labels)
        if not marked or every:
            return replace(self._scope, column=None, labels=())
        return replace(self._scope, column=self._bench.columns[self._column], labels=marked)

    def _show(self) -> None:
        palette, columns = palette_of(self.app), self._bench.columns
        parts: list[str | tuple[str, str]] = [("by  ", palette.muted)]
        for place, name in enumerate(columns):
            style = f"bold {palette.accent}" if place == self._column else palette.muted
            parts += [(f"‹{name}›" if place == self._column else f" {name} ", style)]
        self.query_one("#column", Static).update(Text.assemble(*parts, no_wrap=True, overflow="ellipsis"))
        rows = self.query_one(RowList)
        rows.styles.height = min(len(self._labels), max(3, self.app.size.height - 9))
        rows.show(len(self._labels))
        self._tell()

    def _tell(self, message: str = "", *, bad: bool = False) -> None:
        self.query_one(RowList).refresh()
        palette = palette_of(self.app)
        if not message:
            try:
                rows = self._chosen().resolve(self._bench)
                total = len(self._bench.model.cells)
                message = f"{self._chosen().text}: {total if rows is None else len(rows):,} of {total:,} cells"
            except SpaceTravLRError as error:
                message, bad = str(error), True
        self.query_one("#found", Static).update(Text(message, style=palette.bad if bad else palette.good))

    def _row(self, row: int, width: int, palette: Palette) -> Text:
        cells = self._bench.grouping(self._bench.columns[self._column])
        label, size = cells.labels[row], int(cells.sizes[row])
        room = max(8, width - 30)
        return Text.assemble(
            (" [×] " if label in self._marked else " [ ] ", palette.warn),
            (fitted(label or NO_LABEL, room), palette.text),
            " ",
            bar(size / max(1, int(cells.sizes.max())), 10, palette.muted, palette.faint),
            (f" {size:>9,}", palette.value),
        )


class TableDialog(ModalScreen[Table | None]):
    """Asks for a table of cells and a column of it; one without a name means no table.

    Parameters
    ----------
    bench
        The cells; its table is proposed.
    table
        What is chosen so far.
    """

    DEFAULT_CSS = "TableDialog RowList { height: auto; min-height: 3; max-height: 12; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        _LEAVE,
        _INTERRUPT,
        Binding("down,tab", "rows", show=False, priority=True),
    ]

    def __init__(self, bench: Workbench, table: Table | None) -> None:
        super().__init__(classes="dialog")
        self._bench = bench
        self._path = "" if bench.table is None else str(bench.table)
        self._before = (table.column if table else bench.table_column) or ""
        if table is not None:
            self._path = str(table.path)
        self._columns: list[tuple[str, int]] = []

    def compose(self) -> ComposeResult:
        """Lay the dialog out."""
        with Vertical() as box:
            box.border_title = "Table whose columns are lists of cells"
            box.border_subtitle = "Enter takes the column   Esc leaves it"
            yield Input(self._path, compact=True, placeholder="cells.csv", select_on_focus=False)
            yield RowList(self._row)
            yield Static(id="found")

    def on_mount(self) -> None:
        """Read the table that is proposed."""
        if self._path:
            self._read(self._path)

    def action_rows(self) -> None:
        """Go from the name of the file to its columns."""
        rows = self.query_one(RowList)
        if rows.has_focus:
            rows.action_move(1)
        elif self._read(self.query_one(Input).value):
            self.set_focus(rows)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if self._read(event.value):
            self.set_focus(self.query_one(RowList))

    @on(RowList.Chosen)
    def _taken(self, event: RowList.Chosen) -> None:
        event.stop()
        table = Table(self._file(self.query_one(Input).value), self._columns[event.rows.cursor][0])
        if table.column:
            try:
                Scope(table=table).resolve(self._bench)
            except SpaceTravLRError as error:
                self._say(str(error))
                return
        self.dismiss(table)

    def _read(self, text: str) -> bool:
        rows = self.query_one(RowList)
        try:
            sizes = Table.columns(self._file(text))
        except SpaceTravLRError as error:
            self._columns = []
            rows.show(0)
            self._say(str(error))
            return False
        self._columns = [*sizes.items(), ("", len(self._bench.model.cells))]
        names = [name for name, _ in self._columns]
        rows.styles.height = min(len(names), max(3, self.app.size.height - 8))
        rows.show(len(names), cursor=names.index(self._before) if self._before and self._before in names else 0)
        self._say("")
        return True

    def _say(self, message: str) -> None:
        self.query_one("#found", Static).update(Text(message, style=palette_of(self.app).bad))

    def _row(self, row: int, width: int, palette: Palette) -> Text:
        name, size = self._columns[row]
        style = palette.text if name else palette.muted
        return Text.assemble(
            (" " + fitted(name or "no table", max(8, width - 20)), style),
            (f"{size:>9,}", palette.value),
            (" names" if name else " cells", palette.muted),
        )

    @staticmethod
    def _file(text: str) -> Path:
        return Path(text.strip()).expanduser()
