"""From a raw file to a knock-out without editing anything: prepare, train, perturb; and training that prepares."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import select
import shutil
import struct
import sys
import termios
import time
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import spacetravlr as stl
from spacetravlr.cli import _displays, main
from spacetravlr.datasets import write_network
from spacetravlr.events import StageFinished, StageStarted

UM_PER_PIXEL = 0.25


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a raw file (counts, pixels, cell types as text under another name) and its network."""
    folder = tmp_path_factory.mktemp("raw")
    tissue = stl.datasets.simulated_tissue(n_cells=300, n_genes=60, n_types=3, seed=2, knock_outs=())
    obs = pd.DataFrame({"annotation": tissue.obs["cell_type"].astype(str).to_numpy()}, index=tissue.obs_names)
    raw = anndata.AnnData(sparse.csr_matrix(np.asarray(tissue.layers["counts"], dtype=np.float32)), obs=obs)
    raw.var_names = tissue.var_names
    raw.obsm["spatial"] = np.asarray(tissue.obsm["spatial"]) / UM_PER_PIXEL
    raw.write_h5ad(folder / "raw.h5ad")
    write_network(tissue, folder / "data")
    return folder


def test_a_raw_file_goes_to_a_knock_out(cli, place: Path):
    told = cli("spacetravlr", "peek", "raw.h5ad", cwd=place)
    assert told.code == 0
    assert "spacetravlr prepare raw.h5ad -o raw_ready.h5ad --cluster-key annotation --um-per-unit NUMBER" in told.out
    done = cli(
        "spacetravlr", "prepare", "raw.h5ad", "-o", "ready.h5ad", "--cluster-key", "annotation",
        "--um-per-unit", UM_PER_PIXEL, "--no-umap", cwd=place,
    )  # fmt: skip
    assert (done.code, done.err) == (0, "")
    assert "x 0.25 to micrometres (as given)" in done.out
    assert "cells within the radius of 200 um" in done.out
    assert "60 of the mouse network" in done.out
    assert "kept" in done.out
    [command] = [line.removeprefix("next: spacetravlr ") for line in done.out.splitlines() if line[:5] == "next:"]
    trained = cli("spacetravlr", *command.split(), "--max-genes", 12, "--parallel", 1, "--plain", cwd=place)
    assert (trained.code, trained.err) == (0, "")
    assert "cells within the radius of 200 um" in trained.out
    run = stl.Run.open(place / "my_run")
    assert run.genes
    gene = next(iter(run.betas(run.genes[0]).modulator_genes))
    knocked = cli("spacetravlr-perturb", "--run-toml", "my_run", "--gene", gene, "--out", "ko.feather", cwd=place)
    assert (knocked.code, (place / "ko.feather").exists()) == (0, True)
    effect = pd.read_feather(place / "ko.feather")
    assert np.abs(effect[gene]).max() < 1e-6
    # again: nothing is done twice, and the run goes on to be the same
    again = cli(
        "spacetravlr", "prepare", "ready.h5ad", "-o", "ready2.h5ad", "--cluster-key", "annotation",
        "--um-per-unit", UM_PER_PIXEL, "--no-umap", cwd=place,
    )  # fmt: skip
    assert again.out.count("done before") == 9
    peeked = cli("spacetravlr", "peek", "ready2.h5ad", cwd=place)
    assert "made by prepare" in peeked.out
    assert "next      spacetravlr --h5ad ready2.h5ad --output-dir my_run" in peeked.out


