"""The manifest: round trip, foreign content, and its accounts."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetravlr.errors import InputError
from spacetravlr.run._accounts import begun, concluded
from spacetravlr.run._lockfile import LockInfo
from spacetravlr.run.manifest import InputData, Manifest, environment
from spacetravlr.run.paths import Scan

FULL = Manifest(
    run_id="sample",
    started="2024-05-01T10:00:00+00:00",
    training_mode="seed",
    epochs=10,
    n_parallel=2,
    betadata_count=3,
    status="partial",
    counts={"ok": 3, "orphan": 1},
    failures={"Pax5": "no rows"},
    targets=("Pax5", "Cd19"),
    clusters={"B cell": 120, "T": 3},
    ligand_radii={"Jag1": 50.0},
    network="starter",
    input=InputData(path="/data/a.h5ad", size=5, mtime=1.5, n_cells=10, n_genes=4, names_sha256="ab"),
    config={"lasso": {"select": "cv", "beta_cap": None}},
    versions={"python": "3.11"},
    device="cpu",
    hostname="host",
    pid=7,
    seed=42,
    wall_seconds=1.25,
    argv=("spacetravlr", "--plain"),
    notices=("kernel is gaussian",),
)


def test_round_trip() -> None:
    assert Manifest.from_json(FULL.to_json()) == FULL
    assert Manifest.from_json("{}") == Manifest()
    found = json.loads(FULL.to_json())
    assert {"run_id", "started", "finished", "training_mode", "epochs", "n_parallel", "betadata_count"} <= set(found)


junk = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(json.loads(FULL.to_json()))), junk))
def test_a_foreign_manifest_with_any_types_is_read_and_can_be_written(found: dict[str, object]) -> None:
    read = Manifest.from_json(json.dumps(found))
    assert Manifest.from_json(read.to_json()) == read


def test_wrong_types_are_ignored_one_by_one() -> None:
    read = Manifest.from_json(
        json.dumps(
            {
                "run_id": 3,
                "epochs": -1,
                "n_parallel": True,
                "betadata_count": 12,
                "training_mode": ["full"],
                "targets": ["a", 1],
                "counts": {"ok": 2, "failed": "x"},
                "ligand_radii": {"A": 50, "B": "far", "C": -1},
                "status": "excellent",
                "input": {"n_cells": "many", "n_genes": 4},
                "seed": 1.5,
                "whatever": {},
            }
        )
    )
    assert read == Manifest(
        betadata_count=12,
        training_mode='["full"]',
        counts={"ok": 2},
        ligand_radii={"A": 50.0},
        input=InputData(n_genes=4),
    )
    for text in ("[1]", "{", ""):
        with pytest.raises(InputError, match="manifest"):
            Manifest.from_json(text)


def test_values_that_json_cannot_hold() -> None:
    text = replace(FULL, wall_seconds=math.nan, config={"a": {"path": Path("/x"), "l": (1, math.inf)}}).to_json()
    found = json.loads(text)
    assert found["wall_seconds"] is None
    assert found["config"] == {"a": {"path": "/x", "l": [1, None]}}


def test_input_description(tmp_path: Path) -> None:
    path = tmp_path / "a.h5ad"
    path.write_bytes(b"content")
    one = InputData.describe(path, cells=["c1", "c2"], genes=["g"], with_sha256=True)
    assert (one.path, one.size, one.n_cells, one.n_genes) == (str(path), 7, 2, 1)
    assert one.sha256 == sha256(b"content").hexdigest()
    # the border between cells and genes counts
    other = InputData.describe(None, cells=["c1"], genes=["c2", "g"])
    assert other.names_sha256 != one.names_sha256
    assert (other.path, other.size, other.sha256) == ("", None, None)
    with pytest.raises(InputError, match="cannot read"):
        InputData.describe(tmp_path / "b", cells=[], genes=[])


def test_environment_names_this_process() -> None:
    facts = Manifest(**environment())
    assert facts.versions["python"].startswith("3.")
    assert "numpy" in facts.versions
    assert facts.pid
    assert Manifest.from_json(facts.to_json()) == facts


def scan_of(done: str = "", orphan: str = "", locked: str = "") -> Scan:
    return Scan(frozenset(done), frozenset(orphan), frozenset(locked))


def test_a_second_run_keeps_identity_targets_and_failures_of_the_first() -> None:
    first = Manifest(run_id="one", started="then", targets=("a", "b", "z"), failures={"a": "x", "z": "y"})
    second = begun(Manifest(run_id="two", targets=("a", "c")), first, scan_of(done="b"))
    assert (second.run_id, second.started, second.status) == ("one", "then", "running")
    assert second.targets == ("a", "c", "b", "z")
    assert second.failures == {"z": "y"}
    assert second.counts == {"ok": 1, "orphan": 0, "failed": 1, "skipped": 2}
    assert second.betadata_count == 1
    fresh = begun(Manifest(run_id="two", targets=("a",)), None, scan_of())
    assert fresh.run_id == "two"
    assert fresh.started.endswith("+00:00")


@pytest.mark.parametrize(
    ("done", "orphan", "failures", "claims", "stopped", "status"),
    [
        ("ab", "c", {}, [], False, "complete"),
        ("ab", "c", {}, [], True, "complete"),
        ("a", "c", {"b": "singular"}, [], False, "partial"),
        ("a", "", {}, [], True, "stopped"),
        ("a", "", {}, [LockInfo("b")], True, "running"),
        ("a", "", {"c": "x"}, [LockInfo("b", gone=True)], False, "partial"),
        ("a", "c", {"b": "x"}, [LockInfo("b")], False, "partial"),
        ("", "abc", {}, [], False, "failed"),
        ("", "", {"a": "x", "b": "x", "c": "x"}, [], False, "failed"),
    ],
)
def test_status_at_the_end(
    done: str, orphan: str, failures: dict[str, str], claims: list[LockInfo], stopped: bool, status: str
) -> None:
    start = begun(Manifest(targets=("a", "b", "c")), None, scan_of())
    end = concluded(start, start, scan_of(done, orphan), failures=failures, claims=claims, stopped=stopped)
    assert end.status == status
    assert sum(end.counts.values()) == 3
    assert end.failures == failures
    assert end.finished


def test_failures_of_other_processes_are_kept_until_their_gene_is_done() -> None:
    start = begun(Manifest(targets=("a", "b", "c")), None, scan_of())
    meanwhile = replace(start, failures={"a": "theirs", "b": "solved"}, targets=("a", "b", "c", "d"))
    end = concluded(start, meanwhile, scan_of(done="b"), failures={"c": "ours"}, claims=[], stopped=False)
    assert end.failures == {"a": "theirs", "c": "ours"}
    assert end.targets == ("a", "b", "c", "d")
    assert end.counts == {"ok": 1, "orphan": 0, "failed": 2, "skipped": 1}
