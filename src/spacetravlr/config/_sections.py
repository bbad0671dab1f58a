"""The settings, section by section; each description is the one source of the template, `--help` and the docs."""

from __future__ import annotations

from pydantic import Field

from spacetravlr.config._cluster_section import ClusterSettings
from spacetravlr.config._cnn_sections import CnnSettings, HybridSettings, ModelExportSettings
from spacetravlr.config._fields import (
    Device,
    Kernel,
    LayerName,
    LigandCap,
    ModeName,
    Names,
    OptionalBetaExport,
    OptionalNames,
    OptionalPath,
    OptionalPenalty,
    OptionalScoreOn,
    OptionalSelect,
    OptionalSpecies,
    OptionalText,
    PathText,
    PenaltyRule,
    Profile,
    ResponseUse,
    Section,
    Solver,
)

SAME_LAYER = "same"
"""Value of `[data].response_layer`: the layer of the modulators."""
N_PROPAGATION = 2
"""Steps of a perturbation unless said otherwise: where simulated knock-outs agree best with true ones."""


class DataSettings(Section):
    """`[data]`: the tissue and its columns."""

    adata_path: PathText = Field(
        default="", description="Input .h5ad file; empty means it is named on the command line."
    )
    layer: LayerName = Field(default="imputed_count", description='Expression layer of the modulators; "X" or "" is X.')
    response_layer: OptionalText = Field(
        default=None,
        description='Layer of what held-out scores predict; "same" is `layer`. Unset: normalized_count if there is one '
        "and scores decide (select cv, score_on held_out), else same.",
        examples=["normalized_count"],
    )
    response_use: ResponseUse = Field(
        default="score",
        description="score: fits explain `layer` and are judged on response_layer; fit: fits explain response_layer.",
    )
    cluster_annot: OptionalText = Field(
        default=None,
        description="obs column of the clusters; unset means cell_type_int if present, else cell_type.",
        examples=["cell_type"],
    )
    condition: OptionalText = Field(
        default=None,
        description="obs column: the cells of each of its values are trained as a run of their own, in conditions/.",
        examples=["genotype"],
    )
    sample: OptionalText = Field(
        default=None,
        description="obs column of the piece of tissue, if there are several: no signal passes between them; 1/n in "
        "received ligands counts the cells of all.",
        examples=["sample"],
    )
    spatial_species: OptionalSpecies = Field(
        default=None, description="Species of the gene names; unset means inferred from them.", examples=["mouse"]
    )
    perturb_obs_subset_file: OptionalPath = Field(
        default=None,
        description="File of obs names, one per line, to load for perturbation only.",
        examples=["cells.txt"],
    )

    @property
    def own_response(self) -> str | None:
        """The response layer where it is another than `layer`."""
        return None if self.response_layer in {None, SAME_LAYER, self.layer} else self.response_layer


class SpatialSettings(Section):
    """`[spatial]`: reach and shape of the ligand kernel."""

    radius: float = Field(
        default=200.0, gt=0, description="Reach of ligands: standard deviation of their kernel, coordinate units."
    )
    contact_distance: float = Field(
        default=50.0,
        gt=0,
        description="Kernel radius of ligands the network marks as contact-dependent, coordinate units.",
    )
    weighted_ligand_scale_factor: float = Field(default=1.0, gt=0, description="Factor on every received ligand.")
    kernel: Kernel = Field(default="gaussian", description="Ligand kernel: infinite Gaussian, or cut at the radius.")
    signal_tol: float = Field(
        default=1e-6,
        ge=0,
        lt=1,
        description="Error allowed in received ligands, relative to the largest; 0 is the exact sum.",
    )
    spatial_dim: int = Field(default=32, ge=8, description="Side of the CNN's spatial maps, pixels.")


