"""The network of the README against figures of the original package and of the compiled edition."""

from __future__ import annotations

import copy

import anndata
import numpy as np
import pytest
import torch

from spacetravlr.betas import Betas
from spacetravlr.errors import InputError
from spacetravlr.niche import NicheNetwork, load, map_grid, neighbour_counts, predict, spatial_maps
from spacetravlr.niche.seeds import seed_sequence, torch_generator


def drawn(anchors, *, n_features=3, seed=0, gene="Pax5", cluster=1, **options):
    generator = torch_generator(seed_sequence(seed, gene, cluster))
    return NicheNetwork(anchors, n_features, generator=generator, **options)


@pytest.fixture(scope="module")
def original(golden):
    """The original's network: its kernels are weight-normalised and its slopes untrained, so they are constants."""
    with np.load(golden / "cnn_forward.npz") as file:
        figures = dict(file)
    with np.load(golden / "spatial_maps_features.npz") as file:
        figures["maps"] = file["maps64_ch0_first12"][:, None]
    network = NicheNetwork(figures["anchors"], 3, activation="sigmoid")
    state = {"anchors": figures["anchors"], "low": np.zeros(3), "span": np.ones(3)}
    for at, theirs in enumerate((0, 4, 8)):
        state[f"conv.{at}.weight"] = figures[f"effective_conv_weight_{theirs}"]
        state[f"conv.{at}.bias"] = figures[f"sd::conv_layers.{theirs}.bias"]
        for part in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
            state[f"norm.{at}.{part}"] = figures[f"sd::conv_layers.{theirs + 1}.{part}"]
        assert figures[f"sd::conv_layers.{theirs + 2}.weight"] == pytest.approx(0.1)
    for ours, theirs, count in (("spatial", "spatial_features_mlp", 3), ("head", "mlp", 2)):
        for at in range(count):
            for part in ("weight", "bias"):
                state[f"{ours}.{at}.{part}"] = figures[f"sd::{theirs}.{2 * at}.{part}"]
    network.load_state_dict({name: torch.as_tensor(values) for name, values in state.items()})
    return network, figures


@pytest.mark.parametrize("mode", ["eval", "train_mode"])
def test_forward_pass_of_the_original_package(original, mode):
    network, figures = copy.deepcopy(original[0]), original[1]
    # the statistics of the batch leave their trace in the running ones
    network.train(mode == "train_mode")
    features = torch.as_tensor(figures["spatial_features"], dtype=torch.float32)
    with torch.no_grad():
        betas = network(torch.as_tensor(figures["maps"]), features)
        y = predict(betas, torch.as_tensor(figures["X"]))
    np.testing.assert_allclose(betas.numpy(), figures[f"betas_{mode}"], rtol=0.0, atol=2e-6)
    np.testing.assert_allclose(y.numpy(), figures[f"y_{mode}"], rtol=0.0, atol=1e-5)


def test_weights_of_the_compiled_edition_give_its_coefficients_with_the_statistics_of_the_batch(golden):
    weights = golden / "v1_cnn_weights_cluster0.npz"
    network = load(weights, 0)
    assert network.activation == "sigmoidx2"
    assert (network.n_features, network.n_modulators) == (3, 21)
    sample = anndata.read_h5ad(golden / "v1_run" / "tissue.h5ad")
    xy, codes = np.asarray(sample.obsm["spatial"]), sample.obs["cell_type_int"].to_numpy().astype(np.int64)
    table = Betas.read(golden / "v1_run" / "Agt_betadata.feather")
    row = {cell: at for at, cell in enumerate(table.row_labels)}
    cells = np.flatnonzero(codes == 0)
    theirs = np.column_stack([table.intercept, table.values])[[row[name] for name in sample.obs_names[cells]]]
    grid, style = map_grid(weights, xy)
    maps = torch.as_tensor(spatial_maps(grid, xy[cells], style=style)[:, None])
    counts = torch.as_tensor(neighbour_counts(xy, codes, 100.0, n_clusters=3)[cells], dtype=torch.float32)
    scale = np.abs(network.anchors.numpy())
    with torch.no_grad():
        running = network(maps, counts).numpy()
        network.train()
        batch = network(maps, counts).numpy()
    assert (np.abs(batch - theirs) <= 3e-5 * scale).all()
    # the running averages that it saves are those of a few steps: they give other coefficients
    assert 0.1 < (np.abs(running - theirs)[:, scale > 0] / scale[scale > 0]).max() < 1.0


