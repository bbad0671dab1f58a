"""Weights of the networks of a target as an npz file that other implementations read too."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from spacetravlr.atomic import replacing
from spacetravlr.errors import InputError, listing
from spacetravlr.niche.maps import MapGrid
from spacetravlr.niche.network import ACTIVATIONS, NicheHead, NicheNetwork

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

    from spacetravlr.niche.features import NicheInputs

UNREADABLE = (
    OSError,
    EOFError,
    KeyError,
    IndexError,
    TypeError,
    ValueError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What numpy and torch raise for files that are cut off, damaged or something else."""
_NORM = {"weight": "gamma", "bias": "beta", "running_mean": "running_mean", "running_var": "running_var"}


def save_weights(
    path: str | os.PathLike[str],
    networks: Mapping[int, NicheNetwork],
    *,
    modulators: Sequence[str],
    inputs: NicheInputs,
    compressed: bool = True,
) -> None:
    """Write the networks of a target.

    Key names and shapes are those of the compiled edition, so its PyTorch loader reads the file. The scaling of the
    neighbour counts is worked into the first layer: networks from the file take counts as they are. Besides,
    `modulator_names`, `map_box` (left, right, bottom, top), `map_style`, `feature_low` and `feature_span` are stored.

    Parameters
    ----------
    path
        The file; replaced as a whole.
    networks
        By cluster code, at least one.
    modulators
        (p,) names of the columns, in the order of the coefficients.
    inputs
        Maps and counts the networks were trained on.
    compressed
        Whether to deflate.

    Raises
    ------
    InputError
        If there is no network, or the names are not as many as its coefficients.
    RunDirectoryError
        If the file cannot be written.
    """
    if not networks:
        raise InputError("there is no network to write")
    first = next(iter(networks.values()))
    if first.n_modulators != len(modulators):
        raise InputError(f"{len(modulators)} modulator names for {first.n_modulators} coefficients")
    arrays: dict[str, NDArray[Any]] = {
        "cluster_ids": np.array(sorted(networks), dtype=np.uint32),
        "meta_spatial_dim": _number(inputs.grid.shape[0]),
        "meta_n_clusters": _number(first.n_features),
        "meta_n_modulators": _number(first.n_modulators),
        "meta_cnn_output_activation": _number(ACTIVATIONS.index(first.activation)),
        "modulator_names": np.array(list(modulators), dtype=np.str_),
        "map_box": np.array(inputs.grid.box),
        "map_style": np.array([inputs.style]),
        "feature_low": np.asarray(inputs.scaling.low),
        "feature_span": np.asarray(inputs.scaling.span),
    }
    for cluster in sorted(networks):
        arrays.update({f"c{cluster:04d}_{name}": values for name, values in _arrays(networks[cluster]).items()})
    file = Path(path)
    with replacing(file) as temporary, temporary.open("wb") as stream:
        write: Any = np.savez_compressed if compressed else np.savez
        write(stream, **arrays)


def _number(value: int) -> NDArray[np.uint32]:
    return np.array([value], dtype=np.uint32)


def _arrays(network: NicheNetwork) -> dict[str, NDArray[np.float32]]:
    out: dict[str, NDArray[np.float32]] = {"anchors": _numpy(network.anchors)}
    for number, (conv, norm) in enumerate(zip(network.conv, network.norm, strict=True), 1):
        out[f"conv{number}_weight"], out[f"conv{number}_bias"] = _numpy(conv.weight), _numpy(conv.bias)
        out |= {f"bn{number}_{theirs}": _numpy(getattr(norm, ours)) for ours, theirs in _NORM.items()}
    low, span = network.low.double(), network.span.double()
    for name, layers in (("spatial", network.spatial), ("head", network.head)):
        for number, layer in enumerate(layers, 1):
            weight, bias = layer.weight.double(), layer.bias.double()
            if name == "spatial" and number == 1:
                weight = weight / span
                bias = bias - weight @ low
            # the file has inputs first
            out[f"{name}_l{number}_weight"] = _numpy(weight.T.contiguous().float())
            out[f"{name}_l{number}_bias"] = _numpy(bias.float())
    return out