class GrnSettings(Section):
    """`[grn]`: which modulators a target may have."""

    network_data_dir: OptionalPath = Field(
        default=None,
        description="Directory with {mouse,human}_network.parquet. Unset: that of SPACETRAVLR_DATA_DIR, data/ in the "
        "current directory or above it, else the small starter network.",
        examples=["network"],
    )
    network_base_url: OptionalText = Field(
        default=None,
        description="Address of a directory with these files, for spacetravlr network fetch; none is built in.",
        examples=["https://example.org/networks"],
    )
    tf_priors_feather: OptionalPath = Field(
        default=None,
        description="Feather of TFs per target and cell type (source, target, cell_type).",
        examples=["tf.feather"],
    )
    tf_ligand_cutoff: float = Field(default=0.2, description="NicheNet weight a ligand-TF pair must exceed.")
    max_ligands: LigandCap = Field(
        default=None, ge=0, description="Keep the pairs of this many ligands of highest mean; 0 is all.", examples=[200]
    )
    use_tf_modulators: bool = Field(default=True, description="Use transcription factors as modulators.")
    use_lr_modulators: bool = Field(default=True, description="Use ligand-receptor pairs as modulators.")
    use_tfl_modulators: bool = Field(default=True, description="Use ligand-TF pairs as modulators.")
    extra_modulators: Names = Field(default=(), description="Genes added to every target as a fourth group.")
    extra_modulators_file: OptionalPath = Field(
        default=None,
        description="File of more such genes; comma or line separated, # comments.",
        examples=["genes.txt"],
    )
    extra_lr: Names = Field(default=(), description="Ligand-receptor pairs to add, LIG$REC or LIG,REC.")
    extra_lr_file: OptionalPath = Field(
        default=None, description="File of more such pairs, one per line, # comments.", examples=["pairs.txt"]
    )


class LassoSettings(Section):
    """`[lasso]`: the regression of each target in each cluster."""

    solver: Solver = Field(
        default="cd",
        description="cd: coordinate descent to the optimum; fista: the README's early-stopped steps on raw columns.",
    )
    select: OptionalSelect = Field(
        default=None,
        description="cv: penalty by held-out spatial blocks; fixed: l1_reg and group_reg. Unset: cv, but fixed with "
        "solver fista or when l1_reg or group_reg is given.",
        examples=["cv"],
    )
    penalty: OptionalPenalty = Field(
        default=None,
        description="enet (lasso + 0.1 ridge), lasso or sgl (sparse group lasso). Unset: enet with cv, sgl with fixed.",
        examples=["enet"],
    )
    rule: PenaltyRule = Field(
        default="1se",
        description="1se: the strongest penalty within a standard error of the best; near: as 1se, but explaining 4/5 "
        "of what the best does; min: the best (select cv).",
    )
    l1_reg: float = Field(default=1e-5, ge=0, description="Penalty on each coefficient (select fixed).")
    group_reg: float = Field(default=1e-5, ge=0, description="Group penalty before sqrt(group size) (select fixed).")
    ridge: float = Field(default=0.0, ge=0, description="Ridge penalty on each coefficient (select fixed).")
    n_iter: int = Field(default=500, ge=1, description="Maximum FISTA iterations (solver fista).")
    tol: float = Field(default=1e-4, gt=0, description="Relative change that stops FISTA (solver fista).")
    n_folds: int = Field(default=5, ge=2, le=20, description="Folds of spatial blocks for held-out errors.")
    n_bootstraps: int = Field(
        default=20, ge=0, description="Block bootstraps for the stability of coefficients (select cv)."
    )
    beta_export: OptionalBetaExport = Field(
        default=None,
        description="Coefficients written: fit to all cells, or mean over the bootstraps. Unset: mean where there are "
        "bootstraps (select cv), else fit.",
        examples=["fit"],
    )


