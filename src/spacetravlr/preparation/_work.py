"""The steps of a preparation, on one sample."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from spacetravlr.errors import InputError
from spacetravlr.events import Listener, Notice
from spacetravlr.preparation import diffusion, graph
from spacetravlr.preparation.coordinates import to_micrometres
from spacetravlr.preparation.features import logarithm, members, normalise, variable_genes
from spacetravlr.preparation.labels import TYPE_COLUMN, labels_digest, set_types
from spacetravlr.preparation.quality import DETECTED, MITO, TOTAL, keep_cells, keep_genes, metrics
from spacetravlr.preparation.record import Record, content_digest
from spacetravlr.tissue.clusters import INTEGER_COLUMN
from spacetravlr.tissue.units import RECORD

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from spacetravlr.preparation.options import PrepareOptions
    from spacetravlr.prior import PriorNetwork
    from spacetravlr.tissue.units import Scale

IMPUTED, COUNTS, NORMALISED = "imputed_count", "counts", "normalized_count"
_LEIDEN = "leiden"
_N_STEPS = 10
_FIRST_USE = "on first use libraries are compiled, about 20 s"


class Work:
    """A sample that is being prepared.

    Parameters
    ----------
    adata
        Changed in place; holds the layer `counts`, or `normalized_count` if there are no counts.
    record
        What was done before.
    options
        What to do.
    sample
        Column of obs of the tissue samples.
    told
        Receives events.
    kind
        What the file held: `counts`, `log` or `linear`.
    """

    network: PriorNetwork

    def __init__(
        self, adata: AnnData, record: Record, options: PrepareOptions, sample: str | None, told: Listener, *, kind: str
    ) -> None:
        self.adata, self.record, self.options, self.sample, self.told = adata, record, options, sample, told
        self.kind = kind
        self.again = bool(record.facts.get("content"))
        self.facts = record.facts
        record.n_steps = _N_STEPS - (not options.umap)
        self.facts.setdefault("leiden", _LEIDEN if _LEIDEN not in adata.obs.columns else f"{_LEIDEN}_prepare")

    @property
    def leiden_column(self) -> str:
        """Column of obs of the clusters made here: another one than any that was there."""
        return str(self.facts["leiden"])

    @property
    def types_before(self) -> str | None:
        """Column of obs that an earlier preparation has taken the cell types from."""
        column = str(self.facts.get("types", ""))
        return column if column in self.adata.obs.columns else None

    @property
    def base(self) -> Any:
        """The matrix that everything begins with."""
        return self.adata.layers[COUNTS if self.kind == "counts" else NORMALISED]

    @property
    def samples(self) -> list[str] | None:
        """Sample of every cell.

        Raises
        ------
        InputError
            If a cell has none.
        """
        if self.sample is None:
            return None
        values = self.adata.obs[self.sample]
        if values.isna().any():
            raise InputError(f"{int(values.isna().sum()):,} cells have no sample in obs[{self.sample!r}]")
        return [str(value) for value in values]

    def filter(self) -> None:
        """Leave out poor cells and rare genes."""
        o = self.options
        wanted = {
            "min_genes": o.least_genes(int(self.facts["measured"])),
            "min_counts": o.min_counts,
            "max_mito": o.max_mito,
            "min_cells": o.min_cells,
        }
        there = {TOTAL, DETECTED, MITO} <= set(self.adata.obs.columns)
        self.record.step("quality", wanted, self._filter, there=there, told=self.told)

    def _filter(self) -> str:
        if self.again:
            self._note("genes and cells that were left out before cannot come back: start from the raw file for that")
        base = self.base
        genes = [str(name) for name in self.adata.var_names]
        # of a file that was prepared before, what the raw one said counts
        if not (self.again and TOTAL in self.adata.obs.columns):
            for name, values in metrics(base, genes).items():
                self.adata.obs[name] = values
        judged = {name: self.adata.obs[name].to_numpy() for name in (TOTAL, DETECTED, MITO)}
        before = self.adata.shape
        cells = keep_cells(judged, self.options, int(self.facts["measured"]), self.record.removed)
        found = keep_genes(
            base[cells], self.options, self.record.removed, in_network=members(genes, self.network_genes)
        )
        self._keep(cells, found)
        return f"{self.adata.n_obs:,} of {before[0]:,} cells, {self.adata.n_vars:,} of {before[1]:,} genes"

    def _note(self, message: str) -> None:
        self.told(Notice(message))

    def _keep(self, cells: NDArray[np.bool_] | slice, genes: NDArray[np.bool_]) -> None:
        self.adata = self.adata[cells, genes].copy()

    @property
    def network_genes(self) -> frozenset[str]:
        """Every gene that the network names."""
        table = self.network.table
        return frozenset(str(name) for end in ("source", "target") for name in table[end].unique())

    def normalise(self) -> None:
        """Write the logarithms of normalised counts."""
        wanted = {"target_sum": self.options.normalize_target_sum if self.kind == "counts" else None}
        there = NORMALISED in self.adata.layers
        self.record.step("normalisation", wanted, self._normalise, there=there, after=("quality",), told=self.told)

    def _normalise(self) -> str:
        if self.kind == "counts":
            totals = self.adata.obs[TOTAL].to_numpy(dtype=np.float64)
            values = normalise(self.adata.layers[COUNTS], totals, self.options.normalize_target_sum)
            detail = f"log(1 + counts to {self.options.normalize_target_sum:,.0f} a cell)"
        elif self.kind == "linear":
            values, detail = logarithm(self.adata.layers[NORMALISED]), "log(1 + x)"
            # from now on these are logarithms
            self.kind = self.facts["kind"] = "log"
        else:
            values, detail = sparse.csr_matrix(self.adata.layers[NORMALISED]), "as found"
        self.adata.layers[NORMALISED] = values
        return detail

    def choose_genes(self) -> None:
        """Keep variable genes and those of the network."""
        wanted = {"n_top_hvg": self.options.n_top_hvg, "network": self.network.digest, **self._by_sample()}
        there = "highly_variable" in self.adata.var.columns
        after = ("quality", "normalisation")
        self.record.step("genes", wanted, self._choose_genes, there=there, after=after, told=self.told)

    def _by_sample(self) -> dict[str, str | None]:
        # another column, and other labels in the same one
        return {"sample": self.sample, "samples": labels_digest(self.adata.obs, self.sample)}

    def _choose_genes(self) -> str:
        genes = [str(name) for name in self.adata.var_names]
        expression = self.adata.layers[NORMALISED]
        variable = variable_genes(expression, genes, self.options.n_top_hvg, self.samples)
        known = members(genes, self.network_genes)
        self.adata.var["highly_variable"] = variable
        self.adata.var["in_network"] = known
        keep = variable | known
        if self.options.n_top_hvg == 0:
            keep[:] = True
        self.record.removed.add("genes neither variable nor in the network", genes=int((~keep).sum()))
        self._keep(slice(None), keep)
        where = "starter network" if self.network.source == "starter" else self.network.source
        return (
            f"{int(variable.sum()):,} variable and {int(known.sum()):,} of the {self.network.species} network "
            f"({where}): {self.adata.n_vars:,} genes"
        )

    def embed(self) -> None:
        """Compute principal components, neighbours, UMAP and Leiden clusters."""
        o, adata, record = self.options, self.adata, self.record
        seed = {"seed": o.random_seed}
        before: tuple[str, ...] = ("quality", "normalisation", "genes")
        there = "X_pca" in adata.obsm
        record.step("PCA", {"n": o.n_pca_components, **seed}, self._pca, there=there, after=before, told=self.told)
        before = ("PCA",)
        there = {"distances", "connectivities"} <= set(adata.obsp) and "neighbors" in adata.uns
        wanted: dict[str, Any] = {"n": o.n_neighbors, **seed}
        # what scanpy uses is compiled when it is loaded, and kept from then on
        record.step(
            "neighbours", wanted, self._neighbours, there=there, after=before, told=self.told, patience=_FIRST_USE
        )
        before = ("neighbours",)
        if o.umap:
            wanted = {"min_dist": o.min_dist, "spread": o.spread, "rate": o.umap_learning_rate, "epochs": o.n_epochs}
            there = "X_umap" in adata.obsm
            record.step("UMAP", {**wanted, **seed}, self._umap, there=there, after=before, told=self.told)
        elif record.outdated("UMAP", after=before):
            adata.obsm.pop("X_umap", None)
        wanted = {"resolution": o.leiden_resolution, "iterations": o.leiden_max_iter, **seed}
        there = self.leiden_column in adata.obs.columns
        record.step("Leiden", wanted, self._leiden, there=there, after=before, told=self.told)

    def _pca(self) -> str:
        variable = self.adata.var["highly_variable"].to_numpy(dtype=np.bool_)
        points, share = graph.principal_components(self.adata.layers[NORMALISED][:, variable], self.options)
        if "X_pca" in self.adata.obsm and not self.again:
            self._note("obsm['X_pca'] of the file is replaced: it is computed from these values")
        self.adata.obsm["X_pca"] = points
        return f"{points.shape[1]} components, {share.sum():.0%} of the variance of {int(variable.sum()):,} genes"

    def _neighbours(self) -> str:
        graph.neighbours(self.adata, self.options)
        return f"{min(self.options.n_neighbors, self.adata.n_obs)} for each cell"

    def _umap(self) -> str:
        if "X_umap" in self.adata.obsm and not self.again:
            self.adata.obsm["X_umap_before"] = self.adata.obsm["X_umap"]
            self._note(
                "obsm['X_umap'] is computed anew; that of the file is kept in obsm['X_umap_before'] (with --no-umap it "
                "stays as it is)"
            )
        graph.umap(self.adata, self.options)
        return ""

    def _leiden(self) -> str:
        return f"{graph.leiden(self.adata, self.options, self.leiden_column)} clusters"

    def impute(self) -> None:
        """Write the imputed layer."""
        o = self.options
        wanted: dict[str, Any] = {"method": o.imputation, **self._by_sample()}
        if o.imputation == "diffusion":
            wanted["t"] = o.magic_t
        before = ("quality", "normalisation", "genes", "PCA", "neighbours")
        there = IMPUTED in self.adata.layers
        self.record.step("imputation", wanted, self._impute, there=there, after=before, told=self.told)

    def _impute(self) -> str:
        o, samples = self.options, self.samples
        points = self.adata.obsm["X_pca"]
        distances = self.adata.obsp["distances"] if samples is None else graph.distances_within(points, o, samples)
        within = "" if samples is None else f", within {len(set(samples))} samples"
        if o.imputation == "knn":
            operator, power = diffusion.row_stochastic(diffusion.equal_weights(distances)), 1
            detail = f"mean over the cell and its {o.n_neighbors - 1} neighbours{within}"
        else:
            operator = diffusion.row_stochastic(diffusion.affinities(distances))
            power = o.magic_t or diffusion.choose_power(operator, points)
            detail = f"diffusion, t = {power}{'' if o.magic_t else ' (chosen)'}{within}"
            self.facts["magic_t"] = power
        self.adata.layers[IMPUTED] = diffusion.smooth(operator, self.adata.layers[NORMALISED], power)
        return detail

    def name_types(self, column: str) -> None:
        """Write `cell_type` and `cell_type_int`."""

        def action() -> str:
            # clusters of an earlier preparation are not worth keeping
            kinds = set_types(self.adata.obs, column, self._note, keep=self.types_before != self.leiden_column)
            self.facts["types"] = column
            return f"{kinds} from obs[{column!r}]"

        wanted = {"column": column, "labels": labels_digest(self.adata.obs, column)}
        there = {TYPE_COLUMN, INTEGER_COLUMN} <= set(self.adata.obs.columns)
        self.record.step("cell types", wanted, action, there=there, after=("quality",), told=self.told)

    def place(self, um_per_unit: float | None) -> Scale | None:
        """Bring coordinates to micrometres; return the scale they had."""
        scale: Scale | None = None
        before = self.record.steps.get("units")
        # without another factor, coordinates that were converted stay as they are
        wanted = json.loads(before) if before and um_per_unit is None else {"um_per_unit": um_per_unit}

        def action() -> str:
            nonlocal scale
            self.adata.uns.pop(RECORD, None)
            converted = float(self.facts.get("um_per_unit", 1.0)) != 1.0
            scale = to_micrometres(self.adata, um_per_unit, self._note, afresh=converted)
            if scale is None:
                return "unknown: coordinates stay as they are"
            changed = "micrometres already" if scale.um_per_unit == 1.0 else f"x {scale.um_per_unit:.4g} to micrometres"
            return f"{changed} ({scale.source})"

        self.record.step("units", wanted, action, there="spatial" in self.adata.obsm, told=self.told)
        return scale

    def finish(self, scale: Scale | None) -> None:
        """Put X and the record in place."""
        self.adata.X = self.adata.layers[NORMALISED].copy()
        self.facts["content"] = content_digest(self.adata, self.base)
        self.record.write(self.adata, scale)