@pytest.fixture
def at_terminal(spawn, tmp_path: Path):
    """Run a command in a terminal of its own; yields what to call with a pattern, and the process."""
    begun = []

    def begin(*arguments: object, cwd: Path):
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 140, 0, 0))
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), theirs)
        more = {"COLUMNS": "140", "LINES": "30"}
        process = spawn("spacetravlr", *arguments, more=more, cwd=cwd, start_new_session=True, **streams)
        os.close(theirs)
        begun.append((process, ours))
        seen = ""

        def read(pattern: str | None, seconds: float = 120) -> str:
            nonlocal seen
            end = time.monotonic() + seconds
            while pattern is None or not re.search(pattern, seen):
                assert time.monotonic() < end, seen
                if not select.select([ours], [], [], 0.2)[0]:
                    continue
                try:
                    piece = os.read(ours, 65536)
                except OSError:
                    # the other end is closed
                    piece = b""
                if not piece:
                    assert pattern is None, seen
                    break
                seen += piece.decode("utf-8", "replace")
            return seen

        return process, ours, read

    yield begin
    for process, ours in begun:
        process.kill()
        process.wait()
        os.close(ours)


def test_a_terminal_shows_the_step_that_goes_on(at_terminal, place: Path, tmp_path: Path):
    ready = tmp_path / "seen.h5ad"
    process, _, read = at_terminal("prepare", "raw.h5ad", "-o", ready, "--no-umap", cwd=place)
    # as it begins, with what it waits for
    before = read(r"neighbours \.\.\. \(step 5 of 9; on first use libraries are compiled, about 20 s\)")
    assert "] neighbours: 15 for each cell" not in before
    shown = read(None)
    assert process.wait(60) == 0
    assert "] neighbours: 15 for each cell" in shown
    assert "next: spacetravlr --h5ad" in shown
    # the cursor is back
    assert shown.rfind("\x1b[?25h") > shown.rfind("\x1b[?25l")
    assert ready.exists()


def test_ctrl_c_while_preparing_gives_the_terminal_back(at_terminal, place: Path, tmp_path: Path):
    process, keyboard, read = at_terminal("prepare", "raw.h5ad", "-o", tmp_path / "not.h5ad", cwd=place)
    read(r"(reading|PCA|neighbours) \.\.\. ")
    os.write(keyboard, b"\x03")
    shown = read(None)
    assert process.wait(60) == 130
    assert "Interrupted." in shown
    assert "Traceback" not in shown
    assert shown.rfind("\x1b[?25h") > shown.rfind("\x1b[?25l")
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_is_drawn_a_long_step_is_told_and_a_short_one_is_not(monkeypatch: pytest.MonkeyPatch):
    stream = io.StringIO()
    shown = _displays.PlainDisplay(stream)
    shown.hear(StageStarted("quality", "step 1 of 9"))
    shown.hear(StageFinished("quality", 0.1))
    monkeypatch.setattr(_displays, "_MOMENT", 0.01)
    shown.hear(StageStarted("neighbours", "step 5 of 9"))
    end = time.monotonic() + 60
    while not stream.getvalue():
        assert time.monotonic() < end
        time.sleep(0.01)
    shown.close()
    assert stream.getvalue() == "neighbours ... (step 5 of 9)\n"


