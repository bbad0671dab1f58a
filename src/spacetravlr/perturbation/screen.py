"""One perturbation after the other, for every gene that some model listens to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spacetravlr.atomic import make_directory
from spacetravlr.config import N_PROPAGATION
from spacetravlr.errors import InputError, UsageError, did_you_mean, listing
from spacetravlr.perturbation._pool import choose_workers, run_all
from spacetravlr.perturbation._screen_table import ScreenTable
from spacetravlr.perturbation._settings import check_steps
from spacetravlr.perturbation.batch import Progress, do_job, simulation_bytes
from spacetravlr.perturbation.doses import Dose, DoseLike
from spacetravlr.perturbation.jobs import Job, JobResult, file_stem
from spacetravlr.perturbation.scopes import Cells, resolve_cells
from spacetravlr.perturbation.targets import Target

if TYPE_CHECKING:
    import pandas as pd

    from spacetravlr.perturbation.effect import Effect
    from spacetravlr.perturbation.model import PropagationModel


@dataclass(frozen=True, eq=False)
class ScreenResult:
    """What has become of a screen.

    Attributes
    ----------
    summary
        One row per finished gene, in the order of the genes asked for: ``gene``, ``dose``, ``n_cells`` (perturbed),
        ``mean_abs_change`` and ``mean_abs_change_{cell type}`` (over the cells of the type and all other genes with a
        model), ``top_genes`` (joined by ``;``, the strongest first), ``notes`` (joined by ``;``), ``file``.
    path
        Where it is written.
    results
        What was done now.
    skipped
        Genes that were complete before.
    """

    summary: pd.DataFrame
    path: Path
    results: tuple[JobResult, ...]
    skipped: tuple[str, ...]

    @property
    def failed(self) -> tuple[JobResult, ...]:
        """Genes that could not be simulated, cancelled ones included."""
        return tuple(result for result in self.results if result.error is not None)


def screen(
    model: PropagationModel,
    *,
    out_dir: Path | str,
    genes: Sequence[str] | None = None,
    dose: DoseLike = 0.0,
    cells: Cells = None,
    n_propagation: int = N_PROPAGATION,
    n_jobs: int | None = None,
    resume: bool = True,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> ScreenResult:
    """Perturb one gene after the other and write each result, with a summary of all.

    The summary is written anew after every gene, so it is complete whenever the screen is stopped. Started again, it
    goes on with the genes that are missing.

    Parameters
    ----------
    model
        The model.
    out_dir
        Directory for ``{gene}_KO.feather`` (``{gene}_{dose}.feather`` for another dose than 0), for
        ``screen_summary.feather``, and for ``screen.json``, which tells what they were made with.
    genes
        Genes to perturb; None for all that some model listens to.
    dose
        The same for all of them; not a dose per cell.
    cells
        Scope of all perturbations.
    n_propagation
        Number of steps.
    n_jobs
        Simulations at once; None for one per core, at most 8 and as many as fit into half of the memory.
    resume
        Leave complete results alone. If not, all of them are made anew.
    progress
        Called after each gene with the number of genes done now, the number to be done now, and the result.
    cancelled
        Asked before each step; once true, running and waiting genes end as cancelled.

    Returns
    -------
    The result; genes that fail do not stop the others.

    Raises
    ------
    InputError, UsageError
        If a gene is unknown or named twice, two genes would have one file, or dose or scope are impossible.
    ConfigError
        If the number of steps or of jobs is impossible.
    SettingsChangedError
        If the directory holds a screen of another model, dose, scope or number of steps, and `resume` is set.
    RunDirectoryError
        If the directory cannot be written.

    Examples
    --------
    >>> from spacetravlr.perturbation import screen
    >>> result = screen(run.model(), out_dir="screen", genes=["Pax6", "Foxo1"])
    >>> result.summary["gene"].tolist(), result.path.name, len(result.failed)
    (['Pax6', 'Foxo1'], 'screen_summary.feather', 0)
    """
    level = Dose.parse(dose, gene="the screen")
    if level.kind == "per_cell":
        raise UsageError("a screen has one dose for all genes: give a number, or a text such as 'x2'")
    check_steps(n_propagation)
    chosen = _genes(model, genes)
    workers = choose_workers(n_jobs, len(chosen), simulation_bytes(model))
    rows = resolve_cells(cells, model.cells, obs=model.obs, xy=model.xy, labels=model.labels[0])
    folder = Path(out_dir)
    files = _files(chosen, folder, level.label)
    make_directory(folder)
    table = ScreenTable.open(
        folder, model, {"dose": level.label, "n_propagation": n_propagation}, rows=rows, resume=resume
    )
    skipped = [gene for gene in chosen if gene in table and files[gene].exists()]
    jobs = [
        Job([Target(gene, level, rows)], n_propagation=n_propagation, out=files[gene])
        for gene in chosen
        if gene not in skipped
    ]
    results = _do(model, jobs, table, chosen, workers=workers, progress=progress, cancelled=cancelled)
    return ScreenResult(table.write(chosen), table.path, tuple(results), tuple(skipped))


def _do(
    model: PropagationModel,
    jobs: Sequence[Job],
    table: ScreenTable,
    chosen: Sequence[str],
    *,
    workers: int,
    progress: Progress | None,
    cancelled: Callable[[], bool] | None,
) -> list[JobResult]:
    def work(job: Job, stopped: Callable[[], bool]) -> JobResult:
        def summarise(effect: Effect) -> None:
            table.add(job, effect)

        return do_job(model, job, lambda: stopped() or (cancelled is not None and cancelled()), summarise)

    n_done = 0

    def done(_: int, result: JobResult) -> None:
        nonlocal n_done
        n_done += 1
        if result.error is None:
            table.write(chosen)
        result.log()
        if progress is not None:
            progress(n_done, len(jobs), result)

    return run_all(work, jobs, workers=workers, done=done)


def _genes(model: PropagationModel, genes: Sequence[str] | None) -> tuple[str, ...]:
    if genes is None:
        if not model.modulators:
            raise UsageError("no model listens to any gene: there is nothing to screen")
        return model.modulators
    if isinstance(genes, str):
        raise UsageError(f"genes must be a list of names, not the text {genes!r}")
    chosen = tuple(genes)
    measured = set(model.genes)
    unknown = [gene for gene in chosen if gene not in measured]
    if unknown:
        hint = did_you_mean(unknown[0], model.genes)
        raise InputError(
            f"genes to screen that are not among the {len(measured)} measured ones: "
            f"{listing(map(repr, unknown), 5)}{hint}"
        )
    if not chosen or len(set(chosen)) < len(chosen):
        twice = listing(dict.fromkeys(gene for gene in chosen if chosen.count(gene) > 1), 5)
        raise UsageError(f"genes to screen are named twice: {twice}" if chosen else "there are no genes to screen")
    return chosen


def _files(genes: Sequence[str], folder: Path, label: str) -> dict[str, Path]:
    files = {gene: folder / f"{file_stem(gene)}_{label}.feather" for gene in genes}
    owner: dict[Path, str] = {}
    for gene, file in files.items():
        if owner.setdefault(file, gene) != gene:
            raise UsageError(f"{owner[file]} and {gene} would both be written to {file.name}: screen them apart")
    return files
