"""The page on truth is made from the record alone, and the charts from the same rows."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from spacetravlr.bench._truth_arms import ARMS, DEFAULT_ARMS
from spacetravlr.bench._truth_charts import draw_truth
from spacetravlr.bench._truth_goals import GOALS
from spacetravlr.bench._truth_page import MAIN, original_parts, page_parts, read_record, write_page
from spacetravlr.bench._truth_table import family_table, markdown, ring_table, summarise, table_lines
from spacetravlr.bench._truth_tissues import DEFAULT_MEMBERS, FEW_ARMS, MEMBERS
from spacetravlr.errors import InputError

ROOT = Path(__file__).parents[2]


def one(tissue, arm, seed, **found):
    record = {"auprc_TF": 0.9, "auprc_LR": 0.4, "base_TF": 0.2, "base_LR": 0.03, "models_free": 0.5, "n_targets": 200}
    record |= {f"{role}_{name}@2": 0.6 for role in ("TF", "ligand") for name in ("r", "sign", "auroc", "size", "false")}
    record |= {f"ligand_ring{n}_{what}": 0.1 + 0.1 * n for n in range(4) for what in ("error", "true")}
    return {"tissue": tissue, "arm": arm, "seed": seed, "min_s": 1.0, **record, **found}


def document(results, **dataset):
    return {
        "benchmark": "truth",
        "created_utc": "2026-01-02T03:04:05+00:00",
        "host": {"usable_cores": 2, "cpu": "some CPU"},
        "threads": {"count": 2},
        "versions": {"spacetravlr-py": "1.2.3"},
        "dataset": {"n_cells": 2000, "n_genes": 200, "knock_outs": 8, **dataset},
        "summary": results,
    }


@pytest.fixture
def record():
    results = [one(tissue, arm, seed) for tissue in ("r200", "counts") for arm in FEW_ARMS for seed in (0, 1)]
    silent = {"tissue": "null", "models_free": 0.1, "false_LR": 0.01, "TF_false@2": 0.0}
    results += [{**silent, "arm": arm, "seed": seed} for arm in ("default", "readme") for seed in (0, 1)]
    return document(results)


def test_every_part_is_made_and_nothing_is_claimed_that_was_not_measured(record):
    parts = page_parts(record)
    assert {f"{name}_{part}" for name in MAIN for part in ("arms", "trust", "knock_outs", "distance")} <= set(parts)
    assert {f"{name}_goals" for name in GOALS} <= set(parts)
    assert "| TF knock-out r | 0.60 | 0.60 yes | 0.66 no | 0.60 readme | 0.60 |" in parts["counts_goals"]
    assert "0.90±.00" in parts["r200_arms"]
    assert "chance is TF 0.200, LR 0.030" in parts["r200_arms"]
    assert parts["r50_arms"] == parts["r50_goals"] == "*Not measured in this record.*\n"
    assert "2,000 cells and 200 genes" in parts["facts"]
    assert "2 tissues of each kind" in parts["facts"]
    assert "| null | default | 0.10±.00 |" in parts["false"]
    assert MEMBERS["counts"].summary in parts["tissues"]
    assert ARMS["tf-only"].summary in parts["arms"]


def test_tables_are_square_markdown(record):
    for name, text in page_parts(record).items():
        widths = {line.count(" | ") for line in text.splitlines() if line.startswith("|")}
        assert len(widths) <= 1, name
    assert markdown((["a", "b"], [["x|y", "1"]])) == "| a | b |\n| --- | --: |\n| x\\|y | 1 |\n"


def test_parts_are_files_for_the_page(record, tmp_path):
    written = write_page(tmp_path / "parts", page_parts(record))
    assert {path.name for path in written} == {path.name for path in (tmp_path / "parts").iterdir()}
    assert all(path.read_text() for path in written)


def test_the_original_package_has_its_own_record():
    results = [one("r200", arm, 0, n_targets=40) for arm in ("default", "original")]
    found = original_parts(
        document(results, original="as it comes, 40 targets", versions_of_original={"spacetravlr": "0.1.18"})
    )
    assert "spacetravlr 0.1.18: as it comes, 40 targets." in found["original"]
    assert "| original | 0.90 |" in found["original"]
    assert "1 tissue of each kind" in found["original"]
    assert original_parts(None)["original"] == "*Not measured in this record.*\n"
    lines = "\n".join(table_lines(summarise(results)))
    assert "original: 40 targets; edges of all arms are compared among these" in lines


def test_what_is_no_record_is_refused(tmp_path):
    path = tmp_path / "other.json"
    with pytest.raises(InputError, match="cannot read"):
        read_record(path)
    path.write_text('{"benchmark": "train"}')
    with pytest.raises(InputError, match="not a record of `spacetravlr bench truth`"):
        read_record(path)
    path.write_text(json.dumps(document([])))
    assert read_record(path)["benchmark"] == "truth"


def test_the_family_shows_a_few_arms_side_by_side(record):
    headers, body = family_table(summarise(record["summary"]))
    assert headers[0] == "tissue"
    assert [line[0] for line in body] == ["r200", "counts", "null"]
    # default / readme / oracle
    assert body[0][1] == "0.90 / 0.90 / 0.90"
    assert body[2][1] == "- / - / -"
    assert body[2][-1] == "0.10±.00"


def test_rings_begin_with_the_size_of_the_truth(record):
    headers, body = ring_table([row for row in summarise(record["summary"]) if row["tissue"] == "r200"])
    assert len(headers) == 5
    assert body[0] == ["(size of the true change)", "0.100", "0.200", "0.300", "0.400"]
    assert len(body) == 1 + len(FEW_ARMS)


def test_numbers_that_come_back_whole_count_like_others():
    rows = summarise([{"tissue": "r200", "arm": "oracle", "seed": 0, "auprc_TF": 1, "r2_out": None, "min_s": 3}])
    assert rows[0]["mean"] == {"auprc_TF": 1.0}


def test_charts_are_drawn_for_what_was_scored(record, tmp_path):
    drawn = draw_truth(tmp_path, summarise(record["summary"]))
    names = {path.name for path in drawn}
    assert names == {"truth_r200.png", "truth_counts.png", "truth_family.png", "truth_distance.png"}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)


def test_one_kind_of_tissue_is_no_family(record, tmp_path):
    rows = [row for row in summarise(record["summary"]) if row["tissue"] == "r200"]
    assert "truth_family.png" not in {path.name for path in draw_truth(tmp_path, rows)}


def test_one_command_renders_the_page(record, tmp_path, capsys):
    spec = importlib.util.spec_from_file_location("tables", ROOT / "docs" / "_tables.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    (tmp_path / "truth.json").write_text(json.dumps(record))
    places = ["--results", "truth.json", "--original", "none.json", "--parts", "parts", "--plot-dir", "plots"]
    script.main([str(tmp_path / each) if not each.startswith("--") else each for each in places])
    said = capsys.readouterr().out.splitlines()
    assert len(said) == len(list((tmp_path / "parts").iterdir())) + len(list((tmp_path / "plots").iterdir()))


def test_the_page_includes_only_parts_that_are_made(record):
    page = (ROOT / "docs" / "truth.md").read_text(encoding="utf-8")
    included = {line.split()[-1] for line in page.splitlines() if line.startswith("```{include} _parts/truth_")}
    made = {f"_parts/truth_{name}.inc" for name in (*page_parts(record), *original_parts(None))}
    assert included
    assert included <= made
    for each in included | {"_parts/defaults.inc", "_parts/real.inc"}:
        assert (ROOT / "docs" / each).exists()


def test_default_tissues_and_their_arms_are_known():
    assert set(DEFAULT_MEMBERS) <= set(MEMBERS)
    assert set(FEW_ARMS) <= set(ARMS)
    assert "fixed0.03" in DEFAULT_ARMS
    assert "original" not in DEFAULT_ARMS
    assert {name for name, member in MEMBERS.items() if member.arms is None} == set(MAIN)
