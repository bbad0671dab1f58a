"""What held-out scores predict: which layer is chosen, what changes with it, and what stays."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pytest

from spacetravlr.config import RunConfig
from spacetravlr.errors import SettingsChangedError
from spacetravlr.events import Event, Notice
from spacetravlr.run import Run, level_doubt
from spacetravlr.tissue import Tissue, is_imputed
from spacetravlr.training import estimate_training, plan_training, train
from spacetravlr.training.descent import CoordinateDescent
from spacetravlr.training.response import NOISY_THRESHOLD, decide_response


class _Heard:
    def __init__(self) -> None:
        self.all: list[Notice] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, Notice):
            self.all.append(event)

    def about(self, text: str) -> list[Notice]:
        return [one for one in self.all if text in one.message]


@pytest.fixture
def noisy(tissue_data: anndata.AnnData) -> anndata.AnnData:
    """The tissue with a second layer: what was measured is the first with noise of its own."""
    data = tissue_data.copy()
    values = data.layers["imputed_count"]
    rng = np.random.default_rng(3)
    data.layers["normalized_count"] = values + values.std(axis=0) * rng.normal(size=values.shape)
    return data


def _decided(data: anndata.AnnData, **values: object) -> tuple[RunConfig, _Heard]:
    heard = _Heard()
    config = RunConfig.from_flat(values).resolved()
    return decide_response(config, Tissue.from_anndata(data, config.data.layer), heard), heard


def test_the_measured_layer_judges_where_there_is_one(noisy: anndata.AnnData) -> None:
    config, heard = _decided(noisy)
    assert config.data.own_response == "normalized_count" and config.data.response_use == "score"
    assert config.training.score_threshold == NOISY_THRESHOLD
    assert [one.level for one in heard.all] == ["info", "info"]
    assert "predict layer 'normalized_count'; coefficients are fitted to layer 'imputed_count'" in heard.all[0].message
    # what was decided stays decided
    again, _ = _decided(noisy, **config.given())
    assert again.data == config.data and again.training == config.training


def test_with_imputed_modulators_the_level_is_not_promised(noisy: anndata.AnnData) -> None:
    config, heard = _decided(noisy)
    (line,) = heard.about("model_level = 0.05 is not guaranteed")
    assert "layer 'imputed_count'" in line.message and "\n" not in line.message
    assert line.message == level_doubt(config)
    for untested in ({"model_level": 1.0}, {"score_threshold": 0.0}, {"l1_reg": 1e-3, "held_out": True}):
        assert not _decided(noisy, **untested)[1].about("not guaranteed")
    # who fits what was measured still has modulators that know it
    assert _decided(noisy, response_use="fit")[1].about("not guaranteed")
    for other in ({"response_layer": "same"}, {"layer": "normalized_count"}):
        assert not _decided(noisy, **other)[1].about("not guaranteed")
    renamed = noisy.copy()
    renamed.layers["measured_too"] = renamed.layers["imputed_count"]
    assert not _decided(renamed, layer="measured_too")[1].about("not guaranteed")


@pytest.mark.parametrize(
    "values",
    [
        {"response_layer": "same"},
        {"response_layer": "imputed_count"},
        {"layer": "normalized_count"},
        {"solver": "fista"},
        {"l1_reg": 1e-3},
        {"select": "fixed", "held_out": True},
    ],
)
def test_nothing_changes_where_it_is_not_wanted(noisy: anndata.AnnData, values: dict[str, object]) -> None:
    config, heard = _decided(noisy, **values)
    assert config.data.own_response is None and config.training.score_threshold == 0.1
    assert not heard.about("predict layer")


def test_a_threshold_that_was_given_stays(noisy: anndata.AnnData) -> None:
    assert _decided(noisy, score_threshold=0.1)[0].training.score_threshold == 0.1
    assert _decided(noisy, score_on="in_sample")[0].training.score_threshold == 0.1


def test_an_imputed_response_is_warned_of_once(tissue_data: anndata.AnnData) -> None:
    _, heard = _decided(tissue_data)
    (warning,) = heard.all
    assert warning.level == "warning" and "which is imputed" in warning.message and "\n" not in warning.message
    assert not _decided(tissue_data, response_layer="same")[1].all
    assert not _decided(tissue_data, layer="X")[1].all
    simulated = tissue_data.copy()
    simulated.uns["truth"] = {"seed": 1}
    assert not _decided(simulated)[1].all
    assert is_imputed("MAGIC_t3") and is_imputed("imputed_count") and not is_imputed("normalized_count")


def test_a_run_is_judged_by_what_was_measured_and_fitted_to_the_layer(
    noisy: anndata.AnnData, network_dir: Path, tmp_path: Path
) -> None:
    options = {"network_data_dir": str(network_dir), "genes": ["T1", "T4"], "score_threshold": -1.0}
    own = train(noisy, tmp_path / "own", response_layer="same", **options)
    judged = train(noisy, tmp_path / "judged", **options)
    fitted = train(noisy, tmp_path / "fitted", response_use="fit", **options)
    scores = {name: run.scores().set_index(["gene", "cluster"]) for name, run in
              (("own", own), ("judged", judged), ("fitted", fitted))}  # fmt: skip
    # half of what is measured is noise, which nothing can predict
    ratio = scores["judged"]["r2_out"][("T1", "0")] / scores["own"]["r2_out"][("T1", "0")]
    assert 0.3 < ratio < 0.7
    assert np.array_equal(scores["judged"]["r2_in"] > 0.5, scores["own"]["r2_in"] > 0.5)
    assert abs(scores["fitted"]["r2_out"][("T1", "0")] - scores["judged"]["r2_out"][("T1", "0")]) < 0.1
    slope = {run: run.betas("T1").values[0, run.betas("T1").modulators.index("Tf1")] for run in (own, judged)}
    # a noisier judge chooses a stronger penalty
    assert 0.5 * slope[own] < slope[judged] <= slope[own]
    config = Run.open(tmp_path / "judged").config
    assert (config.data.response_layer, config.data.response_use) == ("normalized_count", "score")
    assert Run.open(tmp_path / "own").config.data.response_layer == "same"
    manifest = judged.directory.manifest
    assert manifest is not None and manifest.config["data"]["response_layer"] == "normalized_count"
    for change in ({"response_layer": "same"}, {"response_use": "fit"}):
        with pytest.raises(SettingsChangedError, match=r"\[data\].response_"):
            train(noisy, tmp_path / "judged", **options, **change)


def test_a_record_without_the_key_goes_on_as_it_was(noisy: anndata.AnnData, network_dir: Path, tmp_path: Path) -> None:
    options = {"network_data_dir": str(network_dir), "genes": ["T1"]}
    run = train(noisy, tmp_path / "run", response_layer="same", **options)
    toml = run.toml
    lines = [line for line in toml.read_text(encoding="utf-8").splitlines() if "response_" not in line]
    toml.write_text("\n".join(lines), encoding="utf-8")
    assert Run.open(tmp_path / "run").config.data.own_response is None
    before = run.betas("T1").values
    (tmp_path / "run" / "T1_betadata.feather").unlink()
    train(noisy, tmp_path / "run", response_layer="same", **options)
    assert np.array_equal(Run.open(tmp_path / "run").betas("T1").values, before)
    with pytest.raises(SettingsChangedError, match=r"response_layer: same -> normalized_count"):
        train(noisy, tmp_path / "run", **options)


def test_held_out_scores_of_the_readme_are_judged_alike(noisy: anndata.AnnData, network_dir: Path) -> None:
    settings = {"network_data_dir": str(network_dir), "genes": ["T1", "T4"]}
    both = {}
    for name, extra in {
        "descent": {"select": "fixed", "l1_reg": 1e-7, "group_reg": 1e-7},
        "readme": {"solver": "fista", "n_iter": 20000, "tol": 1e-12, "l1_reg": 1e-9, "group_reg": 1e-9},
    }.items():
        values = {**settings, **extra, "held_out": True, "response_layer": "normalized_count"}
        config = RunConfig.from_flat(values).resolved()
        plan = plan_training(Tissue.from_anndata(noisy), config)
        assert plan.judges
        from spacetravlr.training.readme_solver import ReadmeSolver

        solver = CoordinateDescent(plan) if name == "descent" else ReadmeSolver(plan)
        both[name] = [fit.r2_out for fit in solver.fit(["T1", "T4"], [True, True]) if fit is not None]
    # two roads to least squares, two ways to compute the error of the cells held out
    assert np.allclose(both["descent"], both["readme"], atol=0.03, equal_nan=True)
    assert np.nanmax(both["readme"]) > 0.3


def test_the_estimate_counts_the_second_layer(noisy: anndata.AnnData, network_dir: Path) -> None:
    heard = _Heard()
    options = {"network_data_dir": str(network_dir)}
    own = estimate_training(noisy, response_layer="same", **options)
    judged = estimate_training(noisy, listener=heard, **options)
    assert judged.memory_bytes > own.memory_bytes
    assert heard.about("held-out scores predict layer 'normalized_count'")


def test_counts_are_no_layer_to_train_on(tissue_data: anndata.AnnData, network_dir: Path) -> None:
    """A scanpy user whose X still holds counts gets a model of sequencing depth, and is told."""
    data = tissue_data.copy()
    data.X = np.rint(10.0 * np.abs(data.layers["imputed_count"]))
    for layer, warned in (("X", True), ("imputed_count", False)):
        heard = _Heard()
        config = RunConfig.from_flat({"data.layer": layer, "grn.network_data_dir": str(network_dir)}).resolved()
        plan_training(Tissue.from_anndata(data, layer), config, heard)
        assert [one.level for one in heard.about("raw counts")] == ["warning"] * warned
