"""From exceptions to one line on standard error and an exit code."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import typer

from spacetravlr.errors import SpaceTravLRError
from spacetravlr.words import one_line

USAGE_CODE = 2
INTERRUPTED_CODE = 130
BROKEN_PIPE_CODE = 141
"""What a shell reports for a program that ended because nobody read its output."""
_FULL = (errno.ENOSPC, errno.EDQUOT)
# the parser's errors have one base, which the libraries do not export under a stable name
_PARSER_ERROR: type[Exception] = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")


class Interrupted(KeyboardInterrupt):
    """A signal asked for the end before there was anything to finish."""

    def __init__(self, signal_number: int) -> None:
        super().__init__()
        self.code = 128 + signal_number


class Guard:
    """Runs a command and turns whatever it raises into an exit code."""

    def __init__(self) -> None:
        self.log_directory: Path | None = None
        """Where to keep the traceback of an internal error; the directory for temporary files by default."""

    def run(self, action: Callable[[Guard], int]) -> int:
        """Return the exit code of an action; never raises, except for what ends the interpreter.

        Parameters
        ----------
        action
            Gets this object, returns its exit code.
        """
        try:
            with warnings.catch_warnings():
                # what libraries have to say to programmers does not help who runs a command
                if not sys.warnoptions:
                    warnings.simplefilter("ignore")
                return action(self)
        except typer.Exit as leave:
            return leave.exit_code
        except SpaceTravLRError as error:
            complain(str(error))
            return error.exit_code
        except KeyboardInterrupt as interrupt:
            _say("Interrupted.")
            return interrupt.code if isinstance(interrupt, Interrupted) else INTERRUPTED_CODE
        except BrokenPipeError:
            _silence_output()
            return BROKEN_PIPE_CODE
        except MemoryError as error:
            reason = f" ({one_line(str(error))})" if str(error) else ""
            complain(f"not enough memory{reason}; use fewer --parallel workers, fewer cells, or a larger machine")
            return 1
        except Exception as error:  # noqa: BLE001 - the last line of defence: nobody is helped by a traceback
            return self._unexpected(error)

    def _unexpected(self, error: Exception) -> int:
        if isinstance(error, OSError) and error.errno in _FULL:
            where = f" ({error.filename})" if error.filename else ""
            complain(f"no space left on the disk{where}; free some and repeat the command: finished genes are kept")
            return 1
        reason = one_line(f"{type(error).__name__}: {error}").removesuffix(":")
        complain(f"internal error ({reason}); {self._keep(error)}")
        return 1

    def _keep(self, error: Exception) -> str:
        """Write the traceback to a file and return where it is."""
        text = "".join(traceback.format_exception(error))
        name = f"spacetravlr-error-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
        places = (self.log_directory, Path(tempfile.gettempdir()))
        for place in places:
            if place is not None and place.is_dir():
                with suppress(OSError):
                    (place / name).write_text(text, encoding="utf-8")
                    return f"please report it with the traceback in {place / name}"
        return "its traceback could not be written anywhere"


def complain(message: str) -> None:
    """Write `Error: message` on one line of standard error."""
    _say(f"Error: {one_line(message)}")


def run_app(app: typer.Typer, program: str, arguments: Sequence[str] | None) -> int:
    """Run a command line and return its exit code.

    Parameters
    ----------
    app
        The commands; their bodies run under a `Guard`.
    program
        Its name.
    arguments
        What follows the name; None takes those of this process.
    """
    for stream in (sys.stdout, sys.stderr):
        # a path or a gene name that the terminal cannot show is no reason to fail
        with suppress(AttributeError, OSError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = app(
            args=None if arguments is None else list(arguments),
            prog_name=program,
            standalone_mode=False,
        )
    except _PARSER_ERROR as error:
        message = error.format_message()  # type: ignore[attr-defined]
        hint = " The sample is given as --h5ad FILE." if message.startswith("No such command") else ""
        # the command whose help has the answer
        where = getattr(getattr(error, "ctx", None), "command_path", program)
        end = "" if message.rstrip(".").endswith("?") else "."
        complain(f"{message.rstrip('.')}{end}{hint} Try '{where} --help'.")
        return getattr(error, "exit_code", USAGE_CODE)
    return code if isinstance(code, int) else 0


def _silence_output() -> None:
    """Keep the interpreter from complaining about the closed pipe once more when it ends."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(text: str) -> None:
    # standard error may be closed, and then there is nobody to tell
    with suppress(OSError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
