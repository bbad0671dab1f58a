"""How long the command line takes before it does anything: `spacetravlr --help`, and `import spacetravlr`."""

from __future__ import annotations

import argparse
import sys

from spacetravlr.bench._commands import command_of
from spacetravlr.bench._session import Session
from spacetravlr.bench._text import megabytes, seconds


def add_options(parser: argparse.ArgumentParser) -> None:
    """Set the number of repeats to 10: a start is short, and disturbed easily."""
    parser.set_defaults(repeats=10)


def run(session: Session) -> None:
    """Start each in a process of its own, and a bare Python to compare with."""
    commands = {
        "python": [sys.executable, "-c", "pass"],
        "import spacetravlr": [sys.executable, "-c", "import spacetravlr"],
        "spacetravlr --help": [*command_of(), "--help"],
    }
    session.dataset = {"recipe": "none"}
    for what, argv in commands.items():
        point = {"what": what}
        walls, peak = [], 0.0
        for repeat in range(-1, 2 if session.options.quick else session.repeats):
            done = session.program(argv)
            if done.returncode:
                session.fail(point, done)
                break
            if repeat >= 0:
                walls.append(done.wall_s)
            peak = max(peak, done.peak_rss_mb or 0.0)
        else:
            result = session.record(point, walls, peak_rss_mb=peak or None)
            session.say(
                f"  {what:<20}  best {seconds(result['min_s'])}  median {seconds(result['median_s'])} of {len(walls)}"
                f"  {megabytes(result['peak_rss_mb'])}"
            )
