"""`spacetravlr tf-priors`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacetravlr.cli._perturb_run import check_file, check_genes
from spacetravlr.cli._perturb_voice import Voice
from spacetravlr.errors import InputError, UsageError
from spacetravlr.words import count

if TYPE_CHECKING:
    from spacetravlr.networks import FittedTfPriors
    from spacetravlr.tissue import Tissue


@dataclass(frozen=True)
class TfPriorOptions:
    """Values of the flags."""

    out: str
    layer: str
    annot: str | None
    species: str | None
    data_dir: str | None
    genes: str | None
    parallel: int
    numbers: Mapping[str, Any]
    """Numbers of the fit and of the filter."""


def run_tf_priors(h5ad: str, options: TfPriorOptions) -> int:
    """Fit TF priors, write them, and return the exit code.

    Raises
    ------
    SpaceTravLRError
        If the sample, the network or a number is unusable, or the file cannot be written.
    """
    out = Path(options.out).expanduser()
    if out.suffix != ".feather":
        raise UsageError(f"--out {out}: the name must end in .feather")
    check_file(out, "--out")
    if options.parallel < 0:
        raise UsageError(f"--parallel must be at least 0, not {options.parallel}")
    voice = Voice(verbose=False)
    with voice.hearing_logs():
        from spacetravlr.networks import TfPriorSettings, fit_tf_priors, usable_cores
        from spacetravlr.prior import PriorNetwork, infer_species
        from spacetravlr.tissue import Tissue

        settings = TfPriorSettings(**options.numbers)
        tissue = Tissue.open(h5ad, layer=options.layer)
        targets = None
        if options.genes is not None:
            targets = [gene.strip() for gene in options.genes.split(",") if gene.strip()]
            check_genes(targets, tissue.genes)
        network = PriorNetwork.load(options.species or infer_species(tissue.genes), options.data_dir)
        for notice in network.notices:
            voice.note(notice)
        voice.say(f"{count(tissue.n_cells, 'cell')}, {count(tissue.n_genes, 'gene')}; network {network.source}")
        with voice.counting(lines=True) as advance:
            fitted = fit_tf_priors(
                tissue,
                network,
                labels=None if options.annot is None else _labels(tissue, options.annot),
                targets=targets,
                settings=settings,
                threads=options.parallel or usable_cores(),
                progress=lambda done, total: advance(done, total, "samples of cell types"),
            )
    if fitted.table.empty:
        raise InputError(
            f"none of {fitted.n_tested:,} TF-target edges in {count(len(fitted.cell_types), 'cell type')} passes; "
            "raise --p-max, lower --min-abs-coef, or leave out the priors: nothing was written"
        )
    fitted.write(out)
    voice.say(f"Wrote {out} ({_summary(fitted)}); train with --tf-prior {out}")
    return 0


def _labels(tissue: Tissue, annot: str) -> list[str | None]:
    import numpy as np

    from spacetravlr.tissue.clusters import read_labels

    column = tissue.obs_column(annot)
    known = column.notna().to_numpy()
    labels, codes = read_labels(column[known], annot)
    found = np.full(tissue.n_cells, None, dtype=object)
    found[known] = np.array(labels, dtype=object)[codes]
    return list(found)


def _summary(fitted: FittedTfPriors) -> str:
    table = fitted.table
    return (
        f"{len(table):,} of {fitted.n_tested:,} TF-target edges in {count(len(fitted.cell_types), 'cell type')} kept, "
        f"p at most {fitted.settings.p_max:g}: {count(table['source'].nunique(), 'TF')} of "
        f"{count(table['target'].nunique(), 'target')}"
    )
