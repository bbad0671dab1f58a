"""The help of `spacetravlr-perturb` and of its commands: complete, within 80 columns, with examples, and cheap."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from spacetravlr.cli import perturb
from spacetravlr.cli._perturb_flags import CELLS_CSV_FLAGS, PERTURB_FLAGS, SCREEN_FLAGS, Flag

PAGES = {"": PERTURB_FLAGS, "screen": SCREEN_FLAGS, "make-cells-csv": CELLS_CSV_FLAGS}


@pytest.mark.parametrize("name", PAGES)
def test_every_flag_and_an_example(capsys, monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("rich.console.Console.is_terminal", False)
    assert perturb.run([*filter(None, [name]), "--help"]) == 0
    page = capsys.readouterr().out
    assert max(map(len, page.splitlines())) <= 80
    assert "…" not in page
    text = " ".join(re.sub(r"[─│╭╮╰╯]", " ", page).split())
    for flag in PAGES[name]:
        assert all(spelling in text for spelling in flag.names)
        # long texts may be broken at a hyphen, but not changed
        assert "".join(flag.help.split()) in "".join(text.split())
    assert f"$ spacetravlr-perturb {name}".rstrip() in text


def test_the_main_page_names_the_commands(capsys):
    assert perturb.run(["-h"]) == 0
    page = capsys.readouterr().out
    for name in filter(None, PAGES):
        assert re.search(rf"│ {name} +\S", page)


def test_the_help_of_commands_imports_nothing_heavy():
    # the command line library itself takes pydantic where a command has values to check
    heavy = ("numpy", "pandas", "anndata", "numba", "scipy", "pyarrow")
    code = (
        "import sys\nfrom spacetravlr.cli.perturb import run\n"
        "codes = [run(['screen', '--help']), run(['make-cells-csv', '--help'])]\n"
        f"sys.stderr.write(repr((codes, [name for name in {heavy!r} if name in sys.modules])))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "([0, 0], [])"


def test_flags_of_one_page_have_different_names():
    for flags in PAGES.values():
        names = [spelling for flag in flags for spelling in flag.names]
        assert len(set(names)) == len(names)
        assert all(isinstance(flag, Flag) for flag in flags)
