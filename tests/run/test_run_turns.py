"""What one process at a time may do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from spacetravlr.run import claims as claims_module
from spacetravlr.run.claims import Claims

Aid = Any
"""What the fixture `aid` gives."""

TAKE_TURNS = """
import sys
from pathlib import Path
from spacetravlr.run.claims import Claims
root = Path(sys.argv[1])
with Claims(root, is_done=lambda gene: False) as claims:
    for _ in range(20):
        with claims.turn("count"):
            count = int((root / "count").read_text())
            (root / "count").write_text(str(count + 1))
"""


def test_turns_are_taken_one_at_a_time(aid: Aid, tmp_path: Path) -> None:
    (tmp_path / "count").write_text("0")
    processes = [aid.start(TAKE_TURNS, tmp_path) for _ in range(3)]
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0] * 3
    assert (tmp_path / "count").read_text() == "60"
    assert aid.names(tmp_path) == {"count"}


def test_a_turn_of_a_killed_process_is_over_and_a_silent_host_holds_nobody_up(
    aid: Aid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = aid.start(aid.HOLDER, tmp_path, 0, "A")
    assert aid.line(holder) == "A"
    holder.kill()
    holder.communicate()
    (tmp_path / ".turn-manifest").write_bytes((tmp_path / "A.lock").read_bytes())
    with Claims(tmp_path, is_done=aid.never) as mine:
        with mine.turn("manifest"):
            assert f"pid {os.getpid()}\n" in (tmp_path / ".turn-manifest").read_text()
        assert not (tmp_path / ".turn-manifest").exists()
        aid.foreign(tmp_path / ".turn-manifest")
        monkeypatch.setattr(claims_module, "_PATIENCE", 0.05)
        with mine.turn("manifest"):
            pass
        assert "elsewhere" in (tmp_path / ".turn-manifest").read_text()
