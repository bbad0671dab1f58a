"""Every flag with what can go wrong about it: one line, before the models are loaded, and nothing is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from spacetravlr.cli import perturb
from spacetravlr.perturbation import PropagationModel
from spacetravlr.run import Run


@pytest.fixture
def refused(capsys, trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Run a command that must fail with one line; returns its code and that line."""

    def loaded(*_: object, **__: object) -> None:
        raise AssertionError("the models were loaded")

    monkeypatch.setattr(PropagationModel, "__init__", loaded)
    monkeypatch.setattr(Run, "betabase", property(loaded))
    monkeypatch.chdir(tmp_path)
    Path("cells.csv").write_text("left,none\ncell1,\n")
    Path("strange.csv").write_text("left\nnobody\n")
    Path("line.csv").write_text("x,y\n0,0\n1,1\n")
    Path("far.csv").write_text("x,y\n9000,9000\n9001,9000\n9000,9001\n")
    Path("genes.txt").write_text("# none\n\n")
    Path("twice.txt").write_text("Tcf3\nPax5, Tcf3\n")
    Path("file").write_text("")
    Path("directory.feather").mkdir()

    def run(command: tuple[str, ...], *flags: str) -> tuple[int, str]:
        before = sorted(tmp_path.rglob("*")), sorted(trained.directory.rglob("*"))
        code = perturb.run([*command, *(flag.format(run=trained.toml, there=trained.directory) for flag in flags)])
        out, err = capsys.readouterr()
        assert out == ""
        lines = err.splitlines()
        assert len(lines) == 1, lines
        assert lines[0].startswith("Error: ")
        assert (sorted(tmp_path.rglob("*")), sorted(trained.directory.rglob("*"))) == before
        return code, lines[0]

    return run


