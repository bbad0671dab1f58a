"""The perturbation screens: a run, its genes, a dose, cells, and what follows."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.message import Message

from spacetravlr.errors import SpaceTravLRError
from spacetravlr.perturbation.workbench import Draft, QueuedJob, Workbench, check_export, write_export
from spacetravlr.run.nearby import remember_run
from spacetravlr.tui._perturb_ask import ask_file
from spacetravlr.tui._perturb_dialogs import DIALOG_CSS, ConfirmDialog
from spacetravlr.tui._perturb_main import MainScreen
from spacetravlr.tui._perturb_path_screen import Loader, LoadingScreen, PathScreen
from spacetravlr.tui._perturb_paths import shown
from spacetravlr.tui._theme import install_themes, next_theme

_QUIET_SIGNALS = ("SIGTERM", "SIGHUP")


class PerturbApp(App[object]):
    """All perturbation screens; its return value is an exit code.

    Parameters
    ----------
    load
        Loads a run.
    path
        The run; None asks for it.
    timings
        Whether to show how long each step takes.
    """

    CSS = f"Screen {{ background: $background; }}\n{DIALOG_CSS}"
    ENABLE_COMMAND_PALETTE = False
    TITLE = "SpaceTravLR perturbation"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "quit", show=False, priority=True),
        Binding("ctrl+c", "quit", show=False, priority=True),
    ]

    class Written(Message):
        """A file is written, or not."""

        def __init__(self, path: Path, error: Exception | None) -> None:
            super().__init__()
            self.path, self.error = path, error

    class Logged(Message):
        """The package has a warning."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, load: Loader, *, path: Path | None = None, timings: bool = False) -> None:
        super().__init__()
        self._load, self._path = load, path
        self.timings = timings
        self.main: MainScreen | None = None
        self._writing: set[Path] = set()
        self._hears = _LogHandler(self._hear)

    def on_mount(self) -> None:
        """Show the first screen."""
        install_themes(self)
        logging.getLogger("spacetravlr").addHandler(self._hears)
        for name in _QUIET_SIGNALS:
            number = getattr(signal, name, None)
            # not on every system, nor outside the main thread
            with suppress(NotImplementedError, RuntimeError, ValueError):
                if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                    asyncio.get_running_loop().add_signal_handler(number, self.exit, 128 + int(number))
        if self._path is None:
            self._ask()
        else:
            self._open(self._path)

    def on_unmount(self) -> None:
        """Hear warnings no more."""
        logging.getLogger("spacetravlr").removeHandler(self._hears)

    async def action_quit(self) -> None:
        """Leave; if runs are going on, ask first."""
        if isinstance(self.screen, ConfirmDialog):
            return
        if self.main is None or not (self.main.queue.busy or self._writing):
            self.exit(0)
            return

        def answered(yes: object) -> None:
            if yes:
                self.exit(0)

        what = "A file is being written" if self._writing else "Runs are going on; their results would be lost"
        self.push_screen(ConfirmDialog("Quit?", f"{what}. Quit all the same?"), answered)

    def switch_theme(self) -> None:
        """Take the next colours."""
        next_theme(self)

    def export(self, job: QueuedJob) -> None:
        """Ask for a file and write a result to it, on another thread."""
        bench = None if self.main is None else self.main.bench
        if bench is None:
            return
        if job.effect is None:
            self._tell("this result was let go to save memory: run it again", "bad")
            return

        def named(text: str | None) -> None:
            if text is None:
                return
            path = check_export(text)
            if not path.exists():
                self._write(job, path, overwrite=False)
                return
            self.push_screen(
                ConfirmDialog("Replace the file?", f"{shown(path)} exists. Replace it?"),
                lambda yes: self._write(job, path, overwrite=True) if yes else None,
            )

        self.push_screen(ask_file(bench, job), named)

    def _write(self, job: QueuedJob, path: Path, *, overwrite: bool) -> None:
        effect = job.effect
        if effect is None:
            return
        if path in self._writing:
            self._tell(f"{shown(path)} is being written already", "warn")
            return

        def work() -> None:
            error: Exception | None = None
            try:
                write_export(effect, path, overwrite=overwrite)
            except Exception as problem:  # noqa: BLE001 - told on the screen, or raised there
                error = problem
            self.post_message(self.Written(path, error))

        self._writing.add(path)
        # not a daemon: a file that is half written is finished even if the screens are left
        threading.Thread(target=work, name="export").start()

    def on_perturb_app_written(self, event: Written) -> None:
        """Tell what has become of a file."""
        self._writing.discard(event.path)
        if event.error is None:
            self._tell(f"wrote {shown(event.path)}", "good")
        elif isinstance(event.error, SpaceTravLRError | OSError):
            self._tell(str(event.error), "bad")
        else:
            raise event.error

    def _tell(self, text: str, colour: str) -> None:
        """Say something in the line of the main screen, and over another one."""
        if self.main is not None:
            self.main.say(text, colour)
        if self.screen is not self.main:
            self.notify(text, severity={"bad": "error", "warn": "warning"}.get(colour, "information"))  # type: ignore[arg-type]

    def _hear(self, text: str) -> None:
        self.post_message(self.Logged(text))

    def on_perturb_app_logged(self, event: Logged) -> None:
        """Show a warning of the package."""
        if self.main is not None and self.main.is_mounted:
            self.main.say(event.text, "warn")

    def _ask(self, text: str = "", error: str = "") -> None:
        def chosen(path: Path | None) -> None:
            if path is not None:
                self._open(path)

        self.push_screen(PathScreen(text, error), chosen)

    def _open(self, path: Path) -> None:
        def ended(loaded: tuple[Workbench, Draft] | str | None) -> None:
            if isinstance(loaded, tuple):
                remember_run(loaded[0].place)
                self.main = MainScreen(*loaded)
                self.push_screen(self.main)
            else:
                self._ask(shown(path), loaded or "")

        self.push_screen(LoadingScreen(path, self._load), ended)

    def _fatal_error(self) -> None:
        """Leave in order; whoever runs the screens gets the exception and tells it in one line."""
        self._close_messages_no_wait()

    def run_screens(self) -> int:
        """Show the screens until they are left, and return the exit code; the terminal is as before in any case.

        Raises
        ------
        Exception
            What went wrong inside, if anything did.
        """
        code = self.run()
        if self._exception is not None:
            raise self._exception
        return code if isinstance(code, int) else 0


class _LogHandler(logging.Handler):
    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        # a message that cannot be shown must not end the work
        with suppress(Exception):
            self._tell(record.getMessage())
