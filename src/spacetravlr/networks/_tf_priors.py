"""TFs of each target in each cell type, chosen by the data among those of the network."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import erfc

from spacetravlr.errors import ConfigError, InputError, nearest
from spacetravlr.networks._bagging import Design, fit_bag, make_design, standardised
from spacetravlr.networks._bayes import Floats
from spacetravlr.threads import begin_worker, one_blas_thread

if TYPE_CHECKING:
    from spacetravlr.prior import PriorNetwork
    from spacetravlr.tissue import Tissue

log = logging.getLogger("spacetravlr")
KEY = b"spacetravlr_tf_priors"
"""Key of the feather file's metadata; the value is JSON."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class TfPriorSettings:
    """How TF priors are fitted and filtered.

    Raises
    ------
    ConfigError
        A number makes no sense.
    """

    n_bags: int = 20
    """Bootstrap samples of the cells of a type."""
    feature_share: float = 0.8
    """Share of a target's TFs that each sample sees, rounded up."""
    p_max: float = 0.05
    """Largest p value that is kept."""
    min_abs_coef: float = 0.0
    """Smallest absolute coefficient that is kept, standard deviations of the target for one of the TF."""
    max_tfs: int | None = None
    """Keep this many TFs for a target in a cell type, those of the largest absolute coefficients."""
    min_cells: int = 20
    """Cell types of fewer cells are left out."""
    seed: int = 0

    def __post_init__(self) -> None:
        checks = (
            (self.n_bags >= 3, "n_bags must be at least 3: the p value comes from their spread"),
            (0 < self.feature_share <= 1, "feature_share must be above 0 and at most 1"),
            (0 < self.p_max <= 1, "p_max must be above 0 and at most 1"),
            (0 <= self.min_abs_coef < float("inf"), "min_abs_coef must be a number of at least 0"),
            (self.max_tfs is None or self.max_tfs >= 1, "max_tfs must be at least 1"),
            (self.min_cells >= 3, "min_cells must be at least 3"),
            (self.seed >= 0, "seed must be at least 0"),
        )
        for holds, message in checks:
            if not holds:
                raise ConfigError(message)


@dataclass(frozen=True)
class FittedTfPriors:
    """TF priors and how they were fitted."""

    table: pd.DataFrame
    """Columns source, target, cell_type, coef_mean, coef_abs, p; by cell type, target, falling coef_abs."""
    settings: TfPriorSettings
    n_tested: int
    """Number of (TF, target, cell type) that were looked at."""
    cell_types: dict[str, int]
    """Cell types that were used, and their numbers of cells."""
    skipped: dict[str, int]
    """Cell types with too few cells, and their numbers of cells."""
    network: str
    """Where the network comes from."""
    layer: str

    def write(self, path: str | Path) -> Path:
        """Write the file for `[grn].tf_priors_feather`, whole or not at all; return its path.

        Raises
        ------
        RunDirectoryError
            The file system refuses.
        """
        import pyarrow as pa
        from pyarrow import feather

        from spacetravlr.atomic import make_directory, replacing

        file = Path(path).expanduser()
        make_directory(file.absolute().parent)
        table = pa.Table.from_pandas(self.table, preserve_index=False)
        about = {"settings": asdict(self.settings), "network": self.network, "layer": self.layer}
        table = table.replace_schema_metadata(
            {**(table.schema.metadata or {}), KEY: json.dumps(about, sort_keys=True).encode()}
        )
        with replacing(file) as temporary:
            feather.write_feather(table, str(temporary), compression="lz4")
        return file


def fit_tf_priors(
    tissue: Tissue,
    network: PriorNetwork,
    *,
    labels: Sequence[str | None] | None = None,
    targets: Sequence[str] | None = None,
    settings: TfPriorSettings | None = None,
    threads: int = 1,
    progress: Progress | None = None,
) -> FittedTfPriors:
    """Regress every target on its TFs in every cell type, and keep the TFs that matter.

    In each cell type the expression of a target is regressed on that of its TFs in the network by Bayesian ridge, in
    bootstrap samples of the cells that each see a share of the TFs (bagging). The coefficient is the mean over the
    samples that saw the TF, in standard deviations of the target for one of the TF; the p value is that of the mean
    over its standard deviation among the samples, two-sided, normal.

    Parameters
    ----------
    tissue
        The sample; its default layer is used.
    network
        TF -> target edges.
    labels
        Cell type of each cell, None where there is none; by default the clusters of the sample under the name of
        their majority cell type, which is how training looks for priors.
    targets
        Genes to look at; all measured ones by default.
    settings
        Numbers of the fit and of the filter.
    threads
        Samples worked on at a time; the result does not depend on it.
    progress
        Called with how many samples are done, and of how many.

    Raises
    ------
    InputError
        A target is not measured, no gene has a measured TF in the network, or no cell type has enough cells.

    Notes
    -----
    All targets of a cell type share its moments: the cells are read once for each sample, and a fit costs an
    eigendecomposition of the size of its TFs. 930,000 fits (5,200 targets, 9 types, 20 samples) took 46 s on two busy
    cores. Memory: a few times the columns of all targets and TFs in the cells of the largest type, float64.

    The spread among bootstrap samples is the standard error of the coefficient. CellOracle tests the mean of the
    samples instead, so that its p falls with their number. On an imputed layer, where neighbours share their values,
    p is too small all the same.

    A target without an entry in a cell type is not restricted there by training: all its TFs of any type are allowed.
    """
    settings = settings or TfPriorSettings()
    kinds = _cell_types(tissue) if labels is None else np.array(list(labels), dtype=object)
    design = make_design(_regulators(tissue, network, targets))
    counts = {str(name): int(number) for name, number in pd.Series(kinds).dropna().value_counts().sort_index().items()}
    used = {name: number for name, number in counts.items() if number >= settings.min_cells}
    skipped = {name: number for name, number in counts.items() if name not in used}
    if not used:
        raise InputError(f"no cell type has {settings.min_cells} cells: {_listed(skipped) or 'no cell has a type'}")
    if skipped:
        log.warning("cell types of fewer than %d cells are left out: %s", settings.min_cells, _listed(skipped))
    tables = []
    for number, kind in enumerate(used):
        values = standardised(tissue.subset(np.flatnonzero(kinds == kind)).columns(design.genes))
        coefs = []
        for one in _bags(values, design, settings, number, threads=threads):
            coefs.append(one)
            if progress is not None:
                progress(number * settings.n_bags + len(coefs), len(used) * settings.n_bags)
        tables.append(_table(np.stack(coefs), design, kind, settings))
    return FittedTfPriors(
        table=pd.concat(tables, ignore_index=True),
        settings=settings,
        n_tested=design.n_pairs * len(used),
        cell_types=used,
        skipped=skipped,
        network=network.source,
        layer=tissue.layer,
    )


