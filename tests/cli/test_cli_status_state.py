"""The state of a condition split, made of those of its parts."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from spacetravlr.cli import _status_text


@pytest.mark.parametrize(
    ("states", "state"),
    [
        (["complete", "complete"], "complete"),
        (["unknown", "unknown"], "unknown"),
        (["failed", "running"], "running"),
        (["complete", "unknown"], "interrupted"),
        (["failed", "unknown"], "interrupted"),
        (["stopped", "unknown"], "stopped"),
        (["failed", "interrupted"], "interrupted"),
        (["failed", "partial"], "partial"),
        (["complete", "failed"], "failed"),
    ],
)
def test_the_state_of_all_parts_is_what_there_is_to_do(states: list[str], state: str) -> None:
    parts = {str(i): SimpleNamespace(status=SimpleNamespace(state=one)) for i, one in enumerate(states)}
    assert _status_text.overall_state(parts) == state
    assert _status_text.overall_state(parts, alive=True) == "running"
