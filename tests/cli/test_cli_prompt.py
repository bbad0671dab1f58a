"""The `perturb>` prompt fed by a pipe, and the choice of a face."""

from __future__ import annotations

import io
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.feather as feather
import pytest

from spacetravlr.cli import _prompt_line, perturb
from spacetravlr.cli._prompt_commands import HELP, Session
from spacetravlr.errors import UsageError
from spacetravlr.perturbation.workbench import Draft
from spacetravlr.report import worth_perturbing
from spacetravlr.run import Run
from spacetravlr.run.loading import LoadingCancelledError, load_workbench
from spacetravlr.run.nearby import path_completions


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture(scope="module")
def gene(trained) -> str:
    found = worth_perturbing(Run.open(trained.directory))
    assert found is not None
    return found


@pytest.fixture(scope="module")
def bench(trained):
    return load_workbench(Run.open(trained.directory))


class Said:
    """A session and what it prints."""

    def __init__(self, bench, ask=None) -> None:
        self.lines: list[str] = []
        self.session = Session(bench, Draft(n_propagation=2), say=self.lines.append, note=self.lines.append, ask=ask)

    def __call__(self, *commands: str) -> list[str]:
        self.lines.clear()
        for command in commands:
            assert self.session.do(command)
        return self.lines


@pytest.fixture
def said(bench) -> Said:
    return Said(bench)


