"""From what a cell's neighbourhood is to its coefficients: the network of the README, and a head of the encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import torch
from torch import nn

from spacetravlr.errors import InputError
from spacetravlr.niche.encoder import SQUASH

if TYPE_CHECKING:
    from numpy.typing import NDArray

Activation = Literal["identity", "sigmoid", "tanh", "sigmoidx2"]
ACTIVATIONS: tuple[Activation, ...] = get_args(Activation)
"""In the order of their numbers in weight files."""

CHANNELS = (16, 32, 64)
SMALLEST_SIDE = 8
_SLOPE = 0.1

_HEAD = ("anchors", "centre", "scale", "transform", "W", "v", "means", "unit", "range")

_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "identity": lambda values: values,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "sigmoidx2": lambda values: 2.0 * torch.sigmoid(values),
}


class NicheNetwork(nn.Module):
    """Turns the coefficients of a cluster into those of single cells.

    Three blocks of convolution (3 x 3; 16, 32, 64 channels), batch normalisation, leaky ReLU (0.1) and pooling act on
    the map, three linear layers (16, 32, 64) on the neighbour counts; the sum of the two goes through two more (64,
    p + 1) and the output activation, and multiplies the anchors.

    Parameters
    ----------
    anchors
        (p + 1,) intercept and coefficients of the cluster, expression units per unit of the column; constants.
    n_features
        Number of neighbour counts (clusters of the tissue).
    activation
        Of the factors on the anchors: `sigmoidx2` (0 to 2), `sigmoid`, `tanh` or `identity`.
    generator
        Source of the initial weights, uniform in +-1/sqrt(inputs); None leaves them undefined, to be loaded.
    low, span
        (n_features,) scaling of the counts, applied first; None for counts that come scaled.

    Raises
    ------
    InputError
        If the activation is unknown.
    """

    def __init__(
        self,
        anchors: Any,
        n_features: int,
        *,
        activation: Activation = "sigmoidx2",
        generator: torch.Generator | None = None,
        low: Any = None,
        span: Any = None,
    ) -> None:
        super().__init__()
        if activation not in _FUNCTIONS:
            raise InputError(f"activation {activation!r} is unknown: use {', '.join(ACTIVATIONS)}")
        self.activation: Activation = activation
        start = torch.as_tensor(anchors, dtype=torch.float32).clone()
        self.register_buffer("anchors", start)
        self.register_buffer("low", _vector(low, n_features, 0.0))
        self.register_buffer("span", _vector(span, n_features, 1.0))
        # made without their usual initial values, which would be drawn from the generator of the whole process
        make: Any = nn.utils.skip_init
        inputs = (1, *CHANNELS[:-1])
        self.conv = nn.ModuleList(make(nn.Conv2d, i, o, 3, padding=1) for i, o in zip(inputs, CHANNELS, strict=True))
        self.norm = nn.ModuleList(nn.BatchNorm2d(channels) for channels in CHANNELS)
        inputs = (n_features, *CHANNELS[:-1])
        self.spatial = nn.ModuleList(make(nn.Linear, i, o) for i, o in zip(inputs, CHANNELS, strict=True))
        self.head = nn.ModuleList((make(nn.Linear, CHANNELS[-1], CHANNELS[-1]), make(nn.Linear, 64, len(start))))
        if generator is not None:
            self._draw(generator)

    @property
    def n_modulators(self) -> int:
        """Number of coefficients, the intercept not counted."""
        return len(self.anchors) - 1

    @property
    def n_features(self) -> int:
        """Number of neighbour counts."""
        return len(self.low)

    def _draw(self, generator: torch.Generator) -> None:
        for layer in (*self.conv, *self.spatial, *self.head):
            bound = layer.weight[0].numel() ** -0.5
            for values in (layer.weight, layer.bias):
                values.data.uniform_(-bound, bound, generator=generator)

    def start_at_anchors(self) -> None:
        """Set the last layer so that every factor is 1, where the activation can give a 1 at all."""
        if self.activation in {"identity", "sigmoidx2"}:
            self.head[1].weight.data.zero_()
            self.head[1].bias.data.fill_(1.0 if self.activation == "identity" else 0.0)

    def forward(self, maps: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """Return the coefficients of a batch of cells.

        Parameters
        ----------
        maps
            (n, 1, side, side), side at least 8.
        features
            (n, n_features) neighbour counts as they are; the scaling is applied here.

        Returns
        -------
        (n, p + 1), intercept first.
        """
        if min(maps.shape[-2:]) < SMALLEST_SIDE:
            raise InputError(f"maps of {maps.shape[-2]} x {maps.shape[-1]} pixels are too small: use at least 8 x 8")
        image = torch.nan_to_num(maps, nan=0.0, posinf=0.0, neginf=0.0)
        for conv, norm in zip(self.conv, self.norm, strict=True):
            image = nn.functional.max_pool2d(nn.functional.leaky_relu(norm(conv(image)), _SLOPE), 2)
        counts = (torch.nan_to_num(features, nan=0.0, posinf=0.0, neginf=0.0) - self.low) / self.span
        for number, layer in enumerate(self.spatial):
            counts = layer(counts)
            if number < len(self.spatial) - 1:
                counts = nn.functional.leaky_relu(counts, _SLOPE)
        hidden = nn.functional.leaky_relu(self.head[0](image.mean(dim=(2, 3)) + counts), _SLOPE)
        betas: torch.Tensor = _FUNCTIONS[self.activation](self.head[1](hidden)) * self.anchors
        return betas


class NicheHead(nn.Module):
    """Turns the coefficients of a cluster into those of single cells, by the shared encoder.

    Parameters
    ----------
    arrays
        As in the file: `anchors` (p + 1,), `centre` and `scale` (k,) of the table, `transform` (k, d), `W` (p, d),
        `v` (k,), `means` (p,) of the columns of the design, `unit` (1,) standard deviation of the target, and `range`
        (2,) of the factors.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        super().__init__()
        for name in _HEAD:
            self.register_buffer(name, torch.as_tensor(np.asarray(arrays[name], dtype=np.float64)))

    @property
    def n_modulators(self) -> int:
        """Number of coefficients, the intercept not counted."""
        return len(self.anchors) - 1

    def forward(self, table: torch.Tensor) -> torch.Tensor:
        """Return the coefficients of some cells.

        Parameters
        ----------
        table
            (n, k) their rows of the table of neighbourhoods (`table` in `niche/encoder.npz` of the run).

        Returns
        -------
        (n, p + 1) float32, intercept first.
        """
        u = (table.double() - self.centre) / self.scale
        psi = SQUASH * torch.tanh(u / SQUASH) / u.shape[1] ** 0.5
        factors = (1.0 + psi @ self.transform @ self.W.T).clamp(float(self.range[0]), float(self.range[1]))
        start = self.anchors[1:]
        intercept = self.anchors[0] + self.unit[0] * (psi @ self.v) - (start * (factors - 1.0)) @ self.means
        return torch.cat([intercept[:, None], start * factors], dim=1).float()


def predict(betas: torch.Tensor, X: torch.Tensor) -> torch.Tensor:
    """Return ``beta_0 + sum_j beta_j x_j`` for (n, p + 1) coefficients and (n, p) columns."""
    return betas[:, 0] + (betas[:, 1:] * X).sum(dim=1)


def _vector(values: Any, length: int, default: float) -> torch.Tensor:
    if values is None:
        return torch.full((length,), default)
    return torch.as_tensor(values, dtype=torch.float32).clone()
