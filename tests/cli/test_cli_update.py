"""`--update` names the command for the way of installation, and changes nothing."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from spacetravlr.cli import main
from spacetravlr.cli._update import find_installation, upgrade_command

PYTHON = "/opt/my env/bin/python"


class Found:
    """What the metadata of a distribution hold."""

    def __init__(self, **files: str) -> None:
        self.files = files

    def read_text(self, name: str) -> str | None:
        return self.files.get(name.replace(".json", ""))


def installed(prefix: Path, way: str) -> Found | None:
    if way == "conda":
        (prefix / "conda-meta").mkdir()
        (prefix / "conda-meta" / "spacetravlr-py-0.1.0-0.json").write_text("{}")
    if way == "pipx":
        (prefix / "pipx_metadata.json").write_text("{}")
    if way == "uv tool":
        (prefix / "uv-receipt.toml").write_text("")
    if way == "source":
        return Found(direct_url=json.dumps({"url": "file:///home/me/it", "dir_info": {"editable": True}}))
    return Found(INSTALLER="uv\n" if way.startswith("uv") else "pip\n", direct_url=json.dumps({"url": "file:///a.whl"}))


@pytest.mark.parametrize(
    ("way", "newest", "exact"),
    [
        ("pip", f"'{PYTHON}' -m pip install --upgrade spacetravlr-py", "spacetravlr-py==0.2.0"),
        ("pipx", "pipx upgrade spacetravlr-py", "pipx install --force spacetravlr-py==0.2.0"),
        ("uv tool", "uv tool upgrade spacetravlr-py", "uv tool install spacetravlr-py==0.2.0"),
        ("uv", f"uv pip install --python '{PYTHON}' --upgrade spacetravlr-py", "spacetravlr-py==0.2.0"),
        ("conda", "--update-specs spacetravlr-py", "spacetravlr-py=0.2.0"),
        ("source", "git -C /home/me/it pull && ", "git -C /home/me/it checkout v0.2.0 && "),
    ],
)
def test_command_of_each_way(tmp_path, way, newest, exact):
    found = find_installation(tmp_path, installed(tmp_path, way))
    assert found.way == way
    plain, asked = (upgrade_command(found, version, python=PYTHON) for version in (None, "v0.2.0"))
    assert newest in plain
    assert exact in asked
    for command in (plain, asked):
        shlex.split(command)  # a shell can read it


def test_without_metadata_it_is_a_checkout(tmp_path):
    found = find_installation(tmp_path, None)
    assert found.way == "source"
    assert (found.place / "pyproject.toml").exists()


def test_what_is_said(capsys):
    assert main.run(["--update"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert "Nothing was changed" in said[0]
    assert len(said) == 2
    assert main.run(["--update-version", "v9.9.1"]) == 0
    assert "9.9.1" in capsys.readouterr().out.splitlines()[1]


@pytest.mark.parametrize("version", ["latest", "1.0; rm -rf ~", "", "1..2"])
def test_what_is_no_version(version, capsys):
    assert main.run([f"--update-version={version}"]) == 2
    assert f"--update-version {version}: not a version" in capsys.readouterr().err


def test_it_needs_nothing_heavy():
    program = "import sys; from spacetravlr.cli.main import run; run(['--update']); print([m for m in ('numpy', 'pandas', 'anndata') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
