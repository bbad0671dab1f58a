"""Weight files: what is in them, who can read them, and what is said when they cannot be read."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

import spacetravlr.niche as niche
from spacetravlr.errors import InputError, MissingExtraError
from spacetravlr.niche import NicheInputs, NicheNetwork, load, map_grid, save_weights
from spacetravlr.niche.seeds import seed_sequence, torch_generator

P = 5


@pytest.fixture(scope="module")
def inputs():
    rng = np.random.default_rng(0)
    return NicheInputs.build(
        rng.uniform(0.0, 300.0, (50, 2)), rng.integers(0, 3, 50), n_clusters=3, side=16, radius=60.0, style="python"
    )


@pytest.fixture(scope="module")
def networks(inputs):
    made = {}
    for cluster in (2, 0):
        network = NicheNetwork(
            np.linspace(-1, 1, P + 1),
            3,
            activation="tanh",
            generator=torch_generator(seed_sequence(0, "G", cluster)),
            low=inputs.scaling.low,
            span=inputs.scaling.span,
        )
        cells = np.arange(20)
        for _ in range(4):
            network(torch.as_tensor(inputs.maps(cells)), torch.as_tensor(inputs.counts[cells], dtype=torch.float32))
        made[cluster] = network.eval()
    return made


@pytest.fixture
def saved(tmp_path, inputs, networks):
    path = tmp_path / "G_cnn_weights.npz"
    save_weights(path, networks, modulators=["A", "B", "L$R", "L#A", "E"], inputs=inputs)
    return path


def test_names_shapes_and_facts(saved, inputs):
    with np.load(saved) as file:
        assert file["cluster_ids"].dtype == np.uint32
        assert file["cluster_ids"].tolist() == [0, 2]
        facts = {name.removeprefix("meta_"): file[name] for name in file.files if name.startswith("meta_")}
        assert {name: (values.dtype.name, values.tolist()) for name, values in facts.items()} == {
            "spatial_dim": ("uint32", [16]),
            "n_clusters": ("uint32", [3]),
            "n_modulators": ("uint32", [P]),
            "cnn_output_activation": ("uint32", [2]),
        }
        assert file["modulator_names"].tolist() == ["A", "B", "L$R", "L#A", "E"]
        np.testing.assert_array_equal(file["feature_low"], inputs.scaling.low)
        np.testing.assert_array_equal(file["feature_span"], inputs.scaling.span)
        shapes = {name[6:]: file[name].shape for name in file.files if name.startswith("c0002_")}
        assert all(file[name].dtype == np.float32 for name in file.files if name.startswith("c000"))
    widths, expected = (1, 16, 32, 64), {"anchors": (P + 1,)}
    for at in (1, 2, 3):
        expected[f"conv{at}_weight"], expected[f"conv{at}_bias"] = (widths[at], widths[at - 1], 3, 3), (widths[at],)
        expected |= {f"bn{at}_{part}": (widths[at],) for part in ("gamma", "beta", "running_mean", "running_var")}
    for name, shape in {"spatial_l1": (3, 16), "spatial_l2": (16, 32), "spatial_l3": (32, 64)}.items():
        expected[f"{name}_weight"], expected[f"{name}_bias"] = shape, shape[1:]
    for name, shape in {"head_l1": (64, 64), "head_l2": (64, P + 1)}.items():
        expected[f"{name}_weight"], expected[f"{name}_bias"] = shape, shape[1:]
    assert shapes == expected


def read_as_others_do(path, prefix, maps, counts):
    """The compiled edition's formulas, from the arrays of the file alone; counts as they are."""
    with np.load(path) as file:
        w = {name.removeprefix(prefix): torch.as_tensor(file[name]) for name in file.files if name.startswith(prefix)}
    F = torch.nn.functional
    image = maps
    for at in (1, 2, 3):
        image = F.conv2d(image, w[f"conv{at}_weight"], w[f"conv{at}_bias"], padding=1)
        norm = [w[f"bn{at}_{part}"] for part in ("running_mean", "running_var", "gamma", "beta")]
        image = F.max_pool2d(F.leaky_relu(F.batch_norm(image, *norm, training=False, eps=1e-5), 0.1), 2)
    side = F.leaky_relu(counts @ w["spatial_l1_weight"] + w["spatial_l1_bias"], 0.1)
    side = F.leaky_relu(side @ w["spatial_l2_weight"] + w["spatial_l2_bias"], 0.1)
    joint = image.mean(dim=(2, 3)) + side @ w["spatial_l3_weight"] + w["spatial_l3_bias"]
    joint = F.leaky_relu(joint @ w["head_l1_weight"] + w["head_l1_bias"], 0.1)
    return torch.tanh(joint @ w["head_l2_weight"] + w["head_l2_bias"]) * w["anchors"]


