"""Names, labels and the list of groups of a condition split, and its runs as a mapping."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetravlr.config import RunConfig
from spacetravlr.errors import InputError, RunDirectoryError, SettingsChangedError
from spacetravlr.run import ConditionRuns, Manifest, RunDirectory, condition_directories, condition_label
from spacetravlr.run.split import (
    Group,
    anybody_splitting,
    directory_name,
    directory_names,
    read_index,
    splitting,
    write_index,
    write_label,
)


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("a/b  c", "a_b_c"),
        ("", "group"),
        ("   ", "group"),
        ("..x..", "x"),
        ("_na", "na"),
        ("WT", "WT"),
        ("KO (day 3)", "KO_day_3"),
        ("0.5", "0.5"),
        ("-1", "-1"),
        ("a__b", "a_b"),
        ("naïve", "na_ve"),
        ("细胞", "group"),
        ("..", "group"),
        ('"A"', "A"),
        ("x" * 80, "x" * 64),
        ("x" * 63 + "/y", "x" * 63),
    ],
)
def test_names_of_directories(label: str, name: str) -> None:
    assert directory_name(label) == name


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(max_size=70), unique=True, min_size=1, max_size=8))
def test_every_label_gets_a_directory_of_its_own(labels: list[str]) -> None:
    names = directory_names(labels)
    assert list(names) == labels
    assert len({name.casefold() for name in names.values()}) == len(labels)
    for label, name in names.items():
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,68}", name)
        assert name not in {".", ".."}
        assert name == directory_name(label) or re.fullmatch(re.escape(directory_name(label)) + r"_\d+", name)
        assert not name.startswith(".")
        assert not name.endswith(".")


def test_a_second_label_of_the_same_name_gets_a_number() -> None:
    assert directory_names(["a b", "a!b", "a_b"]) == {"a b": "a_b", "a!b": "a_b_2", "a_b": "a_b_3"}
    assert directory_names(["WT", "wt"]) == {"WT": "WT", "wt": "wt_2"}
    assert directory_names(["a b", "a!b"], {"a!b": "a_b"}) == {"a b": "a_b_2", "a!b": "a_b"}


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=20).map(lambda text: " ".join(text.split())))
def test_a_label_is_read_as_it_was_written(label: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "conditions" / "x"
        write_label(place, label)
        assert condition_label(place) == label
        assert condition_directories(Path(folder)) == {label: place}
        before = (place / "condition_label.txt").read_bytes()
        write_label(place, label)
        assert (place / "condition_label.txt").read_bytes() == before


def test_a_plain_label_is_in_the_file_without_quotes(tmp_path: Path) -> None:
    write_label(tmp_path, "wild type")
    assert (tmp_path / "condition_label.txt").read_text() == "wild type\n"


GROUPS = (
    Group(label="KO", directory="KO", n_cells=40),
    Group(label="_na", directory="na", n_cells=3, skipped="too few cells"),
)


def test_the_list_of_groups(tmp_path: Path) -> None:
    assert read_index(tmp_path) is None
    write_index(tmp_path, "genotype", GROUPS)
    assert read_index(tmp_path) == ("genotype", GROUPS)
    write_index(tmp_path, "genotype", GROUPS)
    other = (Group(label="KO", directory="KO", n_cells=41),)
    with pytest.raises(SettingsChangedError, match=r"other groups \('KO': 40 -> 41 cells, '_na': 3 -> 0 cells\)"):
        write_index(tmp_path, "genotype", other)
    assert read_index(tmp_path) == ("genotype", GROUPS)


@pytest.mark.parametrize("text", ["", "[]", '{"column": "x"}', '{"column": "x", "groups": [{"label": "a"}]}'])
def test_a_list_that_cannot_be_used_counts_as_missing(tmp_path: Path, text: str) -> None:
    (tmp_path / "run_conditions.json").write_text(text)
    assert read_index(tmp_path) is None


def test_a_list_cannot_name_a_directory_elsewhere(tmp_path: Path) -> None:
    write_index(tmp_path, "genotype", GROUPS)
    path = tmp_path / "run_conditions.json"
    path.write_text(path.read_text().replace('"directory": "KO"', '"directory": "../../KO"'))
    assert read_index(tmp_path) is None


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    """Two runs of a split, one of which has not begun."""
    config = RunConfig(data={"condition": "genotype"}).resolved()
    for label, name in (("KO 1", "KO_1"), ("WT", "WT")):
        write_label(tmp_path / "conditions" / name, label)
    with RunDirectory.create(tmp_path / "conditions" / "KO_1", config) as directory:
        manifest = directory.begin(Manifest(targets=("A", "B")))
        for gene in "AB":
            directory.write_orphan(gene, "no modulators")
        directory.conclude(manifest, failures={})
    RunDirectory.create(tmp_path, config)
    write_index(tmp_path, "genotype", (*GROUPS[1:], Group(label="KO 1", directory="KO_1", n_cells=5)))
    return tmp_path


def test_runs_by_condition(parent: Path) -> None:
    for where in (parent, parent / "spacetravlr_run_repro.toml", str(parent)):
        runs = ConditionRuns.open(where)
        assert list(runs) == ["KO 1"]
        assert (runs.column, runs.skipped, runs.waiting) == ("genotype", {"_na": "too few cells"}, ("WT",))
    assert runs["KO 1"].orphans == {"A": "no modulators", "B": "no modulators"}
    assert runs.status()["KO 1"].state == "failed"
    assert "by 'genotype': 'KO 1': 0 genes, '_na': skipped" in repr(runs)
    assert "KO" not in runs
    assert runs.get("KO") is None


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("KO 2", r"no run of the condition 'KO 2'; did you mean 'KO 1'\?"),
        ("_na", "'_na' is not trained: too few cells"),
        ("WT", "'WT' has not begun: continue"),
        ("zzz", "Conditions: KO 1"),
    ],
)
def test_a_condition_without_a_run(parent: Path, label: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        _ = ConditionRuns.open(parent)[label]


def test_what_is_no_split(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="no such run directory: .*nowhere"):
        ConditionRuns.open(tmp_path / "nowhere")
    with pytest.raises(RunDirectoryError, match="holds no condition split"):
        ConditionRuns.open(tmp_path)
    write_label(tmp_path / "conditions" / "a", "a")
    with pytest.raises(RunDirectoryError, match="none of the runs in .* has begun"):
        ConditionRuns.open(tmp_path)


def test_a_split_of_the_compiled_edition_has_quotes_and_no_list(parent: Path) -> None:
    (parent / "run_conditions.json").unlink()
    (parent / "conditions" / "KO_1" / "condition_label.txt").write_text('"KO 1"\n')
    runs = ConditionRuns.open(parent)
    assert list(runs) == ["KO 1"]
    assert runs.column == "genotype"
    assert runs.skipped == {}


def test_between_two_conditions_a_split_is_seen_at_work(parent: Path) -> None:
    assert not anybody_splitting(parent)
    with splitting(RunDirectory(parent)):
        assert anybody_splitting(parent)
    assert not anybody_splitting(parent)
    assert not [path for path in parent.iterdir() if path.name.startswith(".")]
    assert json.loads((parent / "run_conditions.json").read_text())["schema"] == 1


def test_a_split_that_cannot_be_listed(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.iterdir

    def refuse(path: Path) -> Iterator[Path]:
        if path.name == "conditions":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(RunDirectoryError, match="cannot read .*/conditions: Permission denied"):
        condition_directories(parent)
