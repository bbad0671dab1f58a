"""The page on assistants says what the server does."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
from pathlib import Path
from typing import Any

import anyio
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PARTS = REPOSITORY / "docs" / "_parts"
pytest.importorskip("mcp")


@pytest.fixture(scope="module")
def transcript() -> Any:
    path = REPOSITORY / "docs" / "_transcript.py"
    spec = importlib.util.spec_from_file_location("assistant_transcript", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tools_are_those_of_the_server(assistant: Any, transcript: Any) -> None:
    shown = transcript.tool_table(assistant.get("list_tools").tools)
    assert shown == (PARTS / "assistant_tools.inc").read_text(encoding="utf-8"), "run docs/_transcript.py"


def test_the_configuration_starts_the_command() -> None:
    import typer

    from spacetravlr.cli.mcp import app

    text = (REPOSITORY / "docs" / "howto" / "assistant.md").read_text(encoding="utf-8")
    own = json.loads(re.search(r"```json\n(.*?)```", text, flags=re.DOTALL)[1])["mcpServers"]["spacetravlr"]
    flags = {name for one in typer.main.get_command(app).params for name in one.opts}
    lines = [
        " ".join([own["command"], *own["args"]]),
        *re.findall(r"^(spacetravlr-mcp .*?)(?:  |$)", text, flags=re.MULTILINE),
    ]
    assert len(lines) == 3
    for line in lines:
        command, *words = shlex.split(line)
        assert command == "spacetravlr-mcp"
        assert {word for word in words if word.startswith("-")} <= flags
    scripts = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    assert 'spacetravlr-mcp = "spacetravlr.cli.mcp:run"' in scripts


@pytest.mark.slow
def test_a_fresh_client_makes_the_demo_and_holds_the_conversation(transcript: Any, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SPATIAL_VIEWER")}
    environment |= {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    (tmp_path / "here").mkdir()
    tools, talk = anyio.run(transcript.converse, environment, tmp_path / "here")
    assert tools == (PARTS / "assistant_tools.inc").read_text(encoding="utf-8")
    assert talk == (PARTS / "assistant_talk.inc").read_text(encoding="utf-8"), "run docs/_transcript.py"
