"""Before you believe: the numbers are those of the files, the command works, and what is not known is said."""

from __future__ import annotations

import dataclasses
import html
import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import spacetravlr as stl
from spacetravlr.cli import perturb
from spacetravlr.errors import NothingWrittenError
from spacetravlr.report import Wanted, belief, report_html, worth_perturbing, write_reports
from spacetravlr.report.facts import gather
from spacetravlr.report.page import render_run
from spacetravlr.run import RunDirectory

KINDS = {"tf": "TF", "ligand-receptor": "ligand-receptor", "ligand-tf": "ligand-TF"}


def part(page, name):
    """Return the text of an answer."""
    found = re.search(rf'<div id="believe-{name}"[^>]*>(.*?)\n</div>\n', page, re.DOTALL)
    assert found is not None, name
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", found[1]).split()))


def command(page):
    (found,) = re.findall(r"<code>(spacetravlr-perturb [^<]*--negative-control [^<]*)</code>", page)
    return shlex.split(html.unescape(found))


def table(page):
    rows = re.findall(r'<tr><th scope="row">([^<]*)</th>((?:<td class="num">[\d,]+</td>){3})</tr>', page)
    numbers = {kind: [int(one.replace(",", "")) for one in re.findall(r">([\d,]+)<", cells)] for kind, cells in rows}
    return {kind: found for kind, found in numbers.items() if kind in KINDS.values()}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A tissue that trains in a second."""
    place = tmp_path_factory.mktemp("small")
    adata = stl.datasets.simulated_tissue(n_cells=240, n_genes=40, n_types=2, seed=3)
    adata.obs["mouse"] = np.where(np.arange(adata.n_obs) % 2, "left", "right")
    stl.datasets.write_network(adata, place / "network")
    return adata, str(place / "network")


@pytest.fixture
def train(small, tmp_path):
    def run(adata=None, **settings):
        # an earlier one may still be open
        sample = tmp_path / f"sample{len(list(tmp_path.glob('*.h5ad')))}.h5ad"
        (small[0] if adata is None else adata).write_h5ad(sample)
        options = {"n_bootstraps": 3, "n_folds": 3, "n_parallel": 1, "max_genes": 12, **settings}
        return stl.tl.train(str(sample), out=tmp_path / "run", network_data_dir=small[1], **options)

    return run


@pytest.fixture(scope="module")
def page(trained):
    return report_html(trained.run.path)


@pytest.fixture(scope="module")
def edges(trained):
    return trained.run.edges(members=True).astype({"kind": str, "modulator": str, "target": str, "cluster": str})


def test_models_are_counted_as_in_the_scores(page, trained):
    scores = pd.read_feather(trained.run.path / "scores.feather")
    means = scores[scores["gene"].isin(trained.run.genes)].groupby("gene")["r2_out"].mean()
    text = part(page, "models")
    assert text.startswith(
        f"Do the models predict? {(means > 0).sum()} of {scores['gene'].nunique()} genes are predicted; median R² held "
        f"out {means.median():.2f} "
    )
    assert "p_model ≤ 0.05" in text
    assert "layer imputed_count, the expression of a simulated tissue" in text
    assert "too good" not in text


def test_edges_are_counted_as_in_the_table_of_edges(page, edges):
    shown = table(page)
    stable = edges["stability"] >= 0.9
    for kind, word in KINDS.items():
        own = edges["kind"] == kind
        assert shown[word] == [own.sum(), (own & stable).sum(), (own & edges["group"].notna()).sum()]
        assert own.any()
    text = part(page, "edges")
    assert text.startswith(f"Are the edges sure? {stable.sum():,} of {len(edges):,} coefficients are stable")
    assert "3 times regions of the tissue were drawn again" in text
    assert "at least 3 of these fits gave its sign" in text


def test_a_sign_is_stable_in_nine_of_ten_draws():
    assert [belief.needed(drawn) for drawn in (1, 3, 10, 20, 25, 30)] == [1, 3, 9, 18, 23, 27]


def test_places_are_counted_as_in_the_scores(page, trained, edges):
    scores = pd.read_feather(trained.run.path / "scores.feather")
    p = scores[scores["gene"].isin(trained.run.genes)].groupby("gene")["p_space"].first().dropna()
    text = part(page, "places")
    assert f"matter? {(p <= 0.05).sum()} of {len(p)} genes with ligands need their places" in text
    assert "Where it does not" in text
    own = scores[scores["gene"].isin(p.index)].groupby("gene")[["r2_out", "r2_tf_only"]].mean().median()
    assert f"R² held out of these genes: {own['r2_out']:.2f}, without ligands {own['r2_tf_only']:.2f}." in text
    # the group that is named is one of the table, and none with a pair is stronger
    names, target, cluster = re.search(r"For example (.*) in the model of (\S+), cluster (\S+?)[ .]", text).groups()
    members = re.sub(r" \(\+.*", "", names).split(", ")
    grouped = edges[edges["group"].notna() & (edges["kind"] == "ligand-receptor") & edges["members"].str.contains(" ")]
    own = edges[(edges["target"] == target) & (edges["cluster"] == cluster) & edges["modulator"].isin(members)]
    assert len(own) == len(members)
    assert own["group"].nunique() == 1
    best = grouped.sort_values("score", ascending=False).iloc[0]
    assert (best["target"], best["cluster"]) == (target, cluster)
    assert set(members) <= set(best["members"].split())


def test_the_knock_out_rests_on_stable_edges_of_models_with_skill(page, trained, edges):
    skill = trained.run.scores().groupby("gene")["r2_out"].mean()
    n_clusters = trained.run.betas(trained.run.genes[0]).values.shape[0]
    firm = edges[(edges["stability"] >= 0.9) & (edges["kind"] == "tf") & (skill[edges["target"]].to_numpy() > 0)]
    weight = firm.groupby("modulator")["score"].sum() / n_clusters
    gene = weight.idxmax()
    own = firm[firm["modulator"] == gene].groupby("target")["score"].sum().sort_values(ascending=False)
    text = part(page, "knock-out")
    assert text.startswith(f"One knock-out to begin with: {gene} {gene} has stable coefficients in the models of")
    assert f"the models of {len(own)} genes (" in text
    assert f"held out {skill[own.index].median():.2f})" in text
    assert f"the largest in {', '.join(own.index[:3])}" in text
    assert worth_perturbing(trained.run) == gene
    # what a person is told is what follows
    moved = set(trained.run.perturb({gene: 0.0}, n_propagation=1).top(60)["gene"])
    assert moved >= set(own.index)


def runs(page, tmp_path, monkeypatch, capsys):
    """Run the command of a page; return what it prints."""
    monkeypatch.chdir(tmp_path)
    program, *arguments = command(page)
    assert program == "spacetravlr-perturb"
    assert perturb.run(arguments) == 0
    assert (tmp_path / "ko.feather").is_file()
    return capsys.readouterr().out


def test_the_command_works_as_it_stands(page, trained, tmp_path, monkeypatch, capsys):
    told = runs(page, tmp_path, monkeypatch, capsys)
    named = re.search(r"the largest in (.*?)(?: \(\+|\.)", part(page, "knock-out"))[1].split(", ")
    assert "p other genes" in told
    for gene in named:
        assert re.search(rf"\b{re.escape(gene)}\b", told)
    assert re.search(r"<code>spacetravlr edges [^<]*--gene (\S+) --top 10</code>", page)[1] == named[0]
    controls = pd.read_feather(tmp_path / "ko_control.feather")
    assert controls["p_value"].min() == pytest.approx(0.01)


def test_without_diagnostics(train):
    page = report_html(train(diagnostics=False).path)
    assert "Not known: training was told not to compare (--no-diagnostics)." in part(page, "places")
    assert "coefficients are stable in sign" in part(page, "edges")
    assert "p of places" not in page


def test_without_bootstraps(train, tmp_path, monkeypatch, capsys):
    run = train(n_bootstraps=0)
    page = report_html(run.path)
    assert "Not known: [lasso].n_bootstraps is 0." in part(page, "edges")
    assert not table(page)
    assert "need their places" in part(page, "places")
    assert "which coefficients are stable is not known" in part(page, "knock-out")
    assert command(page)[4] in run.betabase.tfs
    assert runs(page, tmp_path, monkeypatch, capsys)


def test_the_solver_of_the_readme(train, tmp_path, monkeypatch, capsys):
    page = report_html(train(solver="fista", n_iter=50, l1_reg=1e-5).path)
    assert "Not known: penalties were fixed, and nothing was held out." in part(page, "models")
    assert 'Not known: regions are drawn again only with [lasso].select = "cv".' in part(page, "edges")
    assert 'Not known: places are compared only with [lasso].select = "cv".' in part(page, "places")
    assert "None" not in part(page, "knock-out")
    assert "nan" not in page[page.index('id="believe"') : page.index('id="genes-title"')]
    assert runs(page, tmp_path, monkeypatch, capsys)


def test_fixed_penalties_judged_on_regions_held_out(train):
    run = train(select="fixed", l1_reg=0.01, held_out=True)
    page = report_html(run.path)
    means = run.scores().groupby("gene")["r2_out"].mean()[list(run.genes)]
    text = part(page, "models")
    assert f"{(means > 0).sum()} of 12 genes are predicted" in text
    assert "p_model" not in text
    assert ("are not known to predict" in text) == bool((means <= 0).any())


def test_without_ligands(train):
    page = report_html(train(use_lr_modulators=False, use_tfl_modulators=False).path)
    assert "trained without ligands" in part(page, "places")
    assert "not known" not in part(page, "places").lower()
    assert table(page)["TF"][0] > 0
    assert table(page)["ligand-receptor"] == [0, 0, 0]


def test_without_tfs_a_ligand_is_named(train, tmp_path, monkeypatch, capsys):
    run = train(use_tf_modulators=False, use_tfl_modulators=False)
    page = report_html(run.path)
    gene = command(page)[4]
    assert gene in run.betabase.ligands
    assert "stable coefficient" in part(page, "knock-out")
    assert f"{gene}, a ligand, since no TF has any, has " in part(page, "knock-out")
    assert runs(page, tmp_path, monkeypatch, capsys)


def test_one_cluster(train, small):
    adata = small[0].copy()
    adata.obs["all"] = "everything"
    run = train(adata, cluster_annot="all", score_threshold=-10.0)
    page = report_html(run.path)
    assert "Not known: too few regions were held out to compare." in part(page, "places")
    assert "p_model" not in part(page, "models")
    assert sum(row[0] for row in table(page).values()) == len(run.edges())


def test_where_everything_is_an_orphan(train, tmp_path):
    with pytest.raises(NothingWrittenError):
        train(score_threshold=0.999)
    run = stl.Run.open(tmp_path / "run")
    assert len(run.orphans) == 12
    assert worth_perturbing(run) is None
    page = report_html(run.path)
    (line,) = re.findall(r'id="nothing">([^<]*)<', page)
    assert line.startswith("No gene has a model: no knock-out in this run changes any other gene")
    assert 'id="believe-models"' not in page
    assert "--negative-control" not in page


def test_a_run_that_has_only_begun(by_hand):
    assert "No gene has a model yet" in report_html(by_hand([], planned=("A", "B"), status="running"))


def test_counts_say_what_judges_them(train, tmp_path):
    adata = stl.datasets.simulated_tissue(n_cells=240, n_genes=40, n_types=2, seed=3, measurement="knn")
    page = report_html(train(adata).path)
    text = part(page, "models")
    assert "R² is measured against layer normalized_count, which is not imputed." in text
    assert "0.03 may be a good model" in text
    assert "[training].model_level = 0.05 is not guaranteed" in text
    assert "of which only counts are known" in part(page, "elsewhere")
    # the same without a layer that was measured, in a file that nobody knows to be simulated
    shutil.rmtree(tmp_path / "run")
    del adata.layers["normalized_count"], adata.uns["truth"]
    text = part(report_html(train(adata).path), "models")
    assert "R² is measured against layer imputed_count, which is imputed" in text
    assert "too good" in text


def test_two_conditions_answer_for_themselves(train, tmp_path, monkeypatch, capsys):
    runs_of = train(condition="mouse")
    write_reports(runs_of.path)
    pages = {label: (one.path / "spacetravlr_run_summary.html").read_text() for label, one in runs_of.items()}
    assert set(pages) == {"left", "right"}
    for label, page in pages.items():
        run = runs_of[label]
        found = run.edges()
        assert f"{(found['stability'] >= 0.9).sum():,} of {len(found):,} coefficients" in part(page, "edges")
        assert str(run.path) in " ".join(command(page))
        assert runs(page, tmp_path, monkeypatch, capsys)


def test_two_samples(train, tmp_path, monkeypatch, capsys):
    run = train(sample="mouse")
    page = report_html(run.path)
    assert f"of {len(run.edges()):,} coefficients" in part(page, "edges")
    assert runs(page, tmp_path, monkeypatch, capsys)


def test_what_cannot_be_read_is_left_out_and_said(copied, trained):
    broken, *_ = trained.run.genes
    (copied / "stability" / f"{broken}.feather").write_bytes(b"ARROW1 no more")
    rest = trained.run.edges([gene for gene in trained.run.genes if gene != broken])
    page = report_html(copied)
    n = len(trained.run.genes)
    assert f"Known of {n - 1} of {n} models." in part(page, "edges")
    assert f"of {len(rest):,} coefficients" in part(page, "edges")
    shutil.rmtree(copied / "stability")
    page = report_html(copied)
    assert "Not known: the files of the run do not tell." in part(page, "edges")
    assert "which coefficients are stable is not known" in part(page, "knock-out")


def test_a_run_whose_sample_is_gone_says_how_to_name_it(copied):
    toml = RunDirectory(copied).files.toml
    toml.write_text(re.sub('adata_path = ".*"', 'adata_path = "/nowhere/a.h5ad"', toml.read_text()))
    assert "add --h5ad FILE" in part(report_html(copied), "knock-out")


def test_runs_of_the_compiled_edition(by_hand):
    root = by_hand(["A", "B"])
    shutil.rmtree(root / "scores")
    RunDirectory(root).files.manifest.unlink()
    page = report_html(root)
    for name in ("models", "edges", "places"):
        assert "Not known: the files of the run do not tell" in part(page, name)
    assert command(page)[4] == "Tf1"


def test_models_that_predict_nothing_are_counted(trained):
    facts = gather(trained.run.path, Wanted())
    own = facts.genes.modelled
    worse = np.where(own, -0.01, np.nan)
    page = render_run(dataclasses.replace(facts, genes=dataclasses.replace(facts.genes, r2_out=worse)))
    assert f"0 of {len(own)} genes are predicted; median R² held out −0.010" in part(page, "models")
    assert f"The other {own.sum()} models are not known to predict anything" in part(page, "models")


def test_what_simulated_tissues_have_taught_is_what_was_recorded():
    record = json.loads((Path(__file__).parents[2] / "benchmarks" / "results" / "truth.json").read_text())
    rows = pd.DataFrame([one for one in record["summary"] if one["arm"] == "default"]).set_index("tissue")
    columns = {"TF sign": "TF_sign@2", "ligand sign": "ligand_sign@2", "TF first": "top_TF", "LR first": "top_LR"}
    for tissues, said in ((["r200", "r50"], belief.EXACT), (["counts"], belief.COUNTED)):
        means = rows.loc[tissues].mean(numeric_only=True)
        for name, column in columns.items():
            assert said[name] == pytest.approx(means[column], abs=0.006)
