"""The settings of the CNN: network, hybrid gate and weight export."""

from __future__ import annotations

from pydantic import Field

from spacetravlr.config._fields import ActivationName, Encoder, LrSchedule, MapStyle, OptionalPath, Section


class CnnSettings(Section):
    """`[cnn]`: the network that turns a cluster's coefficients into per-cell ones."""

    encoder: Encoder = Field(
        default="shared",
        description="shared: one description of the neighbourhood for all targets of a cluster; per_gene: the README's "
        "network for each target.",
    )
    adam_beta_1: float = Field(default=0.9, ge=0, lt=1, description="Adam decay of the mean gradient.")
    adam_beta_2: float = Field(default=0.999, ge=0, lt=1, description="Adam decay of the squared gradient.")
    adam_epsilon: float = Field(default=1e-5, gt=0, description="Adam constant added to the root.")
    weight_decay: float | None = Field(
        default=None, ge=0, description="L2 factor added to the gradient.", examples=[1e-4]
    )
    grad_clip_norm: float | None = Field(
        default=None, gt=0, description="Largest gradient norm of each parameter tensor.", examples=[3.0]
    )
    spatial_feature_radius: float = Field(
        default=100.0, gt=0, description="Radius of neighbour counts, coordinate units."
    )
    output_activation: ActivationName = Field(
        default="sigmoidx2", description="Function on the factors of the coefficients."
    )
    map_style: MapStyle = Field(
        default="readme", description="Spatial maps: readme: inverse distance; python: distance scaled to 0..1."
    )
    lr_schedule: LrSchedule = Field(default="cosine", description="Course of the learning rate after the warm-up.")
    cosine_lr_min_ratio: float = Field(
        default=0.01, ge=0, le=1, description="Last learning rate of the cosine, relative to the first."
    )
    lr_warmup_epochs: int = Field(default=0, ge=0, description="Epochs over which the learning rate rises.")
    cnn_minibatch_size: int = Field(default=128, ge=0, description="Cells per training step; 0 is all.")
    cnn_inference_batch_size: int = Field(default=512, ge=0, description="Cells per forward pass; 0 is all.")
    cnn_early_stop_patience: int = Field(
        default=8, ge=0, description="Epochs without a better error on held-out blocks that end training; 0 is never."
    )
    cnn_early_stop_min_epochs: int = Field(default=12, ge=0, description="Epochs before an early stop.")
    cnn_vs_lasso_arbitration_margin: float = Field(
        default=0.0, ge=0, description="Held-out R2 by which a network must beat the regression."
    )
    min_cells_for_cnn: int = Field(default=60, ge=0, description="Clusters with fewer cells get no network.")
    encoder_size: int = Field(default=12, ge=1, le=64, description="Numbers that describe a neighbourhood (shared).")
    encoder_rounds: int = Field(
        default=1,
        ge=0,
        description="How often the shared encoder is learned from its own heads; 0 leaves it unlearned.",
    )


class HybridSettings(Section):
    """`[training.hybrid]`: which targets get a CNN in hybrid mode."""

    min_cells_per_cluster_for_cnn: int = Field(default=80, ge=0, description="Cells the smallest cluster must have.")
    max_modulators_soft_for_cnn: int = Field(
        default=256, ge=0, description="Modulators above which the stricter Moran limit holds."
    )
    moran_k_neighbors: int = Field(default=8, ge=1, description="Nearest neighbours in Moran's I of the residuals.")
    moran_permutations: int = Field(default=99, ge=0, description="Permutations for the p-value of Moran's I.")
    moran_p_value_max: float = Field(default=0.05, ge=0, le=1, description="Largest p-value of Moran's I.")
    moran_p_value_max_when_over_modulator_cap: float = Field(
        default=0.01, ge=0, le=1, description="Largest p-value above the modulator cap."
    )
    require_all_clusters_lasso_converged: bool = Field(
        default=True, description="Require a converged regression in every cluster."
    )
    min_mean_lasso_r2_for_cnn: float | None = Field(
        default=None, description="Mean R2 required; unset means training.score_threshold.", examples=[0.2]
    )
    min_mean_target_expression_for_cnn: float | None = Field(
        default=None, description="Mean expression of the target required.", examples=[0.1]
    )
    hybrid_modulator_spatial_weight: float = Field(
        default=1.0, description="Weight of the share of spatial modulators in the rank of a target."
    )
    hybrid_cnn_permissiveness: float = Field(
        default=0.5, ge=0, le=1, description="Loosens (towards 1) or tightens (towards 0) the limits above."
    )
    hybrid_cnn_top_k: int | None = Field(
        default=None, ge=1, description="Train the CNN only for this many best-ranked targets.", examples=[20]
    )
    cnn_force_genes_file: OptionalPath = Field(
        default=None, description="File of targets that always get a CNN.", examples=["force.txt"]
    )
    cnn_skip_genes_file: OptionalPath = Field(
        default=None, description="File of targets that never get a CNN.", examples=["skip.txt"]
    )


class ModelExportSettings(Section):
    """`[model_export]`: weights of the CNN on disk."""

    save_cnn_weights: bool = Field(default=False, description="Write the CNN weights of each target as .npz.")
    compressed_npz: bool = Field(default=True, description="Compress those files.")
    output_subdir: str = Field(
        default="CNN_weights", min_length=1, description="Their directory inside the run directory."
    )
