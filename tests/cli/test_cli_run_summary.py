"""`run-summary` with the README's flags, and the page that every training leaves."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from spacetravlr.cli.main import run as main

PAGE = "spacetravlr_run_summary.html"


@pytest.fixture
def moved(trained, tmp_path: Path) -> Path:
    """A copy of a finished run without its page."""
    place = Path(shutil.copytree(trained.directory, tmp_path / "moved"))
    (place / PAGE).unlink()
    return place


def content(directory: Path) -> dict[Path, bytes]:
    return {path.relative_to(directory): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_a_training_leaves_a_page_with_the_origin_of_its_settings(trained):
    page = trained.directory / PAGE
    # the last line stays the one that tells what to do next
    *_, results, following = trained.ended.out.splitlines()
    assert results.startswith(f"results in {trained.directory} ")
    assert page.name in results
    assert following.startswith("next: ")
    html = page.read_text()
    assert 'class="badge good">Complete<' in html
    assert re.search(r"<code>max_ligands</code></th><td>30</td><td class=\"origin from-cli\">command line<", html)
    assert re.search(r"<code>radius</code></th><td>200.0</td><td class=\"origin from-default\">default<", html)


def test_the_flags_of_the_readme(trained, moved, tmp_path, capsys):
    toml = tmp_path / "spaceship_config.toml"
    toml.write_text('[spatial]\nradius = 99.0\n[execution]\noutput_dir = "elsewhere"\n')
    before = content(moved)
    assert main(["run-summary", "--h5ad", str(trained.sample), "--output-dir", str(moved), "-c", str(toml)]) == 0
    told = capsys.readouterr()
    assert told.out == f"{moved / PAGE}\n"
    after = content(moved)
    # the record of the run, which other editions write over here, is as it was, and so is everything else
    assert after.keys() - before.keys() == {Path(PAGE)}
    assert all(after[name] == text for name, text in before.items())
    assert "[spatial].radius: 200.0 here, 99.0 there" in after[Path(PAGE)].decode()


def test_paths_come_from_the_configuration(trained, moved, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["run-summary"]) == 2
    assert "no run is named" in capsys.readouterr().err
    (tmp_path / "spaceship_config.toml").write_text(
        f'[data]\nadata_path = "{trained.sample}"\n[execution]\noutput_dir = "moved"\n'
    )
    assert main(["run-summary"]) == 0
    assert capsys.readouterr().out == f"{moved / PAGE}\n"
    # a run that is named is not compared with whatever lies in the current directory
    (tmp_path / "spaceship_config.toml").write_text("[spatial]\nradius = 99.0\n")
    assert main(["run-summary", str(moved / "spacetravlr_run_repro.toml")]) == 0
    assert "99.0 there" not in (moved / PAGE).read_text()


def test_what_is_given_is_told(moved, tmp_path, capsys):
    manifest = tmp_path / "theirs.json"
    manifest.write_text(json.dumps({"run_id": "theirs", "training_mode": "full", "epochs": 5, "finished": "noon"}))
    flags = ["--manifest", manifest, "--run-id", "mine", "--layer", "some layer", "--cluster-key", "cell_type"]
    assert main(["run-summary", str(moved), *map(str, flags), "--betadata-pattern", "B*_betadata.feather"]) == 0
    capsys.readouterr()
    html = (moved / PAGE).read_text()
    assert "<h1>mine</h1>" in html
    for name, value in {"training mode": "full", "epochs": "5", "finished": "noon", "layer": "some layer"}.items():
        assert re.search(rf"{name}</th><td>{value}<", html), name
    count = len(list(moved.glob("B*_betadata.feather")))
    assert re.search(rf"files of coefficients</th><td>{count}<", html)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere"], 1, "no such run directory"),
        (["."], 1, "holds no run"),
        (["a", "--output-dir", "b"], 2, "two run directories are named"),
        (["{run}", "--h5ad", "no.h5ad"], 1, "--h5ad: there is no file"),
        (["{run}", "--manifest", "no.json"], 1, "--manifest: there is no file"),
        (["{run}", "-c", "no.toml"], 1, "no.toml"),
    ],
)
def test_slips_are_one_line(moved, tmp_path, capsys, monkeypatch, arguments, code, message):
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    assert main(["run-summary", *(one.format(run=moved) for one in arguments)]) == code
    told = capsys.readouterr()
    assert message in told.err
    assert told.err.count("\n") == 1
    assert told.out == ""


def test_a_page_that_cannot_be_written_costs_nothing(trained, tmp_path, capsys):
    place = Path(shutil.copytree(trained.directory, tmp_path / "run"))
    (place / PAGE).unlink()
    (place / PAGE).mkdir()
    assert main(["--join-output-dir", str(place), "--plain"]) == 0
    told = capsys.readouterr()
    assert "note: the run summary was not written" in told.err
    assert "nothing left to do" in told.out
