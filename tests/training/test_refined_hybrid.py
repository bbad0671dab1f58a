"""`hybrid`: which targets the gate lets through, and those that are ranked best."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from spacetravlr.betas import Betas
from spacetravlr.events import Event, Notice
from spacetravlr.run import Run
from spacetravlr.training import best_ranked, train
from spacetravlr.training.refined import Refined

pytest.importorskip("torch")

Contents = Callable[[Path], dict[str, bytes]]

HYBRID = {"mode": "hybrid", "min_cells_per_cluster_for_cnn": 10, "require_all_clusters_lasso_converged": False}


@pytest.fixture(scope="module")
def hybrid(varied: Path, settings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("hybrid")
    (folder / "skip.txt").write_text("# not these\nT2\n")
    (folder / "force.txt").write_text("T1, T2\n")
    lists = {"cnn_skip_genes_file": str(folder / "skip.txt"), "cnn_force_genes_file": str(folder / "force.txt")}
    # mean R2 of clusters that were scored
    return train(varied, folder / "run", **settings, **HYBRID, **lists, min_mean_lasso_r2_for_cnn=0.1)


def gates(run: Run) -> dict[str, Mapping[str, Any]]:
    logs = {gene: run.log(gene) for gene in run.genes}
    return {gene: log.gate for gene, log in logs.items() if log is not None}


def test_the_gate_accepts_and_refuses(hybrid: Run, seed: Run) -> None:
    found = gates(hybrid)
    assert found["T2"]["gate_reason"] == "blocked_by_skip_list"
    assert found["T1"]["gate_reason"] == "forced_by_allowlist"
    assert str(found["T4"]["gate_reason"]).startswith("moran_ok p=0.01")
    assert found["T4"]["gate_min_cells_per_cluster"] == 30
    assert found["T4"]["gate_n_modulators"] == hybrid.log("T4").clusters[0].n_modulators
    accepted = {gene for gene, facts in found.items() if facts["gate_use_cnn"]}
    assert {"T1", "T4"} <= accepted < set(hybrid.genes)
    for gene in hybrid.genes:
        name = f"{gene}_betadata.feather"
        assert hybrid.betas(gene).by == ("cell" if gene in accepted else "cluster")
        if gene not in accepted:
            assert (hybrid.path / name).read_bytes() == (seed.path / name).read_bytes()
            assert hybrid.log(gene).seed_only


def test_one_small_cluster_closes_the_gate(seed: Run, varied: Path, settings: dict[str, Any], tmp_path: Path) -> None:
    run = train(varied, tmp_path / "run", mode="hybrid", **settings)
    assert {facts["gate_reason"] for facts in gates(run).values()} == {"min_cells_per_cluster 30 < 80"}
    for gene in run.genes:
        assert (run.path / f"{gene}_betadata.feather").read_bytes() == (
            seed.path / f"{gene}_betadata.feather"
        ).read_bytes()


def test_the_best_ranked_come_last_and_a_second_process_continues(
    contents: Contents,
    seed: Run,
    varied: Path,
    settings: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = {**settings, **HYBRID, "min_mean_lasso_r2_for_cnn": 0.1}
    accepted = gates(train(varied, tmp_path / "all", **options))
    ranks = {gene: facts["gate_rank_score"] for gene, facts in accepted.items() if facts["gate_use_cnn"]}
    best = sorted(ranks, key=lambda gene: -ranks[gene])[:2]
    assert len(ranks) > 2
    whole = train(varied, tmp_path / "whole", **options, hybrid_cnn_top_k=2)
    assert {gene for gene in whole.genes if whole.betas(gene).by == "cell"} == set(best)
    assert gates(whole) == accepted
    assert whole.scores().groupby("gene")["refined"].apply(lambda own: own.notna().any()).loc[
        lambda own: own
    ].index.tolist() == sorted(best)

    true, calls = Refined.spread, []

    def interrupted(self: Refined, *arguments: Any) -> Betas:
        calls.append(arguments[0].target)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return true(self, *arguments)

    monkeypatch.setattr(best_ranked.Refined, "spread", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(varied, tmp_path / "cut", **options, hybrid_cnn_top_k=2)
    told: list[Event] = []
    cut = train(varied, tmp_path / "cut", **options, hybrid_cnn_top_k=2, listener=told.append)
    assert any(isinstance(event, Notice) and "for the 1 best ranked of" in event.message for event in told)
    assert len(calls) == 3
    assert contents(cut.path) == contents(whole.path)
