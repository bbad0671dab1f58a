"""Start a program from a process that holds next to no memory, and report how it went.

Where a process is made, its memory record begins with that of its maker; so a large one cannot measure a small one.
Run as a script, in isolation: `python -I -S _launcher.py RESULT TIMEOUT PROGRAM ARGUMENTS...`. The program inherits the
standard streams; RESULT becomes a JSON object of returncode, wall_s, ru_maxrss (null where unknown) and timed_out.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path


def main() -> None:
    """Run the program to its end, or to the end of its time."""
    result, timeout, *argv = sys.argv[1:]
    began = time.perf_counter()
    process = subprocess.Popen(argv)
    late = threading.Event()

    def stop() -> None:
        late.set()
        process.kill()

    def give_up(*_: object) -> None:
        process.kill()

    # whoever ends this process means the program; Ctrl-C reaches the program by itself, and our maker decides
    signal.signal(signal.SIGTERM, give_up)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    timer = threading.Timer(float(timeout), stop)
    timer.daemon = True
    timer.start()
    returncode, ru_maxrss = wait(process)
    timer.cancel()
    report = {
        "returncode": returncode,
        "wall_s": time.perf_counter() - began,
        "ru_maxrss": ru_maxrss,
        "timed_out": late.is_set(),
    }
    Path(result).write_text(json.dumps(report), encoding="utf-8")


def wait(process: subprocess.Popen[bytes]) -> tuple[int, int | None]:
    """Return exit code and peak memory, in the unit of the system."""
    if not hasattr(os, "wait4"):
        return process.wait(), None
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_maxrss


if __name__ == "__main__":
    main()
