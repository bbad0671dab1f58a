"""`spacetravlr-perturb screen`: one gene after the other."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacetravlr.atomic import check_directory
from spacetravlr.cli._perturb_jobs import Account
from spacetravlr.cli._perturb_run import at_least_one, check_genes, open_run, read_sample
from spacetravlr.cli._perturb_scope import rows_to_perturb, split_words
from spacetravlr.cli._perturb_tables import screen_text
from spacetravlr.cli._perturb_voice import Voice
from spacetravlr.errors import InputError, SettingsChangedError, UsageError, listing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from spacetravlr.run import Run

_FOLDER = "perturbations"
_N_SHOWN = 10


def run_screen(given: Mapping[str, Any]) -> int:
    """Perturb the genes, write files and summary, and return the exit code.

    Parameters
    ----------
    given
        Value of every flag by its name, None for those that were not given.

    Raises
    ------
    SpaceTravLRError
        If something is wrong with flags, run, sample or files, or some genes have failed (the others are written).
    """
    if given["run_toml"] is None:
        raise UsageError("--run-toml is missing. For example: spacetravlr-perturb screen --run-toml my_run")
    at_least_one(given, "parallelism")
    genes = _genes(given)
    voice = Voice(verbose=bool(given["verbose"]))
    began = time.perf_counter()
    with voice.hearing_logs():
        from spacetravlr.perturbation import Dose

        dose = Dose.parse("0" if given["dose"] is None else given["dose"], gene="every gene")
        run = open_run(given["run_toml"], given, voice=voice)
        out_dir = run.path / _FOLDER if given["out_dir"] is None else Path(given["out_dir"]).expanduser()
        check_directory(out_dir)
        sample = read_sample(run)
        check_genes(genes or (), sample.genes)
        rows = rows_to_perturb(given, run=run, sample=sample, voice=voice)
        run.model(profile=run.config.perturbation.profile)
        voice.detail(f"load: {time.perf_counter() - began:.2f} s")
        return _screen(given, run, voice=voice, genes=genes, dose=dose, rows=rows, out_dir=out_dir)


def _screen(
    given: Mapping[str, Any],
    run: Run,
    *,
    voice: Voice,
    genes: Sequence[str] | None,
    dose: Any,
    rows: NDArray[np.int64] | None,
    out_dir: Path,
) -> int:
    from spacetravlr.cli._perturb_stop import PatientModel, Stopping
    from spacetravlr.perturbation import screen

    model = run.model(profile=run.config.perturbation.profile)
    # doses out of range and failures of hundreds of genes are told in the summary and at the end
    voice.mute_logs()
    account = Account(voice, "gene")
    with Stopping(voice.say) as stopping:
        with account.following(notes=False) as progress:
            try:
                result = screen(
                    PatientModel(model, stopping.at_once.is_set),
                    out_dir=out_dir,
                    genes=genes,
                    dose=dose,
                    cells=rows,
                    n_propagation=run.config.perturbation.n_propagation,
                    n_jobs=given["parallelism"],
                    resume=not given["no_resume"],
                    progress=progress,
                    cancelled=stopping.asked.is_set,
                )
            except SettingsChangedError as error:
                text = str(error).replace("choose another directory", "choose another --out-dir")
                raise SettingsChangedError(text.replace("resume=False", "--no-resume")) from error
        if len(result.summary):
            sys.stdout.write(f"{screen_text(result.summary, _N_SHOWN)}\n")
        voice.say(f"Wrote {result.path} ({len(result.summary)} genes)")
        noted = int((result.summary["notes"] != "").sum())
        if noted:
            voice.say(f"note: there are remarks on {noted} of the genes, in column notes of the summary")
        code = account.close(
            result.results, stopping, before=len(result.skipped), again="the same command goes on with them"
        )
        if not code and len(result.summary):
            strongest = int(result.summary["mean_abs_change"].to_numpy().argmax())
            voice.say(_next(run, str(result.summary["gene"].iloc[strongest]), given["dose"]))
        return code


def _next(run: Run, gene: str, dose: str | None) -> str:
    """Return how to look at the strongest perturbation."""
    from spacetravlr.betas import escape_gene

    toml = shlex.quote(str(run.directory.files.toml))
    level = shlex.quote("0" if dose is None else dose)
    file = shlex.quote(f"{escape_gene(gene)}.feather")
    asked = f"--gene {shlex.quote(gene)} --desired-expr {level} --out {file} --top 20"
    return f"next: spacetravlr-perturb --run-toml {toml} {asked}"


def _genes(given: Mapping[str, Any]) -> list[str] | None:
    """Return the genes that are asked for, None for all that some model listens to."""
    if given["genes"] is not None and given["genes_file"] is not None:
        raise UsageError("--genes and --genes-file exclude each other: give one")
    if given["genes"] is not None:
        source, genes = "--genes", split_words([given["genes"]])
    elif given["genes_file"] is not None:
        source, genes = f"--genes-file {given['genes_file']}", _read_genes(Path(given["genes_file"]).expanduser())
    else:
        return None
    if not genes:
        raise UsageError(f"{source} names no gene")
    twice = [gene for gene in dict.fromkeys(genes) if genes.count(gene) > 1]
    if twice:
        raise UsageError(f"{source} names {listing(twice, 5)} more than once")
    return genes


def _read_genes(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"cannot read {path}: it is not text in UTF-8") from error
    return split_words([line for line in lines if not line.lstrip().startswith("#")])
