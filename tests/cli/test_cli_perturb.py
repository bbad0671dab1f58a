"""Perturbation from the command line."""

from __future__ import annotations

import io
import re
import shlex
import shutil
from pathlib import Path

import anndata
import numpy as np
import pyarrow.feather as feather
import pytest

from spacetravlr.cli import perturb
from spacetravlr.cli._perturb_tables import changed_text
from spacetravlr.perturbation import PropagationModel
from spacetravlr.report import worth_perturbing
from spacetravlr.run import Run


@pytest.fixture(scope="module")
def gene(trained) -> str:
    found = worth_perturbing(Run.open(trained.directory))
    assert found is not None
    return found


@pytest.fixture
def copy(trained, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained.directory, tmp_path / "copy"))


def test_a_knock_out(cli, trained, gene: str, tmp_path: Path):
    out = tmp_path / "new" / "ko.feather"
    done = cli("spacetravlr-perturb", "--run-toml", trained.toml, "--gene", gene, "--out", out)
    assert (done.code, done.out) == (0, "")
    toml = shlex.quote(str(trained.toml))
    assert done.err == (
        f"Wrote {out} (150 cells × 40 genes, n_propagation=2)\n"
        f"{changed_text(Run.open(trained.directory).perturb({gene: 0.0}))}\n"
        f"next: spacetravlr-perturb --run-toml {toml} --gene {gene} --desired-expr 0\n"
    )
    table = feather.read_table(out)
    expected = Run.open(trained.directory).perturb({gene: 0.0})
    strongest = expected.top(1).iloc[0]
    assert f"cells): {strongest.gene} {strongest.mean_delta:+.3g}" in done.err
    assert table.column_names == ["CellID", *expected.genes]
    assert table["CellID"].to_pylist() == list(expected.cells)
    np.testing.assert_array_equal(np.column_stack([table[name] for name in expected.genes]), expected.simulated)
    assert not np.any(table[gene])
    assert np.abs(expected.delta).sum() > np.abs(expected.delta[:, expected.genes.index(gene)]).sum()


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, list[str]]:
    code = perturb.run([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert out == ""
    return code, err.splitlines()


def test_dose_steps_and_profile(capsys, trained, gene: str, tmp_path: Path):
    out = tmp_path / "oe.h5ad"
    code, lines = run(
        capsys, "--run-toml", trained.directory, "--gene", gene, "--desired-expr", 2.5, "--n-propagation", 2,
        "--profile", "v1", "--export", out,
    )  # fmt: skip
    again = f"--gene {gene} --desired-expr 2.5 --n-propagation 2 --profile v1"
    assert (code, lines) == (
        0,
        [
            f"Wrote {out} (150 cells × 40 genes, n_propagation=2)",
            changed_text(Run.open(trained.directory).perturb({gene: 2.5}, n_propagation=2, profile="v1")),
            f"next: spacetravlr-perturb --run-toml {shlex.quote(str(trained.toml))} {again}",
        ],
    )
    effect = anndata.read_h5ad(out)
    np.testing.assert_array_equal(effect[:, gene].layers["simulated"], np.full((150, 1), 2.5))
    expected = Run.open(trained.directory).perturb({gene: 2.5}, n_propagation=2, profile="v1")
    np.testing.assert_array_equal(effect.layers["simulated"], expected.simulated)


def test_what_comes_next_opens_the_same_perturbation(capsys, monkeypatch, trained, gene: str, tmp_path: Path):
    (tmp_path / "my cells.csv").write_text("some one\ncell3\ncell7\n")
    code, lines = run(
        capsys, "--run-toml", trained.toml, "--gene", gene, "--desired-expr", "q95", "--n-propagation", 3,
        "--cell-type", "B cell", "--cells-csv", tmp_path / "my cells.csv", "--cells-csv-column", "some one",
        "--out", tmp_path / "ko.feather",
    )  # fmt: skip
    assert code == 0
    words = shlex.split(lines[-1].removeprefix("next: "))
    assert words[0] == "spacetravlr-perturb"
    monkeypatch.setattr("sys.stdin", io.StringIO(f"run\nexport {tmp_path / 'again.feather'}\n"))
    assert perturb.run(words[1:]) == 0
    assert (tmp_path / "again.feather").read_bytes() == (tmp_path / "ko.feather").read_bytes()


def test_verbose_tells_the_timings(capsys, trained, gene: str, tmp_path: Path):
    arguments = ["--run-toml", trained.toml, "--gene", gene, "--out", tmp_path / "ko.feather", "--verbose"]
    code, lines = run(capsys, *arguments, "--n-propagation", 3)
    assert code == 0
    number = r"-?\d[\d.e-]*"
    patterns = [
        rf"observed expression of {gene}: min {number}, median {number}, p99 {number}, max {number}",
        r"load: \d+\.\d\d s",
        *(rf"step {step}/3: \d+\.\d\d\d s" for step in (1, 2, 3)),
        r"write: \d+\.\d\d s",
        r"total: \d+\.\d\d s",
        r"Wrote .* \(150 cells × 40 genes, n_propagation=3\)",
        r"changes most \(mean over all cells\): .*; --top N shows cell types",
        r"next: spacetravlr-perturb --run-toml .* --n-propagation 3",
    ]
    assert len(lines) == len(patterns)
    assert all(re.fullmatch(pattern, line) for pattern, line in zip(patterns, lines, strict=True))


def test_a_dose_outside_the_observed_range_is_a_warning(capsys, trained, gene: str, tmp_path: Path):
    arguments = ["--run-toml", trained.toml, "--gene", gene, "--out", tmp_path / "oe.feather"]
    code, lines = run(capsys, *arguments, "--desired-expr", 1000)
    assert code == 0
    # once, although the log and the effect both have it
    assert len(lines) == 4
    values = Run.open(trained.directory).tissue().columns([gene])[:, 0]
    middle, high = np.quantile(values, [0.5, 0.99])
    observed = f"min {values.min():.4g}, median {middle:.4g}, p99 {high:.4g}, max {values.max():.4g}"
    assert lines[0].startswith(f"warning: the dose 1000 of {gene} is outside its observed expression ({observed})")


def test_a_gene_no_model_listens_to(capsys, trained, tmp_path: Path):
    trained_run = Run.open(trained.directory)
    idle = next(name for name in trained_run.tissue().genes if name not in trained_run.model().modulators)
    code, lines = run(capsys, "--run-toml", trained.toml, "--gene", idle, "--out", tmp_path / "ko.feather")
    assert code == 0
    assert lines[0].startswith(f"note: no model listens to {idle}: only its own column changes")
    assert lines[1].startswith("Wrote ")


def test_only_some_cells(capsys, trained, gene: str, tmp_path: Path):
    (tmp_path / "cells.csv").write_text("some, none\ncell3,\ncell7,\ncell3,\n")
    arguments = ["--run-toml", trained.toml, "--gene", gene, "--cells-csv", tmp_path / "cells.csv"]
    out = tmp_path / "ko.feather"
    assert run(capsys, *arguments, "--cells-csv-column", "some", "--out", out)[0] == 0
    simulated = feather.read_table(out)[gene].to_numpy()
    assert np.flatnonzero(simulated == 0).tolist() == [3, 7]
    code, lines = run(capsys, *arguments, "--cells-csv-column", "none", "--out", out)
    assert code == 1
    assert lines == [f"Error: no cell is meant by column 'none' of {tmp_path / 'cells.csv'}"]


def set_keys(run_directory: Path, keys: str) -> None:
    """Put keys into the [perturbation] section of a run."""
    path = run_directory / "spacetravlr_run_repro.toml"
    path.write_text(path.read_text().replace("[perturbation]\n", f"[perturbation]\n{keys}\n"))


def test_the_table_of_cells_of_the_run(capsys, copy: Path, gene: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    # relative to the TOML, wherever the command is given
    set_keys(copy, 'cells_csv = "cells.csv"\ncells_csv_column = "left"')
    (copy / "cells.csv").write_text("left,right\ncell1,cell2\n")
    (elsewhere / "cells.csv").write_text("left,right\ncell8,cell9\n")

    def knocked_out(*flags: object) -> list[int]:
        code, lines = run(capsys, "--run-toml", copy, "--gene", gene, "--out", "ko.feather", *flags)
        assert code == 0, lines
        return np.flatnonzero(feather.read_table("ko.feather")[gene].to_numpy() == 0).tolist()

    assert knocked_out() == [1]
    assert knocked_out("--cells-csv-column", "right") == [2]
    assert knocked_out("--cells-csv", "cells.csv") == [8]
    assert knocked_out("--cells-csv", "cells.csv", "--cells-csv-column", "right") == [9]


def test_a_table_of_the_run_without_a_column_means_all_cells(capsys, copy: Path, gene: str, tmp_path: Path):
    set_keys(copy, 'cells_csv = "cells.csv"')
    code, lines = run(capsys, "--run-toml", copy, "--gene", gene, "--out", tmp_path / "ko.feather")
    assert code == 0
    assert "names a table of cells but no column: all cells are perturbed" in lines[0]


@pytest.mark.parametrize(
    ("flags", "words", "code"),
    [
        (["--gene", "Fox01"], "did you mean 'Foxo1'?", 1),
        (["--cells-csv", "missing.csv", "--cells-csv-column", "a"], "cannot read missing.csv", 1),
        (["--cells-csv", "cells.csv"], "--cells-csv needs --cells-csv-column NAME", 2),
        (["--cells-csv", "cells.csv", "--cells-csv-column", "lfet"], "no column 'lfet'; its header is: left", 1),
        (["--cells-csv", "bad.csv", "--cells-csv-column", "left"], "no cell is called 'cell999'", 1),
        (["--cells-csv-column", "left"], "give --cells-csv FILE too", 2),
        (["--n-propagation", "99"], "[perturbation].n_propagation = 99 must be a whole number 0 to 32", 1),
        (["--out", "missing.txt"], "must end in .feather or .h5ad", 2),
        (["--out", "directory.feather"], "is a directory", 2),
        (["--out", "cells.csv/ko.feather"], "cells.csv is a file, not a directory", 1),
        (["--h5ad", "missing.h5ad"], "no such file: missing.h5ad", 1),
    ],
)
def test_mistakes_are_found_before_the_models_are_loaded(
    capsys, trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: list[str], words: str, code: int
):
    def loaded(*_: object, **__: object) -> None:
        raise AssertionError("the models were loaded")

    monkeypatch.setattr(PropagationModel, "__init__", loaded)
    monkeypatch.setattr(Run, "betabase", property(loaded))
    monkeypatch.chdir(tmp_path)
    Path("cells.csv").write_text("left\ncell1\n")
    Path("bad.csv").write_text("left\ncell999\n")
    Path("directory.feather").mkdir()
    before = sorted(tmp_path.rglob("*"))
    given = {"--run-toml": str(trained.toml), "--gene": "Foxo1", "--out": "ko.feather"}
    given |= dict(zip(flags[::2], flags[1::2], strict=True))
    found, lines = run(capsys, *(word for pair in given.items() for word in pair))
    assert found == code
    assert len(lines) == 1
    assert lines[0].startswith("Error: ")
    assert words in lines[0]
    assert sorted(tmp_path.rglob("*")) == before


def test_a_run_without_models(capsys, copy: Path, tmp_path: Path):
    for path in copy.glob("*_betadata.feather"):
        path.unlink()
    code, lines = run(capsys, "--run-toml", copy, "--gene", "Foxo1", "--out", tmp_path / "ko.feather")
    assert code == 1
    assert lines == [f"Error: there are no models in {copy}: train first, for example with spacetravlr "
                     f"--join-output-dir {copy}"]  # fmt: skip


def test_a_sample_that_has_moved(capsys, copy: Path, gene: str, trained, tmp_path: Path):
    path = copy / "spacetravlr_run_repro.toml"
    path.write_text(path.read_text().replace(str(trained.sample), "/gone/small.h5ad"))
    arguments = ["--run-toml", copy, "--gene", gene, "--out", tmp_path / "ko.feather"]
    code, lines = run(capsys, *arguments)
    assert code == 1
    assert "/gone/small.h5ad" in lines[0]
    assert run(capsys, *arguments, "--h5ad", trained.sample)[0] == 0


def test_home_directories_are_understood(capsys, copy: Path, gene: str, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    code, lines = run(capsys, "--run-toml", "~/copy", "--gene", gene, "--out", "~/ko.feather")
    assert code == 0, lines
    assert (tmp_path / "ko.feather").exists()
