"""One version, wherever it is written."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import spacetravlr

ROOT = Path(__file__).parents[2]


def test_the_version_is_the_same_everywhere():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    newest = re.search(r"^## \[?(\d[^\]\s]*)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert cited is not None
    assert newest is not None
    assert {declared, cited[1], newest[1]} == {spacetravlr.__version__}