SINGLE = ("--run-toml", "{run}", "--gene", "Tcf3", "--out", "ko.feather")


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["--gene", "Tfc3"], 1, "gene 'Tfc3' is not among the 40 measured genes; did you mean 'Tcf3'?"),
        (["--gene", " , "], 2, "--gene is missing"),
        (["--gene", "Tcf3,Foxo1,Tcf3"], 2, "--gene names Tcf3 more than once"),
        (["--gene", "Nope,Tcf3,Nada"], 1, "genes 'Nope', 'Nada' are not among the 40 measured genes"),
        (["--desired-expr", "2x"], 1, "no number and no dose: '2x'"),
        (["--desired-expr", "2x"], 1, "did you mean 'x2'?"),
        (["--desired-expr", "q101"], 1, "they go from q0 to q100"),
        (["--desired-expr", "nan"], 2, "at least 0, not nan"),
        (["--desired-expr", "-inf"], 2, "at least 0, not -inf"),
        (["--desired-expr", "much"], 1, "write a number, 'x2' for a multiple"),
        (["--desired-expr", "1,5"], 2, "--desired-expr has 2 values for Tcf3: give one"),
        (["--gene", "Tcf3,Foxo1,Pax5", "--desired-expr", "1,5"], 2, "give one, or one for each"),
        (["--n-propagation", "33"], 1, "must be a whole number 0 to 32"),
        (["--n-propagation", "-1"], 1, "must be a whole number 0 to 32"),
        (["--n-propagation", "two"], 2, "--n-propagation"),
        (["--profile", "defalt"], 2, "did you mean 'default'?"),
        (["--beta-scale-factor", "-1"], 1, "[perturbation].beta_scale_factor = -1.0 must be"),
        (["--cell-type", "Bcell"], 1, "did you mean 'B cell'?"),
        (["--cell-type", ","], 2, "--cell-type names no cell type"),
        (["--where", "cell_typ == 'x'"], 1, "cannot evaluate the obs query"),
        (["--where", "cell_type"], 1, "write a comparison"),
        (["--where", "cell_type == 'T'"], 1, "no cell is meant by --where"),
        (["--region", "missing.csv"], 1, "cannot read missing.csv"),
        (["--region", "file"], 1, "must end in .geojson, .json or .csv"),
        (["--region", "line.csv"], 1, "three different corners"),
        (["--region", "far.csv"], 1, "no cell lies in far.csv"),
        (["--where", "index == 'cell1'", "--cell-type", "fibroblast"], 1, "all of --cell-type fibroblast and --where"),
        (["--cells-csv", "cells.csv"], 2, "--cells-csv needs --cells-csv-column NAME"),
        (["--cells-csv-column", "left"], 2, "give --cells-csv FILE too"),
        (["--cells-csv", "cells.csv", "--cells-csv-column", "none"], 1, "no cell is meant by column 'none'"),
        (["--cells-csv", "cells.csv", "--cells-csv-column", ""], 2, "--cells-csv needs"),
        (["--cells-csv", "gone.csv", "--cells-csv-column", "left"], 1, "cannot read gone.csv"),
        (["--cells-csv", "cells.csv", "--cells-csv-column", "lft"], 1, "has no column 'lft'; its header is: left"),
        (["--cells-csv", "strange.csv", "--cells-csv-column", "left"], 1, "row 2: no cell is called 'nobody'"),
        (["--h5ad", "gone.h5ad"], 1, "no such file: gone.h5ad"),
        (["--beta-scale-factor", "much"], 2, "--beta-scale-factor"),
        (["--beta-scale-factor", "nan"], 1, "[perturbation].beta_scale_factor"),
        (["--top", "few"], 2, "--top"),
        (["--negative-control", "1.5"], 2, "--negative-control"),
        (["--batch-parallelism", "many"], 2, "--batch-parallelism"),
        (["--desired-expr", ""], 2, "--desired-expr"),
        (["--n-propagation", "2.5"], 2, "--n-propagation"),
        (["--n-propagation"], 2, "--n-propagation"),
        (["--nonsense"], 2, "--nonsense"),
        (["--batch-parallelism", "2"], 2, "--batch-parallelism has a meaning in batch mode only"),
        (["--out", "ko.csv"], 2, "must end in .feather or .h5ad"),
        (["--out", "directory.feather"], 2, "is a directory"),
        (["--out", "file/ko.feather"], 1, "is a file, not a directory"),
        (["--top", "0"], 2, "--top must be a whole number of at least 1, not 0"),
        (["--negative-control", "0"], 2, "--negative-control must be a whole number of at least 1"),
        (["--run-toml", "missing.toml"], 1, "no such run directory or run TOML"),
        (["--config", "missing.toml"], 1, "cannot read missing.toml"),
        (["missing.toml"], 1, "cannot read missing.toml"),
        (["one.toml", "two.toml"], 2, "No command is called 'two.toml'"),
        (["scren"], 2, "No command is called 'scren'; did you mean 'screen'?"),
        (["Pax5"], 2, "there are screen and make-cells-csv (A gene is given as --gene NAME)"),
        (["screen"], 2, "--run-toml, --gene, --out: no flag of screen; the flags of a command come after its name"),
    ],
)
def test_of_one_perturbation(refused, flags: list[str], code: int, words: str):
    # of a flag that is given twice the last one counts, except where all are collected
    first = SINGLE if "--gene" not in flags else (*SINGLE[:2], *SINGLE[4:])
    found, line = refused((), *first, *flags)
    assert words in line
    assert found == code


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        ([], 2, "--run-toml is missing"),
        (["--run-toml", "nowhere"], 1, "no such run directory"),
        (["--run-toml", "{run}", "--genes", "A", "--genes-file", "genes.txt"], 2, "exclude each other"),
        (["--run-toml", "{run}", "--genes", "Tcf3,Tcf33"], 1, "did you mean 'Tcf3'?"),
        (["--run-toml", "{run}", "--genes", "Tcf3,Pax5,Tcf3"], 2, "--genes names Tcf3 more than once"),
        (["--run-toml", "{run}", "--genes", ","], 2, "--genes names no gene"),
        (["--run-toml", "{run}", "--genes-file", "genes.txt"], 2, "--genes-file genes.txt names no gene"),
        (["--run-toml", "{run}", "--genes-file", "twice.txt"], 2, "names Tcf3 more than once"),
        (["--run-toml", "{run}", "--genes-file", "gone.txt"], 1, "cannot read gone.txt"),
        (["--run-toml", "{run}", "--dose", "x"], 1, "the desired expression of every gene is no number"),
        (["--run-toml", "{run}", "--dose", "inf"], 1, "the desired expression of every gene"),
        (["--run-toml", "{run}", "--out-dir", "file"], 1, "is a file, not a directory"),
        (["--run-toml", "{run}", "--out-dir", "file/new"], 1, "is a file, not a directory"),
        (["--run-toml", "{run}", "--n-propagation", "40"], 1, "0 to 32"),
        (["--run-toml", "{run}", "--profile", "v3"], 2, "'v3' is not one of"),
        (["--run-toml", "{run}", "--parallelism", "0"], 2, "--parallelism must be a whole number of at least 1"),
        (["--run-toml", "{run}", "--cell-type", "T"], 1, "no cell has the cell_type 'T'"),
        (["--run-toml", "{run}", "--cells-csv-column", "left"], 2, "give --cells-csv FILE too"),
        (["--run-toml", "{run}", "--gene", "Tcf3"], 2, "--gene"),
        (["--run-toml", "{run}", "Tcf3"], 2, "Tcf3"),
    ],
)
def test_of_a_screen(refused, flags: list[str], code: int, words: str):
    found, line = refused(("screen",), *flags)
    assert words in line
    assert found == code


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        ([], 2, "--run-toml is missing"),
        (["--run-toml", "nowhere"], 1, "no such run directory"),
        (["--run-toml", "{run}", "--annot", "cell_typ"], 1, "did you mean 'cell_type'?"),
        (["--run-toml", "{run}", "--out", "directory.feather"], 2, "is a directory"),
        (["--run-toml", "{run}", "--out", "file/c.csv"], 1, "is a file, not a directory"),
        (["--run-toml", "{run}", "--h5ad", "gone.h5ad"], 1, "no such file: gone.h5ad"),
    ],
)
def test_of_a_table_of_cells(refused, flags: list[str], code: int, words: str):
    found, line = refused(("make-cells-csv",), *flags)
    assert words in line
    assert found == code