def test_the_random_numbers_of_the_process_are_left_alone():
    before = torch.random.get_rng_state()
    first = drawn(np.ones(4))
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(9)
    again = drawn(np.ones(4))
    for name, values in first.state_dict().items():
        assert torch.equal(values, again.state_dict()[name])
    others = (drawn(np.ones(4), gene="Pax6"), drawn(np.ones(4), cluster=2), drawn(np.ones(4), seed=1))
    kernels = [first.conv[0].weight, *(other.conv[0].weight for other in others)]
    assert len({tuple(kernel.flatten().tolist()) for kernel in kernels}) == 4
    for layer, inputs in ((first.conv[1], 16 * 9), (first.spatial[0], 3), (first.head[1], 64)):
        bound = inputs**-0.5
        assert 0.9 * bound < layer.weight.abs().max() <= bound


def batch(n_cells=5, n_features=3):
    generator = torch.Generator().manual_seed(4)
    return torch.rand(n_cells, 1, 16, 16, generator=generator), 40 * torch.rand(
        n_cells, n_features, generator=generator
    )


@pytest.mark.parametrize("activation", ["identity", "sigmoid", "tanh", "sigmoidx2"])
def test_factors_stay_in_the_range_of_the_activation(activation):
    anchors = np.array([1.0, -2.0, 0.0, 0.5], dtype=np.float32)
    network = drawn(anchors, activation=activation).eval()
    network.head[1].weight.data *= 1e3
    with torch.no_grad():
        betas = network(*batch()).numpy()
    np.testing.assert_array_equal(betas[:, 2], 0.0)
    factors = betas[:, [0, 1, 3]] / anchors[[0, 1, 3]]
    low, high = {"identity": (-1e9, 1e9), "sigmoid": (0, 1), "tanh": (-1, 1), "sigmoidx2": (0, 2)}[activation]
    assert low <= factors.min() < factors.max() <= high
    if activation == "identity":
        assert np.abs(factors).max() > 2.0


def test_anchors_of_zero_give_zero():
    with torch.no_grad():
        np.testing.assert_array_equal(drawn(np.zeros(6)).eval()(*batch()).numpy(), 0.0)


@pytest.mark.parametrize("activation", ["identity", "sigmoidx2"])
def test_training_starts_at_the_anchors(activation):
    anchors = np.array([1.5, -2.0, 0.25])
    network = drawn(anchors, activation=activation).eval()
    network.start_at_anchors()
    with torch.no_grad():
        np.testing.assert_allclose(network(*batch()).numpy(), np.tile(anchors, (5, 1)), rtol=1e-6)


def test_the_scaling_of_the_counts_is_applied_inside():
    low, span = np.array([1.0, 2.0, 0.0]), np.array([4.0, 1.0, 10.0])
    plain, scaled = drawn(np.ones(3)).eval(), drawn(np.ones(3), low=low, span=span).eval()
    maps, counts = batch()
    ours = (counts - torch.as_tensor(low, dtype=torch.float32)) / torch.as_tensor(span, dtype=torch.float32)
    with torch.no_grad():
        assert torch.equal(scaled(maps, counts), plain(maps, ours))


def test_what_is_not_finite_counts_as_zero():
    network = drawn(np.ones(3)).eval()
    maps, counts = batch()
    spoiled, clean = maps.clone(), maps.clone()
    spoiled[0, 0, 3, 3], clean[0, 0, 3, 3] = float("nan"), 0.0
    with torch.no_grad():
        assert torch.equal(network(spoiled, counts), network(clean, counts))


def test_bad_arguments():
    with pytest.raises(InputError, match="too small: use at least 8 x 8"):
        drawn(np.ones(3))(torch.zeros(2, 1, 7, 7), torch.zeros(2, 3))
    with pytest.raises(InputError, match="'relu' is unknown: use identity, sigmoid, tanh, sigmoidx2"):
        drawn(np.ones(3), activation="relu")
