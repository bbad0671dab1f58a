"""The original package as an arm: how it is found, what it is given, and how its coefficients are read."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from spacetravlr.bench import truth
from spacetravlr.bench._truth_original import SETUP, VARIABLE, original_python, some_targets
from spacetravlr.bench._truth_tissues import MEMBERS
from spacetravlr.bench.registry import main
from spacetravlr.errors import InputError, UsageError

STAND_IN = '''
"""Stands in for the original package: least squares on the true columns of the original, in its interface."""
import numpy as np
import pandas as pd


class RegulatoryFactory:
    def __init__(self, links):
        self.links = links


class GroupLasso:
    pass


def get_cellchat_db(species):
    raise AssertionError("the shipped list of pairs must not be read")


class _Model:
    def __init__(self, anchors):
        self.anchors = anchors


class SpatialCellularProgramsEstimator:
    def __init__(self, adata, target, *, cluster_annot, layer, radius, tf_ligand_cutoff, grn, **options):
        assert options["spatial_dim"] and options["contact_distance"] and options["scale_factor"] == 1
        links = next(iter(grn.links.values()))
        self.adata, self.target, self.column = adata, target, cluster_annot
        self.tfs = sorted(set(links[links.target == target].source))
        pairs = get_cellchat_db("mouse")
        pairs = pairs[(pairs.ligand != target) & (pairs.receptor != target)]
        self.pairs = [f"{a}${b}" for a, b in zip(pairs.ligand, pairs.receptor)]
        self.scores_table = pd.read_parquet("https://somewhere/ligand_target_mouse.parquet")
        self.modulators = self.tfs + self.pairs

    def fit(self, num_epochs, **penalties):
        assert num_epochs == 0 and not penalties
        values = self.adata.to_df(layer="imputed_count")
        self.models, self.scores = {}, {}
        for cluster in sorted(self.adata.obs[self.column].unique()):
            rows = (self.adata.obs[self.column] == cluster).to_numpy()
            X = np.column_stack([np.ones(rows.sum()), values.loc[rows, self.tfs]])
            y = values.loc[rows, self.target].to_numpy()
            found = np.linalg.lstsq(X, y, rcond=None)[0]
            self.scores[cluster] = 1 - ((y - X @ found) ** 2).mean() / y.var()
            self.models[cluster] = _Model(np.concatenate([found, np.zeros(len(self.pairs))]))
'''


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    folder = tmp_path / "site" / "SpaceTravLR" / "models"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("raise ImportError('the whole package must not be imported')")
    (folder / "__init__.py").write_text("")
    (folder / "parallel_estimators.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    monkeypatch.delenv(VARIABLE, raising=False)
    return sys.executable


POINT = {"tissue": "r200", "seed": 0, "n_cells": 300, "n_genes": 40, "knock_outs": 2, "threads": 1}


def test_all_targets_are_scored_like_another_arm(stand_in):
    found = truth.measure({**POINT, "arms": ["original"], "original_python": stand_in, "original_targets": 0})
    (arm,) = found["arms"]
    assert arm["n_targets"] > 30
    assert arm["auprc_TF"] > 2.0 * arm["base_TF"]
    assert arm["sign_TF"] > 0.7
    # without any ligand terms nothing follows from a ligand
    assert arm["ligand_size@2"] == 0.0
    assert arm["TF_r@2"] > 0.3
    assert 0.2 < arm["r2_in"] < 1.0
    assert np.isnan(arm["r2_out"])
    assert found["original"]["versions"]["numpy"]
    assert found["original"]["seconds_per_target"] > 0.0


def test_some_targets_are_compared_among_themselves(stand_in):
    arms = ["correlation", "original"]
    found = truth.measure({**POINT, "arms": arms, "original_python": stand_in, "original_targets": 5})
    other, arm = found["arms"]
    assert arm["n_targets"] == found["original"]["n_targets"] == 5
    # what others found for other targets does not count here
    assert other["base_TF"] == arm["base_TF"]
    assert other["n_targets"] > 30
    assert "TF_r@2" in other
    assert arm["auprc_TF"] > arm["base_TF"]
    assert not any(name.startswith(("TF_r", "ligand_r")) for name in arm)


def test_coefficients_arrive_where_they_belong(stand_in, tmp_path):
    from spacetravlr.bench._truth_original import fit_original
    from spacetravlr.config import RunConfig
    from spacetravlr.datasets import write_network
    from spacetravlr.tissue import Tissue
    from spacetravlr.training import plan_training

    adata = MEMBERS["r200"].make(0, n_cells=200, n_genes=30)
    network = write_network(adata, tmp_path)
    plan = plan_training(
        Tissue.from_anndata(adata), RunConfig.from_flat({"network_data_dir": str(tmp_path)}).resolved()
    )
    target = next(name for name in plan.inputs.targets if len(plan.inputs.modulators[name].regulators) > 1)
    point = {"original_python": stand_in, "threads": 1}
    found, facts = fit_original(adata, plan, point, folder=tmp_path, network=network, targets=[target])
    table = found.betas[target]
    tfs = plan.inputs.modulators[target].regulators
    values = adata.to_df(layer="imputed_count")
    for row, label in enumerate(plan.tissue.clusters.labels):
        cells = adata.obs["cell_type_int"].astype(str) == label
        X = np.column_stack([np.ones(cells.sum()), values.loc[cells, list(tfs)]])
        exact = np.linalg.lstsq(X, values.loc[cells, target].to_numpy(), rcond=None)[0]
        assert table.intercept[row] == pytest.approx(exact[0], rel=1e-6, abs=1e-8)
        at = [table.modulators.index(name) for name in tfs]
        np.testing.assert_allclose(table.values[row, at], exact[1:], rtol=1e-6, atol=1e-8)
        assert not np.delete(table.values[row], at).any()
    assert found.profile == "python"
    assert facts["n_targets"] == 1


def test_a_failure_is_one_line(tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    with pytest.raises(InputError, match=r"the original package failed .*SpaceTravLR is not installed"):
        truth.measure({**POINT, "arms": ["original"], "original_python": sys.executable, "original_targets": 2})


def test_it_is_named_by_an_option_or_by_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert original_python(None) is None
    assert original_python(Path(sys.executable)) == Path(sys.executable)
    monkeypatch.setenv(VARIABLE, sys.executable)
    assert original_python(None) == Path(sys.executable)
    with pytest.raises(UsageError, match="there is no Python at"):
        original_python(tmp_path / "bin" / "python")


def test_without_it_one_line_says_how_to_set_it_up(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(UsageError) as raised:
        main("truth", ["--quick", "--arms", "original"], None)
    assert str(raised.value) == SETUP
    assert "\n" not in SETUP
    assert "setup.sh" in SETUP


def test_targets_are_taken_at_even_distances():
    names = [f"g{number}" for number in range(10)]
    assert some_targets(names, 0) == tuple(names)
    assert some_targets(names, 20) == tuple(names)
    assert some_targets(names, 2) == ("g2", "g7")


def test_the_driver_needs_nothing_of_this_project():
    source = (Path(truth.__file__).parent / "original" / "driver.py").read_text(encoding="utf-8")
    imports = [line for line in source.splitlines() if line.startswith(("import ", "from "))]
    assert imports
    assert not any("spacetravlr" in line for line in imports)


def test_a_record_names_the_versions(stand_in, tmp_path):
    path = tmp_path / "truth.json"
    arguments = ["--quick", "--threads", "1", "--cells", "200", "--genes", "30", "--arms", "oracle,original"]
    assert main("truth", [*arguments, "--original-python", stand_in, "--original-targets", "4"], path) == 0
    record = json.loads(path.read_text())
    assert "4 targets" in record["dataset"]["original"]
    assert "numpy" in record["dataset"]["versions_of_original"]
    assert {one["arm"]: one["n_targets"] for one in record["summary"]}["original"] == 4
