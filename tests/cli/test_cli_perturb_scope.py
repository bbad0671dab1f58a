"""In which cells: tables, cell types, queries and regions, alone and together."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.feather as feather
import pytest

from spacetravlr.cli import perturb
from spacetravlr.run import Run


@pytest.fixture
def knocked_out(capsys, trained, tmp_path: Path):
    """Tell in which cells a gene is 0 after a knock-out with some flags, and what was said."""
    gene = Run.open(trained.directory).model().modulators[0]

    def find(*flags: object, run: Path = trained.directory) -> tuple[list[int], list[str]]:
        out = tmp_path / "ko.feather"
        code = perturb.run(["--run-toml", str(run), "--gene", gene, "--out", str(out), *map(str, flags)])
        lines = capsys.readouterr().err.splitlines()
        assert code == 0, lines
        return np.flatnonzero(feather.read_table(out)[gene].to_numpy() == 0).tolist(), lines

    return find


@pytest.fixture
def square(tmp_path: Path) -> Path:
    path = tmp_path / "square.csv"
    path.write_text("x,y\n0,0\n400,0\n400,400\n0,400\n")
    return path


def inside(trained) -> np.ndarray:
    return np.flatnonzero((Run.open(trained.directory).tissue().xy <= 400).all(axis=1))


def test_cell_types(knocked_out):
    assert knocked_out("--cell-type", "B cell")[0] == list(range(75))
    assert knocked_out("--cell-type", "B cell, fibroblast")[0] == list(range(150))
    assert knocked_out("--cell-type", "B cell", "--cell-type", "fibroblast")[0] == list(range(150))


def test_a_query_of_obs(knocked_out):
    assert knocked_out("--where", "cell_type == 'fibroblast' and index != 'cell80'")[0] == [
        cell for cell in range(75, 150) if cell != 80
    ]


def test_regions(knocked_out, trained, square: Path, tmp_path: Path):
    expected = inside(trained).tolist()
    assert 0 < len(expected) < 150
    assert knocked_out("--region", square)[0] == expected
    corners = [[0, 0], [400, 0], [400, 400], [0, 400], [0, 0]]
    path = tmp_path / "square.geojson"
    path.write_text(json.dumps({"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [corners]}}))
    assert knocked_out("--region", path)[0] == expected


def test_all_of_several_flags_must_hold(knocked_out, trained, square: Path, tmp_path: Path):
    here = inside(trained).tolist()
    listed = sorted([*here[:2], *here[-2:], *np.setdiff1d(range(150), here)[:3].tolist()])
    (tmp_path / "cells.csv").write_text("\n".join(["some", *(f"cell{number}" for number in listed)]))
    flags = ["--cells-csv", tmp_path / "cells.csv", "--cells-csv-column", "some", "--region", square]
    assert here[1] < 75 <= here[-2]
    assert knocked_out(*flags)[0] == [*here[:2], *here[-2:]]
    assert knocked_out(*flags, "--cell-type", "B cell")[0] == here[:2]


def with_keys(trained, directory: Path, section: str, keys: str) -> Path:
    copy = Path(shutil.copytree(trained.directory, directory))
    path = copy / "spacetravlr_run_repro.toml"
    path.write_text(path.read_text().replace(f"[{section}]\n", f"[{section}]\n{keys}\n"))
    return copy


def test_flags_win_over_the_table_of_the_run(knocked_out, trained, tmp_path: Path):
    copy = with_keys(trained, tmp_path / "copy", "perturbation", 'cells_csv = "c.csv"\ncells_csv_column = "some"')
    (copy / "c.csv").write_text("some\ncell5\ncell100\n")
    assert knocked_out(run=copy)[0] == [5, 100]
    cells, lines = knocked_out("--cell-type", "B cell", run=copy)
    assert cells == list(range(75))
    assert "is not used: the flags say which cells" in lines[0]
    assert knocked_out("--cell-type", "B cell", "--cells-csv-column", "some", run=copy)[0] == [5]


def test_a_part_of_the_sample(knocked_out, trained, capsys, tmp_path: Path):
    copy = with_keys(trained, tmp_path / "copy", "data", 'perturb_obs_subset_file = "part.txt"')
    (copy / "part.txt").write_text("cell10\ncell90\ncell91\n")
    (tmp_path / "cells.csv").write_text("in,out\ncell90,cell5\n")
    # rows now count within the part
    assert knocked_out("--cell-type", "fibroblast", run=copy)[0] == [1, 2]
    flags = ["--cells-csv", tmp_path / "cells.csv", "--cells-csv-column"]
    assert knocked_out(*flags, "in", run=copy)[0] == [1]
    given = ["--run-toml", copy, "--gene", "Tcf3", "--out", tmp_path / "ko.feather", *flags, "out"]
    assert perturb.run(list(map(str, given))) == 1
    assert "no cell is called 'cell5'" in capsys.readouterr().err