@pytest.mark.parametrize("cluster", [0, 2])
def test_the_file_gives_the_coefficients_of_the_network(saved, inputs, networks, cluster):
    cells = np.arange(30, 50)
    maps, counts = torch.as_tensor(inputs.maps(cells)), torch.as_tensor(inputs.counts[cells], dtype=torch.float32)
    with torch.no_grad():
        expected = networks[cluster](maps, counts)
        again = load(saved, cluster)(maps, counts)
        others = read_as_others_do(saved, f"c{cluster:04d}_", maps, counts)
    assert expected.std(dim=0)[1:].max() > 1e-4
    torch.testing.assert_close(again, expected, rtol=0.0, atol=2e-6)
    torch.testing.assert_close(others, expected, rtol=0.0, atol=2e-6)


def test_the_maps_of_a_file_can_be_made_again(saved, inputs):
    grid, style = map_grid(saved, np.zeros((1, 2)))
    assert style == "python"
    np.testing.assert_allclose(grid.x, inputs.grid.x, rtol=1e-12)
    np.testing.assert_allclose(grid.y, inputs.grid.y, rtol=1e-12)


def test_what_cannot_be_read_or_written(saved, tmp_path, inputs, networks):
    with pytest.raises(InputError, match="has no network of cluster 1; it has those of 0, 2"):
        load(saved, 1)
    bad = tmp_path / "bad.npz"
    bad.write_bytes(b"no archive")
    other = tmp_path / "other.npz"
    np.savez(other, numbers=np.arange(3))
    empty, cut, array, spoiled = (tmp_path / name for name in ("empty.npz", "cut.npz", "array.npy", "spoiled.npz"))
    whole = saved.read_bytes()
    empty.write_bytes(b"")
    cut.write_bytes(whole[:-40])
    np.save(array, np.arange(3))
    spoiled.write_bytes(whole[:60] + bytes(200) + whole[260:])
    for path in (bad, other, empty, cut, array, spoiled, tmp_path / "absent.npz"):
        for read in (lambda p: load(p, 0), lambda p: map_grid(p, np.zeros((1, 2)))):
            with pytest.raises(InputError, match="cannot be read as a file of network weights"):
                read(path)
    with pytest.raises(InputError, match="2 modulator names for 5 coefficients"):
        save_weights(tmp_path / "x.npz", networks, modulators=["A", "B"], inputs=inputs)
    with pytest.raises(InputError, match="no network to write"):
        save_weights(tmp_path / "x.npz", {}, modulators=[], inputs=inputs)
    assert not (tmp_path / "x.npz").exists()


def test_without_torch_one_line_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"need torch \(.*\): python -m pip install 'spacetravlr-py\[cnn\]'"):
        niche.__getattr__("fit_network")
    with pytest.raises(AttributeError):
        niche.__getattr__("fit_netwrok")


def test_the_room_itself_does_not_load_torch():
    script = (
        "import sys, spacetravlr.niche as niche; niche.decide, niche.moran_test, niche.niche_table, niche.NicheOptions; "
        "assert 'torch' not in sys.modules; assert set(niche._NEEDS_TORCH) <= set(niche.__all__); "
        "assert all(getattr(niche, name) is not None for name in niche.__all__); assert 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
