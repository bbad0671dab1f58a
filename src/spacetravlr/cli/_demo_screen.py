"""`spacetravlr --demo`: the dashboard on a training that is made up."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from spacetravlr.cli._dashboard import DashboardDisplay, can_show, has_screens
from spacetravlr.cli._lines import Narrator
from spacetravlr.cli._recap import counts_text
from spacetravlr.cli._watch_screen import Leaving
from spacetravlr.errors import UsageError, install_command

if TYPE_CHECKING:
    from spacetravlr.events import Event


def show_demo(given: Mapping[str, Any]) -> int:
    """Show the demonstration and return the exit code.

    Parameters
    ----------
    given
        Value of every flag by its name; number of genes, workers and seed are heeded.

    Raises
    ------
    UsageError
        If it cannot be shown.
    """
    if given["plain"]:
        raise UsageError("--demo shows the dashboard and --plain does without it: leave one of them out")
    if not has_screens():
        raise UsageError(
            f"--demo needs the library of the screens: {install_command('tui')}; `spacetravlr demo` trains for real"
        )
    if not can_show():
        raise UsageError("--demo needs a terminal; `spacetravlr demo` simulates a tissue and trains on it")
    from spacetravlr.config import RunConfig
    from spacetravlr.tui.dashboard_facts import run_facts
    from spacetravlr.tui.train_demo import Demo, DemoFiles

    wanted = {"n_genes": given["max_genes"], "workers": given["parallel"], "seed": given["seed"]}
    demo = Demo(**{name: value for name, value in wanted.items() if value})
    facts = {**dict(run_facts(RunConfig(), sample="none: made up", out="nowhere")), "device": "none"}
    display = DashboardDisplay("a made-up lymph node", tuple(facts.items()), role="demo")
    display.files = DemoFiles(demo.picture())
    demo.introduce(display.dashboard)
    narrator = Narrator(display.dashboard.pace)
    telling = threading.RLock()

    def tell(event: Event) -> None:
        with telling:
            display.hear(event)
            for line in narrator.tell(event):
                display.show(line)

    with Leaving(demo.abandon) as leaving:
        try:
            display.conduct(lambda: demo.run(tell), finish=demo.leave, stop_now=demo.leave)
        finally:
            display.close()
    finished = display.dashboard.finished
    if finished is not None:
        sys.stdout.write(f"made up: {counts_text(finished, display.dashboard.pace)}\n")
    sys.stdout.write("Demo finished; nothing was written. next: spacetravlr demo\n")
    return leaving.exit_code