def run_script(capsys, monkeypatch, script: str, *arguments: object) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "stdin", io.StringIO(script))
    code = perturb.run([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


# ---- from a pipe


def test_a_script_from_a_pipe(cli, trained, gene: str, tmp_path: Path):
    script = f"# a comment\n\nmark {gene} B cell\ndose {gene} q95\nsteps 3\nrun\nresult 2\nexport 'my file.feather'\n"
    command = [sys.executable, "-c", "import sys; from spacetravlr.cli.perturb import run; sys.exit(run())"]
    done = subprocess.run(
        [*command, "--run-toml", trained.toml], input=script, capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"[x] {gene}  KO, B cell"
    assert lines[2].startswith(f"#1 {gene} q95 · B cell · 3 steps: ")
    assert lines[-1] == "Wrote my file.feather (150 cells × 40 genes, n_propagation=3)"
    expected = Run.open(trained.directory).perturb({gene: "q95"}, cells={"cell_type": "B cell"}, n_propagation=3)
    table = feather.read_feather(tmp_path / "my file.feather")
    np.testing.assert_array_equal(table[list(expected.genes)].to_numpy(), expected.simulated)
    top = expected.top(2, by="cell_type")
    assert [line.split()[-5:][0] for line in lines[4:-1]] == top["gene"].tolist()


def test_a_script_ends_at_its_first_error(capsys, monkeypatch, trained, gene: str, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    arguments = ("--run-toml", trained.toml)
    code, out, err = run_script(capsys, monkeypatch, f"mark {gene}\nrun many\nexport a.csv\n", *arguments)
    assert code == 1
    assert err.startswith("Error: line 2 (run many): the desired expression of ")
    assert not (tmp_path / "a.csv").exists()
    code, _, err = run_script(capsys, monkeypatch, "mrk A\n", *arguments)
    assert (code, err) == (2, "Error: line 1 (mrk A): no command is called 'mrk'; did you mean 'mark'?\n")
    (tmp_path / "a.csv").write_text("mine")
    code, _, err = run_script(capsys, monkeypatch, f"mark {gene}\nrun\nexport a.csv\n", *arguments)
    assert (code, err) == (2, "Error: line 3 (export a.csv): a.csv exists; write export a.csv replace\n")
    assert (tmp_path / "a.csv").read_text() == "mine"
    code, out, _ = run_script(
        capsys, monkeypatch, f"mark {gene}\nrun\nexport a.csv replace\nquit\nnonsense\n", *arguments
    )
    assert code == 0
    assert out.endswith("Wrote a.csv (150 cells × 40 genes, n_propagation=2)\n")


def test_commands_are_done_as_they_come(trained, gene: str):
    """A program that writes a line and waits for its answer gets it."""
    command = [sys.executable, "-u", "-c", "import sys; from spacetravlr.cli.perturb import run; sys.exit(run())"]
    with subprocess.Popen(
        [*command, "--run-toml", trained.toml], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        for line, answer in (
            (f"mark {gene}", f"[x] {gene}  KO, all cells"),
            ("steps 1", None),
            ("show", f"[x] {gene}  KO, all cells"),
        ):
            process.stdin.write(f"{line}\n")
            process.stdin.flush()
            assert answer is None or process.stdout.readline() == f"{answer}\n"
        assert process.stdout.readline() == "1 step\n"
        process.stdin.close()
        assert process.wait(20) == 0


@pytest.mark.parametrize("script", ["", None])
def test_no_terminal_and_no_input(capsys, monkeypatch, trained, script: str | None):
    monkeypatch.setattr(sys, "stdin", None if script is None else io.StringIO(script))
    assert perturb.run(["--run-toml", str(trained.toml)]) == 2
    err = capsys.readouterr().err
    assert err.startswith(
        "Error: there is no terminal to choose at, and nothing to do: give --out FILE or --top N, or pipe commands"
    )
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--run-toml is missing: commands from a pipe are for one run"),
        (["--run-toml", "x", "--top", "3"], "--gene is missing"),
        (["--run-toml", "x", "--negative-control", "3"], "--gene is missing"),
        (["--run-toml", "x", "--gene", "A", "--top", "3", "--plain"], "and --top does without"),
        (["--run-toml", "x", "--batch-parallelism", "3"], "in batch mode only"),
        (["--run-toml", "{run}", "--desired-expr", "1,2"], "--desired-expr has 2 values and there is no --gene"),
        (["--run-toml", "{run}", "--gene", "A", "--out", "a.feather", "--plain"], "--plain is about choosing"),
    ],
)
def test_flags_that_do_not_fit(capsys, monkeypatch, trained, arguments: list[str], words: str):
    monkeypatch.setattr(sys, "stdin", io.StringIO("show\n"))
    assert perturb.run([one.format(run=trained.toml) for one in arguments]) == 2
    assert words in capsys.readouterr().err


def test_flags_choose_what_is_there_at_first(capsys, monkeypatch, trained, gene: str, tmp_path: Path):
    (tmp_path / "cells.csv").write_text("some\ncell3\ncell7\n")
    code, out, err = run_script(
        capsys, monkeypatch, "show\n", "--run-toml", trained.toml, "--gene", gene, "--desired-expr", "q95",
        "--n-propagation", 5, "--cell-type", "B cell", "--cells-csv", tmp_path / "cells.csv", "--cells-csv-column", "some",
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert out == f"[x] {gene}  q95, B cell & cells.csv:some\n5 steps\n"
    code, out, _ = run_script(
        capsys,
        monkeypatch,
        "show\n",
        "--run-toml",
        trained.toml,
        "--desired-expr",
        "+1",
        "--where",
        "cell_type == 'B cell'",
    )
    assert out == "no gene is marked; the next one gets the dose +1 in where cell_type == 'B cell'\n2 steps\n"
    code, _, err = run_script(capsys, monkeypatch, "show\n", "--run-toml", trained.toml, "--gene", "nobody")
    assert code == 1
    assert err.startswith("Error: no gene is called 'nobody' among the 40 measured ones")
    code, _, err = run_script(capsys, monkeypatch, "show\n", "--run-toml", trained.toml, "--cell-type", "nobody")
    assert (code, "no cell has the cell_type 'nobody'" in err) == (1, True)


def test_the_face_that_is_opened(monkeypatch, trained):
    """Screens at a terminal, the prompt where one of the two ends is none or the terminal can do nothing."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    opened: list[str] = []
    monkeypatch.setattr("spacetravlr.cli._perturb_interactive._screens", lambda *_: opened.append("screens") or 0)
    monkeypatch.setattr("spacetravlr.cli._prompt.run_prompt", lambda *_, script, **__: opened.append("prompt") or 0)
    for stdin, stdout, term, flags, face in [
        (Terminal(), Terminal(), "xterm", [], "screens"),
        (Terminal(), Terminal(), "xterm", ["--plain"], "prompt"),
        (Terminal(), io.StringIO(), "xterm", [], "prompt"),
        (Terminal(), Terminal(), "dumb", [], "prompt"),
        (io.StringIO("show\n"), Terminal(), "xterm", [], "prompt"),
    ]:
        monkeypatch.setattr(sys, "stdin", stdin)
        monkeypatch.setattr(sys, "stdout", stdout)
        monkeypatch.setenv("TERM", term)
        assert perturb.run(["--run-toml", str(trained.toml), *flags]) == 0
        assert opened.pop() == face


def test_nothing_of_the_screens_is_imported_for_help_or_a_single_run(trained, gene: str, tmp_path: Path):
    code = (
        "import sys\nfrom spacetravlr.cli.perturb import run\n"
        f"codes = [run(['--help']), run(['--run-toml', {str(trained.toml)!r}, '--gene', {gene!r}, '--out', {str(tmp_path / 'a.feather')!r}])]\n"
        "sys.stderr.write(repr((codes, 'textual' in sys.modules, 'spacetravlr.cli._prompt' in sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.endswith("([0, 0], False, False)")


# ---- commands


def test_list_search_and_info(said: Said, bench, gene: str):
    assert said("list 2") == [
        f"[ ] {bench.by_interest[0]}",
        f"[ ] {bench.by_interest[1]}",
        "... and 38 more; search TEXT finds them",
    ]
    assert len(said("list")) == 40
    said(f"mark {gene}")
    assert said(f"search {gene.upper()}")[0] == f"[x] {gene}  KO, all cells"
    assert said("search zzz") == ["no gene has 'zzz' in its name"]
    lines = said(f"info {gene.lower()}")
    low, middle, high, top = bench.observed(gene)
    assert lines[0].startswith(f"{gene}: moves other genes")
    assert lines[1] == f"observed: min {low:.4g}, median {middle:.4g}, p99 {high:.4g}, max {top:.4g}"
    assert "B cell" in lines[2]


def test_cells_in_all_forms(said: Said, gene: str, tmp_path: Path):
    path = tmp_path / "my cells.csv"
    path.write_text("some\ncell3\n")
    (tmp_path / "box.csv").write_text("x,y\n0,0\n800,0\n800,400\n0,400\n")
    said(f"mark {gene}")
    for cells, told in [
        ("B cell", "B cell"),
        ("B cell,fibroblast", "B cell, fibroblast"),
        ("cell_type=fibroblast", "fibroblast"),
        (f"csv {shlex.quote(str(path))} some", "my cells.csv:some"),
        ("where cell_type != 'B cell'", "where cell_type != 'B cell'"),
        (f"region {tmp_path / 'box.csv'}", "in box.csv"),
        ("all", "all cells"),
    ]:
        assert said(f"scope {gene} {cells}") == [f"[x] {gene}  KO, {told}"]


def test_what_cannot_be_done_changes_nothing(said: Said, bench, gene: str):
    other = next(name for name in bench.by_interest if name != gene)
    said(f"mark {gene} B cell")
    before = said.session.draft
    for command, words in [
        ("nonsense", "try help"),
        ("mark", "write mark GENE"),
        ("mark nobody", "no gene is called 'nobody'"),
        (f"mark {other} nowhere", "no cell has the cell_type 'nowhere'"),
        (f"scope {gene} csv gone.csv", "write csv FILE COLUMN"),
        (f"scope {gene} csv 'gone.csv", "a quote is not closed"),
        (f"scope {gene} csv gone.csv a", "cannot read gone.csv"),
        (f"scope {gene}", "write scope GENE"),
        (f"scope {other} all", f"{other} is not marked"),
        (f"dose {gene} 2x", "did you mean 'x2'"),
        (f"dose {other} 2", "is not marked"),
        (f"unmark {other}", "is not marked"),
        ("unmark", "unmark which gene?"),
        ("steps", "how many?"),
        ("steps 1.5", "whole number"),
        ("steps 33", "from 0 to 32"),
        ("search", "search what?"),
        ("list 0", "at least 1"),
        ("list ²", "at least 1"),
        ("scope all nowhere", "no cell has the cell_type 'nowhere'"),
        ("result", "there is no result yet"),
        ("rings", "there is no result yet"),
        ("export a.csv", "there is no result yet"),
        ("run -1 2", "no dose"),
    ]:
        with pytest.raises(Exception, match=words.replace("?", r"\?")):
            said.session.do(command)
        assert said.session.draft == before, command


def test_what_is_said_to_all_holds_for_genes_that_come_later(said: Said, gene: str):
    assert said("dose all x2") == ["the next one gets the dose x2 in all cells"]
    assert said("scope all B cell") == ["the next one gets the dose x2 in B cell"]
    assert said("show")[0] == "no gene is marked; the next one gets the dose x2 in B cell"
    assert said(f"mark {gene}") == [f"[x] {gene}  x2, B cell"]


def test_old_results_are_let_go_when_memory_is_short(said: Said, gene: str, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("spacetravlr.perturbation.workbench.queue.machine_memory", lambda: 1.0)
    said(f"mark {gene}", "run 0", "run x2")
    # the tables are kept
    assert len(said("result #1 2")[0].splitlines()) > 1
    with pytest.raises(UsageError, match="result #1 was let go to save memory: run it again"):
        said(f"export #1 {tmp_path / 'a.csv'}")
    assert said(f"export {tmp_path / 'b.csv'}")[0].startswith("Wrote ")
    assert not (tmp_path / "a.csv").exists()


def test_joint_single_and_numbered_results(said: Said, bench, gene: str, tmp_path: Path):
    other = next(name for name in bench.by_interest if name != gene)
    lines = said(f"mark {gene}", f"mark {other}", "dose all x2", f"dose {gene} 0", "show")
    assert lines[-3:] == [f"[x] {gene}  KO, all cells", f"[x] {other}  x2, all cells", "2 steps, together"]
    said("run", "single", "run q50", "runs")
    assert [line.split(":")[0] for line in said("runs")] == [
        f"#1 {gene} KO + {other} x2 · all cells · 2 steps",
        f"#2 {gene} q50 · all cells · 2 steps",
        f"#3 {other} q50 · all cells · 2 steps",
    ]
    for number, targets in ((1, {gene: 0.0, other: "x2"}), (2, {gene: "q50"}), (3, {other: "q50"})):
        path = tmp_path / f"{number}.csv"
        said(f"export #{number} {path}")
        expected = bench.model.simulate(targets, n_propagation=2)
        table = pd.read_csv(path, dtype=str)
        np.testing.assert_array_equal(table[list(expected.genes)].astype(np.float64).to_numpy(), expected.simulated)
    effect = bench.model.simulate({gene: 0.0, other: "x2"}, n_propagation=2)
    shown = said("result #1 3")
    assert len(shown[0].splitlines()) == 1 + len(effect.top(3, by="cell_type"))
    assert "perturbed" in said("rings #1 3")[0]
    for command, words in [
        ("result #4", "there is no result #4: there are 3"),
        ("result #x", "whole number"),
        ("export #1", "write export FILE"),
        ("export 'a", "quote"),
        ("export a.txt", "must end in"),
    ]:
        with pytest.raises(Exception, match=words):
            said.session.do(command)


@pytest.mark.parametrize("yes", [True, False])
def test_replacing_a_file_is_asked(bench, gene: str, tmp_path: Path, yes: bool):
    asked: list[str] = []
    said = Said(bench, ask=lambda question: asked.append(question) or yes)
    path = tmp_path / "a.feather"
    said(f"mark {gene}", "run", f"export {path}")
    before = path.read_bytes()
    lines = said("run x2", f"export {path}")
    assert asked == [f"{path} exists. Replace it?"]
    assert (path.read_bytes() != before) is yes
    assert lines[-1].startswith("Wrote " if yes else "nothing is written")


def test_help_knows_every_command_and_each_is_done(said: Said):
    told = [line.split()[0] for line in said("help")]
    assert told == [command.split()[0] for command in HELP]
    assert set(told) == set(said.session.commands) - {"exit"}
    assert [said.session.do(word) for word in ("quit", "exit", "q", "QUIT")] == [False] * 4


def test_completion(said: Said, bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    complete = _prompt_line.candidates
    gene = bench.by_interest[0]
    assert complete(said.session, "un", "un") == ["unmark"]
    assert gene in complete(said.session, f"mark {gene[:2].lower()}", gene[:2].lower())
    assert complete(said.session, "scope al", "al") == ["all"]
    assert complete(said.session, f"scope {gene} B", "B") == ["B cell"]
    assert complete(said.session, "steps 1", "1") == []
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "a.toml").touch()
    (tmp_path / "runs" / "a.txt").touch()
    assert path_completions("r") == ["runs/"]
    assert path_completions("runs/a") == ["runs/a.toml"]
    assert path_completions("gone/a") == []


# ---- loading


def test_loading_tells_its_progress_and_can_be_stopped(trained):
    told: list[tuple[str, float]] = []
    load_workbench(Run.open(trained.directory), progress=lambda *one: told.append(one))
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    n_models = len(Run.open(trained.directory).genes)
    assert f"reading models {n_models} of {n_models}" in [what for what, _ in told]
    for stage in ("looking", "reading the sample", "reading models 3", "preparing"):
        seen: list[str] = []
        with pytest.raises(LoadingCancelledError):
            load_workbench(
                Run.open(trained.directory),
                progress=lambda what, _, seen=seen: seen.append(what),
                cancelled=lambda seen=seen, stage=stage: any(what.startswith(stage) for what in seen),
            )
        assert seen[-1].startswith(stage)
