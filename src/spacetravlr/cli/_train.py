"""`spacetravlr` without a subcommand: train."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from spacetravlr.cli._dashboard import HINT, DashboardDisplay, GivenUpError, can_show, has_screens
from spacetravlr.cli._errors import Interrupted
from spacetravlr.cli._imports import uncollected
from spacetravlr.cli._reporter import Reporter
from spacetravlr.cli._request import Request, load_settings, make_request
from spacetravlr.cli._signals import Signals
from spacetravlr.cli._train_prepare import check_prepare, prepared
from spacetravlr.errors import NothingWrittenError, SpaceTravLRError, listing
from spacetravlr.events import Event, Listener, Notice, RunStarted

if TYPE_CHECKING:
    from spacetravlr.cli._errors import Guard
    from spacetravlr.run import ConditionRuns, Run


def run_training(given: Mapping[str, Any], guard: Guard) -> int:
    """Train as the flags ask, and return the exit code.

    Parameters
    ----------
    given
        Value of every flag by its name, None for those that were not given.
    guard
        Told where the run keeps its logs.

    Raises
    ------
    SpaceTravLRError
        If something is wrong with flags, settings, sample or directory, or nothing was written.
    """
    if given["update"] or given["update_version"] is not None:
        from spacetravlr.cli._update import upgrade_lines

        for line in upgrade_lines(given["update_version"]):
            typer.echo(line)
        return 0
    if given["demo"]:
        from spacetravlr.cli._demo_screen import show_demo

        return show_demo(given)
    request = make_request(given)
    check_prepare(given)
    if given["dry_run"]:
        from spacetravlr.cli._dry_run import tell_estimate

        return tell_estimate(request)
    screen = _dashboard(given, request)
    reporter = Reporter(plain=bool(given["plain"]), display=screen)
    if screen is not None:
        screen.overhear = reporter.say
    if not given["plain"] and can_show() and not has_screens():
        reporter.hint(HINT)

    def ready() -> Request:
        if given["prepare"] and given["join_output_dir"] is None:
            return prepared(request, reporter, um_per_unit=given["um_per_unit"])
        return request

    try:
        code = _train(request, reporter, ready, listener=_recording(reporter, given))
    finally:
        reporter.close()
        if reporter.out is not None:
            guard.log_directory = Path(reporter.out) / "log"
    failures = reporter.failures
    if failures and given["fail_on_gene_error"]:
        raise SpaceTravLRError(f"{len(failures)} gene(s) could not be trained: {listing(failures, 5)}")
    return code


def _recording(reporter: Reporter, given: Mapping[str, Any]) -> Listener:
    """Return the reporter as a listener that also records where settings came from, for reports of a run at work."""
    if given["join_output_dir"] is not None:
        return reporter
    loaded = load_settings(given)

    def listen(event: Event) -> None:
        reporter(event)
        if isinstance(event, RunStarted):
            from spacetravlr.report import record_origins

            # a file system that refuses is told by the results, or by the report at the end
            with suppress(SpaceTravLRError):
                record_origins(Path(event.out), loaded)

    return listen


def _train(request: Request, reporter: Reporter, ready: Callable[[], Request], *, listener: Listener) -> int:
    for notice in request.notices:
        reporter(Notice(notice))
    signals = Signals(reporter)

    def work() -> Run | ConditionRuns:
        # only now, so that a slip in the flags is reported without waiting for numpy and its friends
        with uncollected():
            from spacetravlr.cluster import ClusterExecutor
            from spacetravlr.training import StopRequest, train

        signals.stop = StopRequest()
        wanted = ready()
        # which of the two it is depends on the settings, which a type checker does not see
        trained: Run | ConditionRuns = train(
            wanted.sample,
            wanted.out,
            config=wanted.config,
            listener=listener,
            stop=signals.stop,
            executor=ClusterExecutor(),
        )
        return trained

    with signals, reporter.hearing_logs():
        try:
            found = reporter.conduct(work, finish=signals.finish, stop_now=signals.stop_now)
        except GivenUpError:
            raise Interrupted(signals.first or signal.SIGINT) from None
        except NothingWrittenError:
            if not reporter.split:
                reporter.recap(None)
            raise
        from spacetravlr.run import ConditionRuns

        if isinstance(found, ConditionRuns):
            reporter.recap_split(found)
            return max(signals.exit_code, _worst(found))
        reporter.recap(found)
    return signals.exit_code


def _dashboard(given: Mapping[str, Any], request: Request) -> DashboardDisplay | None:
    """Return the full-screen display, if there is somebody who can see it."""
    if given["plain"] or not can_show() or not has_screens():
        return None
    from spacetravlr.tui.dashboard_facts import run_facts

    out = request.out or request.config.execution.output_dir
    facts = run_facts(request.config, sample=request.sample, out=out)
    return DashboardDisplay(Path(request.sample).name, facts)


def _worst(runs: ConditionRuns) -> int:
    """Return the code of a single run that ends as the worst of some."""
    failed = any(status.state == "failed" for status in runs.status().values())
    return NothingWrittenError.exit_code if failed else 0
