"""Everything a person can get wrong gives one clear line, the right exit code, and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest


def change(edit: Callable[[anndata.AnnData], Any]) -> Callable[[Path, Path], None]:
    def make(sample: Path, out: Path) -> None:
        adata = anndata.read_h5ad(sample)
        edit(adata)
        adata.write_h5ad(out)

    return make


def cut(sample: Path, out: Path) -> None:
    out.write_bytes(sample.read_bytes()[: sample.stat().st_size // 2])


def empty(sample: Path, out: Path) -> None:
    anndata.read_h5ad(sample)[:0].copy().write_h5ad(out)


def repeat(index: str) -> Callable[[Path, Path], None]:
    def make(sample: Path, out: Path) -> None:
        shutil.copy(sample, out)
        with h5py.File(out, "r+") as handle:
            names = handle[index]["_index"]
            names = names if isinstance(names, h5py.Dataset) else names["values"]
            names[1] = names[0]

    return make


def nan(adata: anndata.AnnData) -> None:
    adata.layers["imputed_count"][2, 3] = np.nan


SAMPLES: dict[str, tuple[Callable[[Path, Path], object] | None, str]] = {
    "no file": (None, "no such file: "),
    "not an h5ad": (lambda _, out: out.write_text("cell,gene\n"), "is not an h5ad file"),
    "truncated": (cut, "is damaged or incomplete"),
    "empty": (empty, "the sample is empty: 0 cells"),
    "no layer": (change(lambda a: a.layers.pop("imputed_count")), "layer 'imputed_count' is not in the file"),
    "no clusters": (
        change(lambda a: setattr(a, "obs", a.obs.drop(columns="cell_type"))),
        "obs has neither 'cell_type_int' nor",
    ),
    "no coordinates": (change(lambda a: a.obsm.pop("spatial")), "no coordinates: obsm has none of"),
    "NaN expression": (change(nan), "holds NaN or infinite values in 1 gene(s)"),
    "repeated genes": (repeat("var"), "1 gene name(s) occur more than once"),
    "repeated cells": (repeat("obs"), "1 cell name(s) occur more than once"),
}


def check(ended: Any, code: int, message: str) -> None:
    assert ended.code == code, ended.err + ended.out
    errors = [line for line in ended.err.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, ended.err
    assert message in errors[0]
    assert "Traceback" not in ended.err + ended.out


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_that_cannot_be_used(name: str, cli: Callable[..., Any], sample: Path, tmp_path: Path) -> None:
    make, message = SAMPLES[name]
    bad = tmp_path / "bad.h5ad"
    if make is not None:
        make(sample, bad)
    before = sorted(tmp_path.iterdir())
    check(cli("spacetravlr", "--plain", "--h5ad", bad, "--output-dir", tmp_path / "run", cwd=tmp_path), 1, message)
    assert sorted(tmp_path.iterdir()) == before


SETTINGS: dict[str, tuple[list[str], str | bytes | None, int, str]] = {
    "unknown gene": (["--genes", "Pax55"], None, 1, "no target gene is left: Pax55 is not among the measured genes"),
    "gene in the wrong case": (
        ["--genes", "TCF3"],
        None,
        1,
        "TCF3 is not among the measured genes; did you mean 'Tcf3'?",
    ),
    "no table of TFs": (
        ["--tf-prior", "gone.feather"],
        None,
        1,
        "gone.feather; it is the one of [grn].tf_priors_feather",
    ),
    "a TOML that is none": (["--config", "c.toml"], "[spatial\nradius = 1", 1, "c.toml"),
    "a TOML that is no text": (["--config", "c.toml"], b"\xff\xfe\x00", 1, "c.toml"),
    "no TOML": (["--config", "absent.toml"], None, 1, "absent.toml"),
    "wrong type": (["--config", "c.toml"], '[spatial]\nradius = "wide"', 1, "[spatial].radius"),
    "wrong type in a list": (["--config", "c.toml"], "[grn]\nextra_lr = [1]", 1, "[grn].extra_lr"),
    "negative radius": (["--radius", "-5"], None, 1, "[spatial].radius"),
    "cluster column": (
        ["--cluster-annot", "celltype"],
        None,
        1,
        "cluster column 'celltype' is not in obs; did you mean",
    ),
    "unknown flag": (["--radios", "5"], None, 2, ""),
    "no number": (["--radius", "wide"], None, 2, ""),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_that_cannot_be_used(name: str, cli: Callable[..., Any], sample: Path, tmp_path: Path) -> None:
    flags, toml, code, message = SETTINGS[name]
    if toml is not None:
        (tmp_path / "c.toml").write_bytes(toml if isinstance(toml, bytes) else toml.encode())
    ended = cli("spacetravlr", "--plain", "--h5ad", sample, "--output-dir", "run", *flags, cwd=tmp_path)
    if code == 1:
        check(ended, 1, message)
    assert ended.code == code
    assert "Traceback" not in ended.err
    assert not (tmp_path / "run").exists()


def test_an_unknown_key_is_a_warning_with_the_nearest_name(
    cli: Callable[..., Any], sample: Path, tmp_path: Path
) -> None:
    (tmp_path / "c.toml").write_text("[lasso]\nl1_regg = 0.1\n[spatial]\nradius = -1\n")
    ended = cli("spacetravlr", "--plain", "--config", "c.toml", "--h5ad", sample, "--output-dir", "run", cwd=tmp_path)
    check(ended, 1, "[spatial].radius")
    (tmp_path / "c.toml").write_text("[lasso]\nl1_regg = 0.1\n")
    ended = cli(
        "spacetravlr", "--plain", "--config", "c.toml", "--h5ad", sample, "--output-dir", "run", "--max-genes", "4",
        cwd=tmp_path,
    )  # fmt: skip
    assert "did you mean [lasso].l1_reg?" in ended.out + ended.err


def test_a_network_file_without_a_column(cli: Callable[..., Any], sample: Path, tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    pd.DataFrame({"source": ["A"], "target": ["B"]}).to_parquet(tmp_path / "net" / "mouse_network.parquet")
    ended = cli(
        "spacetravlr", "--plain", "--h5ad", sample, "--output-dir", "run", cwd=tmp_path,
        SPACETRAVLR_DATA_DIR=str(tmp_path / "net"),
    )  # fmt: skip
    check(ended, 1, "edge_type")
    assert "mouse_network.parquet" in ended.err
    assert not (tmp_path / "run").exists()


def test_an_output_below_a_file(cli: Callable[..., Any], sample: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    check(cli("spacetravlr", "--plain", "--h5ad", sample, "--output-dir", tmp_path / "file" / "run"), 1, "file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_without_permission(cli: Callable[..., Any], sample: Path, tmp_path: Path) -> None:
    (tmp_path / "shut").mkdir(mode=0o500)
    check(cli("spacetravlr", "--plain", "--h5ad", sample, "--output-dir", tmp_path / "shut" / "run"), 1, "shut")


def test_a_full_disk_while_training(cli: Callable[..., Any], sample: Path, small_disk: Path) -> None:
    ended = cli("spacetravlr", "--plain", "--h5ad", sample, "--output-dir", small_disk / "run")
    check(ended, 1, "no space left")
    left = [path for path in (small_disk / "run").rglob("*") if path.is_file()]
    assert not [path.name for path in left if path.suffix == ".lock" or path.name.startswith(".tmp-")]
    for path in left:
        if path.name.endswith("_betadata.feather"):
            pd.read_feather(path)


def test_a_full_disk_while_perturbing(cli: Callable[..., Any], trained: Any, small_disk: Path) -> None:
    gene = anndata.read_h5ad(trained.sample).var_names[0]
    (small_disk / "filler").write_bytes(b"x" * 50_000)
    ended = cli("spacetravlr-perturb", "--run-toml", trained.toml, "--gene", gene, "--out", small_disk / "ko.feather")
    check(ended, 1, "no space left on the disk")
    assert [path.name for path in small_disk.iterdir()] == ["filler"]


@pytest.mark.parametrize(
    ("csv", "column", "message"),
    [
        ("chosen\ncell0\nnobody\n", "chosen", "column 'chosen', row 3: no cell is called 'nobody'"),
        ("chosen\ncell0\n", "other", "other"),
        (None, "chosen", "absent.csv"),
    ],
)
def test_a_cells_csv_that_cannot_be_used(
    csv: str | None, column: str, message: str, cli: Callable[..., Any], trained: Any, tmp_path: Path
) -> None:
    path = tmp_path / ("absent.csv" if csv is None else "cells.csv")
    if csv is not None:
        path.write_text(csv)
    gene = anndata.read_h5ad(trained.sample).var_names[0]
    ended = cli(
        "spacetravlr-perturb", "--run-toml", trained.toml, "--gene", gene, "--cells-csv", path, "--cells-csv-column", column,
        "--out", tmp_path / "ko.feather",
    )  # fmt: skip
    check(ended, 1, message)
    assert not (tmp_path / "ko.feather").exists()


def test_a_gene_that_is_not_measured_and_a_run_that_is_none(
    cli: Callable[..., Any], trained: Any, tmp_path: Path
) -> None:
    out = tmp_path / "ko.feather"
    check(cli("spacetravlr-perturb", "--run-toml", trained.toml, "--gene", "Nope", "--out", out), 1, "Nope")
    check(cli("spacetravlr-perturb", "--run-toml", tmp_path / "no.toml", "--gene", "A", "--out", out), 1, "no.toml")
    message = "small.h5ad is no TOML of a run: name spacetravlr_run_repro.toml, or the directory it is in"
    check(cli("spacetravlr-perturb", "--run-toml", trained.sample, "--gene", "A", "--out", out), 1, message)
    assert not out.exists()


def test_a_damaged_coefficient_file_is_named(cli: Callable[..., Any], trained: Any, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(trained.directory, copy)
    victim = sorted(copy.glob("*_betadata.feather"))[0]
    victim.write_bytes(victim.read_bytes()[:200])
    gene = anndata.read_h5ad(trained.sample).var_names[0]
    ended = cli(
        "spacetravlr-perturb",
        "--run-toml",
        copy / "spacetravlr_run_repro.toml",
        "--gene",
        gene,
        "--out",
        tmp_path / "ko.feather",
    )
    check(ended, 1, victim.name)
