"""One perturbation from the command line: cheap checks first, then the load, then the steps."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacetravlr.cli._perturb_config import ConfigFile, find_batch
from spacetravlr.cli._perturb_run import Sample, at_least_one, check_file, check_genes, open_run, read_sample
from spacetravlr.cli._perturb_scope import rows_to_perturb, split_words
from spacetravlr.cli._perturb_tables import control_text, top_text, write_table
from spacetravlr.cli._perturb_voice import Voice
from spacetravlr.errors import UsageError, listing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from spacetravlr.perturbation import Effect, Target
    from spacetravlr.run import Run

_SUFFIXES = (".feather", ".h5ad")
_EXAMPLE = "spacetravlr-perturb --run-toml my_run/spacetravlr_run_repro.toml --gene Foxo1 --out ko.feather"
_N_SHOWN = 5


@dataclass(frozen=True, slots=True)
class _Job:
    """What the flags ask for."""

    run_toml: str | Path
    doses: Mapping[str, str]
    """Dose of each gene, as it was written."""
    out: Path
    top: int | None
    controls: int | None

    @property
    def control_file(self) -> Path:
        return self.out.with_name(f"{self.out.stem}_control.feather")


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
    if batch is not None:
        from spacetravlr.cli._batch import run_batch

        return run_batch(given, batch, config)
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
        writing = time.perf_counter()
        effect.write(job.out)
        voice.detail(f"write: {time.perf_counter() - writing:.2f} s")
        voice.detail(f"total: {time.perf_counter() - began:.2f} s")
        shape = f"{len(effect.cells)} cells × {len(effect.genes)} genes"
        voice.say(f"Wrote {job.out} ({shape}, n_propagation={effect.n_propagation})")
        if job.top is not None:
            sys.stdout.write(f"{top_text(effect, job.top)}\n")
        if job.controls is not None:
            _control(job, run, effect=effect, rows=rows, voice=voice)
    return 0


def _simulate(run: Run, targets: list[Target], *, rows: NDArray[np.int64] | None, voice: Voice) -> Effect:
    from spacetravlr.perturbation.batch import verify

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
    lowest = stored.min_bound or 0.0
    if effect.profile == "python":
        # what is below 0 in the sample stays so under the rules of the original package
        lowest = min(0.0, float(effect.baseline.min()))
    verify(effect, lowest=lowest)
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
    write_table(table, job.control_file)
    voice.say(f"Wrote {job.control_file} ({len(table):,} p values)")
    sys.stdout.write(f"{control_text(table, job.top or _N_SHOWN)}\n")


def _check_flags(given: Mapping[str, Any], config: ConfigFile | None) -> _Job:
    if given["batch_parallelism"] is not None:
        raise UsageError("--batch-parallelism has a meaning in batch mode only: give --batch-toml FILE too")
    if given["out"] is None:
        raise UsageError(
            "give --out FILE; the interactive mode of the compiled edition is not part of this version. For example: "
            f"{_EXAMPLE}"
        )
    run_toml = given["run_toml"] or (None if config is None else config.run_toml)
    if run_toml is None:
        also = "" if config is None else f", and {config.path} has no run_toml"
        raise UsageError(f"--run-toml is missing{also}. For example: {_EXAMPLE}")
    genes = split_words(given["gene"] or [])
    if not genes:
        raise UsageError(f"--gene is missing. For example: {_EXAMPLE}")
    out = Path(given["out"]).expanduser()
    if out.suffix not in _SUFFIXES:
        raise UsageError(f"--out {out}: the name must end in {' or '.join(_SUFFIXES)}")
    check_file(out, "--out")
    at_least_one(given, "top", "negative_control")
    doses = _doses(genes, split_words(given["desired_expr"] or ["0"]))
    return _Job(run_toml, doses, out, given["top"], given["negative_control"])


def _doses(genes: list[str], doses: list[str]) -> dict[str, str]:
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
    import numpy as np

    for gene in job.doses:
        values = run.tissue().columns([gene])[sample.rows, 0]
        low, middle, high, top = (float(np.quantile(values, q)) for q in (0.0, 0.5, 0.99, 1.0))
        voice.say(f"observed expression of {gene}: min {low:.4g}, median {middle:.4g}, p99 {high:.4g}, max {top:.4g}")


def _timer(tell: Callable[[str], None]) -> Callable[[int, int], None]:
    last = time.perf_counter()

    def after(step: int, steps: int) -> None:
        nonlocal last
        now = time.perf_counter()
        if step:
            tell(f"step {step}/{steps}: {now - last:.3f} s")
        last = now

    return after