@pytest.fixture
def here(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of its own with the raw file and its network."""
    shutil.copy(place / "raw.h5ad", tmp_path)
    shutil.copytree(place / "data", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SPACETRAVLR_DATA_DIR", raising=False)
    return tmp_path


def test_training_prepares_a_raw_file(here: Path, capsys: pytest.CaptureFixture[str]):
    command = ["--h5ad", "raw.h5ad", "--output-dir", "by itself", "--cluster-annot", "annotation", "--max-genes", "2"]
    command += ["--score-threshold=-1"]  # two targets of few cells need not have skill
    assert main.run(command) == 1
    told = capsys.readouterr().err
    assert told.startswith("Error: layer 'imputed_count' is not in the file; make it: spacetravlr prepare ")
    assert "raw.h5ad -o ready.h5ad (training with --prepare does both)" in told
    assert not (here / "by itself").exists()
    command += ["--prepare", "--um-per-unit", "0.25", "--plain"]
    assert main.run(command) == 0
    told = capsys.readouterr().out
    assert "raw.h5ad is not ready for training: it is prepared first" in told
    assert "is not empty" not in told
    ready = here / "by itself" / "spacetravlr_prepared.h5ad"
    made = ready.stat().st_mtime_ns
    run = stl.Run.open(here / "by itself")
    assert Path(run.config.data.adata_path) == ready
    # the same command goes on, and so does joining
    assert main.run(command) == 0
    assert "was prepared before" in capsys.readouterr().out
    assert main.run(["--join-output-dir", "by itself", "--plain"]) == 0
    assert ready.stat().st_mtime_ns == made
    capsys.readouterr()
    assert main.run([*command, "--um-per-unit", "0.5"]) == 1
    assert "was prepared with --um-per-unit 0.25: remove it" in capsys.readouterr().err
    # a raw file that has changed is not mixed in
    other = anndata.read_h5ad("raw.h5ad")[:200].copy()
    other.write_h5ad("raw.h5ad")
    assert main.run(command) == 1
    assert "was not prepared from" in capsys.readouterr().err


def test_a_ready_file_is_not_prepared(here: Path, sample: Path, capsys: pytest.CaptureFixture[str]):
    assert main.run(["--h5ad", str(sample), "--output-dir", "r", "--max-genes", "1", "--prepare", "--plain"]) in (0, 3)
    assert "nothing to prepare" in capsys.readouterr().out
    assert not (here / "r" / "spacetravlr_prepared.h5ad").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--h5ad", "raw.h5ad", "--um-per-unit", "2"], 2, "--um-per-unit belongs to --prepare"),
        (["--h5ad", "raw.h5ad", "--prepare", "--dry-run"], 2, "--dry-run writes nothing, so it cannot prepare"),
        (["prepare", "raw.h5ad", "-o", "raw.h5ad"], 2, "the raw file itself"),
        (["prepare", "raw.h5ad", "-o", "x.txt"], 2, "must end in .h5ad"),
        (["prepare", "absent.h5ad"], 1, "no such file or folder: absent.h5ad"),
        (["prepare", "raw.h5ad", "--imputation", "magic"], 1, "one of diffusion, knn"),
        (["prepare", "raw.h5ad", "--radius", "-1"], 1, "radius = -1 is not allowed"),
        (["prepare", "raw.h5ad", "--um-per-unit", "wide"], 2, "--um-per-unit"),
        (["prepare"], 2, "Missing argument 'RAW'"),
        (["prepare", "raw.h5ad", "--cluster-key", "anotation"], 1, "did you mean 'annotation'?"),
    ],
)
def test_mistakes(here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str):
    before = sorted(here.iterdir())
    assert main.run(arguments) == code
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1
    assert sorted(here.iterdir()) == before


def test_training_that_cannot_be_imported_is_one_line(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "spacetravlr.cli._train", None)
    monkeypatch.setattr("tempfile.tempdir", str(here))
    assert main.run(["--h5ad", "raw.h5ad"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("Error: internal error (ModuleNotFoundError: ")
    assert err.count("\n") == 1


def test_the_help_tells_every_parameter_with_its_default(cli):
    page = cli("spacetravlr", "prepare", "--help", TERMINAL_WIDTH="200").out
    text = " ".join(page.split())
    for flag in ("--min-genes", "--n-top-hvg", "--magic-t", "--no-umap", "--seed", "--sample", "--leiden-resolution"):
        assert flag in text
    assert "Variable genes to keep, beside all genes of the network; 0 keeps every gene. Default: 2000." in text


@pytest.mark.parametrize(
    ("raw", "ready"),
    [
        ("a/b.h5ad", "b_ready.h5ad"),
        ("x/sample.zarr", "sample_ready.h5ad"),
        ("run7/outs", "run7_ready.h5ad"),
        ("xenium.v2", "xenium.v2_ready.h5ad"),
    ],
)
def test_the_name_of_the_ready_file(raw: str, ready: str):
    from spacetravlr.cli._prepare import ready_name

    assert ready_name(raw) == ready
