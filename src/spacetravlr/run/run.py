"""`Run`: what a training directory gives to people who read it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from spacetravlr.betas import Betabase, Betas, betadata_files
from spacetravlr.errors import InputError
from spacetravlr.run._locate import find_file, find_sample, locate, own_cells, same_samples
from spacetravlr.run._log_parser import read_log
from spacetravlr.run._reasons import why_not
from spacetravlr.run._scores import path_table, read_logs, score_table
from spacetravlr.run.directory import RunDirectory
from spacetravlr.run.log import GeneLog
from spacetravlr.run.manifest import InputData
from spacetravlr.run.mending import warn_of_damage, whole_manifest
from spacetravlr.run.status import RunStatus, in_order, read_status

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray

    from spacetravlr.config import RunConfig
    from spacetravlr.perturbation import Effect, PropagationModel, Targets
    from spacetravlr.tissue import Tissue

_LOG = logging.getLogger("spacetravlr")


class Run:
    """A training directory, finished or not, of this or of the compiled edition.

    Get one with `open`. Genes, orphans, status and scores are read from the disk each time they are asked for;
    coefficients and sample are loaded once, at the first perturbation.

    Parameters
    ----------
    directory
        The files of the run.
    toml
        The configuration file.
    config
        What it says.
    adata
        The sample, if it is not to be found through the configuration.

    Examples
    --------
    >>> run = stl.Run.open("my_run")
    >>> run.status().state, len(run.genes) + len(run.orphans)
    ('complete', 60)
    >>> run.scores().query("gene == 'Agr2'").set_index("cluster").n_cells.to_dict()
    {'0': 66, '1': 56, '2': 54, '3': 52, '4': 72}
    >>> bool(run.edges("Agr2").stability.between(0, 1).all())
    True
    >>> run.perturb({"Pax6": "x2"}, cells={"cell_type": "Astrocyte"}).simulated.shape
    (300, 60)
    """

    def __init__(
        self,
        directory: RunDirectory,
        *,
        toml: Path,
        config: RunConfig,
        adata: AnnData | Tissue | str | Path | None = None,
    ) -> None:
        self.directory = directory
        self.toml = toml
        self.config = config
        self._adata = adata
        self._model: tuple[list[tuple[str, Any]] | None, PropagationModel] | None = None

    @classmethod
    def open(cls, path: str | Path, *, adata: AnnData | Tissue | str | Path | None = None) -> Self:
        """Open a run.

        Parameters
        ----------
        path
            Its directory, or its TOML file. A TOML elsewhere names the directory in `[execution].output_dir`,
            relative to itself; if there is nothing in it, the directory of the TOML is the run.
        adata
            The sample; by default the file that the configuration names.

        Raises
        ------
        RunDirectoryError
            If there is no run.
        """
        root, toml, config = locate(path)
        directory = RunDirectory(root)
        warn_of_damage(directory)
        return cls(directory, toml=toml, config=config, adata=adata)

    def __repr__(self) -> str:
        found = self.directory.scan()
        return f"Run({str(self.path)!r}: {len(found.done)} genes, {len(found.orphan)} orphans)"

    @property
    def path(self) -> Path:
        """The directory, absolute."""
        return self.directory.path

    @property
    def genes(self) -> tuple[str, ...]:
        """Targets with coefficients, in var order where the manifest tells it, else by name."""
        return in_order(self.directory.scan().done, self._planned)

    @property
    def orphans(self) -> dict[str, str]:
        """Targets without a model, with the reason (empty where the marker does not say)."""
        genes = in_order(self.directory.scan().orphan, self._planned)
        return {gene: self.directory.orphan_reason(gene) or "" for gene in genes}

    def status(self) -> RunStatus:
        """Return how far training has come.

        Raises
        ------
        RunDirectoryError
            If the directory cannot be read.
        """
        return read_status(self.directory)

    def betas(self, gene: str) -> Betas:
        """Return the coefficients of a target.

        Parameters
        ----------
        gene
            A trained target.

        Raises
        ------
        InputError
            If it has none, with the reason as far as it is known; or if its file is damaged.
        """
        path = self.directory.files.betadata(gene)
        if not path.exists():
            files = betadata_files(self.path)
            if gene not in files:
                raise InputError(why_not(self, gene, tuple(files)))
            path = files[gene]
        return Betas.read(path)

    @cached_property
    def betabase(self) -> Betabase:
        """All coefficients, loaded once.

        Raises
        ------
        InputError
            If there are none, or a file is damaged.
        """
        return Betabase.load(self.path)

    def scores(self) -> pd.DataFrame:
        """Return how well each target is fitted in each cluster: the table `scores.feather`, as of now.

        Returns
        -------
        One row per finished target and cluster, with the columns `gene, cluster, n_cells, n_modulators, n_kept, r2_in,
        r2_out, r2_pooled, r2_local, p_model, r2_tf_only, r2_shuffled, p_space, train_mse, converged, n_iter, lambda,
        kept, refined, r2_niche_out, reason`.
        `r2_out` is held out (spatial blocks), `r2_pooled` the same over all clusters together, and `lambda` the penalty
        chosen, one per target. `r2_local` is the held-out score for the difference between each cell and its nearest
        neighbours, in which smooth trends cancel, and `p_model` (one per target) the chance of one this large if a
        trend were all there is. `r2_tf_only` is the held-out score of a model without ligands, `r2_shuffled` that of
        models whose cells get what cells of their cluster received elsewhere, and `p_space` (one per target) the chance
        of a difference this large between those and the true places, in the sense of `r2_local`, if the place did not
        matter. `kept` is False where no coefficient is written; `refined` tells whether coefficients are those of a
        niche network, with the held-out R2 `r2_niche_out`, and is None where none was tried; `reason` says of targets
        without a model why. What is not known is NaN (runs of the compiled edition tell less).
        """
        return score_table(self.directory.scores())

    def edges(
        self,
        gene: str | Sequence[str] | None = None,
        cluster: str | None = None,
        *,
        members: bool = False,
        pooled: bool = False,
    ) -> pd.DataFrame:
        """Return what regulates what, the firmest and strongest first.

        Parameters
        ----------
        gene
            One target, or several; None for all.
        cluster
            One cluster, by its row label, or by its cell type where only one cluster has it; None for all.
        members
            Whether to add the column `members`: the modulators of the group with a coefficient in this cluster.
        pooled
            Whether to let other clusters count: to `score` half the size of the mean over all clusters is added, in
            which stability times effect has the sign of the coefficient. Edges that have a coefficient in other
            clusters only are told too, with a `beta` of 0. In simulated tissues true edges then rank higher.

        Returns
        -------
        One row per target, cluster and modulator with a coefficient, with the columns `target, cluster, modulator,
        kind` (`tf`, `ligand-receptor`, `ligand-tf`), `beta` (expression units), `stability` (share of bootstraps with
        the sign of the fit), `low` and `high` (beta and 1.96 standard deviations over bootstraps to both sides),
        `effect` (``|beta| sd(modulator) / sd(target)`` within the cluster, no unit), `score` (stability times effect,
        by which rows are sorted), `group` and `group_size`. Modulators of one target and cluster with the same `group`
        are so alike (correlation above 0.9, directly or through others of them) that how the effect is split between
        them is not identified: read the group as one edge; `group_size` counts those without a coefficient too.

        What a run does not tell is NaN: bootstraps need `[lasso].select = "cv"`. Without a score, rows are sorted by
        the size of the coefficient. Targets with coefficients by cell are told as the regression found them.

        Raises
        ------
        InputError
            If a gene has no model, the run has no such cluster, or a file of coefficients is damaged.
        """
        from spacetravlr.run.edges import edges_of, with_members

        genes = self.genes if gene is None else (gene,) if isinstance(gene, str) else tuple(gene)
        found = edges_of(self, genes, cluster, pooled=pooled)
        return with_members(found) if members else found

    def penalty_path(self) -> pd.DataFrame:
        """Return the error that cross-validation found along the penalties: the table `path.feather`, as of now.

        Returns
        -------
        One row per target and penalty tried, from strong to weak, with the columns `gene, lambda, error, error_se,
        chosen`. The error is the mean squared error of the cells held out, over all clusters, in units of the variance
        within the cluster; `error_se` is its standard error over folds. Empty without cross-validation.
        """
        return path_table(self.directory.scores())

    def log(self, gene: str) -> GeneLog | None:
        """Return the text log of a target; None if there is none.

        Parameters
        ----------
        gene
            The target, with or without a model.

        Raises
        ------
        InputError
            If it is damaged.
        """
        path = self.directory.files.log(gene)
        if path.exists():
            return read_log(path)
        # the compiled edition escapes names in another way
        return read_logs(self.directory.files.log_directory).get(gene)

    def tissue(self) -> Tissue:
        """Return the sample, with layer, clusters and pieces of tissue as configured; in a condition split, its cells.

        Raises
        ------
        InputError
            If it is not found (the message lists what was tried) or cannot be used.
        """
        return self._tissue

    def model(self, **overrides: Any) -> PropagationModel:
        """Return the model that simulates perturbations of this run.

        Settings come from `[spatial]` and `[perturbation]`, the radii of contact-dependent ligands from the manifest,
        and the cells from `[data].perturb_obs_subset_file` if it is set. The last model is kept.

        Parameters
        ----------
        overrides
            Keywords of `PropagationModel` that win over the configuration (`profile`, `kernel`, `cutoff`,
            `beta_cap`, ...), and `radius`. None counts as not given.

        Raises
        ------
        InputError, ConfigError
            As `PropagationModel`, and if sample or coefficients are missing.
        """
        from spacetravlr.run._model import build_model

        given = {name: value for name, value in overrides.items() if value is not None}
        # settings that are compared at a glance; anything else (tables, arrays) makes a new model
        key = sorted(given.items()) if all(isinstance(value, str | float | int) for value in given.values()) else None
        if self._model is None or key is None or self._model[0] != key:
            manifest = whole_manifest(self.directory)
            model = build_model(
                self._tissue,
                self.betabase,
                self.config,
                contact_radii={} if manifest is None else manifest.ligand_radii,
                rows=self._rows,
                expression=self._expression,
                overrides=given,
            )
            self._model = key, model
        return self._model[1]

    def perturb(
        self,
        targets: Targets,
        *,
        cells: Any = None,
        n_propagation: int | None = None,
        profile: str | None = None,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
        **overrides: Any,
    ) -> Effect:
        """Simulate a knock-out or an over-expression.

        Parameters
        ----------
        targets
            `{"Foxo1": 0.0}`, or a list of `Target` with scopes of their own. Doses: a number, `"x2"`, `"q95"`,
            `"+1.5"`, `"-0.5"`, or an array with a value per cell (see `Dose`).
        cells
            Where: None for everywhere, a boolean mask, row indices, names, `{"cell_type": labels}`, an obs query
            string, a `Region`, GeoJSON, or a `Path` to a GeoJSON or CSV polygon.
        n_propagation
            Steps; None means the configured value.
        profile
            Rules: `default`, `v1` or `python`; None means the configured ones.
        progress
            Called after each step with (steps done, steps in all).
        cancelled
            Asked before each step; True stops the simulation.
        overrides
            As for `model`.

        Returns
        -------
        The effect.

        Raises
        ------
        InputError, ConfigError
            If a gene, cell or setting is unknown or impossible, or sample or coefficients are missing.
        """
        steps = self.config.perturbation.n_propagation if n_propagation is None else n_propagation
        model = self.model(profile=profile, **overrides)
        return model.simulate(targets, n_propagation=steps, cells=cells, progress=progress, cancelled=cancelled)

    @property
    def _planned(self) -> tuple[str, ...] | None:
        manifest = self.directory.manifest
        return None if manifest is None else manifest.targets

    @cached_property
    def _tissue(self) -> Tissue:
        from spacetravlr.tissue import Tissue

        data, given = self.config.data, self._adata
        if isinstance(given, Tissue):
            return own_cells(same_samples(given, data.sample), self.path, data.condition)
        if given is None or isinstance(given, str | Path):
            path = find_sample(self.config, self.toml) if given is None else given
            tissue = Tissue.open(path, layer=data.layer, cluster_key=data.cluster_annot, sample_key=data.sample)
        else:
            tissue = Tissue.from_anndata(
                given, layer=data.layer, cluster_key=data.cluster_annot, sample_key=data.sample
            )
        tissue = own_cells(tissue, self.path, data.condition)
        self._compare(tissue)
        return tissue

    @cached_property
    def _expression(self) -> NDArray[np.float64]:
        return self._tissue.columns(self._tissue.genes)

    @cached_property
    def _rows(self) -> NDArray[np.int64] | None:
        """Cells that `[data].perturb_obs_subset_file` names."""
        from spacetravlr.perturbation import read_cell_list

        named = self.config.data.perturb_obs_subset_file
        if named is None:
            return None
        path = find_file(named, "[data].perturb_obs_subset_file", self.toml)
        return read_cell_list(path, self._tissue.cells, left_out=self._tissue.left_out)

    def _compare(self, tissue: Tissue) -> None:
        manifest = self.directory.manifest
        if manifest is None or manifest.input.names_sha256 is None:
            return
        if manifest.input.names_sha256 != InputData.describe(None, cells=tissue.cells, genes=tissue.genes).names_sha256:
            _LOG.warning(
                "the sample (%d cells, %d genes) is not the one that %s was trained on (%s cells, %s genes)",
                *(tissue.n_cells, tissue.n_genes, self.path, manifest.input.n_cells, manifest.input.n_genes),
            )
