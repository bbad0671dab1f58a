"""One perturbation from the command line: cheap checks first, then the load, then the steps."""

from __future__ import annotations

import math
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacetravlr.cli._perturb_config import ConfigFile, find_batch
from spacetravlr.cli._perturb_run import Sample, at_least_one, check_file, check_genes, open_run, read_sample
from spacetravlr.cli._perturb_scope import SCOPE_FLAGS, rows_to_perturb, split_words
from spacetravlr.cli._perturb_tables import (
    CONTROLS_ASK,
    changed_text,
    control_text,
    observed_text,
    top_text,
    write_table,
    written_text,
)
from spacetravlr.cli._perturb_voice import Voice
from spacetravlr.errors import UsageError, listing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from spacetravlr.perturbation import Effect, Target
    from spacetravlr.run import Run

_SUFFIXES = (".feather", ".h5ad")
EXAMPLE = "spacetravlr-perturb --run-toml my_run/spacetravlr_run_repro.toml --gene Foxo1 --out ko.feather"
_N_SHOWN = 5
_PRINTED = {"top": "--top", "negative_control": "--negative-control"}
"""Flags that print a table, with a file or without one."""
_KEEP = "--out FILE.feather"
# what else says what is perturbed, beside genes and doses
_AGAIN = ("h5ad", "config", "n_propagation", "profile", "beta_scale_factor", *SCOPE_FLAGS)


@dataclass(frozen=True, slots=True)
class _Job:
    """What the flags ask for."""

    run_toml: str | Path
    doses: Mapping[str, str]
    """Dose of each gene, as it was written."""
    out: Path | None
    """None if it is only to be printed."""
    top: int | None
    controls: int | None

    @property
    def control_file(self) -> Path | None:
        return None if self.out is None else self.out.with_name(f"{self.out.stem}_control.feather")


def run_perturbation(given: Mapping[str, Any]) -> int:
    """Simulate as the flags ask, write the result, and return the exit code.

    Parameters
    ----------
    given
        Value of every flag by its name, None for those that were not given.

    Raises
    ------
    SpaceTravLRError
        If something is wrong with flags, run, sample or files.
    """
    config = None if given["config"] is None else ConfigFile.read(given["config"])
    batch = find_batch(given["batch_toml"], config)
    if batch is None and given["batch_parallelism"] is not None:
        raise UsageError("--batch-parallelism has a meaning in batch mode only: give --batch-toml FILE too")
    if batch is not None:
        from spacetravlr.cli._batch import run_batch

        return run_batch(given, batch, config)
    if given["out"] is None and all(given[name] is None for name in _PRINTED):
        from spacetravlr.cli._perturb_interactive import run_interactive

        return run_interactive(given, config)
    job = _check_flags(given, config)
    voice = Voice(verbose=bool(given["verbose"]))
    began = time.perf_counter()
    with voice.hearing_logs():
        run = open_run(job.run_toml, given, voice=voice, config=config)
        sample = read_sample(run)
        targets = _targets(job, sample)
        rows = rows_to_perturb(given, run=run, sample=sample, voice=voice)
        _tell_range(job, run, sample=sample, voice=voice)
        run.model(profile=run.config.perturbation.profile)
        voice.detail(f"load: {time.perf_counter() - began:.2f} s")
        effect = _simulate(run, targets, rows=rows, voice=voice)
        if job.out is not None:
            writing = time.perf_counter()
            effect.write(job.out)
            voice.detail(f"write: {time.perf_counter() - writing:.2f} s")
        voice.detail(f"total: {time.perf_counter() - began:.2f} s")
        if job.out is not None:
            voice.say(written_text(effect, job.out))
        if job.top is None and job.controls is None:
            voice.say(changed_text(effect))
        if job.top is not None:
            sys.stdout.write(f"{top_text(effect, job.top)}\n")
        if job.controls is not None:
            _control(job, run, effect=effect, rows=rows, voice=voice)
        voice.say(_next(given, job, run))
    return 0


def _next(given: Mapping[str, Any], job: _Job, run: Run) -> str:
    """Return how to keep what was only printed, else how to look at it on screens or to compare it with other genes."""
    if job.out is None:
        return f"nothing was written; {_KEEP} keeps the simulated expression"
    toml = shlex.quote(str(run.directory.files.toml))
    if job.top is not None or job.controls is not None:
        return f"next: spacetravlr-perturb screen --run-toml {toml}"
    words = [
        f"--gene {shlex.quote(','.join(job.doses))}",
        f"--desired-expr {shlex.quote(','.join(job.doses.values()))}",
    ]
    for name in _AGAIN:
        asked = given[name] if isinstance(given[name], list) else [] if given[name] is None else [given[name]]
        words += [f"--{name.replace('_', '-')} {shlex.quote(str(value))}" for value in asked]
    return f"next: spacetravlr-perturb --run-toml {toml} {' '.join(words)}"


