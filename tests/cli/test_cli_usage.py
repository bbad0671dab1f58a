"""Slips in the flags: one line, exit code 2, nothing loaded and nothing written."""

from __future__ import annotations

import inspect
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spacetravlr.bench import demo
from spacetravlr.cli import main, perturb
from spacetravlr.cli.main import split_json_out
from spacetravlr.errors import UsageError


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refused(capsys: pytest.CaptureFixture[str], *arguments: object, program=main, code: int = 2) -> str:
    """The one line with which a command is refused."""
    assert program.run([str(argument) for argument in arguments]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Error: ")
    assert err.count("\n") == 1
    assert list(Path.cwd().iterdir()) == []
    return err


def test_without_a_sample_an_example_is_shown(capsys):
    assert "spacetravlr --h5ad sample.h5ad --output-dir my_run" in refused(capsys)


def test_an_unknown_flag(capsys):
    message = refused(capsys, "--radus", "3")
    assert "--radus" in message
    assert "--radius" in message
    assert "Try 'spacetravlr --help'." in message


@pytest.mark.parametrize("words", [("init",), ("prepare",), ("status",), ("network", "build", "--species", "mouse")])
def test_a_missing_argument_points_to_the_help_of_its_command(capsys, words: tuple[str, ...]):
    message = refused(capsys, *words)
    command = " ".join(word for word in words if word.isalpha() and word != "mouse")
    assert message.startswith("Error: Missing argument '")
    assert message.endswith(f" Try 'spacetravlr {command} --help'.\n")


def test_the_commands_that_the_demo_ends_with_are_those_of_the_help():
    from spacetravlr.bench._demo_words import next_steps
    from spacetravlr.cli._perturb_flags import PERTURB_FLAGS

    program, *words = shlex.split(next_steps(Path("a demo"), "Pax5")[0])
    assert program == "spacetravlr-perturb"
    flags = [word for word in words if word.startswith("-")]
    assert flags == ["--run-toml", "--gene", "--out", "--top"]
    # the main spelling of each
    assert {*flags} <= {flag.names[0] for flag in PERTURB_FLAGS}
    assert words[1] == str(Path("a demo") / "run" / "spacetravlr_run_repro.toml")


def test_a_file_without_its_flag(capsys):
    message = refused(capsys, "sample.h5ad")
    assert "No such command 'sample.h5ad'. The sample is given as --h5ad FILE." in message


def test_a_number_that_is_none(capsys):
    assert "--radius" in refused(capsys, "--h5ad", "x.h5ad", "--radius", "wide")


def test_an_unknown_choice_suggests_the_nearest(capsys):
    message = refused(capsys, "--h5ad", "x.h5ad", "--kernel", "gausian")
    assert "'gausian' is not one of gaussian, truncated; did you mean 'gaussian'? Try 'spacetravlr --help'." in message


@pytest.mark.parametrize("word", ["minimal", "seed-only", "sigmoid-x2"])
def test_words_of_the_compiled_edition_are_understood(capsys, word: str):
    flag = "--cnn-output-activation" if "sigmoid" in word else "--training-mode"
    assert main.run(["--h5ad", "missing.h5ad", flag, word]) == 1
    assert "no such file" in capsys.readouterr().err


def test_the_old_name_of_a_flag_and_the_new_one(capsys):
    message = refused(capsys, "--h5ad", "x.h5ad", "--max-ligands", 3, "--max-lr-pairs", 4)
    assert "give only one of them" in message


def test_the_demonstration_of_the_dashboard_needs_a_terminal(capsys):
    assert "needs a terminal" in refused(capsys, "--demo")
    assert "leave one of them out" in refused(capsys, "--demo", "--plain")


def test_the_demonstration_of_the_dashboard_needs_its_library(capsys, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "textual", None)
    assert "spacetravlr-py[tui]" in refused(capsys, "--demo")


def test_flags_of_the_training_before_a_command(capsys):
    assert "--radius: no flag of bench" in refused(capsys, "--radius", "3", "bench", "list")


@pytest.mark.parametrize(
    ("flags", "passed"),
    [
        ([], {"out": Path("demo_spacetravlr"), "seed": 0, "n_cells": 2000}),
        (["--out", "there", "--seed", "3", "--cells", "500"], {"out": Path("there"), "seed": 3, "n_cells": 500}),
    ],
)
def test_the_demo_gets_its_flags(capsys, monkeypatch: pytest.MonkeyPatch, flags: list[str], passed: dict[str, Any]):
    seen: dict[str, Any] = {}

    def pretend(out: Path, *, say: Callable[[str], None], **rest: Any) -> None:
        seen.update(out=out, **rest)
        say("hello")

    defaults = {name: one.default for name, one in inspect.signature(demo.run_demo).parameters.items()}
    monkeypatch.setattr(demo, "run_demo", pretend)
    assert main.run(["demo", *flags]) == 0
    assert capsys.readouterr() == ("hello\n", "")
    assert seen == passed
    assert flags or {"seed": defaults["seed"], "n_cells": defaults["n_cells"]}.items() <= seen.items()


def test_benchmarks_get_their_own_flags():
    assert split_json_out(["--cells", "9", "--json-out", "a.json", "-x"]) == (["--cells", "9", "-x"], Path("a.json"))
    assert split_json_out(["--json-out=b.json"]) == ([], Path("b.json"))
    assert split_json_out([]) == ([], None)
    with pytest.raises(UsageError, match="--json-out needs a file"):
        split_json_out(["--json-out"])


def test_a_benchmark_that_does_not_exist(capsys):
    assert "no benchmark 'sginal'" in refused(capsys, "bench", "sginal", "--json-out", "x.json")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "there is no terminal to choose at, and nothing to do: give --out FILE"),
        (["--run-toml", "x", "--gene", "Pax5"], "give --out FILE"),
        (["--run-toml", "x", "--out", "k.feather"], "--gene is missing"),
        (["--gene", "Pax5", "--out", "k.feather"], "--run-toml is missing"),
        (["--run-toml", "x", "--gene", "Pax5", "--out", "k.csv"], "must end in .feather or .h5ad"),
        (["--run-toml", "x", "--gene", "G", "--out", "k.feather", "--desired-expr", "-inf"], "at least 0, not -inf"),
        (["--run-toml", "x", "--gene", "G", "--out", "k.feather", "--desired-expr", "inf"], "at least 0, not inf"),
        (
            ["--run-toml", "x", "--gene", "G", "--out", "k.feather", "--profile", "v2"],
            "'v2' is not one of default, v1, python",
        ),
        (["Pax5"], "Pax5"),
    ],
)
def test_perturbations_that_say_too_little(capsys, arguments: list[str], words: str):
    assert words in refused(capsys, *arguments, program=perturb)


def test_a_perturbation_of_no_run(capsys):
    message = refused(capsys, "--run-toml", "x.toml", "--gene", "G", "--out", "k.feather", program=perturb, code=1)
    assert "no such run directory or run TOML" in message
