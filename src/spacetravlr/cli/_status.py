"""`spacetravlr status`: how far a run has come, once or until its end."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from spacetravlr.cli import _status_text as text
from spacetravlr.cli._dashboard import can_show, has_screens
from spacetravlr.errors import RunDirectoryError

if TYPE_CHECKING:
    from spacetravlr.run import RunDirectory, RunProgress

SECONDS = 1.0
"""Time between two looks."""
PATIENCE = 10.0
"""Seconds for which a run without anybody at work is watched before it counts as ended: processes may be starting."""


class Look:
    """One look at a run, or at the parts of a condition split.

    Parameters
    ----------
    root
        What was asked for.
    runs
        Its runs by condition, or the one run of a directory that is not split.
    """

    def __init__(self, root: Path, runs: Mapping[str, RunDirectory] | RunDirectory) -> None:
        from spacetravlr.run import read_progress
        from spacetravlr.run.split import anybody_splitting, read_index

        self.root = str(root)
        self.split = isinstance(runs, Mapping)
        """Whether it is a condition split."""
        self._runs: Mapping[str, RunDirectory] = runs if isinstance(runs, Mapping) else {"": runs}
        runs = self._runs
        index = read_index(root) if self.split else None
        groups = () if index is None else index[1]
        self._skipped = {one.label: one.skipped for one in groups if one.skipped is not None}
        self._alive = self.split and anybody_splitting(root)
        self.parts: dict[str, RunProgress] = {label: read_progress(run) for label, run in runs.items()}

    @property
    def state(self) -> str:
        """The state of the run, or of all parts together."""
        return text.overall_state(self.parts, alive=self._alive)

    def lines(self, *, wanted: bool = True) -> list[str]:
        """Return it for people; see `text.lines`."""
        if self.split:
            return text.table(self.parts, self.root, state=self.state, skipped=self._skipped, wanted=wanted)
        return text.lines(self.parts[""], self.root, wanted=wanted)

    def line(self) -> str:
        """Return it as one line without the time."""
        if not self.split:
            return f"{self.state}: {text.summary(self.parts[''])}"
        return "; ".join(f"{name} {one.status.state}: {text.summary(one)}" for name, one in self.parts.items())

    def json(self) -> str:
        """Return it as one line of JSON."""
        paths = {label: str(run.path) for label, run in self._runs.items()}
        found = (
            text.parts_as_json(self.parts, self.root, paths, state=self.state, skipped=self._skipped)
            if self.split
            else text.as_json(self.parts[""], paths[""])
        )
        return json.dumps(found, ensure_ascii=False)

    def warn_of_damage(self) -> None:
        """Say which files of the run are damaged, if any are."""
        from spacetravlr.cli._perturb_voice import Voice
        from spacetravlr.run.mending import warn_of_damage

        with Voice(verbose=False).hearing_logs():
            for run in self._runs.values():
                warn_of_damage(run)

    @property
    def key(self) -> object:
        """What makes a look worth telling again."""
        return [text.key(one) for one in self.parts.values()]


def show_status(directory: str, *, watch: bool, as_json: bool, plain: bool = False) -> int:
    """Show the status of a run and return the exit code.

    Parameters
    ----------
    directory
        A run directory, the parent of a condition split, or the TOML of a run.
    watch
        Go on until the run has ended.
    as_json
        One JSON object a line instead of text.
    plain
        Lines instead of the dashboard.

    Raises
    ------
    RunDirectoryError
        If there is no run.
    """

    def look_now() -> Look:
        # found anew each time: the parts of a split that has just begun appear later than its directory
        return Look(*find_runs(directory))

    if not watch:
        look = look_now()
        _write(look.json() if as_json else "\n".join(look.lines()))
        look.warn_of_damage()
        return 0
    if not as_json and not plain and can_show() and has_screens():
        from spacetravlr.cli._watch_screen import show_run

        return show_run(directory)
    try:
        if as_json:
            _follow(look_now, lambda look: _write(look.json()))
        elif sys.stdout.isatty():
            with _screen() as show:
                _follow(look_now, show, always=True)
        else:
            _follow(look_now, lambda look: _write(f"{time.strftime('%H:%M:%S')} {look.line()}"))
    except KeyboardInterrupt:
        # that is how one leaves
        return 0
    return 0


def find_runs(given: str) -> tuple[Path, dict[str, RunDirectory] | RunDirectory]:
    """Return the directory that is meant, and the run in it, or the runs by condition.

    Raises
    ------
    RunDirectoryError
        If there is no run.
    """
    from spacetravlr.run import Run, RunDirectory, condition_directories, scan
    from spacetravlr.run.paths import REPRO_TOML

    root = Path(given).expanduser().absolute()
    if root.is_file():
        root = root.parent if root.name == REPRO_TOML else Run.open(root).path
    found = scan(root)
    run = RunDirectory(root)
    parts = condition_directories(root)
    has_results = bool(found.finished or found.locked)
    if parts and not has_results:
        return root, {label: RunDirectory(path) for label, path in parts.items()}
    if not (has_results or run.files.toml.exists() or run.files.manifest.exists()):
        raise RunDirectoryError(
            f"{root} is not a run directory: there is no {run.files.toml.name} in it and no result of a training"
        )
    return root, run


def _follow(look: Callable[[], Look], show: Callable[[Look], None], *, always: bool = False) -> None:
    """Look again and again until the run has ended; show what has changed, or everything."""
    before: object = None
    idle_since: float | None = None
    while True:
        now = look()
        if always or now.key != before:
            show(now)
            before = now.key
        if now.state not in ("running", "interrupted", "unknown"):
            return
        if now.state == "running":
            idle_since = None
        else:
            idle_since = time.monotonic() if idle_since is None else idle_since
            if time.monotonic() - idle_since >= PATIENCE:
                return
        time.sleep(SECONDS)


@contextmanager
def _screen() -> Iterator[Callable[[Look], None]]:
    """Give a function that draws a look over the one before; the last one stays."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(console=Console(highlight=False), auto_refresh=False) as live:

        def show(look: Look) -> None:
            live.update(Text("\n".join(look.lines(wanted=False)), no_wrap=True, overflow="ellipsis"), refresh=True)

        yield show


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
