"""Perturbations to be done, their files, and what has become of them."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from spacetravlr.config import N_PROPAGATION
from spacetravlr.errors import UsageError
from spacetravlr.perturbation.scopes import Cells
from spacetravlr.perturbation.targets import Target, Targets, as_targets

if TYPE_CHECKING:
    from spacetravlr.perturbation.effect import Effect

logger = logging.getLogger("spacetravlr")

JOINT_NAME = "joint"
_NOT_IN_NAMES = re.compile(r"[/\\:\x00]")
_SUFFIXES = (".feather", ".h5ad")


@dataclass(frozen=True, eq=False)
class Job:
    """One simulation to be done.

    Attributes
    ----------
    targets
        What is done (see `PropagationModel.simulate`); several genes are perturbed together.
    cells
        Scope of all targets.
    n_propagation
        Number of steps.
    out
        File for the result, ``.feather`` or ``.h5ad``; None keeps the effect in memory.
    beta_scale_factor
        Factor of the derivatives, as for `PropagationModel`; None for that of the model.
    """

    targets: Targets
    cells: Cells = None
    n_propagation: int = N_PROPAGATION
    out: Path | None = None
    beta_scale_factor: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.targets, Mapping | Target | str):
            # read more than once
            object.__setattr__(self, "targets", tuple(self.targets))

    @property
    def genes(self) -> tuple[str, ...]:
        """The perturbed genes, once each."""
        return tuple(dict.fromkeys(target.gene for target in as_targets(self.targets)))

    @property
    def name(self) -> str:
        """A name for messages: the perturbed genes, joined by ``+``."""
        return "+".join(self.genes)


@dataclass(frozen=True, eq=False)
class JobResult:
    """What has become of a job.

    Attributes
    ----------
    job
        The job.
    effect
        The effect, if it is not in a file and nothing failed.
    path
        The file, if it was written.
    error
        Why it failed, or None.
    notes
        Remarks on the result (see `Effect.notes`).
    seconds
        How long it took, writing included.
    """

    job: Job
    effect: Effect | None
    path: Path | None
    error: Exception | None
    notes: tuple[str, ...]
    seconds: float

    def log(self) -> None:
        """Write the error of a failed job to the log, as a warning."""
        if self.error is not None:
            logger.warning("%s is not simulated: %s", self.job.name, self.error)


def name_outputs(
    jobs: Sequence[Job], *, out_dir: Path | str | None = None, outs: Sequence[Path | str] | None = None
) -> list[Job]:
    """Return the jobs with their files, all different.

    Raises
    ------
    UsageError
        If both are given, there are too few files or too many, a suffix is unknown, or two jobs share a file.
    """
    if out_dir is not None and outs is not None:
        raise UsageError("give out_dir or outs, not both")
    named = list(jobs)
    if outs is not None:
        if len(outs) != len(named):
            raise UsageError(f"there are {len(outs)} output files for {len(named)} jobs: give one for each")
        named = [replace(job, out=Path(out)) for job, out in zip(named, outs, strict=True)]
    elif out_dir is not None:
        named = [job if job.out else replace(job, out=Path(out_dir) / output_name(job)) for job in named]
    owner: dict[Path, Job] = {}
    for job in named:
        if job.out is None:
            continue
        if job.out.suffix not in _SUFFIXES:
            raise UsageError(f"cannot write {job.out} (of {job.name}): the name must end in {' or '.join(_SUFFIXES)}")
        other = owner.setdefault(job.out.absolute(), job)
        if other is not job:
            raise UsageError(
                f"the jobs {other.name} and {job.name} would both write {job.out}: give each a file of its own"
            )
    return named


def output_name(job: Job) -> str:
    """Return the file name of a job in a directory."""
    genes = job.genes
    return f"{file_stem(genes[0]) if len(genes) == 1 else JOINT_NAME}_perturb_expr.feather"


def file_stem(gene: str) -> str:
    r"""Return a gene's name for a file: ``/``, ``\``, ``:`` and NUL become ``_``, as in the compiled edition."""
    return _NOT_IN_NAMES.sub("_", gene)
