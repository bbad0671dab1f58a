"""The full-screen dashboard as the display of a training: the screen in the main thread, the work in another one."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from spacetravlr.cli._aside import Aside
from spacetravlr.cli._displays import PlainDisplay, Result, is_terminal
from spacetravlr.cli._lines import Line
from spacetravlr.errors import install_command
from spacetravlr.events import Event

if TYPE_CHECKING:
    from spacetravlr.tui.train_keys import Role

HINT = f"for the full-screen dashboard: {install_command('tui')}; for lines only: --plain"
_PATIENCE = 2.0
"""Seconds that a screen gets to close before the terminal is restored without it."""
_MOST_WARNINGS = 5
# leave the alternate screen; show the cursor; end the reporting of the mouse, of focus, pasting and keys
_RESTORE = (
    "\x1b[?1049l\x1b[?25h\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?1004l\x1b[?2004l\x1b[<u\x1b[0m"
)


class GivenUpError(KeyboardInterrupt):
    """Raised in the thread of the training: an end was asked for before there was anything to finish."""


def has_screens() -> bool:
    """Return whether the library of the full-screen faces is installed, without loading it."""
    return find_spec("textual") is not None


def can_show() -> bool:
    """Return whether there is a person at a terminal who can see a screen and press keys."""
    return is_terminal() and sys.stdin is not None and sys.stdin.isatty()


class DashboardDisplay:
    """Shows a run on the whole terminal; lines that are shown after it are printed.

    Parameters
    ----------
    title
        What is trained.
    facts
        The settings as labels and values.
    role
        A training, or a demonstration.
    """

    def __init__(self, title: str, facts: Sequence[tuple[str, str]] = (), *, role: Role = "train") -> None:
        from spacetravlr.tui.dashboard_state import Dashboard

        self.dashboard = Dashboard(title, facts=facts)
        self.files: Any = None
        """Stands in for the files of the run; by default they are read."""
        self.overhear: Callable[[str], None] = lambda text: self.show(Line(text))
        """Receives what anything else writes to the terminal while the screen is open."""
        self._role: Role = role
        self._lines: PlainDisplay | None = None
        self._warnings: list[str] = []
        self._over = threading.Event()
        self._closed = threading.Event()
        self._worker: threading.Thread | None = None
        self._terminal = _terminal_settings()

    def hear(self, event: Event) -> None:
        """Take an event into account."""
        self.dashboard.apply(event)

    def show(self, line: Line) -> None:
        """Add a line to the log on the screen, or print it if the screen is not there any more."""
        from spacetravlr.tui.dashboard_view import level_of

        level = level_of(line.text)
        self.dashboard.log(line.text, level)
        if self._lines is not None:
            self._lines.show(line)
        elif level == "warning":
            self._warnings.append(line.text)

    def refresh(self) -> None:
        """Do nothing: the screen looks for itself."""

    def close(self) -> None:
        """Close the screen and wait until the terminal is as it was; may be called from any thread."""
        self._over.set()
        if self._worker is None or self._lines is not None:
            self._print_from_now_on()
            return
        if not self._closed.wait(_PATIENCE):
            _restore(self._terminal)

    def conduct(
        self, work: Callable[[], Result], *, finish: Callable[[], None], stop_now: Callable[[], None]
    ) -> Result:
        """Do some work in another thread, show it meanwhile, and return what it returns or raise what it raises.

        If the screen fails the work goes on, and lines are printed.

        Parameters
        ----------
        work
            The training.
        finish, stop_now
            Called when keys ask for the end.
        """
        done: list[Result] = []
        failed: list[BaseException] = []

        def body() -> None:
            try:
                done.append(work())
            except BaseException as error:  # noqa: BLE001 - raised again by whoever waits for this thread
                failed.append(error)
            finally:
                self._over.set()

        self._worker = threading.Thread(target=body, name="training", daemon=True)
        self._worker.start()
        trouble = self._open(finish, stop_now)
        self._print_from_now_on(trouble)
        while self._worker.is_alive():
            # with a limit, so that signals are heard
            self._worker.join(0.2)
        if failed:
            raise failed[0]
        return done[0]

    def finishing(self) -> None:
        """Show that an end was asked for."""
        self.dashboard.finishing = True

    def give_up(self) -> bool:
        """Raise `GivenUpError` in the thread of the training."""
        self.finishing()
        worker = self._worker
        if worker is None or worker.ident is None:
            return False
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(worker.ident), ctypes.py_object(GivenUpError))
        return True

    def _open(self, finish: Callable[[], None], stop_now: Callable[[], None]) -> str:
        """Show the screen until the work is over; return what went wrong with it, if something did."""
        try:
            from spacetravlr.tui.train_app import Controls, TrainApp
            from spacetravlr.tui.train_files import Files
            from spacetravlr.tui.train_machine import Telemetry

            files = self.files or Files(self.dashboard)
            telemetry = Telemetry(lambda: self.dashboard.out or os.getcwd())  # noqa: PTH109 - it may have gone
            aside = Aside(self.overhear)
            controls = Controls(
                finish=finish,
                stop_now=stop_now,
                is_over=lambda: self._over.is_set() or aside.gone,
                overhear=self.overhear,
            )
            app = TrainApp(self.dashboard, controls, files=files, telemetry=telemetry, role=self._role)
            files.start()
            telemetry.start()
            try:
                with aside:
                    app.run()
            finally:
                files.stop()
                telemetry.stop()
        except Exception as error:  # noqa: BLE001 - a screen that fails is no reason to lose a training
            return f"{type(error).__name__}: {error}"
        finally:
            if not self._closed.is_set():
                _restore_settings(self._terminal)
            self._closed.set()
        return app.trouble

    def _print_from_now_on(self, trouble: str = "") -> None:
        if self._lines is not None:
            return
        self._lines = PlainDisplay(sys.stdout)
        with suppress(OSError):
            for text in self._warnings[:_MOST_WARNINGS]:
                self._lines.show(Line(text))
            if len(self._warnings) > _MOST_WARNINGS:
                more = len(self._warnings) - _MOST_WARNINGS
                self._lines.show(Line(f"warning: {more} more warnings, see log/run.log"))
            if trouble:
                self._lines.show(Line(f"warning: the dashboard has failed ({trouble}); the training goes on"))


def _terminal_settings() -> Any:
    with suppress(Exception):
        import termios

        return termios.tcgetattr(sys.__stdin__.fileno())  # type: ignore[union-attr]
    return None


def _restore_settings(settings: Any) -> None:
    with suppress(Exception):
        import termios

        if settings is not None:
            termios.tcsetattr(sys.__stdin__.fileno(), termios.TCSANOW, settings)  # type: ignore[union-attr]


def _restore(settings: Any) -> None:
    """Bring the terminal back without the help of the screen, which may hang."""
    with suppress(Exception):
        sys.__stderr__.write(_RESTORE)  # type: ignore[union-attr]
        sys.__stderr__.flush()  # type: ignore[union-attr]
    _restore_settings(settings)
