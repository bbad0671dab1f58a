"""A condition split, and pieces of tissue, on workers."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pytest

from spacetravlr.cluster import _plans
from spacetravlr.cluster._workbench import Workbench
from spacetravlr.config import RunConfig
from spacetravlr.events import silent
from spacetravlr.run import ConditionRuns
from spacetravlr.tissue import Tissue
from spacetravlr.training import Threads, plan_training
from spacetravlr.training.request import settle


@pytest.mark.parametrize("sees", [True, False])
def test_workers_train_every_condition_as_threads_do(
    go, scheduler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sees: bool
) -> None:
    expected = go(out=tmp_path / "threads", condition="cell_type", executor=Threads())
    if not sees:
        # the sample can be read, but which of its cells are meant is written where these workers cannot look
        monkeypatch.setattr(Workbench, "_sees_directory", lambda _: False)
        monkeypatch.setattr(_plans, "condition_label", lambda _: None)
        monkeypatch.setattr(_plans, "read_plan", lambda _: pytest.fail("the cells of a condition are not known here"))
    trained = go(condition="cell_type", scheduler=scheduler)
    assert isinstance(trained.run, ConditionRuns)
    assert list(trained.run) == ["a", "b"]
    assert [run.tissue().n_cells for run in trained.run.values()] == [90, 70]
    assert any(name.startswith("conditions/a/T1") for name in trained.files)
    assert trained.files == expected.files
    assert trained.left_overs == []


def test_a_plan_of_a_condition_is_read_where_its_label_is(tmp_path: Path, cluster_sample: Path) -> None:
    data = {"adata_path": str(cluster_sample), "condition": "cell_type"}
    config = RunConfig(data=data, execution={"output_dir": str(tmp_path)})
    assert not _plans.is_readable(config)
    (tmp_path / "condition_label.txt").write_text("a\n")
    assert _plans.is_readable(config)


def test_a_plan_that_travels_keeps_the_pieces(cluster_sample: Path, cluster_network: Path) -> None:
    adata = anndata.read_h5ad(cluster_sample)
    adata.obs["slide"] = np.where(np.arange(adata.n_obs) % 3, "s1", "s2")
    settings = settle(None, None, {"network_data_dir": str(cluster_network), "sample": "slide"}, silent)
    plan = plan_training(Tissue.from_anndata(adata, sample_key="slide"), settings)
    there = _plans.portable(plan)
    assert there.tissue.samples is not None
    assert np.array_equal(there.tissue.samples.codes, plan.tissue.samples.codes)
    assert _plans.digest(there) == _plans.digest(plan)
