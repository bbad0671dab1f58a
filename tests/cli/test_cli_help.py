"""Help is complete, generated from the configuration, and cheap."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from spacetravlr import __version__
from spacetravlr.cli import _facts
from spacetravlr.cli._perturb_flags import PERTURB_FLAGS
from spacetravlr.cli._train_flags import TRAIN_FLAGS
from spacetravlr.config import settings

HEAVY = ("numpy", "pandas", "anndata", "numba", "torch", "scipy", "pydantic", "pyarrow", "h5py", "matplotlib")
# every training flag of the compiled edition 1.2.0
README_FLAGS = """
    -c --config --h5ad --tf-prior --training-mode --epochs --parallel --max-ligands --max-genes --genes
    --extra-modulators --extra-lr --output-dir --condition --join-output-dir --l1-reg --group-reg --n-iter --tol --lr
    --cnn-output-activation --weighted-ligand-scale-factor --save-cnn-weights --write-minimal-repro-h5ad --plain
    -V --version
"""
OUR_FLAGS = """
    --solver --select --penalty --kernel --signal-tol --score-on --score-threshold --held-out --n-bootstraps --layer
    --cluster-annot --radius --contact-distance --seed --device --species --network-data-dir --tf-ligand-cutoff
"""
PROGRAMS = {
    "spacetravlr": "main",
    "spacetravlr-perturb": "perturb",
    "spatial_viewer": "spatial_viewer",
    "spacetravlr-mcp": "mcp",
}


def flat(text: str) -> str:
    """Text of a help page without frames and line breaks."""
    return " ".join(re.sub(r"[─│╭╮╰╯]", " ", text).split())


def every_command() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command of every program by the words that call it."""

    def walk(words: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
        yield words, command
        for name, child in getattr(command, "commands", {}).items():
            yield from walk((*words, name), child)

    for name, module in PROGRAMS.items():
        yield from walk((name,), typer.main.get_command(importlib.import_module(f"spacetravlr.cli.{module}").app))


@pytest.mark.parametrize("module", ["main", "perturb"])
def test_help_imports_nothing_heavy(module: str):
    code = (
        f"import sys\nfrom spacetravlr.cli.{module} import run\ncode = run(['--help'])\n"
        f"sys.stderr.write(repr((code, [name for name in {HEAVY!r} if name in sys.modules])))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "(0, [])"
    assert "Usage: spacetravlr" in done.stdout


def test_the_help_of_training_shows_every_flag_with_its_description(cli):
    page = cli("spacetravlr", "--help", TERMINAL_WIDTH="300")
    assert page.code == 0
    assert page.err == ""
    text = flat(page.out)
    for name in f"{README_FLAGS} {OUR_FLAGS}".split():
        assert re.search(rf"(^|\s){name}\s", text), name
    described = {setting.key: setting.description for setting in settings()}
    for flag in TRAIN_FLAGS:
        if flag.key and not flag.help and not flag.hidden:
            assert flat(described[flag.key]) in text, flag.names
    for panel in ("Input", "Output", "Model", "Spatial", "Network", "Execution", "Display"):
        assert re.search(rf"╭─ {panel} ─", page.out), panel
    assert "--max-lr-pairs" not in text


def test_defaults_in_the_help_are_those_of_the_configuration(cli):
    text = flat(cli("spacetravlr", "--help", TERMINAL_WIDTH="300").out)
    assert "coordinate units. Default: 200." in text
    assert "Worker threads; 0 = one per available core. Default: 0." in text
    assert "Default: 1e-6." in text
    assert "One of gaussian, truncated. Default: gaussian." in text


def test_the_help_fits_a_terminal_of_80_columns(cli):
    for program in ("spacetravlr", "spacetravlr-perturb"):
        page = cli(program, "--help", COLUMNS="80")
        assert max(map(len, page.out.splitlines())) <= 80
        assert "…" not in page.out


def test_the_help_of_perturbation_shows_every_flag(cli):
    text = flat(cli("spacetravlr-perturb", "-h").out)
    for flag in PERTURB_FLAGS:
        assert all(name in text for name in flag.names)
    # section names are not taken for colours
    assert "[perturbation].n_propagation" in text


def test_the_file_of_facts_is_what_the_configuration_says():
    remedy = "run: python -c 'from spacetravlr.cli._facts import write_facts; write_facts()'"
    assert _facts.FILE.read_text(encoding="utf-8") == _facts.make_facts(), remedy


def test_the_facts_cover_every_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_facts, "FILE", tmp_path / "facts.json")
    _facts.write_facts()
    assert json.loads(_facts.FILE.read_text(encoding="utf-8")).keys() == {setting.key for setting in settings()}
    assert {key: fact.kind for key, fact in _facts.facts.__wrapped__().items()} == {s.key: s.kind for s in settings()}


@pytest.mark.parametrize("program", ["spacetravlr", "spacetravlr-perturb"])
@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_the_version(cli, program: str, flag: str):
    done = cli(program, flag)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"{program} {__version__} (Python 3.")
    assert done.out.count("\n") == 1


def test_subcommands_have_help_of_their_own(cli):
    assert "--cells" in cli("spacetravlr", "demo", "--help").out
    assert "--json-out" in cli("spacetravlr", "bench", "--help").out


@pytest.mark.parametrize(
    ("words", "command"), list(every_command()), ids=lambda one: " ".join(one) if isinstance(one, tuple) else ""
)
def test_the_help_shows_all_that_is_said(cli, words: tuple[str, ...], command: Any):
    text = flat(cli(*words, "--help", TERMINAL_WIDTH="400").out)
    for parameter in command.params:
        if not getattr(parameter, "hidden", False):
            # section names in brackets are no markup
            assert flat((parameter.help or "").replace("\\[", "[")) in text, parameter.name
            # a default is told once, in the same words everywhere
            told = (parameter.help or "").count("Default: ")
            assert told <= 1, parameter.name
            assert told or parameter.default in (None, False, "") or isinstance(parameter.default, bool), parameter.name
    assert "[[" not in text
    assert "[default" not in text
    # names of types are of no use to who runs a command
    assert not re.search(r"<\w+(\[\w+\])?>", text)


def test_defaults_of_commands_are_told(cli):
    assert "Seed of the simulated tissue. Default: 0." in flat(cli("spacetravlr", "demo", "--help").out)
    assert "Radius to count cells in, units of the coordinates. Default: 200." in flat(
        cli("spacetravlr", "peek", "--help", TERMINAL_WIDTH="200").out
    )


def test_commands_are_grouped_in_the_order_of_their_use(cli):
    page = cli("spacetravlr", "--help", TERMINAL_WIDTH="200").out
    panels = re.findall(r"╭─ ((?:Commands|Further) .+?) ─", page)
    assert panels == ["Commands before training", "Commands for networks", "Commands for runs", "Further commands"]
    places = [page.index(f"│ {name} ") for name in ("demo", "peek", "prepare", "network", "status", "edges", "bench")]
    assert places == sorted(places)
