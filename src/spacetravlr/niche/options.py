"""How networks are trained: the settings of `[cnn]` and `[training]` in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from spacetravlr.config import RunConfig
    from spacetravlr.niche.network import Activation
    from spacetravlr.niche.schedule import LrSchedule


@dataclass(frozen=True, slots=True, kw_only=True)
class NicheOptions:
    """Settings of the training of a network; the names are those of the configuration.

    Attributes
    ----------
    epochs, learning_rate
        `[training]`.
    adam_beta_1, adam_beta_2, adam_epsilon, weight_decay, grad_clip_norm
        The optimiser; None for none of the last two.
    output_activation
        What bounds the factors that a network puts on the coefficients.
    lr_schedule, cosine_lr_min_ratio, lr_warmup_epochs
        How the learning rate goes over the epochs.
    minibatch_size, inference_batch_size
        Cells per step and per forward pass; 0 is all.
    patience, min_epochs
        Early stop.
    margin
        By how much R2 must exceed that of the regression.
    min_cells
        Clusters with fewer cells get no network.
    encoder_size, encoder_rounds
        Numbers that the shared encoder tells of a neighbourhood, and how often it is learned from its own heads.
    """

    epochs: int = 10
    learning_rate: float = 1e-3
    adam_beta_1: float = 0.9
    adam_beta_2: float = 0.999
    adam_epsilon: float = 1e-5
    weight_decay: float | None = None
    grad_clip_norm: float | None = None
    output_activation: Activation = "sigmoidx2"
    lr_schedule: LrSchedule = "cosine"
    cosine_lr_min_ratio: float = 0.01
    lr_warmup_epochs: int = 0
    minibatch_size: int = 128
    inference_batch_size: int = 512
    patience: int = 8
    min_epochs: int = 12
    margin: float = 0.0
    min_cells: int = 60
    encoder_size: int = 12
    encoder_rounds: int = 1

    @classmethod
    def from_config(cls, config: RunConfig) -> Self:
        """Collect them from a configuration."""
        cnn = config.cnn
        return cls(
            epochs=config.training.epochs,
            learning_rate=config.training.learning_rate,
            adam_beta_1=cnn.adam_beta_1,
            adam_beta_2=cnn.adam_beta_2,
            adam_epsilon=cnn.adam_epsilon,
            weight_decay=cnn.weight_decay,
            grad_clip_norm=cnn.grad_clip_norm,
            output_activation=cnn.output_activation,
            lr_schedule=cnn.lr_schedule,
            cosine_lr_min_ratio=cnn.cosine_lr_min_ratio,
            lr_warmup_epochs=cnn.lr_warmup_epochs,
            minibatch_size=cnn.cnn_minibatch_size,
            inference_batch_size=cnn.cnn_inference_batch_size,
            patience=cnn.cnn_early_stop_patience,
            min_epochs=cnn.cnn_early_stop_min_epochs,
            margin=cnn.cnn_vs_lasso_arbitration_margin,
            min_cells=cnn.min_cells_for_cnn,
            encoder_size=cnn.encoder_size,
            encoder_rounds=cnn.encoder_rounds,
        )
