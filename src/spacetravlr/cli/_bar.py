"""A progress bar on standard error, with messages above it."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task
from rich.table import Column
from rich.text import Text

from spacetravlr.cli._displays import InPlace, at_work
from spacetravlr.cli._lines import Line
from spacetravlr.events import Event, RunStarted, StageFinished, StageStarted
from spacetravlr.pace import Pace
from spacetravlr.words import duration, score, speed

_NARROW = 72
_GENE_WIDTH = 14
_TEXT_WIDTH = 72
_SMALLEST_BAR, _LARGEST_BAR = 8, 40


class BarDisplay(InPlace):
    """Progress of a run in one line that is drawn again and again.

    Parameters
    ----------
    pace
        The counts to show.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._console = Console(stderr=True, highlight=False)
        width = self._console.width
        self._counts = _Counts(pace, narrow=width < _NARROW)
        self._progress = Progress(
            SpinnerColumn(),
            BarColumn(bar_width=min(max(width - _TEXT_WIDTH, _SMALLEST_BAR), _LARGEST_BAR)),
            self._counts,
            console=self._console,
            transient=True,
            refresh_per_second=5,
        )
        self._task = self._progress.add_task("", total=None)
        self._progress.start()

    def hear(self, event: Event) -> None:
        """Take note of the step that goes on."""
        if isinstance(event, StageStarted | StageFinished | RunStarted):
            self._counts.stage = event if isinstance(event, StageStarted) else None
            self._counts.since = self._pace.clock()

    def show(self, line: Line) -> None:
        """Print a message above the bar; genes are in the bar."""
        if line.kind == "message":
            self._console.print(Text(line.text), soft_wrap=True)

    def refresh(self) -> None:
        """Move the bar; the screen follows a few times a second."""
        if self._pace.total:
            self._progress.update(self._task, total=self._pace.total, completed=self._pace.done)

    def close(self) -> None:
        """Remove the bar and bring the cursor back."""
        self._progress.stop()


class _Counts(ProgressColumn):
    """What is behind the bar."""

    def __init__(self, pace: Pace, *, narrow: bool) -> None:
        super().__init__(table_column=Column(no_wrap=True, overflow="ellipsis"))
        self._pace = pace
        self._narrow = narrow
        self.stage: StageStarted | None = None
        """The step that goes on."""
        self.since = pace.clock()
        """When it began."""

    def render(self, task: Task) -> Text:  # noqa: ARG002 - the counts are not in the task
        pace = self._pace
        if not pace.total:
            doing = "setting up" if self.stage is None else at_work(self.stage)
            return Text(f"{doing}  {duration(pace.clock() - self.since)}", style="dim")
        text = Text(f"{pace.done}/{pace.total}", style="bold")
        if pace.last is not None and not self._narrow:
            gene = pace.last.gene
            shown = gene if len(gene) <= _GENE_WIDTH else f"{gene[: _GENE_WIDTH - 1]}…"
            text.append(f"  {shown} R2 {score(pace.last.r2_in)}/{score(pace.last.r2_out)}", style="cyan")
        if not self._narrow:
            text.append(f"  {speed(pace.rate)}", style="dim")
        text.append(f"  eta {duration(pace.eta)}")
        if pace.elsewhere:
            text.append(f"  {len(pace.elsewhere)} elsewhere", style="dim")
        if pace.orphan:
            text.append(f"  {pace.orphan} orphan", style="yellow")
        if pace.failures:
            text.append(f"  {len(pace.failures)} failed", style="bold red")
        return text
