"""`scores.feather` and `path.feather`: what they hold, and that they always hold what the run holds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spacetravlr.errors import InputError
from spacetravlr.events import GeneOrphan, GeneWritten
from spacetravlr.run import GeneScores, Run
from spacetravlr.training import StopRequest, _writer, train, trainer

COLUMNS = [
    *("gene", "cluster", "n_cells", "n_modulators", "n_kept", "r2_in", "r2_out", "r2_pooled"),
    *("r2_local", "p_model", "r2_tf_only", "r2_shuffled", "p_space", "train_mse"),
    *("converged", "n_iter", "lambda", "kept", "refined", "r2_niche_out", "reason"),
]


@pytest.fixture(scope="module")
def run(h5ad: Path, network_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("scores") / "run"
    return train(h5ad, out, network_data_dir=str(network_dir), random_seed=1, n_bootstraps=2)


@pytest.fixture(scope="module")
def scores(run: Run) -> pd.DataFrame:
    return pd.read_feather(run.path / "scores.feather")


@pytest.fixture(scope="module")
def path(run: Run) -> pd.DataFrame:
    return pd.read_feather(run.path / "path.feather")


def test_there_is_a_row_for_every_target_and_cluster(run: Run, scores: pd.DataFrame) -> None:
    assert list(scores) == COLUMNS
    targets = sorted([*run.genes, *run.orphans])
    expected = [(gene, label) for gene in targets for label in ("0", "1", "2")]
    assert list(scores[["gene", "cluster"]].itertuples(index=False, name=None)) == expected
    assert scores.groupby("cluster")["n_cells"].unique().map(list).to_dict() == {"0": [120], "1": [110], "2": [30]}
    assert scores["converged"].dtype == scores["kept"].dtype == bool


def test_scores_agree_with_the_other_files_of_a_target(run: Run, scores: pd.DataFrame) -> None:
    for gene, own in scores.groupby("gene"):
        if gene in run.orphans:
            assert set(own["reason"]) == {run.orphans[gene]}
            assert not own["kept"].any()
            assert not own["n_kept"].any()
            continue
        betas = run.betas(gene)
        assert own["n_kept"].tolist() == (betas.values != 0.0).sum(axis=1).tolist()
        assert own["kept"].tolist() == betas.values.any(axis=1).tolist()
        assert own["reason"].isna().all()
        log = run.log(gene)
        for row, entry in zip(own.itertuples(), log.clusters, strict=True):
            assert row.r2_in == pytest.approx(entry.r2_in, abs=1e-6)
            assert row.r2_out == pytest.approx(entry.r2_out, abs=1e-6, nan_ok=True)
            assert row.n_modulators == entry.n_modulators


def test_orphans_without_modulators_have_rows_too(h5ad: Path, network_dir: Path, tmp_path: Path) -> None:
    only_tfs = {"use_lr_modulators": False, "use_tfl_modulators": False, "network_data_dir": str(network_dir)}
    found = train(h5ad, tmp_path / "run", genes=["T1", "Lonely"], n_bootstraps=2, **only_tfs)
    lonely = found.scores().query("gene == 'Lonely'")
    assert lonely["cluster"].tolist() == ["0", "1", "2"]
    assert set(lonely["reason"]) == {"no modulators in the prior network"}
    assert lonely[["r2_in", "r2_out", "r2_pooled", "train_mse", "lambda"]].isna().all(axis=None)
    assert not lonely[["n_modulators", "n_kept", "kept"]].any(axis=None)
    assert set(found.penalty_path()["gene"]) == {"T1"}


def test_the_path_shows_how_the_penalty_was_chosen(scores: pd.DataFrame, path: pd.DataFrame) -> None:
    assert list(path) == ["gene", "lambda", "error", "error_se", "chosen"]
    tried = scores[scores["n_modulators"] > 0]
    assert set(path["gene"]) == set(tried["gene"])
    for gene, curve in path.groupby("gene"):
        own = scores[scores["gene"] == gene].iloc[0]
        assert (np.diff(curve["lambda"]) < 0).all()
        assert curve.loc[curve["chosen"], "lambda"].tolist() == [own["lambda"]]
        # the strongest penalty within one standard error of the best
        best = curve.loc[curve["error"].idxmin()]
        within = curve[curve["error"] <= best["error"] + best["error_se"]]
        assert within["lambda"].max() == own["lambda"]
        # the error is in units of the variance, so it is one minus the held-out R2 but for the means of the folds
        assert 1.0 - curve.loc[curve["chosen"], "error"].item() == pytest.approx(own["r2_pooled"], abs=0.05)


@pytest.mark.parametrize("rule", ["near", "min"])
def test_the_rule_that_is_set_chooses(
    rule: str, scores: pd.DataFrame, h5ad: Path, network_dir: Path, tmp_path: Path
) -> None:
    settings = {"network_data_dir": str(network_dir), "random_seed": 1, "n_bootstraps": 0, "diagnostics": False}
    found = train(h5ad, tmp_path / "run", genes=["T1", "T2", "T4"], rule=rule, **settings)
    before, weaker = scores.groupby("gene")["lambda"].first(), []
    for gene, curve in found.penalty_path().groupby("gene"):
        best, chosen = curve.loc[curve["error"].idxmin()], curve[curve["chosen"]].iloc[0]
        weaker.append(before[gene] / chosen["lambda"])
        # what is explained is one minus the error but for the means of the folds
        least = 1.0 if rule == "min" else 0.8
        assert 1.0 - chosen["error"] >= least * (1.0 - best["error"]) - 0.01
    assert min(weaker) >= 1.0
    assert rule == "near" or max(weaker) > 1.0


def test_a_run_gives_the_tables_as_they_are_on_disk(run: Run, scores: pd.DataFrame, path: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(run.scores(), scores)
    pd.testing.assert_frame_equal(run.penalty_path(), path)


def test_numbers_are_kept_in_full(run: Run, scores: pd.DataFrame) -> None:
    record = json.loads((run.path / "scores" / "T1.json").read_text())
    assert scores.loc[scores["gene"] == "T1", "r2_in"].tolist() == record["clusters"]["r2_in"]
    assert any(len(repr(value)) > 12 for value in record["clusters"]["r2_in"])


def test_the_tables_can_be_read_while_a_run_goes_on_and_after_a_stop(
    h5ad: Path, network_dir: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "BLOCK", 1)
    monkeypatch.setattr(_writer, "AHEAD", 1)
    stop = StopRequest()
    seen: list[set[str]] = []
    ended: list[str] = []

    def heard(event: object) -> None:
        if isinstance(event, GeneWritten | GeneOrphan):
            ended.append(event.gene)
            seen.append(set(Run.open(tmp_path / "run").scores()["gene"]))
            assert seen[-1] == set(ended)
            if event.gene == "T1":
                stop.finish.set()

    options = {"network_data_dir": str(network_dir), "random_seed": 1, "n_bootstraps": 2}
    train(h5ad, tmp_path / "run", listener=heard, stop=stop, n_parallel=1, **options)
    assert 8 <= len(seen) < 13
    part = pd.read_feather(tmp_path / "run" / "scores.feather")
    assert set(part["gene"]) == set(ended)
    monkeypatch.undo()
    train(h5ad, tmp_path / "run", **options)
    for name in ("scores.feather", "path.feather"):
        pd.testing.assert_frame_equal(
            pd.read_feather(tmp_path / "run" / name), pd.read_feather(run.path / name), rtol=1e-9, atol=1e-12
        )


def test_without_cross_validation_there_is_no_path(h5ad: Path, network_dir: Path, tmp_path: Path) -> None:
    for number, more in enumerate(({"solver": "fista", "n_iter": 20}, {"select": "fixed", "l1_reg": 0.05})):
        options = {"network_data_dir": str(network_dir), "genes": ["T1", "T4"], "score_threshold": -1.0, **more}
        found = train(h5ad, tmp_path / str(number), held_out=True, **options)
        assert not (found.path / "path.feather").exists()
        assert len(found.penalty_path()) == 0
        scores = found.scores()
        assert scores["lambda"].isna().all()
        assert scores["r2_pooled"].notna().all()


def test_a_record_that_is_damaged_or_lost_is_replaced_by_the_log(
    h5ad: Path, network_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = {"network_data_dir": str(network_dir), "n_bootstraps": 2}
    found = train(h5ad, tmp_path / "run", genes=["T1", "T4", "Noise"], **options)
    before = found.scores()
    (found.path / "scores" / "T1.json").write_text('{"gene": "T1"')
    (found.path / "scores" / "Noise.json").unlink()
    after = found.scores()
    assert "T1.json: not a record of scores" in caplog.text
    assert after["n_kept"].isna().sum() == 6
    pd.testing.assert_series_equal(after["r2_out"], before["r2_out"], atol=1e-6)
    pd.testing.assert_series_equal(after["reason"], before["reason"])


def test_records_survive_being_written_and_read() -> None:
    record = GeneScores(
        gene="H2-K1/b", clusters={"cluster": ["naïve", "3"], "r2_in": [0.1 + 0.2, float("nan")], "kept": [True, False]}
    )
    again = GeneScores.from_json(record.to_json())
    assert again.clusters == {"cluster": ["naïve", "3"], "r2_in": [0.1 + 0.2, None], "kept": [True, False]}
    assert again.to_json() == record.to_json()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"gene": "A", "clusters": {"a": [1], "b": []}, "path": {}}', '{"gene": "A", "clusters": 3, "path": {}}']
)  # fmt: skip
def test_what_is_not_a_record_is_said_to_be_none(text: str) -> None:
    with pytest.raises(InputError, match="not a record of scores"):
        GeneScores.from_json(text)
