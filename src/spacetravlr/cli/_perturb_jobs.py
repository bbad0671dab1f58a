"""The account of many simulations: what was written, what has failed, what is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from spacetravlr.errors import SpaceTravLRError
from spacetravlr.words import duration

if TYPE_CHECKING:
    from spacetravlr.cli._perturb_stop import Stopping
    from spacetravlr.cli._perturb_voice import Voice
    from spacetravlr.perturbation import JobResult

Progress = Callable[[int, int, "JobResult"], None]


class Account:
    """Tells how simulations go, one after the other, and sums up.

    Parameters
    ----------
    voice
        Says it.
    noun
        What a simulation is called: `job`, `gene`.
    """

    def __init__(self, voice: Voice, noun: str) -> None:
        self._voice = voice
        self._noun = noun
        self._began = time.perf_counter()

    @contextmanager
    def following(self, *, notes: bool) -> Iterator[Progress]:
        """Say what is written, or draw a bar; remarks on results only if asked for."""
        voice = self._voice
        with voice.counting() as advance:

            def progress(done: int, of: int, result: JobResult) -> None:
                advance(done, of, result.job.name)
                if result.path is not None and (voice.verbose or not voice.drawing):
                    detail = f" ({_request(result)}, {result.seconds:.2f} s)" if voice.verbose else ""
                    voice.say(f"[{done}/{of}] Wrote {result.path}{detail}")
                for note in result.notes if notes else ():
                    voice.note(note, result.job.name)

            yield progress

    def close(self, results: Sequence[JobResult], stopping: Stopping, *, before: int = 0, again: str) -> int:
        """List failures, say how much is done, and return the exit code.

        Parameters
        ----------
        results
            All results.
        stopping
            Whether a signal has come.
        before
            How many were done before.
        again
            What to do to get the rest after a signal.

        Raises
        ------
        SpaceTravLRError
            If a simulation has failed.
        """
        from spacetravlr.perturbation import SimulationCancelledError

        failed = [result for result in results if result.error is not None]
        left = [result for result in failed if isinstance(result.error, SimulationCancelledError)]
        failed = [result for result in failed if result not in left]
        for result in failed:
            self._voice.say(f"failed: {result.job.name}: {result.error}")
        plural = f"{self._noun}s"
        earlier = f" ({before} of them before)" if before else ""
        took = duration(time.perf_counter() - self._began)
        total = len(results) + before
        self._voice.say(f"{total - len(failed) - len(left)} of {total} {plural} done{earlier} in {took}")
        if left:
            self._voice.say(f"stopped: {len(left)} {plural} are left; {again}")
        if failed:
            raise SpaceTravLRError(f"{len(failed)} of {total} {plural} failed; the others are written")
        return stopping.exit_code if left else 0


def _request(result: JobResult) -> str:
    from spacetravlr.perturbation.targets import as_targets

    job = result.job
    labels = [target.dose.label for target in as_targets(job.targets)]
    doses = ", ".join("0" if label == "KO" else label for label in labels)
    return f"gene {job.name}, desired_expr {doses}, n_propagation {job.n_propagation}"