class TrainingSettings(Section):
    """`[training]`: targets, mode and quality gate."""

    mode: ModeName = Field(
        default="seed",
        description="seed: regression only; full: also a niche network (CNN) for every target, so that coefficients "
        "differ from cell to cell; hybrid: one where a gate allows it.",
    )
    seed_only: bool = Field(default=True, description="Accepted for old files; has no effect.")
    epochs: int = Field(default=10, ge=0, description="CNN epochs per target and cluster; 0 trains no CNN.")
    learning_rate: float = Field(default=1e-3, gt=0, description="Adam step size of the CNN.")
    score_threshold: float = Field(
        default=0.1,
        description="R2 below which a cluster's coefficients are set to zero. Unset: 0.1; 0.005 where held-out scores "
        "predict a response_layer of its own.",
    )
    model_level: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Level at which held-out predictions must beat a smooth trend (select cv, score_on held_out); 1 is "
        "no test. Unset: 0.05, but 1 if score_threshold <= 0.",
        examples=[0.05],
    )
    score_on: OptionalScoreOn = Field(
        default=None,
        description="R2 the threshold acts on. Unset: held_out with select cv, in_sample with fixed.",
        examples=["held_out"],
    )
    held_out: bool = Field(default=False, description="Compute held-out R2 with select fixed too (cv always does).")
    diagnostics: bool = Field(
        default=True,
        description="Also score targets without ligands, and with ligands received elsewhere (select cv).",
    )
    genes: OptionalNames = Field(
        default=None, description="Targets to train; unset means all genes.", examples=[["Pax5"]]
    )
    max_genes: int | None = Field(
        default=None, ge=1, description="Train at most this many targets, in file order.", examples=[50]
    )
    hybrid: HybridSettings = Field(default=HybridSettings(), description="Gate of the hybrid mode.")


class ExecutionSettings(Section):
    """`[execution]`: where and how a run is computed."""

    n_parallel: int = Field(default=0, ge=0, description="Worker threads; 0 = one per available core.")
    output_dir: PathText = Field(
        default="", description="Run directory; empty means named after the input, {stem}_spacetravlr."
    )
    write_minimal_repro_h5ad: bool = Field(
        default=False, description="Also write a small .h5ad that suffices to repeat the run."
    )
    stale_lock_secs: int = Field(
        default=120, ge=0, description="Seconds without heartbeat after which a claim is taken over; 0 is never."
    )
    random_seed: int = Field(default=42, ge=0, description="Seed of every random number.")
    device: Device = Field(default="auto", description="Device of the CNN and of batched solves.")


class PerturbationSettings(Section):
    """`[perturbation]`: simulation of knock-outs and over-expression."""

    profile: Profile = Field(
        default="default", description="Rules: default, v1 (compiled edition exactly) or python (original package)."
    )
    n_propagation: int = Field(
        default=N_PROPAGATION, ge=0, le=32, description="Propagation steps; 0 sets the targets only."
    )
    beta_scale_factor: float = Field(
        default=1.0, ge=0, description="Factor on every derivative but those by plain TFs."
    )
    beta_cap: float | None = Field(default=None, ge=0, description="Largest absolute derivative.", examples=[1.0])
    min_bound: float | None = Field(default=None, description="Lower bound of simulated expression.", examples=[0.0])
    max_bound: float | None = Field(default=None, description="Upper bound of simulated expression.", examples=[10.0])
    ligand_grid_factor: float | None = Field(
        default=None,
        description="Spacing of the README's bilinear grid, radii; acts in training too; <= 0 is the exact sum, unset "
        "meets signal_tol.",
        examples=[0.5],
    )
    cells_csv: OptionalPath = Field(
        default=None, description="CSV whose columns list the cells to perturb.", examples=["cells.csv"]
    )
    cells_csv_column: OptionalText = Field(
        default=None, description="Column of cells_csv to use; unset means all cells.", examples=["B_cells"]
    )


__all__ = [
    "ClusterSettings",
    "CnnSettings",
    "DataSettings",
    "ExecutionSettings",
    "GrnSettings",
    "HybridSettings",
    "LassoSettings",
    "ModelExportSettings",
    "PerturbationSettings",
    "SpatialSettings",
    "TrainingSettings",
]
