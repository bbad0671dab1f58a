"""`spacetravlr status DIR --watch` on the whole terminal."""

from __future__ import annotations

import signal
import threading

import typer

from spacetravlr.cli._aside import Aside
from spacetravlr.cli._handlers import Handlers
from spacetravlr.cli._status import Look, find_runs


class Leaving(Handlers):
    """While active, any signal that asks for the end sets an event, so that a screen can close first."""

    def __init__(self, left: threading.Event) -> None:
        super().__init__()
        self.first: int | None = None
        """The signal that asked for the end."""
        self._left = left

    @property
    def exit_code(self) -> int:
        """0 after Ctrl-C, because that is how one leaves."""
        return 0 if self.first in (None, signal.SIGINT) else 128 + (self.first or 0)

    def _receive(self, number: int) -> None:
        self.first = self.first or number
        self._left.set()


def show_run(directory: str) -> int:
    """Show a run on the whole terminal until a key closes it, tell its state, and return the exit code.

    Parameters
    ----------
    directory
        A run directory, the parent of a condition split, or the TOML of a run.

    Raises
    ------
    RunDirectoryError
        If there is no run.
    """
    from spacetravlr.tui.dashboard_state import Dashboard
    from spacetravlr.tui.train_app import Controls, TrainApp
    from spacetravlr.tui.train_follow import Follower
    from spacetravlr.tui.train_machine import Telemetry

    root, _ = find_runs(directory)
    left = threading.Event()
    dashboard = Dashboard(root.name, watching=True)
    follower = Follower(dashboard, lambda: find_runs(directory))
    telemetry = Telemetry(lambda: str(root))
    aside = Aside(dashboard.log)
    controls = Controls(finish=left.set, stop_now=left.set, is_over=lambda: left.is_set() or aside.gone)
    with Leaving(left) as leaving:
        follower.start()
        telemetry.start()
        try:
            app = TrainApp(dashboard, controls, files=follower, telemetry=telemetry, role="watch")
            with aside:
                app.run()
        finally:
            follower.stop()
            telemetry.stop()
        if app.trouble:
            typer.echo(f"warning: the dashboard has failed ({app.trouble}); --plain shows lines", err=True)
        typer.echo("\n".join(Look(*find_runs(directory)).lines()))
    return leaving.exit_code
