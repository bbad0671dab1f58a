"""Files that a power failure or an interrupted copy has left empty, cut off or full of zeros."""

from __future__ import annotations

import errno
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spacetravlr.betas import Betas
from spacetravlr.errors import InputError, RunDirectoryError
from spacetravlr.events import GeneOrphan, GeneWritten, Notice
from spacetravlr.run import Run, RunDirectory, RunPaths, Scan, condition_label
from spacetravlr.run.damage import damage_of, damaged_targets
from spacetravlr.run.mending import damage_in, damage_line

Steady = Any
"""What the fixture `steady` gives."""

DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda whole: b"",
    "cut": lambda whole: whole[: len(whole) // 2],
    "cut at the end": lambda whole: whole[:-1],
    "zeros": lambda whole: bytes(len(whole)),
    "zeros at the end": lambda whole: whole[: len(whole) // 2] + bytes(len(whole) - len(whole) // 2),
}
KINDS = {
    "{}_betadata.feather": "T1",
    "scores/{}.json": "T2",
    "log/{}.log": "T3",
    "stability/{}.feather": "T4",
    "{}.orphan": "T0",
}
"""Files of a target, and the target whose file is damaged."""


@pytest.fixture
def copied(steady: Steady, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The finished run, to be damaged."""
    steady.in_blocks(monkeypatch)
    shutil.copytree(steady.path, tmp_path / "run")
    return tmp_path / "run"


def spoil(path: Path, damage: str) -> None:
    path.write_bytes(DAMAGES[damage](path.read_bytes()))


def dates(directory: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in directory.iterdir() if "beta" in path.name}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_trained_again_and_nothing_else(damage: str, steady: Steady, copied: Path) -> None:
    broken = {kind.format(gene): gene for kind, gene in KINDS.items()}
    for name in broken:
        spoil(copied / name, damage)
    before, told = dates(copied), steady.Told()
    run = steady.train(copied, listener=told)
    assert steady.results(copied) == steady.undisturbed
    lines = [event.message for event in told if isinstance(event, Notice) and "damaged" in event.message]
    assert len(lines) == 1
    assert lines[0].startswith("5 files are damaged, as after a power failure")
    assert lines[0].endswith("their genes are trained again")
    made = {event.gene for event in told if isinstance(event, GeneWritten | GeneOrphan)}
    assert made == set(broken.values())
    after = dates(copied)
    assert {name for name in after if after[name] != before[name]} == {f"T{n}_betadata.feather" for n in (1, 2, 3, 4)}
    assert run.directory.manifest is not None
    assert run.directory.manifest.status == "complete"
    assert not [path for path in copied.rglob("*") if path.suffix == ".lock" or path.name.startswith(".")]


def test_damage_of_every_kind_is_found_and_named(steady: Steady, copied: Path) -> None:
    words = {"empty": "empty", "zeros": "full of zeros"}
    for kind, gene in KINDS.items():
        name = kind.format(gene)
        for damage in DAMAGES:
            assert damage_line(RunDirectory(copied)) is None
            spoil(copied / name, damage)
            found = damage_in(RunDirectory(copied))
            assert [(one.gene, one.shown) for one in found] == [(gene, name)]
            assert found[0].why == words.get(damage, "incomplete")
            # the ends are enough to see these
            assert damaged_targets(RunPaths(copied), Scan(frozenset({gene})), own=True) == list(found)
            line = damage_line(RunDirectory(copied))
            assert f"({name} is {found[0].why}): spacetravlr --join-output-dir {copied} makes it again" in str(line)
            (copied / name).write_bytes(steady.undisturbed[name])


def test_zeros_in_the_middle_are_found_when_a_run_is_continued(steady: Steady, copied: Path) -> None:
    name = "T1_betadata.feather"
    whole = steady.undisturbed[name]
    # what is described, but not the description nor the ends
    start = whole.index(b"\x04\x22\x4d\x18")
    (copied / name).write_bytes(whole[:start] + bytes(64) + whole[start + 64 :])
    assert damage_in(RunDirectory(copied)) == ()
    told = steady.Told()
    steady.train(copied, listener=told)
    assert any(isinstance(event, Notice) and f"({name} is incomplete)" in event.message for event in told)
    assert steady.results(copied) == steady.undisturbed


@pytest.mark.parametrize("damage", ["empty", "zeros", "zeros at the end"])
@pytest.mark.parametrize("name", ["scores.feather", "path.feather", "run_manifest.json", "spacetravlr_run_repro.toml"])
def test_damaged_files_of_the_run_are_written_again(name: str, damage: str, steady: Steady, copied: Path) -> None:
    toml = (copied / "spacetravlr_run_repro.toml").read_bytes()
    spoil(copied / name, damage)
    told = steady.Told()
    run = steady.train(copied, listener=told)
    assert steady.results(copied) == steady.undisturbed
    assert run.directory.manifest is not None
    assert run.directory.manifest.status == "complete"
    assert not any(isinstance(event, GeneWritten | GeneOrphan) for event in told)
    if name.endswith(".toml"):
        assert (copied / name).read_bytes() == toml
        lines = [event.message for event in told if isinstance(event, Notice) and "written again" in event.message]
        words = {"empty": "empty", "zeros": "full of zeros"}
        assert lines == [
            f"{name} was {words.get(damage, 'incomplete')}, as after a power failure: it is written again from run_manifest.json"
        ]


def test_settings_are_read_from_the_manifest_where_their_record_is_damaged(
    steady: Steady, copied: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = Run.open(copied).config
    spoil(copied / "spacetravlr_run_repro.toml", "zeros")
    caplog.clear()
    assert Run.open(copied).config == config
    assert len(caplog.records) == 1
    assert "full of zeros: settings are read from run_manifest.json" in caplog.text
    spoil(copied / "run_manifest.json", "empty")
    with pytest.raises(RunDirectoryError, match=r"is full of zeros, and no run_manifest\.json tells the settings"):
        Run.open(copied)
    with pytest.raises(RunDirectoryError, match="put a copy of it there"):
        steady.train(copied)


def test_a_record_that_is_damaged_before_the_first_result_is_written_anew(steady: Steady, tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / "spacetravlr_run_repro.toml").touch()
    run = steady.train(out, genes=["T1"])
    assert run.genes == ("T1",)
    assert Run.open(out).config == run.config


@pytest.mark.parametrize("damage", ["empty", "zeros", "cut"])
def test_damaged_claims_and_heartbeats_hold_nobody_up_for_ever(
    damage: str, begun: Path, steady: Steady, tmp_path: Path
) -> None:
    fields = "host elsewhere\npid 17\nmachine other/1\nheartbeat .heartbeat-elsewhere-17\n"
    for name in ("T27.lock", "T28.lock", ".heartbeat-elsewhere-17"):
        (begun / name).write_text(f"spacetravlr_gene 1\n{fields}")
        spoil(begun / name, damage)
    steady.train(begun, stale_lock_secs=1)
    assert steady.results(begun) == steady.undisturbed
    assert not list(begun.glob("*.lock"))


def test_whoever_opens_a_damaged_run_is_told_in_a_line(copied: Path, caplog: pytest.LogCaptureFixture) -> None:
    Run.open(copied)
    assert not caplog.records
    spoil(copied / "T1_betadata.feather", "zeros")
    spoil(copied / "scores" / "T2.json", "cut")
    run = Run.open(copied)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "2 files are damaged" in caplog.text
    assert f"spacetravlr --join-output-dir {copied} makes them again" in caplog.text
    Run.open(copied)
    assert len(caplog.records) == 1
    with pytest.raises(InputError, match=r"T1_betadata\.feather: damaged or incomplete .* train the gene again"):
        run.betas("T1")
    with pytest.raises(InputError, match=r"T1_betadata\.feather: damaged or incomplete"):
        run.perturb({"Tf0": 0.0})
    with pytest.raises(InputError, match=r"T1_betadata\.feather: damaged or incomplete"):
        run.edges()
    caplog.clear()
    # what the text log tells of it is there all the same
    assert "T2" in set(run.scores()["gene"])
    assert "T2.json" in caplog.text
    assert "continue the training, which makes it again" in caplog.text


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_stability_is_told_and_its_edges_are_there(
    damage: str, copied: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = Run.open(copied)
    spoil(copied / "stability" / "T4.feather", damage)
    edges = run.edges("T4")
    assert len(edges)
    assert edges["stability"].isna().all()
    assert "T4.feather: damaged or incomplete" in caplog.text


@pytest.mark.parametrize("damage", ["empty", "cut", "zeros"])
def test_no_signal_is_computed_without_the_radii_of_a_damaged_manifest(damage: str, copied: Path) -> None:
    spoil(copied / "run_manifest.json", damage)
    with pytest.raises(InputError, match="holds the radii of contact-dependent ligands: spacetravlr --join-output-dir"):
        Run.open(copied).perturb({"Tf0": 0.0})


def test_coefficients_by_cell_are_judged_by_their_end(tmp_path: Path) -> None:
    rng, names = np.random.default_rng(0), tuple(f"Tf{k}" for k in range(40))
    cells = tuple(f"c{k}" for k in range(20_000))
    values = rng.normal(size=(len(cells), len(names))).astype(np.float32)
    path = tmp_path / "A_betadata.feather"
    Betas("A", "cell", cells, np.zeros(len(cells)), names, values).write(path)
    assert path.stat().st_size > 1 << 20
    assert damage_of(path) is None
    for damage, word in (("cut", "incomplete"), ("zeros at the end", "incomplete"), ("zeros", "full of zeros")):
        whole = path.read_bytes()
        spoil(path, damage)
        assert damage_of(path) == word
        path.write_bytes(whole)


def test_what_the_system_refuses_to_read_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa

    from spacetravlr.run import damage

    path = tmp_path / "A_betadata.feather"
    Betas("A", "cluster", ("0",), np.zeros(1), ("Tf0",), np.ones((1, 1))).write(path)
    monkeypatch.setattr(damage, "_READ_WHOLE", 0)
    assert damage_of(path) is None

    def refuse(name: str) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(pa, "memory_map", refuse)
    assert damage_of(path) is None


def test_of_another_edition_coefficients_alone_are_looked_at(copied: Path) -> None:
    run = RunDirectory(copied)
    for name in ("T1_betadata.feather", "T0.orphan", "scores/T2.json", "log/T3.log"):
        spoil(copied / name, "empty")
    found = damaged_targets(run.files, run.scan(), own=False)
    assert [one.shown for one in found] == ["T1_betadata.feather"]


def test_markers_that_another_edition_made_are_empty(copied: Path) -> None:
    (copied / "T1_betadata.feather").unlink()
    (copied / "scores" / "T1.json").unlink()
    (copied / "T1.orphan").touch()
    assert damage_in(RunDirectory(copied)) == ()


@pytest.mark.parametrize(
    ("ending", "whole"), [(".parquet", b"PAR1" + bytes(20) + b"PAR1"), (".csv", b"Cluster,beta_A\n0,1")]
)
def test_other_tables_are_judged_too(ending: str, whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"A_betadata{ending}"
    path.write_bytes(whole)
    assert damage_of(path) is None
    path.write_bytes(bytes(len(whole)))
    assert damage_of(path) == "full of zeros"
    path.write_bytes(whole[: len(whole) // 2] + bytes(9))
    assert damage_of(path) == "incomplete"


def test_what_another_process_has_just_made_is_never_taken_away(
    steady: Steady, copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spacetravlr.run import mending

    name = "T1_betadata.feather"
    spoil(copied / name, "empty")
    directory = RunDirectory(copied)
    found = damaged_targets

    def made_meanwhile(*arguments: Any, **keywords: Any) -> Any:
        first = found(*arguments, **keywords)
        (copied / name).write_bytes(steady.undisturbed[name])
        return first

    monkeypatch.setattr(mending, "damaged_targets", made_meanwhile)
    with directory:
        assert mending.free_damaged(directory, ["T1"]) is None
    assert (copied / name).read_bytes() == steady.undisturbed[name]
    spoil(copied / name, "empty")
    monkeypatch.undo()
    with RunDirectory(copied) as other, directory:
        # somebody else is at it
        other.claims.claim(["T1"], even_done=True)
        assert mending.free_damaged(directory, ["T1"]) is None
        assert (copied / name).exists()
    assert mending.free_damaged(directory, ["T2"]) is None
    directory.close()


def test_the_label_of_a_condition(tmp_path: Path) -> None:
    for content in (b"", bytes(4), b"\xff\xfe"):
        (tmp_path / "condition_label.txt").write_bytes(content)
        assert condition_label(tmp_path) is None
