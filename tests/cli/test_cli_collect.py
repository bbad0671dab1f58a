"""Tables of a run: its coefficients, and its cells by label."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from spacetravlr.betas.interactions import collect_interactions
from spacetravlr.cli import main, perturb
from spacetravlr.cli._collect import TRUST
from spacetravlr.perturbation import read_cells_csv
from spacetravlr.run import Run


def collect(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, list[str]]:
    code = main.run(["collect-interactions", *map(str, arguments)])
    out, err = capsys.readouterr()
    assert out == ""
    return code, err.splitlines()


def make_csv(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, list[str]]:
    code = perturb.run(["make-cells-csv", *map(str, arguments)])
    out, err = capsys.readouterr()
    assert out == ""
    return code, err.splitlines()


@pytest.fixture
def labelled(trained, tmp_path: Path) -> Path:
    """The sample with more labels: two states, one of them without a name in some cells, and numbers."""
    adata = anndata.read_h5ad(trained.sample)
    states = np.array(["late, or so", "early"] * 75, dtype=object)
    states[:3] = None
    adata.obs["state"] = states
    adata.obs["batch"] = np.repeat([10, 9, 1], 50)
    adata.obs["area"] = np.linspace(0.1, 3, 150)
    path = tmp_path / "labelled.h5ad"
    adata.write_h5ad(path)
    return path


def test_all_coefficients_in_one_table(cli, trained, tmp_path: Path):
    copy = shutil.copytree(trained.directory, tmp_path / "copy")
    done = cli("spacetravlr", "collect-interactions", "--run-toml", copy)
    assert (done.code, done.out) == (0, "")
    path = copy / "plucked_feathers.feather"
    table = pd.read_feather(path)
    opened = Run.open(trained.directory)
    expected = collect_interactions(opened.betabase, {"B cell": "B cell", "fibroblast": "fibroblast"})
    # through a file as well: from pandas 3 on, the names of categories have another type there
    expected.to_feather(tmp_path / "expected.feather")
    pd.testing.assert_frame_equal(table[list(expected.columns)], pd.read_feather(tmp_path / "expected.feather"))
    assert tuple(table.columns[len(expected.columns) :]) == TRUST
    n_targets = table["target_gene"].nunique()
    wrote, following = done.err.splitlines()
    assert wrote == f"Wrote {path} ({len(table)} rows: {n_targets} targets in 2 cell types)"
    assert following.startswith("next: spacetravlr-perturb --run-toml ")


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".feather"])
def test_formats_and_aggregates(capsys, trained, tmp_path: Path, suffix: str):
    out = tmp_path / "new" / f"table{suffix}"
    code, lines = collect(capsys, "--run-toml", trained.toml, "--aggregate", "max, negative", "--out", out)
    assert code == 0, lines
    read = {".csv": pd.read_csv, ".parquet": pd.read_parquet, ".feather": pd.read_feather}[suffix]
    table = read(out)
    assert list(table.columns) == [
        *("interaction", "target_gene", "interaction_type", "cell_type", "max", "negative"),
        *TRUST,
    ]
    betas = Run.open(trained.directory).betabase
    for row in table.itertuples():
        own = betas[row.target_gene]
        value = own.values[own.row_labels.index(row.cell_type), own.modulators.index(row.interaction)]
        assert row.max == pytest.approx(value)
        assert row.negative == pytest.approx(min(value, 0.0))


def test_another_column_of_cell_types(capsys, trained, labelled: Path, tmp_path: Path):
    out = tmp_path / "table.feather"
    code, lines = collect(
        capsys, "--run-toml", trained.toml, "--h5ad", labelled, "--annot", "batch", "--aggregate", "sum", "--out", out
    )  # fmt: skip
    assert code == 0, lines
    # 50 B cells are of batch 10 and 25 of batch 9; of fibroblasts 50 of batch 1 and 25 of batch 9
    assert set(pd.read_feather(out)["cell_type"]) == {"10", "1"}


def test_coefficients_by_cell(capsys, trained, labelled: Path, tmp_path: Path):
    copy = Path(shutil.copytree(trained.directory, tmp_path / "copy"))
    path = sorted(copy.glob("*_betadata.feather"))[0]
    table = pd.read_feather(path).drop(columns="Cluster")
    cells = [f"cell{number}" for number in range(150)]
    rows = table.loc[np.repeat([0, 1], 75)].reset_index(drop=True)
    rows.insert(0, "CellID", cells)
    rows.to_feather(path)
    out = tmp_path / "table.csv"
    code, lines = collect(
        capsys, "--run-toml", copy, "--h5ad", labelled, "--annot", "state", "--aggregate", "mean", "--out", out
    )  # fmt: skip
    assert code == 0, lines
    found = pd.read_csv(out)
    gene = path.name.removesuffix("_betadata.feather")
    own = found[found["target_gene"] == gene]
    assert set(own["cell_type"]) == {"early", "late, or so"}
    states = anndata.read_h5ad(labelled).obs["state"].to_numpy()
    for row in own.itertuples():
        values = rows[f"beta_{row.interaction}"].to_numpy()[states == row.cell_type]
        assert row.beta == pytest.approx(values.mean())


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["--run-toml", "nowhere"], 1, "no such run directory"),
        (["--aggregate", "median"], 2, "--aggregate: median is none of mean, min, max, sum, positive, negative"),
        (["--aggregate", "positiv"], 2, "did you mean 'positive'?"),
        (["--aggregate", ","], 2, "--aggregate: nothing is none of"),
        (["--annot", "cell_typ"], 1, "did you mean 'cell_type'?"),
        (["--out", "table.txt"], 2, "--out table.txt: the name must end in .feather, .csv, .parquet"),
        (["--out", "directory.csv"], 2, "is a directory"),
        (["--out", "file/table.csv"], 1, "is a file, not a directory"),
        (["--h5ad", "gone.h5ad"], 1, "no such file: gone.h5ad"),
        (["--cells", "3"], 2, "--cells"),
    ],
)
def test_mistakes_about_coefficients(
    capsys, trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: list[str], code: int, words: str
):
    monkeypatch.chdir(tmp_path)
    Path("directory.csv").mkdir()
    Path("file").write_text("")
    found, lines = collect(capsys, "--run-toml", trained.toml, *flags)
    assert (found, len(lines)) == (code, 1)
    assert words in lines[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["directory.csv", "file"]


def test_the_run_is_needed_and_so_are_models(capsys, trained, tmp_path: Path):
    assert collect(capsys)[0] == 2
    copy = Path(shutil.copytree(trained.directory, tmp_path / "copy"))
    for path in copy.glob("*_betadata.feather"):
        path.unlink()
    code, lines = collect(capsys, "--run-toml", copy)
    assert code == 1
    assert lines == [f"Error: there are no models in {copy}: train first, then collect"]


def test_a_table_of_cells_is_read_by_the_flag(cli, capsys, trained, tmp_path: Path):
    copy = Path(shutil.copytree(trained.directory, tmp_path / "copy"))
    done = cli("spacetravlr-perturb", "make-cells-csv", "--run-toml", copy)
    assert (done.code, done.out) == (0, "")
    path = copy / "cells.csv"
    wrote, following = done.err.splitlines()
    assert wrote == f"Wrote {path} (2 columns: B cell, fibroblast)"
    assert following.endswith(f" --cells-csv {path} --cells-csv-column 'B cell'")
    table = pd.read_csv(path, dtype=str)
    assert list(table.columns) == ["B cell", "fibroblast"]
    assert list(table["B cell"]) == sorted(f"cell{number}" for number in range(75))
    cells = Run.open(copy).tissue().cells
    assert read_cells_csv(path, "fibroblast", cells).tolist() == list(range(75, 150))
    gene = Run.open(copy).model().modulators[0]
    flags = ["--run-toml", copy, "--gene", gene, "--cells-csv", path, "--cells-csv-column", "B cell"]
    assert perturb.run([*map(str, flags), "--out", str(tmp_path / "ko.feather")]) == 0
    simulated = pd.read_feather(tmp_path / "ko.feather")[gene].to_numpy()
    assert np.flatnonzero(simulated == 0).tolist() == list(range(75))


def test_columns_of_other_labels(capsys, trained, labelled: Path, tmp_path: Path):
    out = tmp_path / "new" / "cells.csv"
    given = ["--run-toml", trained.toml, "--h5ad", labelled, "--out", out]
    code, lines = make_csv(capsys, *given, "--annot", "state")
    assert code == 0
    assert lines == [
        "note: 3 cells without a label in obs['state'] are in no column",
        f"Wrote {out} (2 columns: early, late, or so)",
        f"next: spacetravlr-perturb --run-toml {shlex.quote(str(trained.toml))} --cells-csv {out} "
        "--cells-csv-column early",
    ]
    cells = Run.open(trained.directory).tissue().cells
    assert read_cells_csv(out, "late, or so", cells).tolist() == list(range(4, 150, 2))
    assert read_cells_csv(out, "early", cells).tolist() == list(range(3, 150, 2))
    # numbers are sorted by value
    assert make_csv(capsys, *given, "--annot", "batch")[0] == 0
    assert out.read_text().splitlines()[0] == "1,9,10"
    code, lines = make_csv(capsys, *given, "--annot", "area")
    assert code == 1
    assert "numbers that are not whole" in lines[0]


def test_only_cells_that_are_loaded(capsys, trained, tmp_path: Path):
    copy = Path(shutil.copytree(trained.directory, tmp_path / "copy"))
    toml = copy / "spacetravlr_run_repro.toml"
    toml.write_text(toml.read_text().replace("[data]\n", '[data]\nperturb_obs_subset_file = "part.txt"\n'))
    (copy / "part.txt").write_text("cell9\ncell80\ncell10\n")
    assert make_csv(capsys, "--run-toml", copy)[0] == 0
    assert (copy / "cells.csv").read_text() == "B cell,fibroblast\ncell10,cell80\ncell9,\n"