def _numpy(tensor: torch.Tensor) -> NDArray[np.float32]:
    return np.asarray(tensor.detach().cpu().contiguous().numpy(), dtype=np.float32)


def load(path: str | os.PathLike[str], cluster: int) -> NicheNetwork | NicheHead:
    """Load the network of one cluster from a weight file, ours or one of the compiled edition.

    Parameters
    ----------
    path
        The npz file.
    cluster
        Cluster code.

    Returns
    -------
    The network in evaluation mode, on the CPU: ``network(maps, counts)`` gives coefficients, (n, p + 1). Counts are
    those of `neighbour_counts`, unscaled; `map_grid` tells which maps. From a file of the shared encoder comes a head,
    to which ``head(table)`` with the rows of the run's table gives them.

    Raises
    ------
    InputError
        If the file is not a weight file or has no such cluster.
    """
    try:
        with Path(path).open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            clusters = [int(one) for one in file["cluster_ids"]]
            if cluster not in clusters:
                raise InputError(
                    f"{path} has no network of cluster {cluster}; it has those of {listing(map(str, clusters))}"
                )
            prefix = f"c{cluster:04d}_"
            arrays = {name.removeprefix(prefix): file[name] for name in file.files if name.startswith(prefix)}
            if "meta_encoder" in file.files:
                head = NicheHead(arrays)
                head.eval()
                return head
            activation = ACTIVATIONS[int(file["meta_cnn_output_activation"][0])]
        return _network(arrays, activation)
    except InputError:
        raise
    except UNREADABLE as error:
        raise InputError(f"{path} cannot be read as a file of network weights: {error}") from error


def map_grid(path: str | os.PathLike[str], xy: NDArray[np.float64]) -> tuple[MapGrid, Literal["readme", "python"]]:
    """Return the grid and the style of the maps that the networks of a file take.

    Parameters
    ----------
    path
        The npz file.
    xy
        (n_cells, 2) positions of the whole sample: files of the compiled edition do not hold the box.

    Raises
    ------
    InputError
        If the file is not a weight file.
    """
    try:
        with Path(path).open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            side = int(file["meta_spatial_dim"][0])
            if "map_box" not in file.files:
                return MapGrid.over(xy, side), "readme"
            left, right, bottom, top = (float(one) for one in file["map_box"])
            style: Literal["readme", "python"] = "python" if str(file["map_style"][0]) == "python" else "readme"
            return MapGrid.of_box((left, right, bottom, top), side), style
    except UNREADABLE as error:
        raise InputError(f"{path} cannot be read as a file of network weights: {error}") from error


def _network(arrays: Mapping[str, NDArray[Any]], activation: Any) -> NicheNetwork:
    state: dict[str, torch.Tensor] = {"anchors": torch.as_tensor(arrays["anchors"])}
    # sizes in the head of files of the compiled edition are wrong: those of the layers hold
    n_features = arrays["spatial_l1_weight"].shape[0]
    network = NicheNetwork(arrays["anchors"], n_features, activation=activation)
    for at in range(3):
        for part in ("weight", "bias"):
            state[f"conv.{at}.{part}"] = torch.as_tensor(arrays[f"conv{at + 1}_{part}"])
        for ours, theirs in _NORM.items():
            state[f"norm.{at}.{ours}"] = torch.as_tensor(arrays[f"bn{at + 1}_{theirs}"])
        state[f"norm.{at}.num_batches_tracked"] = torch.tensor(0)
    for name, count in (("spatial", 3), ("head", 2)):
        for at in range(count):
            state[f"{name}.{at}.weight"] = torch.as_tensor(np.ascontiguousarray(arrays[f"{name}_l{at + 1}_weight"].T))
            state[f"{name}.{at}.bias"] = torch.as_tensor(arrays[f"{name}_l{at + 1}_bias"])
    state["low"], state["span"] = torch.zeros(n_features), torch.ones(n_features)
    network.load_state_dict(state)
    network.eval()
    return network