def _simulate(run: Run, targets: list[Target], *, rows: NDArray[np.int64] | None, voice: Voice) -> Effect:
    from spacetravlr.perturbation.batch import lowest_value, verify

    stored = run.config.perturbation
    effect = run.perturb(
        targets,
        cells=rows,
        n_propagation=stored.n_propagation,
        profile=stored.profile,
        progress=_timer(voice.detail),
    )
    for note in effect.notes:
        voice.note(note)
    verify(effect, lowest=lowest_value(run.model(profile=stored.profile)))
    return effect


def _control(job: _Job, run: Run, *, effect: Effect, rows: NDArray[np.int64] | None, voice: Voice) -> None:
    """Compare with the negative controls, write all of the table, and print the largest changes."""
    number = int(job.controls or 0)
    model = run.model(profile=run.config.perturbation.profile)
    with voice.counting() as advance:
        table = model.negative_control(
            effect.targets,
            cells=rows,
            n_propagation=effect.n_propagation,
            n_shuffles=number,
            n_random=number,
            progress=lambda done, of: advance(done, of, "negative controls"),
        )
    voice.say(CONTROLS_ASK)
    if job.control_file is not None:
        write_table(table, job.control_file)
        voice.say(f"Wrote {job.control_file} ({len(table):,} p values)")
    sys.stdout.write(f"{control_text(table, job.top or _N_SHOWN)}\n")


def _check_flags(given: Mapping[str, Any], config: ConfigFile | None) -> _Job:
    if given["plain"]:
        flag = "--out FILE" if given["out"] is not None else _printed_flag(given)
        raise UsageError(f"--plain is about choosing at a terminal, and {flag} does without: give one of them")
    run_toml = given["run_toml"] or (None if config is None else config.run_toml)
    if run_toml is None:
        also = "" if config is None else f", and {config.path} has no run_toml"
        raise UsageError(f"--run-toml is missing{also}. For example: {EXAMPLE}")
    genes = split_words(given["gene"] or [])
    if not genes:
        raise UsageError(f"--gene is missing. For example: {EXAMPLE}")
    out = None if given["out"] is None else Path(given["out"]).expanduser()
    if out is not None:
        if out.suffix not in _SUFFIXES:
            raise UsageError(f"--out {out}: the name must end in {' or '.join(_SUFFIXES)}")
        check_file(out, "--out")
    at_least_one(given, "top", "negative_control")
    doses = doses_of(genes, split_words(given["desired_expr"] or ["0"]))
    return _Job(run_toml, doses, out, given["top"], given["negative_control"])


def _printed_flag(given: Mapping[str, Any]) -> str:
    return next(flag for name, flag in _PRINTED.items() if given[name] is not None)


def doses_of(genes: list[str], doses: list[str]) -> dict[str, str]:
    """Return the dose of each gene as it was written.

    Raises
    ------
    UsageError
        If a gene is named twice, the numbers do not fit, or a dose is infinite.
    """
    twice = [gene for gene in dict.fromkeys(genes) if genes.count(gene) > 1]
    if twice:
        raise UsageError(f"--gene names {listing(twice, 5)} more than once")
    if len(doses) not in (1, len(genes)):
        one = "one, or one for each" if len(genes) > 1 else "one"
        raise UsageError(f"--desired-expr has {len(doses)} values for {listing(genes, 5)}: give {one}")
    endless = [dose for dose in doses if not _finite(dose)]
    if endless:
        raise UsageError(f"--desired-expr must be a number of at least 0, not {endless[0]}")
    return dict(zip(genes, doses if len(doses) == len(genes) else doses * len(genes), strict=True))


def _finite(dose: str) -> bool:
    """Return False for words such as `inf` and `nan`, which are numbers to Python; other texts are read later."""
    try:
        return math.isfinite(float(dose))
    except ValueError:
        return True


def _targets(job: _Job, sample: Sample) -> list[Target]:
    from spacetravlr.perturbation import Dose, Target

    check_genes(list(job.doses), sample.genes)
    return [Target(gene, Dose.parse(dose, gene=gene)) for gene, dose in job.doses.items()]


def _tell_range(job: _Job, run: Run, *, sample: Sample, voice: Voice) -> None:
    """Tell the observed range of each gene, to compare a dose with."""
    if not voice.verbose:
        return
    for gene in job.doses:
        values = run.tissue().columns([gene])[sample.rows, 0]
        voice.say(f"observed expression of {gene}: {observed_text(values)}")


def _timer(tell: Callable[[str], None]) -> Callable[[int, int], None]:
    last = time.perf_counter()

    def after(step: int, steps: int) -> None:
        nonlocal last
        now = time.perf_counter()
        if step:
            tell(f"step {step}/{steps}: {now - last:.3f} s")
        last = now

    return after
