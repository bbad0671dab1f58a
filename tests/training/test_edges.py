"""The table of edges: what it says follows from coefficients, bootstraps and columns, and nothing is invented."""

from __future__ import annotations

import re
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from spacetravlr.betas import Betas
from spacetravlr.errors import InputError
from spacetravlr.run import Run, read_log
from spacetravlr.run.edges import COLUMNS, find_cluster
from spacetravlr.run.stability import stability_file
from spacetravlr.tissue import Tissue
from spacetravlr.training import plan_training, train
from spacetravlr.training.descent import CoordinateDescent


@pytest.fixture(scope="module")
def twins(tissue_data: anndata.AnnData) -> anndata.AnnData:
    """The tissue in which Tf3 is Tf2 over again, but for a little noise."""
    data = tissue_data.copy()
    names = list(data.var_names)
    rng = np.random.default_rng(11)
    values = data.layers["imputed_count"]
    values[:, names.index("Tf3")] = values[:, names.index("Tf2")] * 2.0 + 0.02 * rng.normal(size=data.n_obs)
    return data


@pytest.fixture(scope="module")
def run(twins: anndata.AnnData, network_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(twins, tmp_path_factory.mktemp("edges") / "run", network_data_dir=str(network_dir))


def test_rows_are_the_coefficients_of_the_run(run: Run) -> None:
    edges = run.edges()
    assert tuple(edges.columns) == tuple(COLUMNS)
    assert {name: str(edges[name].dtype) for name in edges} == dict(COLUMNS)
    known = {
        (gene, label, name): value
        for gene in run.genes
        for table in [run.betas(gene)]
        for label, row in zip(table.row_labels, table.values, strict=True)
        for name, value in zip(table.modulators, row, strict=True)
        if value
    }
    found = {(row.target, row.cluster, row.modulator): row.beta for row in edges.itertuples()}
    assert found == known
    assert (edges["kind"].astype(str) == np.select(
        [edges["modulator"].astype(str).str.contains("$", regex=False), edges["modulator"].astype(str).str.contains("#")],
        ["ligand-receptor", "ligand-tf"], "tf")).all()  # fmt: skip


def test_score_is_stability_times_the_effect_without_units(run: Run, twins: anndata.AnnData) -> None:
    edges = run.edges()
    assert np.array_equal(edges["score"], edges["stability"] * edges["effect"])
    assert (np.diff(edges["score"]) <= 0.0).all()
    E = pd.DataFrame(twins.layers["imputed_count"], columns=twins.var_names)
    codes = twins.obs["cell_type_int"].to_numpy()
    for row in edges[edges["kind"] == "tf"].itertuples():
        own = E[codes == int(row.cluster)]
        ratio = own[row.modulator].std(ddof=0) / own[row.target].std(ddof=0)
        assert row.effect == pytest.approx(abs(row.beta) * ratio, rel=1e-5)
    firm = edges[edges["stability"] == 1.0]
    assert {("T1", "Tf1"), ("T2", "Lig1$Rec1")} <= set(zip(firm["target"], firm["modulator"], strict=True))


def test_pooled_scores_let_other_clusters_count(run: Run) -> None:
    own = run.edges().astype({"target": str, "modulator": str})
    pooled = run.edges(pooled=True, members=True)
    assert (np.diff(pooled["score"]) <= 0.0).all()
    n_clusters = len(run.betas("T1").row_labels)
    signed = (own["score"] * np.sign(own["beta"])).groupby([own["target"], own["modulator"]]).sum() / n_clusters
    before = own.set_index(["target", "cluster", "modulator"])["score"]
    for row in pooled.itertuples():
        expected = before.get((row.target, row.cluster, row.modulator), 0.0) + 0.5 * abs(
            signed[row.target, row.modulator]
        )
        assert row.score == pytest.approx(expected, rel=1e-9)
    elsewhere = pooled[pooled["beta"] == 0.0]
    assert len(elsewhere)
    assert (elsewhere["score"] > 0.0).all()
    # they have no coefficient that could be mistaken for another
    for row in elsewhere[elsewhere["members"] != ""].itertuples():
        assert row.modulator not in row.members.split()
    one = run.edges("T1", "1", pooled=True)
    whole = pooled[(pooled["target"] == "T1") & (pooled["cluster"] == "1")]
    assert one["score"].tolist() == whole["score"].tolist()


def test_intervals_come_from_the_bootstraps(run: Run, twins: anndata.AnnData) -> None:
    plan = plan_training(Tissue.from_anndata(twins), run.config)
    (fit,) = [fit for fit in CoordinateDescent(plan).fit(["T1"], [True]) if fit is not None]
    assert fit.boot_sd is not None and fit.stability is not None
    names = list(fit.modulators.names)
    edges = run.edges("T1", "0").set_index("modulator")
    for name in edges.index.astype(str):
        sd = fit.boot_sd[0, names.index(name)]
        row = edges.loc[name]
        assert row["high"] - row["low"] == pytest.approx(2 * 1.96 * sd, rel=1e-4)
        assert row["low"] <= row["beta"] <= row["high"]
        assert row["stability"] == pytest.approx(fit.stability[0, names.index(name)])
    # the slope that made the data
    assert edges.loc["Tf1", "low"] < 0.8 < edges.loc["Tf1", "high"] + 0.15


def test_columns_that_cannot_be_told_apart_are_one_group(run: Run) -> None:
    edges = run.edges(members=True)
    pair = edges[(edges["target"] == "T4") & edges["modulator"].isin(["Tf2", "Tf3"]) & (edges["cluster"] == "0")]
    assert len(pair) and pair["group"].notna().all() and pair["group"].nunique() == 1
    assert (pair["group_size"] >= 2).all()
    assert set(" ".join(pair["members"].iloc[:1]).split()) >= set(pair["modulator"].astype(str))
    # in the smallest cluster Tf1 looks like its product with a ligand
    alone = edges[(edges["modulator"] == "Tf1") & (edges["target"] == "T1") & (edges["cluster"] != "2")]
    assert len(alone) == 2
    assert alone["group"].isna().all() and alone["group_size"].isna().all() and (alone["members"] == "").all()


def test_the_log_of_the_gene_names_them(run: Run) -> None:
    log = run.log("T4")
    assert log is not None
    entry = next(one for one in log.clusters if one.cluster == "0")
    assert any({"Tf2", "Tf3"} <= set(names) for names in entry.alike)
    assert all(size >= len(names) >= 2 for names, size in zip(entry.alike, entry.n_alike, strict=True))
    text = run.directory.files.log("T4").read_text(encoding="utf-8")
    assert "# alike: cluster_id, n_alike, alike" in text
    assert read_log(run.directory.files.log("T4")) == log


def test_a_part_is_the_same_rows(run: Run) -> None:
    edges = run.edges()
    part = run.edges("T1", "1")
    whole = edges[(edges["target"] == "T1") & (edges["cluster"] == "1")].reset_index(drop=True)
    pd.testing.assert_frame_equal(part.astype(whole.dtypes.astype(str).to_dict()), whole, check_categorical=False)
    both = run.edges(["T1", "T4"])
    assert set(both["target"].astype(str)) == {"T1", "T4"}
    with pytest.raises(InputError, match="no cluster '9'"):
        run.edges("T1", "9")
    types = run.tissue().cluster_cell_types
    assert types["1"] != "1"
    pd.testing.assert_frame_equal(run.edges("T1", types["1"]), part)
    with pytest.raises(InputError, match=re.escape(f"Clusters: 0 ({types['0']}), 1 ({types['1']})")):
        run.edges("T1", "9")
    with pytest.raises(InputError, match="did you mean 'T1'"):
        run.edges("T1x")


def test_without_bootstraps_edges_are_ranked_by_size(twins: anndata.AnnData, network_dir: Path, tmp_path: Path) -> None:
    run = train(twins, tmp_path / "f", network_data_dir=str(network_dir), genes=["T1"], solver="fista", n_iter=50)
    edges = run.edges()
    assert len(edges) and edges[["stability", "low", "high", "effect", "score"]].isna().all().all()
    assert edges["group"].isna().all() and (np.diff(edges["beta"].abs()) <= 0.0).all()


def test_older_and_damaged_files_give_what_they_can(run: Run, tmp_path: Path) -> None:
    import shutil

    root = tmp_path / "run"
    shutil.copytree(run.path, root)
    path = stability_file(root, "T1")
    fractions = Betas.read(path)
    fractions.write(path)
    old = Run.open(root).edges("T1")
    new = run.edges("T1")
    keys = ["cluster", "modulator"]
    merged = old.merge(new, on=keys, suffixes=("", "_new"))
    assert len(merged) == len(old) == len(new)
    assert np.array_equal(merged["stability"], merged["stability_new"]) and old["effect"].isna().all()
    path.write_bytes(path.read_bytes()[:200])
    damaged = Run.open(root).edges("T1")
    assert len(damaged) == len(new) and damaged["stability"].isna().all()
    path.unlink()
    assert len(Run.open(root).edges("T1")) == len(new)


def test_an_empty_table_has_all_columns(run: Run, tmp_path: Path) -> None:
    from spacetravlr.run.edges import edge_table

    empty = edge_table(tmp_path, [])
    assert tuple(empty.columns) == tuple(COLUMNS) and empty.empty


def test_the_command_shows_and_writes_them(run: Run, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from spacetravlr.cli.main import app

    shown = CliRunner().invoke(app, ["edges", str(run.path), "--gene", "T1,T4", "--cluster", "0", "--top", "5"])
    assert shown.exit_code == 0, shown.output
    table = [line for line in shown.stdout.splitlines() if line.startswith(("target", "T"))]
    types = run.tissue().cluster_cell_types
    assert len(table) == 6 and re.split("  +", table[0])[:4] == ["target", "cluster", "cell type", "modulator"]
    assert {tuple(line.split()[1:3]) for line in table[1:]} == {("0", types["0"])}
    assert any("one of " in line and "Tf3" in line for line in table)
    first = table[1].split()[3].replace("#", "$").split("$")[0]
    assert f" --gene {first} --desired-expr 0 --out ko.feather" in shown.output
    out = tmp_path / "edges.csv"
    written = CliRunner().invoke(app, ["edges", str(run.path), "--csv", str(out)])
    assert written.exit_code == 0, written.output
    table = pd.read_csv(out)
    edges = run.edges(members=True)
    assert list(table.columns) == list(edges.columns) and len(table) == len(edges)
    for wrong in (["--top", "0"], ["--gene", "Nope"], ["--cluster", "9"]):
        assert CliRunner().invoke(app, ["edges", str(run.path), *wrong]).exit_code in (1, 2)


def test_collected_interactions_say_how_far_they_can_be_trusted(run: Run, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from spacetravlr.cli.main import app

    out = tmp_path / "all.feather"
    found = CliRunner().invoke(app, ["collect-interactions", "--run-toml", str(run.path), "--out", str(out)])
    assert found.exit_code == 0, found.output
    table = pd.read_feather(out)
    edges = run.edges()
    names = {"0": "a", "1": "b", "2": "c"}
    own = {(e.target, e.modulator, names[e.cluster]): e for e in edges.itertuples()}
    assert len(table) == len(own)
    for row in table.itertuples():
        edge = own[row.target_gene, row.interaction, row.cell_type]
        assert (row.beta, row.stability, row.score) == (edge.beta, edge.stability, edge.score)
        assert (pd.isna(row.group) and pd.isna(edge.group)) or row.group == edge.group


def test_a_cell_type_of_several_clusters_is_no_cluster() -> None:
    types = {"0": "B", "1": "T", "2": "T"}
    assert find_cluster("B", ["0", "1", "2"], types) == "0"
    with pytest.raises(InputError, match="'T' has several clusters, give one of them: 1, 2"):
        find_cluster("T", ["0", "1", "2"], types)
    with pytest.raises(InputError, match="no cluster 'X'. Clusters: 0, 1$"):
        find_cluster("X", ["0", "1"], {})
