"""What the report tells is what the files tell, whatever state they are in."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil

import anndata
import numpy as np
import pandas as pd
import pytest

from spacetravlr.config import RunConfig
from spacetravlr.errors import InputError, RunDirectoryError
from spacetravlr.report import Wanted, charts, record_origins, report_html, write_report
from spacetravlr.report.facts import gather
from spacetravlr.report.page import render_run
from spacetravlr.report.recovery import recovery
from spacetravlr.run import Run, RunDirectory


def payload(html):
    found = re.search(r'<script type="application/json" id="spacetravlr-gene-metrics">(.*?)</script>', html, re.DOTALL)
    return json.loads(found[1])


def number(html, name):
    found = re.search(rf'id="{name}">([^<]*)', html)
    return found[1].replace("−", "-")


def test_it_says_where_the_level_of_the_test_is_not_kept(trained, tmp_path):
    assert gather(trained.run.path, Wanted()).doubt is None
    assert 'id="doubt"' not in report_html(trained.run.path)
    config = RunConfig.from_flat({"response_layer": "normalized_count"}).resolved()
    counted = gather(RunDirectory.create(tmp_path / "counted", config).path, Wanted())
    html = render_run(dataclasses.replace(gather(trained.run.path, Wanted()), doubt=counted.doubt))
    (line,) = re.findall(r'id="doubt">([^<]*)<', html)
    assert line.startswith("Modulators of layer") and "model_level = 0.05 is not guaranteed" in line


def test_the_numbers_are_those_of_manifest_and_scores(trained):
    html = report_html(trained.run.path)
    manifest = json.loads((trained.run.path / "run_manifest.json").read_text())
    scores = pd.read_feather(trained.run.path / "scores.feather")
    data = payload(html)
    fates = [data["fates"][code] for code in data["fate"]]
    assert data["genes"] == manifest["targets"]
    counts = manifest["counts"]
    assert (fates.count("model"), fates.count("orphan"), fates.count("failed")) == (
        counts["ok"],
        counts["orphan"],
        counts["failed"],
    )
    assert (number(html, "n-models"), number(html, "n-orphans")) == (str(counts["ok"]), str(counts["orphan"]))
    means = scores.groupby("gene")[["r2_in", "r2_out"]].mean()
    written = means.loc[[gene for gene, fate in zip(data["genes"], fates, strict=True) if fate == "model"]]
    assert number(html, "r2-out") == f"{written['r2_out'].median():.2f}"
    assert number(html, "r2-in") == f"{written['r2_in'].median():.2f}"
    for name in ("r2_in", "r2_out"):
        shown = [np.nan if value is None else value for value in data[name]]
        np.testing.assert_allclose(shown, means[name].reindex(data["genes"]), atol=5.1e-5)
    for gene, kept in zip(data["genes"], data["n_kept"], strict=True):
        if kept is not None:
            assert kept == len(trained.run.betas(gene).modulators)
    rows = [row for gene in data["rows"] for row in gene]
    assert len(rows) == len(scores)
    assert manifest["hostname"] in html
    assert manifest["input"]["names_sha256"] in html


def test_writing_changes_nothing_else(copied):
    before = {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()}
    path = write_report(copied)
    after = {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()}
    assert after.keys() - before.keys() == {path}
    assert all(after[one] == content for one, content in before.items())
    first = path.read_text()
    write_report(copied)
    assert re.sub(r"Written [^·<]*", "", path.read_text()) == re.sub(r"Written [^·<]*", "", first)


def test_a_run_in_the_middle_is_partial(copied, trained):
    run = RunDirectory(copied)
    gone = trained.run.genes[-3:]
    for gene in gone:
        run.files.betadata(gene).unlink()
    manifest = json.loads(run.files.manifest.read_text())
    run.files.manifest.write_text(json.dumps({**manifest, "status": "running", "finished": ""}))
    html = report_html(copied)
    assert "<strong>PARTIAL</strong>" in html
    assert "Partial: interrupted" in html
    assert "3 of 60 targets have no result yet" in html
    assert f"spacetravlr --join-output-dir {copied}" in html
    data = payload(html)
    assert {data["genes"][i] for i, code in enumerate(data["fate"]) if data["fates"][code] == "waiting"} == set(gone)
    with run.claims:
        run.claim(gone[:1])
        html = report_html(copied)
    assert "Partial: running" in html
    assert f": {gone[0]}</li>" in html
    assert "spacetravlr status" in html


@pytest.mark.parametrize("status", ["stopped", "partial", "failed"])
def test_every_unhappy_end_is_told(by_hand, status):
    html = report_html(by_hand(["A"], failures={"B": "no space 12 left", "C": "no space 13 left"}, status=status))
    assert "Complete<" not in html
    assert ("PARTIAL" in html) != (status == "failed")
    # like reasons are counted together
    assert re.search(r"no space … left</td><td class=\"num\">2</td><td>B, C<", html)


def test_damage_is_told_and_the_rest_is_shown(copied, trained):
    run = RunDirectory(copied)
    broken, unscored = trained.run.genes[:2]
    run.files.betadata(broken).write_bytes(b"ARROW1 no more")
    (copied / "scores" / f"{unscored}.json").write_text("{")
    run.files.toml.write_text("[spatial\nradius = 1")
    run.files.manifest.write_text('{"status": 3, "targets": "all", "failures": [1]}')
    shutil.rmtree(run.files.log_directory)
    html = report_html(copied)
    assert "The settings of the run are not known" in html
    assert "Partial: interrupted" in html
    assert "2 files are damaged, as after a power failure" in html
    assert f"{broken}_betadata.feather is incomplete, scores/{unscored}.json is incomplete" in html
    assert f"spacetravlr --join-output-dir {copied} makes them again." in html
    data = payload(html)
    place = data["genes"].index(broken)
    assert data["n_kept"][place] is None
    assert data["r2_out"][place] is not None
    assert data["r2_out"][data["genes"].index(unscored)] is None


def test_a_run_without_its_sample(copied):
    run = RunDirectory(copied)
    run.files.toml.write_text(re.sub('adata_path = ".*"', 'adata_path = "/nowhere/a.h5ad"', run.files.toml.read_text()))
    html = report_html(copied)
    assert "The sample could not be read" in html
    assert "How well genes are predicted" in html
    assert "The tissue" not in html


def test_nothing_but_a_record(tmp_path, by_hand):
    html = report_html(by_hand([], planned=("A", "B"), status="running"))
    assert payload(html)["r2_out"] == [None, None]
    assert "2 of 2 targets have no result yet" in html
    with pytest.raises(RunDirectoryError, match="does not exist"):
        report_html(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(RunDirectoryError, match="is a file"):
        report_html(tmp_path / "file")


def test_runs_of_the_compiled_edition_have_a_page(by_hand):
    root = by_hand(["A", "B"])
    shutil.rmtree(root / "scores")
    RunDirectory(root).files.manifest.unlink()
    html = report_html(root)
    data = payload(html)
    assert data["genes"] == ["A", "B"]
    assert data["r2_in"] == [None, None]
    assert data["n_kept"] == [2, 2]
    assert "UNKNOWN" in html


def test_keys_of_a_manifest_win(copied, tmp_path):
    given = tmp_path / "their.json"
    given.write_text(
        json.dumps(
            {
                "run_id": "theirs",
                "started": "yesterday",
                "training_mode": "full",
                "epochs": 7,
                "unknown": 1,
                "n_parallel": "x",
            }
        )
    )
    html = report_html(copied, Wanted(manifest=given))
    assert "<h1>theirs</h1>" in html
    assert "yesterday" in html
    assert re.search(r"epochs</th><td>7<", html)
    assert "<h1>mine</h1>" in report_html(copied, Wanted(manifest=given, run_id="mine"))
    assert gather(copied, Wanted(manifest=given)).manifest.n_parallel == 1
    given.write_text("[1]")
    with pytest.raises(InputError, match=r"their\.json: the manifest is no JSON object"):
        report_html(copied, Wanted(manifest=given))
    with pytest.raises(InputError, match="cannot read the manifest"):
        report_html(copied, Wanted(manifest=tmp_path / "nothing.json"))


def test_our_manifest_is_one_that_can_be_given(copied, trained):
    again = report_html(copied, Wanted(manifest=trained.run.directory.files.manifest))
    plain = report_html(copied)
    assert re.sub(r"Written [^·<]*", "", again) == re.sub(r"Written [^·<]*", "", plain)


def test_where_settings_came_from(copied, tmp_path):
    from spacetravlr.config import load_config

    toml = tmp_path / "some.toml"
    toml.write_text("[spatial]\nradius = 123.0\n")
    rows = gather(copied, Wanted()).settings
    by_name = {f"{section}.{row.name}": row.origin for section, some in rows.items() for row in some}
    assert by_name["lasso.n_bootstraps"] == "set"
    assert by_name["lasso.select"] == "implied"
    assert by_name["spatial.radius"] == "default"
    loaded = load_config(toml, overrides={"lasso.n_bootstraps": 3})
    assert record_origins(copied, loaded) is not None
    assert record_origins(copied, load_config(None)) is None
    facts = gather(copied, Wanted())
    by_name = {f"{section}.{row.name}": row.origin for section, some in facts.settings.items() for row in some}
    assert by_name["lasso.n_bootstraps"] == "cli"
    assert by_name["spatial.radius"] == "toml"
    assert facts.settings_file == str(toml)
    assert len(by_name) == len({*by_name})
    (copied / "log" / "settings_origin.json").write_text('{"origins": 3}')
    assert gather(copied, Wanted()).settings_file is None


def test_another_configuration_is_noticed(copied, tmp_path):
    from spacetravlr.config import RunConfig

    other = RunConfig.from_flat({**RunDirectory(copied).config.given(), "spatial.radius": 77.0})
    html = report_html(copied, Wanted(config=other))
    assert "[spatial].radius: 200.0 here, 77.0 there" in html
    same = RunDirectory(copied).config
    assert "is not that of this run" not in report_html(copied, Wanted(config=same))


def test_recovery_counts_edges_one_by_one(trained):
    truth = __import__("anndata").read_h5ad(trained.sample).uns["truth"]["edges"]
    run = Run.open(trained.run.path)
    names = run.tissue().cluster_cell_types
    found = recovery(run, truth, names)
    effects = {
        (t, m, c): e for t, m, c, e in truth[["target", "modulator", "cell_type", "effect"]].itertuples(index=False)
    }
    true = hits = right = written = 0
    by_size = []
    for gene in run.genes:
        betas = run.betas(gene)
        true += sum(1 for (t, m, _), e in effects.items() if t == gene and e != 0 and "$" in m)
        for row, label in enumerate(betas.row_labels):
            for column, name in enumerate(betas.modulators):
                value = betas.values[row, column]
                if "$" in name and value != 0:
                    written += 1
                    effect = effects.get((gene, name, names[label]), 0.0)
                    hits += effect != 0
                    by_size.append((-abs(value), effect != 0))
                    right += effect * value > 0
    one = found["LR"]
    assert (one.n_true, one.n_found, one.n_written, one.n_right_sign) == (true, hits, written, right)
    assert one.precision[-1] == pytest.approx(hits / written)
    so_far = 0
    for place, (_, hit) in enumerate(sorted(by_size, key=lambda item: item[0])):
        so_far += hit
        assert one.precision[place] == so_far / (place + 1)
    assert "Known edges" in report_html(trained.run.path)


def test_bars_of_modulators_hold_equally_many_whole_numbers(trained, monkeypatch):
    from matplotlib.axes import Axes

    seen = []
    real = Axes.hist
    monkeypatch.setattr(Axes, "hist", lambda ax, x, bins, **more: seen.append((x, bins)) or real(ax, x, bins, **more))
    genes = gather(trained.run.path, Wanted()).genes
    # every number from 0 to 39 equally often: a flat histogram, and nothing else is true
    kept = np.concatenate([np.arange(40)] * 2)
    names = tuple(f"G{k}" for k in range(80))
    flat = dataclasses.replace(genes, names=names, fates=("model",) * 80, n_kept=kept, n_offered=kept)
    assert charts.modulators(flat) is not None
    values, bins = seen[0]
    counts = np.histogram(values, bins)[0]
    assert set(counts.tolist()) == {4}
    assert counts.sum() == 80


def test_like_reasons_are_counted_together():
    from spacetravlr.report.words import _kind

    first = "held-out R2 is -0.12, below [training].score_threshold = 0.2 (p = 1.5e-3, L1)"
    second = "held-out R2 is 0.1, below [training].score_threshold = 0.25 (p = 0.04, L1)"
    assert _kind(first) == _kind(second)
    assert _kind(first) == "held-out R2 is …, below [training].score_threshold = … (p = …, L1)"


def test_the_legend_of_many_clusters_is_not_cut(trained, monkeypatch):
    from spacetravlr.tissue import Tissue

    adata = anndata.read_h5ad(trained.sample)
    adata.obs["many"] = [f"cluster {number % 17}" for number in range(adata.n_obs)]
    adata.obsm["spatial"] = adata.obsm["spatial"] * np.array([1.0, 0.1])
    sample = gather(trained.run.path, Wanted()).sample
    drawn = []
    real = charts.to_svg
    monkeypatch.setattr(charts, "to_svg", lambda figure, *names: drawn.append(figure) or real(figure, *names))
    assert charts.tissue_map(dataclasses.replace(sample, tissue=Tissue.from_anndata(adata, cluster_key="many")))
    (figure,) = drawn
    legend = figure.axes[0].get_legend()
    assert len(legend.get_texts()) == 17
    box, whole = legend.get_window_extent(), figure.bbox
    assert whole.y0 <= box.y0
    assert box.y1 <= whole.y1


def test_r2_near_zero_keeps_a_digit_more():
    from spacetravlr.report.words import score

    numbers = (0.6149, 0.1, 0.0996, 0.0123, -0.0004, -0.25, float("nan"))
    assert [score(one) for one in numbers] == ["0.61", "0.10", "0.10", "0.012", "0.000", "−0.25", "–"]
