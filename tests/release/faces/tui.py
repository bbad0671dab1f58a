"""Extra tui: the dashboard of a training on a terminal, from its first frame to its last line."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from pathlib import Path

PROGRAM = str(Path(sys.executable).parent / "spacetravlr")
TRAIN = ("--h5ad", "tissue.h5ad", "--output-dir", "watched", "--radius", "60", "--max-genes", "8")
ENTERS, LEAVES = "\x1b[?1049h", "\x1b[?1049l"
SIZE = struct.pack("HHHH", 40, 120, 0, 0)


def watched(*arguments: str) -> str:
    """Run a program in a terminal until it ends by itself, and return all it has drawn."""
    process, terminal = pty.fork()
    if process == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, SIZE)
        os.environ["TERM"] = "xterm-256color"
        os.execv(PROGRAM, [PROGRAM, *arguments])
    drawn, end = b"", time.monotonic() + 180
    while time.monotonic() < end:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                drawn += os.read(terminal, 65_536)
            except OSError:  # the terminal is closed: the program has ended
                break
    else:
        os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    text = drawn.decode(errors="replace")
    assert os.waitstatus_to_exitcode(status) == 0, text
    return text


drawn = watched(*TRAIN)
screen, _, after = drawn.rpartition(LEAVES)
assert ENTERS in screen
assert "received ligands" in screen
assert "at work" in screen
assert "genes written" in after
assert list(Path("watched").glob("*_betadata.feather"))
