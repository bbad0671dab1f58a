"""Claims and heartbeats on file systems that refuse, forget or answer late."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from spacetravlr.errors import RunDirectoryError
from spacetravlr.run import _exclusive
from spacetravlr.run.claims import Claims

Aid = Any
"""What the fixture `aid` gives."""


def test_without_links_claims_are_made_by_exclusive_creation(
    aid: Aid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise PermissionError("Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    with Claims(tmp_path, is_done=aid.never) as mine, Claims(tmp_path, is_done=aid.never) as other:
        assert mine.claim(["A", "B"]) == ("A", "B")
        assert other.claim(["B", "C"]) == ("C",)
    assert aid.names(tmp_path) == set()


def test_a_link_whose_answer_was_lost_is_ours(aid: Aid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = Path.hardlink_to

    def repeated(self: Path, target: Path) -> None:
        link(self, target)
        raise FileExistsError("File exists")

    monkeypatch.setattr(Path, "hardlink_to", repeated)
    with Claims(tmp_path, is_done=aid.never) as mine:
        assert mine.claim(["A"]) == ("A",)
    assert aid.names(tmp_path) == set()


def test_a_claim_given_back_this_moment_is_taken(aid: Aid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    aid.foreign(tmp_path / "A.lock")

    def vanish(path: Path) -> None:
        path.unlink(missing_ok=True)

    monkeypatch.setattr(_exclusive, "read_lock", vanish)
    with Claims(tmp_path, is_done=aid.never) as mine:
        assert mine.claim(["A"]) == ("A",)
        monkeypatch.undo()


def test_a_claim_that_others_are_quicker_to_take(aid: Aid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    aid.foreign(tmp_path / "A.lock")
    # given back when looked at, and taken by somebody else before we could
    monkeypatch.setattr(_exclusive, "read_lock", lambda path: None)
    with Claims(tmp_path, is_done=aid.never) as mine:
        assert mine.claim(["A"]) == ()
        monkeypatch.undo()
    assert aid.names(tmp_path) == {"A.lock"}


def test_a_full_disk_stops_claims_with_an_error_but_not_the_heart(aid: Aid, small_disk: Path) -> None:
    with Claims(small_disk, is_done=aid.never, beat_seconds=0.02) as mine:
        assert mine.claim(["A"]) == ("A",)
        beat = next(small_disk.glob(".heartbeat-*"))
        with pytest.raises(OSError, match="No space left"):
            (small_disk / "filler").write_bytes(bytes(1 << 20))
        with pytest.raises(RunDirectoryError, match="no space left on the disk"):
            mine.claim(["B", "C"])
        assert mine.held == {"A"}
        assert {path.name for path in small_disk.glob("*.lock")} == {"A.lock"}
        before = beat.read_bytes()
        aid.wait_for(lambda: beat.read_bytes() != before)
    assert aid.names(small_disk) == {"filler"}


def test_a_directory_that_is_gone_gives_an_error_and_holds_nothing(aid: Aid, tmp_path: Path) -> None:
    mine = Claims(tmp_path / "gone", is_done=aid.never)
    with pytest.raises(RunDirectoryError, match="the directory does not exist"):
        mine.claim(["A"])
    mine.close()


def test_an_error_in_the_middle_gives_back_what_this_call_had_taken(aid: Aid, tmp_path: Path) -> None:
    def is_done(gene: str) -> bool:
        if gene == "C":
            raise OSError("network file system went away")
        return False

    with Claims(tmp_path, is_done=is_done) as mine:
        mine.claim(["Z"])
        with pytest.raises(OSError, match="went away"):
            mine.claim(["A", "B", "C"])
        assert mine.held == {"Z"}
        assert {name for name in aid.names(tmp_path) if name.endswith(".lock")} == {"Z.lock"}


def test_a_heartbeat_that_cannot_be_written_warns_once_and_recovers(
    aid: Aid, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Claims(tmp_path, is_done=aid.never, beat_seconds=0.02) as mine:
        mine.start()
        beat = next(tmp_path.iterdir())
        beat.unlink()
        beat.mkdir()
        aid.wait_for(lambda: "heartbeat" in caplog.text)
        time.sleep(0.1)
        assert len(caplog.records) == 1
        beat.rmdir()
        aid.wait_for(beat.is_file)


def test_one_heartbeat_for_all_claims_and_it_goes_on_when_its_file_is_removed(aid: Aid, tmp_path: Path) -> None:
    with Claims(tmp_path, is_done=aid.never, beat_seconds=0.02) as mine:
        mine.start()
        mine.claim([f"G{n}" for n in range(64)])
        beats = [path for path in tmp_path.iterdir() if path.name.startswith(".heartbeat-")]
        assert len(beats) == 1
        size = beats[0].stat().st_size
        beats[0].unlink()
        aid.wait_for(lambda: beats[0].exists() and beats[0].stat().st_size == size)
        before = beats[0].read_bytes()
        aid.wait_for(lambda: beats[0].read_bytes() != before)
