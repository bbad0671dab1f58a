"""`spacetravlr` without a subcommand: train."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import typer

from spacetravlr.cli._reporter import Reporter
from spacetravlr.cli._request import Request, make_request
from spacetravlr.cli._signals import Signals
from spacetravlr.cli._train_prepare import check_prepare, prepared
from spacetravlr.errors import NothingWrittenError, SpaceTravLRError, UsageError, listing
from spacetravlr.events import Notice

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
        raise UsageError(
            "the simulated dashboard of --demo is not part of this version; `spacetravlr demo` simulates a tissue, "
            "trains on it and knocks a gene out"
        )
    request = make_request(given)
    check_prepare(given)
    if given["dry_run"]:
        from spacetravlr.cli._dry_run import tell_estimate

        return tell_estimate(request)
    reporter = Reporter(plain=bool(given["plain"]))
    try:
        if given["prepare"] and given["join_output_dir"] is None:
            request = prepared(request, reporter, um_per_unit=given["um_per_unit"])
        code = _train(request, reporter)
    finally:
        reporter.close()
        if reporter.out is not None:
            guard.log_directory = Path(reporter.out) / "log"
    failures = reporter.failures
    if failures and given["fail_on_gene_error"]:
        raise SpaceTravLRError(f"{len(failures)} gene(s) could not be trained: {listing(failures, 5)}")
    return code


def _train(request: Request, reporter: Reporter) -> int:
    for notice in request.notices:
        reporter(Notice(notice))
    # only now, so that a slip in the flags is reported without waiting for numpy and its friends
    from spacetravlr.cluster import ClusterExecutor
    from spacetravlr.run import ConditionRuns
    from spacetravlr.training import StopRequest, train

    stop = StopRequest()
    with Signals(stop, reporter) as signals, reporter.hearing_logs():
        try:
            trained = train(
                request.sample,
                request.out,
                config=request.config,
                listener=reporter,
                stop=stop,
                executor=ClusterExecutor(),
            )
        except NothingWrittenError:
            if not reporter.split:
                reporter.recap(None)
            raise
        # which of the two it is depends on the settings, which a type checker does not see
        found = cast("Run | ConditionRuns", trained)
        if isinstance(found, ConditionRuns):
            reporter.recap_split(found)
            return max(signals.exit_code, _worst(found))
        reporter.recap(found)
    return signals.exit_code


def _worst(runs: ConditionRuns) -> int:
    """Return the code of a single run that ends as the worst of some."""
    failed = any(status.state == "failed" for status in runs.status().values())
    return NothingWrittenError.exit_code if failed else 0
