"""File names of a run directory, and the scan of one."""

from __future__ import annotations

from pathlib import Path

import pytest

from spacetravlr.errors import RunDirectoryError
from spacetravlr.run.paths import RunPaths, condition_directories, default_output_dir, scan


def test_file_names_are_the_public_ones(tmp_path: Path) -> None:
    files = RunPaths(tmp_path)
    names = [files.betadata("Pax5"), files.orphan("Pax5"), files.lock("Pax5"), files.log("Pax5"), files.run_log]
    names += [files.toml, files.manifest]
    assert [str(path.relative_to(tmp_path)) for path in names] == [
        "Pax5_betadata.feather",
        "Pax5.orphan",
        "Pax5.lock",
        "log/Pax5.log",
        "log/run.log",
        "spacetravlr_run_repro.toml",
        "run_manifest.json",
    ]


@pytest.mark.parametrize("gene", ["A/B", "..", "a%2Fb", "x.lock", "HLA-A", "Gm_123_betadata", "a\\b", "IL2 RA"])
def test_any_symbol_has_its_own_files_inside_the_directory(tmp_path: Path, gene: str) -> None:
    files = RunPaths(tmp_path)
    for path in (files.betadata(gene), files.orphan(gene), files.lock(gene)):
        assert path.parent == tmp_path
        path.touch()
    found = scan(tmp_path)
    assert (found.done, found.orphan, found.locked) == (frozenset({gene}), frozenset(), frozenset({gene}))
    assert files.log(gene).parent == files.log_directory


@pytest.mark.parametrize("gene", ["run", "RUN"])
def test_a_gene_called_run_does_not_share_the_log_of_the_run(tmp_path: Path, gene: str) -> None:
    assert RunPaths(tmp_path).log(gene).name.casefold() != "run.log"


def test_scan_counts_each_kind_and_nothing_hidden(tmp_path: Path) -> None:
    for name in (
        "Pax5_betadata.feather",
        "Cd19_betadata.csv",
        "Pax5.orphan",
        "Ebf1.orphan",
        "Cd19.lock",
        ".Bcl6_betadata.feather",
        ".hidden.lock",
        "Myc_betadata_scaled.feather",
        "notes.txt",
        "spacetravlr_run_repro.toml",
    ):
        (tmp_path / name).touch()
    found = scan(tmp_path)
    assert found.done == {"Pax5", "Cd19"}
    assert found.orphan == {"Ebf1"}
    assert found.locked == {"Cd19"}
    assert found.finished == {"Pax5", "Cd19", "Ebf1"}


def test_scan_of_what_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunDirectoryError, match="no such run directory"):
        scan(tmp_path / "missing")
    with pytest.raises(RunDirectoryError, match="is a file"):
        scan(tmp_path / "file")


def test_default_directory_has_no_date_and_stays_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert default_output_dir("/data/sample 1.h5ad") == tmp_path.resolve() / "sample 1_spacetravlr"
    assert default_output_dir("x.h5ad", parent=tmp_path / "out").parent.name == "out"


def test_condition_directories(tmp_path: Path) -> None:
    assert condition_directories(tmp_path) == {}
    for name in ("WT", "KO"):
        (tmp_path / "conditions" / name).mkdir(parents=True)
    (tmp_path / "conditions" / "readme.txt").touch()
    assert list(condition_directories(tmp_path)) == ["KO", "WT"]
    (tmp_path / "conditions" / "KO" / "condition_label.txt").write_text('"knock out"\n')
    (tmp_path / "conditions" / "WT" / "condition_label.txt").write_text("wild type\n")
    assert condition_directories(tmp_path) == {
        "knock out": tmp_path / "conditions" / "KO",
        "wild type": tmp_path / "conditions" / "WT",
    }
