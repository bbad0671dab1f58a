"""Every benchmark from its name to its record."""

from __future__ import annotations

import importlib
import json

import pytest

from spacetravlr.bench.registry import BENCHMARKS, catalogue, main
from spacetravlr.datasets import simulated_tissue, write_network
from spacetravlr.errors import InputError, RunDirectoryError, UsageError

QUICK = ["--quick", "--threads", "1"]


def record(name, arguments, folder, *, code=0):
    path = folder / f"{name}.json"
    assert main(name, arguments, path) == code
    return json.loads(path.read_text())


def check_document(document, name):
    assert document["schema"] == "spacetravlr-bench/1"
    assert document["benchmark"] == name
    assert document["command"][:3] == ["spacetravlr", "bench", name]
    assert {"cpu", "cores", "ram_gb", "os"} <= set(document["host"])
    assert document["threads"]["count"] == 1
    assert {"python", "numpy", "numba", "spacetravlr-py"} <= set(document["versions"])
    assert document["dataset"]
    assert document["runs"]
    assert all(run["returncode"] == 0 and run["wall_s"] > 0 and run["repeat"] >= 0 for run in document["runs"])
    for one in document["summary"]:
        assert one["median_s"] >= one["min_s"] > 0
        assert one["peak_rss_mb"] > 5


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    adata = simulated_tissue(150, 30, 3, knock_outs=())
    adata.write_h5ad(folder / "tissue.h5ad")
    write_network(adata, folder)
    return folder


@pytest.mark.parametrize("name", ["signal", "splash", "perturb", "help"])
def test_quick(name, tmp_path, capsys):
    document = record(name, QUICK, tmp_path)
    check_document(document, name)
    said = capsys.readouterr().out
    assert said.splitlines()[0].startswith(f"{name}: ")
    assert "1 threads" in said
    # a line for every point
    assert said.count("MB") >= len(document["summary"]) >= 1
    if name != "help":
        assert document["threads"]["blas"]
        assert all("error" in one for one in document["summary"] if one.get("variant") != "whole command")
    if name == "perturb":
        whole = document["summary"][-1]
        assert (whole["variant"], whole["cells"]) == ("whole command", 1500)
        assert whole["file_mb"] > 1


def test_quick_train(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SPACETRAVLR_FORCE_CPU", "1")
    document = record("train", [*QUICK, "--setting", "default"], tmp_path)
    check_document(document, "train")
    assert document["dataset"]["recipe"] == "synth-v1"
    assert len(document["dataset"]["sha256"]) == 64
    (one,) = document["summary"]
    assert one["setting"] == "default"
    # as the run itself has it
    assert one["device"] == "cpu (SPACETRAVLR_FORCE_CPU is set)"
    assert one["r2_out_median"] > 0.1
    assert one["n_targets"] == 40
    assert one["n_cells"] == 300
    assert one["n_clusters"] == 5
    assert one["genes_written"] + one["genes_orphan"] == 40
    # what happens inside is part of the whole command
    assert 0 < one["setup_s"] + one["train_s"] < one["median_s"]
    assert one["command"] == ["spacetravlr", "--plain", "--config", ".../bench.toml"]
    assert "40 targets in 300 cells" in capsys.readouterr().out


def test_tissue_passes_options_on(sample, tmp_path, capsys):
    arguments = [str(sample / "tissue.h5ad"), *QUICK, "--setting", "readme", "--network-dir", str(sample)]
    document = record("tissue", [*arguments, "--max-genes", "7", "--tf-ligand-cutoff", "0.3"], tmp_path)
    check_document(document, "tissue")
    assert document["dataset"]["file"] == "tissue.h5ad"
    (one,) = document["summary"]
    assert one["n_targets"] == 7
    assert {"--max-genes", "--solver=fista", "--n-iter=100"} <= set(one["command"])
    # the README's settings compute no held-out R2
    assert one["r2_out_median"] is None
    assert one["r2_in_median"] is not None
    assert "7 targets in 150 cells" in capsys.readouterr().out


def test_a_point_that_fails_is_recorded(tmp_path, capsys):
    path = tmp_path / "broken.h5ad"
    path.write_bytes(b"not a file of cells")
    document = record("tissue", [str(path), *QUICK, "--setting", "readme"], tmp_path, code=1)
    assert document["summary"] == []
    assert document["runs"][0]["returncode"] != 0
    assert "broken.h5ad" in document["runs"][0]["stderr_tail"]
    assert "failed:" in capsys.readouterr().out


def test_tissue_needs_a_file(tmp_path):
    with pytest.raises(InputError, match="cannot read"):
        main("tissue", [str(tmp_path / "none.h5ad")], None)
    with pytest.raises(UsageError, match="FILE"):
        main("tissue", [], None)
    path = tmp_path / "some.h5ad"
    path.touch()
    with pytest.raises(UsageError, match="--config"):
        main("tissue", [str(path), "--network-dir", "x", "-c", "own.toml"], None)


def test_the_list_names_all(capsys):
    assert main("list", [], None) == 0
    said = capsys.readouterr().out
    assert said.splitlines() == catalogue()
    assert all(f"  {name} " in said for name in BENCHMARKS)
    assert set(BENCHMARKS) == {
        "train", "tissue", "slide", "sweep", "signal", "splash", "perturb", "transition", "truth", "cnn",
        "help", "real", "viewer",
    }  # fmt: skip


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_explains_its_options(name, capsys):
    assert main(name, ["--help"], None) == 0
    said = capsys.readouterr().out
    assert "--repeats" in said
    assert f"spacetravlr bench {name}" in said
    module = importlib.import_module(BENCHMARKS[name].module)
    assert module.__doc__.splitlines()[0].split(":")[0][:20] in said


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("trian", [], "did you mean 'train'"),
        ("zzz", [], "there are: train"),
        ("splash", ["--frobnicate"], "unknown arguments --frobnicate"),
        ("splash", ["--repeats", "0"], "--repeats must be at least 1"),
        ("splash", ["--threads", "0"], "--threads must be at least 1"),
        ("splash", ["--timeout", "0"], "--timeout must be positive"),
        ("signal", ["--methods", "magic"], "invalid choice"),
    ],
)
def test_mistakes(name, arguments, message):
    with pytest.raises(UsageError, match=message):
        main(name, arguments, None)


def test_the_record_needs_a_directory(tmp_path):
    with pytest.raises(RunDirectoryError, match="no directory"):
        main("help", ["--quick"], tmp_path / "none" / "out.json")