def usable_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _bags(
    values: Floats,
    design: Design,
    settings: TfPriorSettings,
    number: int,
    *,
    threads: int,
) -> Iterator[Floats]:
    """Yield the coefficients of each bootstrap sample, in order, whatever the number of threads."""

    def fit(bag: int) -> Floats:
        seed = np.random.SeedSequence(settings.seed, spawn_key=(number, bag))
        return fit_bag(values, design, settings.feature_share, np.random.Generator(np.random.PCG64(seed)))

    # one thread each: the sums then come out the same however many samples are at work
    with one_blas_thread(), ThreadPoolExecutor(max(1, threads), initializer=begin_worker) as pool:
        yield from pool.map(fit, range(settings.n_bags))


def _table(coefs: Floats, design: Design, kind: str, settings: TfPriorSettings) -> pd.DataFrame:
    """Return the TFs of one cell type that pass the filter."""
    mean, p = summarise(coefs)
    size = np.abs(mean)
    kept = np.flatnonzero((p <= settings.p_max) & (size >= settings.min_abs_coef) & (size > 0))
    genes = np.array(design.genes, dtype=object)
    table = pd.DataFrame(
        {
            "source": genes[design.pair_tf[kept]],
            "target": genes[design.pair_target[kept]],
            "cell_type": kind,
            "coef_mean": mean[kept],
            "coef_abs": size[kept],
            "p": p[kept],
        }
    )
    table = table.sort_values(["target", "coef_abs", "source"], ascending=[True, False, True], kind="stable")
    return table if settings.max_tfs is None else table.groupby("target", sort=False).head(settings.max_tfs)


def summarise(coefs: Floats) -> tuple[Floats, Floats]:
    """Return mean and p value of each coefficient over bootstrap samples.

    Parameters
    ----------
    coefs
        (n_bags, n_pairs); NaN where a sample did not see the TF.

    Returns
    -------
    Mean, and two-sided p of mean / standard deviation under a normal law; 0 and 1 if fewer than two samples saw it.
    """
    seen = np.isfinite(coefs)
    n = seen.sum(axis=0)
    filled = np.where(seen, coefs, 0.0)
    mean = filled.sum(axis=0) / np.maximum(n, 1)
    spread = np.sqrt((np.where(seen, filled - mean, 0.0) ** 2).sum(axis=0) / np.maximum(n - 1, 1))
    z = np.divide(np.abs(mean), spread, out=np.where(mean == 0, 0.0, np.inf), where=spread > 0)
    known = n >= 2
    return np.where(known, mean, 0.0), np.where(known, erfc(z / np.sqrt(2.0)), 1.0)


def _cell_types(tissue: Tissue) -> NDArray[np.object_]:
    """Return the name that training gives each cell's cluster when it looks for priors."""
    clusters, names = tissue.clusters, tissue.cluster_cell_types
    by_code = np.array([names.get(label, label) for label in clusters.labels], dtype=object)
    return np.asarray(by_code[clusters.codes], dtype=object)


def _regulators(tissue: Tissue, network: PriorNetwork, targets: Sequence[str] | None) -> dict[str, Sequence[str]]:
    for gene in targets or ():
        if gene not in tissue.gene_index:
            close = nearest(gene, tissue.genes)
            raise InputError(f"{gene}: is not a measured gene" + (f"; did you mean {close}?" if close else ""))
    left = network.restrict(tissue.genes)
    options = {"use_lr": False, "use_tfl": False}
    found: dict[str, Sequence[str]] = {
        one.target: one.regulators
        for one in left.all_modulators(dict.fromkeys(targets or tissue.genes), **options)  # type: ignore[arg-type]
        if one.regulators
    }
    if not found:
        raise InputError(
            f"no gene has a measured TF in the network ({network.source}); spacetravlr network show compares the two"
        )
    return found


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} ({number})" for name, number in counts.items())
