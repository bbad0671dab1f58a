"""One run, told several times: the command line, log/run.log, manifest, scores, status, dashboard and report agree."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest

from spacetravlr.run import Run, RunDirectory
from spacetravlr.tui.dashboard_state import Dashboard
from spacetravlr.tui.train_follow import Follower

_GENE = re.compile(
    r"\[\d+/\d+\] (?P<gene>\S+) R2=(?P<r2_in>\S+) out=(?P<r2_out>\S+) n_mod=(?P<n_mod>\d+) kept=(?P<kept>\d+) "
)
_ORPHAN = re.compile(r"\[\d+/\d+\] (?P<gene>\S+) orphan: (?P<reason>.*?) rate=")
_MEDIAN = re.compile(r"median R2: (?P<r2_in>\S+) in sample, (?P<r2_out>\S+) held out")


@pytest.fixture(scope="module")
def report(trained) -> dict:
    """What the table of the report is made of, with the numbers of its head."""
    html = (trained.directory / "spacetravlr_run_summary.html").read_text()
    table = re.search(r'id="spacetravlr-gene-metrics">(.*?)</script>', html, re.DOTALL)
    head = {
        name: re.search(rf'id="{name}">([^<]*)', html)[1].replace("−", "-")
        for name in ("n-models", "n-orphans", "n-failed", "r2-in", "r2-out")
    }
    return json.loads(table[1]) | {"head": head}


@pytest.fixture(scope="module")
def board(trained):
    """The dashboard of somebody who watches the run."""
    dashboard = Dashboard("watched", watching=True)
    Follower(dashboard, lambda: (trained.directory, RunDirectory(trained.directory))).look()
    return dashboard


def test_counts(trained, report, board, cli):
    manifest = json.loads((trained.directory / "run_manifest.json").read_text())
    status = json.loads(cli("spacetravlr", "status", trained.directory, "--json").out)
    fates = [report["fates"][code] for code in report["fate"]]
    said = re.search(r"complete after \S+: ([\d,]+) genes? written(?:, ([\d,]+) orphan)?", trained.ended.out)
    models = {
        int(said[1]),
        manifest["counts"]["ok"],
        status["done"],
        fates.count("model"),
        int(report["head"]["n-models"]),
        len(Run.open(trained.directory).genes),
        board.counts().written,
    }
    orphans = {
        int(said[2] or 0),
        manifest["counts"]["orphan"],
        status["orphan"],
        fates.count("orphan"),
        int(report["head"]["n-orphans"]),
        board.counts().orphan,
    }
    assert (len(models), len(orphans)) == (1, 1)
    assert len(report["genes"]) == len(manifest["targets"]) == status["planned"] == board.counts().total
    assert int(report["head"]["n-failed"]) == manifest["counts"]["failed"] == len(status["failed"]) == 0
    assert board.counts().failed == 0


def test_the_scores_of_every_gene(trained, report, board):
    lines = {found["gene"]: found for found in _GENE.finditer(trained.ended.out)}
    log = {found["gene"]: found for found in _GENE.finditer((trained.directory / "log" / "run.log").read_text())}
    means = pd.read_feather(trained.directory / "scores.feather").groupby("gene")[["r2_in", "r2_out"]].mean()
    place = {gene: row for row, gene in enumerate(report["genes"])}
    assert (
        lines.keys()
        == log.keys()
        == {gene for gene, row in place.items() if report["fates"][report["fate"][row]] == "model"}
    )
    for gene, line in lines.items():
        assert line.groups() == log[gene].groups()
        for name in ("r2_in", "r2_out"):
            assert line[name] == f"{means.loc[gene, name]:.2f}" == f"{getattr(board.gene(gene), name):.2f}"
            assert report[name][place[gene]] == pytest.approx(means.loc[gene, name], abs=5.1e-5)
        assert report["n_offered"][place[gene]] == int(line["n_mod"]) == board.gene(gene).n_modulators
        assert board.gene(gene).n_kept == int(line["kept"])
        assert (
            report["n_kept"][place[gene]]
            == int(line["kept"])
            == len(Run.open(trained.directory).betas(gene).modulators)
        )


def test_reasons(trained, report, board):
    said = {found["gene"]: found["reason"] for found in _ORPHAN.finditer(trained.ended.out)}
    told = {
        gene: why
        for gene, why, code in zip(report["genes"], report["reason"], report["fate"], strict=True)
        if report["fates"][code] == "orphan"
    }
    assert said == told == Run.open(trained.directory).orphans == {gene: board.gene(gene).reason for gene in told}


def test_medians(trained, report, board):
    said = _MEDIAN.search(trained.ended.out)
    written = [report["fates"][code] == "model" for code in report["fate"]]
    for name, shown in (("r2_in", "r2-in"), ("r2_out", "r2-out")):
        values = np.array([np.nan if value is None else value for value in report[name]])[written]
        assert said[name] == report["head"][shown] == f"{board.median(name.removeprefix('r2_')):.2f}"
        assert float(said[name]) == pytest.approx(np.nanmedian(values), abs=5.1e-3)
