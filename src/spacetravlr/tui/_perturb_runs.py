"""The runs of the main screen: those that wait, the one that is done just now, and what has come of the others."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message

from spacetravlr.perturbation.workbench import JobQueue, QueuedJob, Workbench
from spacetravlr.tui._perturb_text import job_row
from spacetravlr.tui._rows import RowList
from spacetravlr.tui._theme import Palette

# a thread that is in the midst of a step ends with the program
_PATIENCE = 0.2


class RunsPanel(Vertical):
    """Does runs one after the other and lists them, the newest at the top.

    Parameters
    ----------
    bench
        The loaded run.
    """

    class Changed(Message):
        """Something about a run has changed."""

        def __init__(self, job: QueuedJob) -> None:
            super().__init__()
            self.job = job

    def __init__(self, bench: Workbench) -> None:
        super().__init__(id="runs-panel", classes="panel")
        self.queue = JobQueue(bench, changed=self._changed, by=bench.columns[0])
        self._jobs: list[QueuedJob] = []

    def compose(self) -> ComposeResult:
        """Lay the panel out."""
        yield RowList(self._row, id="runs", empty="r runs what is above")

    def on_mount(self) -> None:
        """Say what it is."""
        self.border_title = "Runs"

    def on_unmount(self) -> None:
        """Let no run go on for nobody."""
        self.queue.close(timeout=_PATIENCE)

    @property
    def rows(self) -> RowList:
        """The list."""
        return self.query_one(RowList)

    @property
    def done(self) -> list[QueuedJob]:
        """Those with a result, the oldest first."""
        return [job for job in self._jobs if job.state == "done"]

    @property
    def highlighted(self) -> QueuedJob | None:
        """The highlighted one; None while keys go elsewhere."""
        return self._newest_first[self.rows.cursor] if self.rows.has_focus and self._jobs else None

    @property
    def meant(self) -> QueuedJob | None:
        """The highlighted one, else the newest with a result."""
        return self.highlighted or self.queue.latest

    def show(self) -> None:
        """Show how they stand; a new one is highlighted."""
        before = len(self._jobs)
        self._jobs = list(self.queue.jobs)
        going = sum(not job.ended for job in self._jobs)
        self.rows.show(len(self._jobs), cursor=self.rows.cursor if len(self._jobs) == before else 0)
        self.border_title = f"Runs   {going} to do" if going else "Runs"

    def move(self, by: int) -> None:
        """Move the cursor, wherever keys go."""
        self.rows.move_to(self.rows.cursor + by)

    @property
    def _newest_first(self) -> list[QueuedJob]:
        return self._jobs[::-1]

    def _changed(self, job: QueuedJob) -> None:
        self.post_message(self.Changed(job))

    def _row(self, row: int, width: int, palette: Palette) -> Text:
        return job_row(self._newest_first[row], width, palette)
