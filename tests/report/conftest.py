"""A small run with a known answer, runs made by hand, and a browser that tells what a page asks for."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

import spacetravlr as stl
from spacetravlr.betas import Betas
from spacetravlr.run import GeneScores, Manifest, RunDirectory


@dataclass(frozen=True)
class Trained:
    run: stl.Run
    sample: Path
    network: Path


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A finished run on a simulated tissue; tests must leave it as it is."""
    place = tmp_path_factory.mktemp("report")
    adata = stl.datasets.simulated_tissue(n_cells=400, n_genes=60, seed=2)
    adata.obsm["X_umap"] = np.asarray(adata.obsm["spatial"]) / 50.0
    sample = place / "tissue.h5ad"
    adata.write_h5ad(sample)
    stl.datasets.write_network(adata, place / "network")
    run = stl.tl.train(
        str(sample),
        out=place / "my run",
        network_data_dir=str(place / "network"),
        n_bootstraps=3,
        n_parallel=1,
        n_folds=3,
    )
    return Trained(run, sample, place / "network")


@pytest.fixture
def copied(trained: Trained, tmp_path: Path) -> Path:
    """A copy of the finished run, to be damaged."""
    return Path(shutil.copytree(trained.run.path, tmp_path / "copy"))


def gene_scores(gene: str, clusters: list[str], **columns: object) -> GeneScores:
    n = len(clusters)
    values = {
        "n_cells": [50] * n,
        "n_modulators": [9] * n,
        "r2_in": [0.5] * n,
        "r2_out": [0.4] * n,
        "converged": [True] * n,
        "kept": [True] * n,
        "reason": [None] * n,
    }
    return GeneScores(gene=gene, clusters={"cluster": clusters, **values, **columns})


@pytest.fixture
def by_hand(tmp_path: Path) -> Callable[..., Path]:
    """Make a run directory without training: models, orphans and failures with their reasons, clusters."""

    def make(
        models: list[str],
        *,
        orphans: dict[str, str] | None = None,
        failures: dict[str, str] | None = None,
        planned: tuple[str, ...] | None = None,
        clusters: list[str] | None = None,
        name: str = "by hand",
        **facts: object,
    ) -> Path:
        orphans, failures, labels = orphans or {}, failures or {}, clusters or ["0", "1"]
        run = RunDirectory.create(tmp_path / name, stl.RunConfig())
        for number, gene in enumerate(models):
            run.write_scores(gene_scores(gene, labels, r2_out=[0.1 + 0.01 * number] * len(labels)))
            values = np.full((len(labels), 2), 0.5)
            run.write_betas(Betas(gene, "cluster", tuple(labels), np.zeros(len(labels)), ("Tf1", "Lig$Rec"), values))
        for gene, reason in orphans.items():
            run.write_scores(gene_scores(gene, labels, r2_out=[-0.1] * len(labels), kept=[False] * len(labels)))
            run.write_orphan(gene, reason)
        run.write_manifest(
            Manifest(
                **{
                    "status": "complete",
                    "targets": planned or (*models, *orphans, *failures),
                    "failures": failures,
                    "run_id": name,
                    **facts,
                }  # type: ignore[arg-type]
            )
        )
        return run.path

    return make


@dataclass
class Visit:
    """What a page has asked for and complained about."""

    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)


@pytest.fixture
def visit(browser: object) -> Iterator[Callable[..., tuple[object, Visit]]]:
    """Open a file; tells what it asks for."""
    contexts = []

    def open_file(path: Path, **settings: object) -> tuple[object, Visit]:
        context = browser.new_context(**{"viewport": {"width": 1200, "height": 900}, **settings})  # type: ignore[attr-defined]
        contexts.append(context)
        page, seen = context.new_page(), Visit()
        page.on("request", lambda request: seen.requests.append(request.url))
        page.on("console", lambda message: seen.complaints.append(message.text))
        page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        page.on("dialog", lambda dialog: (seen.dialogs.append(dialog.message), dialog.dismiss()))
        page.goto(path.as_uri())
        return page, seen

    yield open_file
    for context in contexts:
        context.close()
