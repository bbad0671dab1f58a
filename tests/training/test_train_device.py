"""Training with a device: same results as on the CPU, and a notice where the device fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import anndata
import numpy as np
import pytest

from spacetravlr.device import Accelerator, Device, _choose
from spacetravlr.errors import ConfigError, MissingExtraError
from spacetravlr.events import Notice
from spacetravlr.run import Run
from spacetravlr.training import estimate_training, train
from spacetravlr.training import trainer as training_trainer

SOLVERS = {
    "descent": {"n_bootstraps": 4, "beta_export": "fit", "response_layer": "same"},
    "readme": {"solver": "fista", "select": "fixed", "n_iter": 60, "held_out": True, "score_threshold": -1e9},
}
GENES = ("T1", "T2", "T3", "T4")


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("SPACETRAVLR_FORCE_CPU", "SPACETRAVLR_DISABLE_WGPU"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def card(monkeypatch) -> Iterator[Accelerator]:
    """A device that is the CPU under another name, to which even the smallest product is given."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    accelerator = Accelerator("cpu", name="cuda (Card)", worth=0.0)
    monkeypatch.setattr(Accelerator, "of", lambda device: accelerator)
    yield accelerator
    torch.set_num_threads(before)


def trained(adata, folder: Path, network_dir: Path, **settings) -> tuple[Run, list[Notice]]:
    told: list[Notice] = []
    run = train(
        adata, folder, GENES, network_data_dir=str(network_dir), n_parallel=1, random_seed=1,
        listener=lambda event: told.append(event) if isinstance(event, Notice) else None, **settings,
    )  # fmt: skip
    return run, told


def largest_difference(one: Run, other: Run) -> float:
    assert one.genes == other.genes
    differences = [0.0]
    for gene in other.genes:
        a, b = one.betas(gene), other.betas(gene)
        assert a.modulators == b.modulators
        scale = max(np.abs(b.values).max(), np.abs(b.intercept).max())
        differences += [np.abs(a.values - b.values).max() / scale, np.abs(a.intercept - b.intercept).max() / scale]
    return max(differences)


def manifest(run: Run) -> dict[str, object]:
    return json.loads((run.directory.path / "run_manifest.json").read_text())


@pytest.mark.parametrize("solver", SOLVERS)
def test_coefficients_are_those_of_the_cpu(
    solver: str, card: Accelerator, tissue_data: anndata.AnnData, network_dir: Path, tmp_path: Path, monkeypatch
) -> None:
    there, told = trained(tissue_data, tmp_path / "there", network_dir, **SOLVERS[solver])
    assert [notice for notice in told if notice.level == "warning"] == []
    assert card._kept
    monkeypatch.undo()
    here, _ = trained(tissue_data, tmp_path / "here", network_dir, **SOLVERS[solver])
    assert here.genes
    assert largest_difference(there, here) < 1e-8


def test_means_over_bootstraps_agree_as_far_as_single_precision(
    card: Accelerator, tissue_data: anndata.AnnData, network_dir: Path, tmp_path: Path, monkeypatch
) -> None:
    # the Gram matrices of bootstraps are float32 on every device
    there, _ = trained(tissue_data, tmp_path / "there", network_dir, n_bootstraps=4)
    monkeypatch.undo()
    here, _ = trained(tissue_data, tmp_path / "here", network_dir, n_bootstraps=4)
    assert here.config.lasso.beta_export == "mean"
    assert largest_difference(there, here) < 1e-4


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("failures", [1, 100])
def test_blocks_on_which_the_device_fails_are_fitted_on_the_cpu(
    solver: str, failures: int, card: Accelerator, tissue_data: anndata.AnnData, network_dir: Path, tmp_path: Path,
    monkeypatch,
) -> None:  # fmt: skip
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(training_trainer, "BLOCK", 1)
    real, calls, tried = card.tensor, [], []

    def tensor(array: np.ndarray, dtype: str | None = None):
        # the set-up and the first block are spared
        if getattr(card._block, "what", None) in ("the block T2 .. T2", "the block T3 .. T3", "the block T4 .. T4"):
            tried.append(card._block.what)
            if len(calls) < failures:
                calls.append(1)
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return real(array, dtype)

    monkeypatch.setattr(card, "tensor", tensor)
    there, told = trained(tissue_data, tmp_path / "there", network_dir, **SOLVERS[solver])
    warnings = [notice.message for notice in told if notice.level == "warning"]
    assert warnings[0] == (
        "cuda (Card) failed (CUDA out of memory. Tried to allocate 2 GiB): the block T2 .. T2 is computed on the CPU"
    )
    if failures == 1:
        assert len(warnings) == 1
        assert "the block T4 .. T4" in tried
        assert "given up" not in manifest(there)["device"]
    else:
        assert len(warnings) == len(calls) == 3
        assert warnings[2].endswith("and everything after it, because this was failure number 3")
        assert str(manifest(there)["device"]).endswith(", given up after failures: the rest on the CPU")
    monkeypatch.undo()
    here, _ = trained(tissue_data, tmp_path / "here", network_dir, **SOLVERS[solver])
    assert largest_difference(there, here) < 1e-8


def test_a_device_that_fails_while_products_are_prepared_is_told_of(
    card: Accelerator, tissue_data: anndata.AnnData, network_dir: Path, tmp_path: Path, monkeypatch
) -> None:
    def gone(*args: object) -> None:
        raise RuntimeError("no kernel image is available")

    monkeypatch.setattr(card, "tensor", gone)
    run, told = trained(tissue_data, tmp_path / "run", network_dir, **SOLVERS["descent"])
    assert run.genes
    warnings = [notice.message for notice in told if notice.level == "warning"]
    assert len(warnings) == 3
    assert all("no kernel image is available" in warning for warning in warnings)


def test_log_manifest_and_estimate_name_the_device(
    tissue_data: anndata.AnnData, network_dir: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("SPACETRAVLR_FORCE_CPU", "1")
    run, told = trained(tissue_data, tmp_path / "run", network_dir, n_bootstraps=0, device="cuda")
    assert Notice("device: cpu (SPACETRAVLR_FORCE_CPU is set)") in told
    assert manifest(run)["device"] == "cpu (SPACETRAVLR_FORCE_CPU is set)"
    assert manifest(run)["config"]["execution"]["device"] == "cuda"  # type: ignore[index]
    monkeypatch.setattr("spacetravlr.training.account.choose_device", lambda asked: Device("cuda", "Big Card"))
    found = estimate_training(tissue_data, GENES, network_data_dir=str(network_dir), n_bootstraps=0)
    assert found.device == "cuda (Big Card)"


def test_a_device_that_is_not_there_is_refused_before_anything_is_read(
    tissue_data: anndata.AnnData, network_dir: Path, tmp_path: Path, monkeypatch
) -> None:
    def absent():
        raise ModuleNotFoundError("No module named 'torch'")

    monkeypatch.setattr(_choose, "_torch", absent)
    with pytest.raises(MissingExtraError, match="spacetravlr-py"):
        train(tmp_path / "nothing.h5ad", tmp_path / "run", device="cuda")
    monkeypatch.undo()
    pytest.importorskip("torch")
    monkeypatch.setattr(_choose, "_sees", lambda torch, kind: False)
    with pytest.raises(ConfigError, match="device 'mps'"):
        train(tmp_path / "nothing.h5ad", tmp_path / "run", device="mps")
    assert not (tmp_path / "run").exists()
