"""What can be done with the result of a simulation."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from spacetravlr.errors import InputError, RunDirectoryError, UsageError
from spacetravlr.perturbation import Effect, Target, _export

GENES = ("A", "B", "C", "D")
BASELINE = np.array([[1.0, 2, 3, 4], [1, 2, 3, 4], [5, 6, 7, 8]])


def effect(**changes) -> Effect:
    values = {
        "baseline": BASELINE,
        "genes": GENES,
        "cells": ("x", "y", "z"),
        "targets": (Target("D", 0.0),),
        "n_propagation": 2,
        "profile": "default",
        "columns": np.array([2, 0, 3]),
        "values": np.array([[3.0, 4, 7], [1, 1, 2], [0, 0, 0]]),
        "labels": np.array(["t", "t", "b"]),
        **changes,
    }
    return Effect(**values)


def test_full_matrices():
    found = effect()
    assert found.simulated.tolist() == [[1, 2, 3, 0], [1, 2, 4, 0], [2, 6, 7, 0]]
    assert found.delta.tolist() == [[0, 0, 0, -4], [0, 0, 1, -4], [-3, 0, 0, -8]]
    assert np.array_equal(found.simulated - BASELINE, found.delta)
    assert BASELINE[2, 0] == 5
    assert found.gene("A").tolist() == [1, 1, 2]
    assert found.gene("B").tolist() == [2, 2, 6]
    with pytest.raises(InputError, match="did you mean 'A'"):
        found.gene("a")


def test_top():
    top = effect().top()
    assert top.columns.tolist() == ["gene", "mean_delta", "mean_abs_delta", "baseline_mean", "simulated_mean"]
    assert top["gene"].tolist() == ["A", "C"]
    assert top.iloc[0, 1:].tolist() == pytest.approx([-1, 1, 7 / 3, 4 / 3])
    assert effect().top(1)["gene"].tolist() == ["A"]
    assert effect().top(include_targets=True)["gene"].tolist() == ["D", "A", "C"]


@pytest.mark.parametrize("by", ["cell_type", "cluster", np.array(["t", "t", "b"])])
def test_top_by_group(by):
    top = effect().top(by=by)
    assert top.columns[1] == (by if isinstance(by, str) else "group")
    assert top.iloc[:, :2].to_numpy().tolist() == [["A", "b"], ["C", "t"]]
    assert top["mean_delta"].tolist() == [-3, 0.5]


def test_top_by_a_column_of_obs():
    obs = pd.DataFrame({"region": pd.Categorical(["in", "out", "out"])})
    assert effect(obs=obs).top(by="region")["region"].tolist() == ["out", "out"]
    with pytest.raises(InputError, match="known: region, cluster"):
        effect(obs=obs).top(by="Region")
    with pytest.raises(InputError, match="must have shape"):
        effect().top(by=np.array(["a"]))


def test_top_without_any_change():
    same = effect(columns=np.array([0]), values=BASELINE[:, 0][None])
    assert len(same.top()) == 0
    assert same.top(by="cluster").columns[:2].tolist() == ["gene", "cluster"]


def test_anndata():
    data = effect().to_anndata()
    assert data.obs_names.tolist() == ["x", "y", "z"]
    assert data.var_names.tolist() == list(GENES)
    assert np.array_equal(data.X, BASELINE)
    assert np.array_equal(data.layers["simulated"] - data.layers["delta"], BASELINE)
    assert data.obs["cluster"].tolist() == ["t", "t", "b"]
    assert data.uns["perturbation"]["genes"].tolist() == ["D"]
    assert not len(data.obsm)
    xy = np.arange(6.0).reshape(3, 2)
    assert np.array_equal(effect(xy=xy).to_anndata().obsm["spatial"], xy)


def test_feather(tmp_path, monkeypatch):
    monkeypatch.setattr(_export, "_BATCH", 2)
    path = effect().write(tmp_path / "deep" / "down" / "ko.feather")
    frame = pd.read_feather(path)
    assert frame.columns.tolist() == ["CellID", *GENES]
    assert frame["CellID"].tolist() == ["x", "y", "z"]
    assert np.array_equal(frame[list(GENES)].to_numpy(), effect().simulated)
    with pa.ipc.open_file(path) as reader:
        assert set(reader.schema.types) == {pa.string(), pa.float64()}
        assert reader.num_record_batches == 2
    assert [file.name for file in path.parent.iterdir()] == ["ko.feather"]


def test_h5ad(tmp_path):
    obs = pd.DataFrame({"n": [1, 2, 3]}, index=["x", "y", "z"])
    path = effect(obs=obs, notes=("mind this",)).write(tmp_path / "ko.h5ad")
    data = anndata.read_h5ad(path)
    assert np.array_equal(data.layers["simulated"], effect().simulated)
    assert data.obs["n"].tolist() == [1, 2, 3]
    assert data.uns["perturbation"]["n_propagation"] == 2
    assert [file.name for file in tmp_path.iterdir()] == ["ko.h5ad"]


def test_refused_files(tmp_path):
    with pytest.raises(UsageError, match=r"\.feather, \.h5ad"):
        effect().write(tmp_path / "ko.xlsx")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunDirectoryError, match="cannot create the directory .*: a file is in the way"):
        effect().write(tmp_path / "file" / "ko.feather")
    (tmp_path / "taken.feather").mkdir()
    with pytest.raises(RunDirectoryError, match="cannot write"):
        effect().write(tmp_path / "taken.feather")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "taken.feather"]
