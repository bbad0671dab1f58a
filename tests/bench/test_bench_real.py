"""The benchmark on real samples: arms on one small file, and the marginal arms against a literal computation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from spacetravlr.bench import real
from spacetravlr.bench._real_arms import ARMS, Sample, marginal
from spacetravlr.bench._real_charts import draw_real
from spacetravlr.datasets import simulated_tissue, write_network


@pytest.fixture(scope="module")
def point(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("real")
    adata = simulated_tissue(400, 60, seed=1, radius=150.0, knock_outs=(), false_prior=0.3)
    write_network(adata, folder)
    rng = np.random.default_rng(0)
    values = np.asarray(adata.layers["imputed_count"])
    adata.layers["normalized_count"] = values + 0.5 * values.std(axis=0) * rng.normal(size=values.shape)
    adata.write_h5ad(folder / "sample.h5ad")
    settings = {"network_data_dir": str(folder), "radius": 150.0}
    return {"file": str(folder / "sample.h5ad"), "targets": 8, "settings": settings}


@pytest.fixture(scope="module")
def found(point: dict[str, object]) -> dict[str, object]:
    return real.measure(point)


def test_all_arms_are_measured_on_the_same_targets(found: dict[str, object]) -> None:
    assert [arm["arm"] for arm in found["arms"]] == list(ARMS)
    assert found["judged"] == "normalized_count" and 0 < found["n_targets"] <= 8
    assert {len(arm["r2"]) for arm in found["arms"]} == {found["n_targets"]}
    arms = {arm["arm"]: arm for arm in found["arms"]}
    assert arms["default"]["behind"] == 0.0
    assert arms["default"]["mean"] > max(arms["tf-only"]["mean"], arms["best-single"]["mean"])
    apart = np.array(arms["default"]["r2"]) - np.array(arms["readme"]["r2"])
    assert arms["readme"]["behind"] == pytest.approx(apart.mean())


@pytest.mark.parametrize("best", [True, False])
def test_one_column_at_a_time_is_what_it_says(point: dict[str, object], best: bool) -> None:
    sample = Sample(point["file"], point["settings"], 3)
    plan, target = sample.plan, sample.targets[0]
    columns = plan.inputs.catalogue.positions(plan.inputs.modulators[target].names)
    error = total = 0.0
    for c, rows in enumerate(plan.rows):
        if len(rows) < 30:
            continue
        X, y = plan.design(c)[:, columns], plan.responses([target], c)[:, 0]
        z = plan.measured([target], c)[:, 0] / sample.unit[0]
        for fold in np.unique(plan.folds[rows]):
            held = plan.folds[rows] == fold
            A, b = X[~held] - X[~held].mean(axis=0), y[~held] - y[~held].mean()
            slopes = np.array([np.polyfit(a, b, 1)[0] for a in A.T])
            if best:
                r = np.abs([np.corrcoef(a, b)[0, 1] for a in A.T])
                slopes = np.where(np.arange(len(r)) == r.argmax(), slopes, 0.0)
            else:
                slopes = slopes * np.polyfit(A @ slopes, b, 1)[0]
            predicted = (X[held] - X[~held].mean(axis=0)) @ slopes
            apart = z[held] - z[~held].mean()
            error += ((apart - predicted) ** 2).sum() / z.var()
            total += (apart**2).sum() / z.var()
    assert marginal(plan, sample.targets, sample.unit, best=best)[0] == pytest.approx(1.0 - error / total, abs=1e-6)


def test_tables_and_chart(found: dict[str, object], tmp_path: Path) -> None:
    text = real.markdown([("sample.h5ad", found)])
    assert "### sample.h5ad" in text and "| default |" in text and "**tf-only**: no ligands" in text
    path = draw_real(tmp_path / "charts", [("sample.h5ad", found), ("sample.h5ad", found)])
    assert path.read_bytes().startswith(b"\x89PNG")


def test_the_command_writes_a_record(point: dict[str, object], tmp_path: Path) -> None:
    from spacetravlr.bench import registry

    out = tmp_path / "real.json"
    words = [point["file"], "--network-dir", point["settings"]["network_data_dir"], "--targets", "4", "--threads", "1"]
    assert registry.main("real", [*words, "--repeats", "1", "--markdown", str(tmp_path / "real.md")], out) == 0
    record = json.loads(out.read_text(encoding="utf-8"))
    assert {row["arm"] for row in record["summary"]} == set(ARMS)
    assert record["dataset"]["samples"]["sample.h5ad"]["n_cells"] == 400
    assert (tmp_path / "real.md").read_text(encoding="utf-8").startswith("### sample.h5ad")
