"""The benchmark of the viewer: its server as a client sees it, its page as a browser does."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from spacetravlr.bench import _viewer_page
from spacetravlr.bench.registry import main

pytest.importorskip("uvicorn", reason="the viewer needs its extra")

QUICK = ["--quick", "--threads", "1", "--cells", "3000", "--genes", "12"]


def measured(folder, capsys):
    path = folder / "viewer.json"
    assert main("viewer", QUICK, path) == 0
    (point,) = json.loads(path.read_text())["summary"]
    return point, capsys.readouterr().out


def test_server_and_page(build_page, tmp_path, capsys):
    static = Path(_viewer_page.__file__).parents[1] / "viewer" / "static"
    build_page("build", static / "index.html")
    point, said = measured(tmp_path, capsys)
    assert 0 < point["listening_s"] < point["first_picture_s"]
    assert point["server_mb"] > 20
    if missing := _viewer_page.why_not():
        assert not os.environ.get("CI"), missing
        pytest.skip(missing)
    first, colour = point["page"]["first_picture"], point["page"]["recolour"]
    assert 0 < first["handed_s"] < first["from_start_s"] < first["drawn_from_start_s"]
    assert 0 < colour["upload_s"] < colour["handed_s"] <= colour["handed_max_s"]
    assert colour["handed_s"] <= colour["drawn_s"]
    assert "page: first picture" in said


def test_without_a_browser_the_server_is_measured(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    point, said = measured(tmp_path, capsys)
    assert point["page"] == {"not_measured": "chromium is not installed"}
    assert point["median_s"] > 0
    assert "page not measured: chromium is not installed" in said
