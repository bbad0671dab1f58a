"""The pages and the README say what is so: commands, flags, settings and links exist, and one word is used for one thing."""

from __future__ import annotations

import argparse
import functools
import importlib
import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"
PAGES = sorted(
    path
    for path in (*DOCS.rglob("*.md"), *(DOCS / "_parts").glob("*.inc"), REPOSITORY / "README.md")
    if not {"_build", "made"} & set(path.relative_to(REPOSITORY).parts)
)
ELSEWHERE = {
    "cd",
    "export",
    "git",
    "module",
    "pip",
    "python",
    "python3",
    "sbatch",
    "set",
    "sh",
    "squeue",
    "srun",
    "tail",
}
FENCED = re.compile(r"^(`{3,}|:{3,})(.*?)\n(.*?)^\1\s*$", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"(`+)(.+?)\1", re.DOTALL)
LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]*)\)")


@functools.cache
def from_the_code() -> Any:
    """The module that makes reference pages of the code."""
    spec = importlib.util.spec_from_file_location("from_the_code", DOCS / "_ext" / "from_the_code.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def programs() -> dict[str, Any]:
    """Our programs by name."""
    import typer

    from spacetravlr.cli import main, mcp, perturb, spatial_viewer

    apps = {
        "spacetravlr": main.app,
        "spacetravlr-perturb": perturb.app,
        "spatial_viewer": spatial_viewer.app,
        "spacetravlr-mcp": mcp.app,
    }
    return {name: typer.main.get_command(app) for name, app in apps.items()}


@functools.cache
def commands() -> dict[str, Any]:
    """Every command of ours by the words that call it."""
    from spacetravlr.bench.registry import BENCHMARKS

    walk = from_the_code().walk
    found = {words: found for name, program in programs().items() for words, found in walk(name, program)}
    return found | {f"spacetravlr bench {name}": benchmark_parser(name) for name in BENCHMARKS}


def benchmark_parser(name: str) -> argparse.ArgumentParser:
    """What parses the flags behind the name of a benchmark."""
    from spacetravlr.bench import registry

    parser = argparse.ArgumentParser()
    parser.add_argument("--json-out")
    registry._common_options(parser)
    importlib.import_module(registry.BENCHMARKS[name].module).add_options(parser)
    return parser


def flags(command: Any) -> dict[str, bool]:
    """Every flag of a command, and whether a value follows it."""
    if isinstance(command, argparse.ArgumentParser):
        return {flag: action.nargs != 0 for flag, action in command._option_string_actions.items()}
    found = {"--help": False, "-h": False}
    for parameter in command.params:
        if parameter.param_type_name == "option":
            names = (*parameter.opts, *parameter.secondary_opts)
            found |= dict.fromkeys(names, not (parameter.is_flag or getattr(parameter, "count", False)))
    return found


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def name_of(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def code_blocks(page: str) -> Iterator[tuple[str, str]]:
    """The fenced blocks of a page: what they are called, and what is in them."""
    for match in FENCED.finditer(page):
        yield match[2].strip(), match[3]


def without_code(page: str) -> str:
    """A page without blocks of code, code in the line, addresses and mathematics."""
    prose = FENCED.sub(lambda block: block[3] if block[1].startswith(":") else "", page)
    prose = re.sub(r"^( {4,}|\t).*$", "", prose, flags=re.MULTILINE)
    prose = re.sub(r"\$\$.*?\$\$", "", prose, flags=re.DOTALL)
    prose = INLINE.sub("", prose)
    prose = LINK.sub(r"\1", prose)
    return re.sub(r"https?://\S+", "", prose)


def command_lines(page: str) -> Iterator[str]:
    """Every line of a page that is to be typed into a shell."""
    for title, body in code_blocks(page):
        shell = title in {"bash", "sh", "shell", "console"} or "%%bash" in body.splitlines()[:1]
        if shell or title.startswith("{code-cell}"):
            joined = re.sub(r"\\\n\s*", " ", body)
            lines = [line.strip().removeprefix("$ ") for line in joined.splitlines()]
            yield from (line for line in lines if shell and line and not line.startswith(("#", "%%", "---", ":")))
    outside = FENCED.sub("", page)
    for match in re.finditer(r"^ {4}(\S.*)$", outside, re.MULTILINE):
        if re.split(r"[\s#]", match[1])[0] in {*programs(), "make"}:
            yield match[1]
    for match in INLINE.finditer(outside):
        words = " ".join(match[2].split())
        if words.split(" ")[0] in programs() and " " in words:
            yield words


def simple_commands(line: str) -> Iterator[list[str]]:
    """The commands of a line, without what is piped, redirected or assigned before."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    words: list[str] = []
    skip = False
    for token in [*lexer, ";"]:
        if set(token) <= set("|&;"):
            if words:
                yield words
            words = []
        elif set(token) <= set("<>&"):
            skip = True
            words = words[:-1] if words and words[-1] in {"1", "2"} else words
        elif skip:
            skip = False
        elif words or not re.fullmatch(r"\w+=.*", token):
            words.append(token)


def complaint(words: list[str]) -> str:
    """What is wrong with a command; empty if nothing is."""
    program, *rest = words
    if program == "make":
        targets = set(re.findall(r"^([\w-]+):", text(REPOSITORY / "Makefile"), re.MULTILINE))
        return "" if set(rest) <= targets else f"no such target: {rest}"
    if program not in programs():
        return "" if program in {*ELSEWHERE, "."} else f"no such program: {program}"
    called, takes = program, False
    for word in rest:
        known = flags(commands()[called])
        if takes:
            takes = False
        elif word.startswith("-") and word != "-" and not re.match(r"-\d", word):
            flag, _, value = word.partition("=")
            if flag not in known:
                return f"{called} has no flag {flag}"
            takes = known[flag] and not value
        elif f"{called} {word}" in commands():
            called = f"{called} {word}"
        elif getattr(commands()[called], "commands", None) and re.fullmatch(r"[a-z-]+", word):
            return f"{called} has no subcommand {word}"
    return f"{flag} has no value" if takes and rest else ""


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_commands_exist(path: Path) -> None:
    lines = list(command_lines(text(path)))
    wrong = [
        f"{line}: {found}" for line in lines for words in simple_commands(line) for found in [complaint(words)] if found
    ]
    assert wrong == []


def test_the_commands_are_found_and_judged() -> None:
    found = [line for path in PAGES for line in command_lines(text(path))]
    assert len(found) > 40
    assert complaint(["spacetravlr", "--h5ad", "x", "--radios", "3"]) == "spacetravlr has no flag --radios"
    assert complaint(["spacetravlr", "networks", "build"]) == "spacetravlr has no subcommand networks"
    assert complaint(["spacetravlr-trian"]) == "no such program: spacetravlr-trian"
    assert list(simple_commands("A=1 spacetravlr init x.h5ad > y.toml 2>&1 && cd z  # remark")) == [
        ["spacetravlr", "init", "x.h5ad"],
        ["cd", "z"],
    ]


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_flags_in_the_text_exist(path: Path) -> None:
    known = {flag for command in commands().values() for flag in flags(command)}
    inline = [match[2] for match in INLINE.finditer(FENCED.sub("", text(path)))]
    told = {flag for words in inline for flag in re.findall(r"(?<![\w-])--[a-z][\w-]*", words)}
    assert sorted(told - known - {"--force-reinstall"}) == []


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_settings_exist(path: Path) -> None:
    from spacetravlr.cli._facts import facts

    known = set(facts())
    sections = {key.rpartition(".")[0] for key in known}
    told = {f"{section}.{key}" for section, key in re.findall(r"(?<![\w)\]])\[([a-z_.]+)\]\.([a-z_\d]+)", text(path))}
    assert sorted(told - known) == []
    named = set(re.findall(r"`\[([a-z_.]+)\]`", text(path))) - {"preprocess"}
    assert sorted(named - sections) == []


def anchors(path: Path) -> set[str]:
    """The places of a page that a link may name."""
    page = text(path)
    for included in re.findall(r"```\{include\} (\S+)", page):
        page += text((path.parent / included).resolve())
    heads = re.findall(r"^#{1,6} +(.+?)\s*$", FENCED.sub("", page), re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
    return slugs | set(re.findall(r"^\(([\w.-]+)\)=$", page, re.MULTILINE))


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    made = {f"reference/made/{words}" for words in (*programs(), "settings", "http")}
    home = DOCS if path.parent.name == "_parts" else path.parent
    wrong = []
    for _, link in LINK.findall(
        INLINE.sub("", FENCED.sub(lambda block: block[3] if block[1][0] == ":" else "", text(path)))
    ):
        target, _, place = link.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        found = (
            path
            if not target
            else next((one for one in (home / target, home / f"{target}.md") if one.is_file()), home / target)
        )
        known = (
            found.resolve().relative_to(DOCS).with_suffix("").as_posix() if found.resolve().is_relative_to(DOCS) else ""
        )
        if not found.exists():
            if known not in made or place:
                wrong.append(link)
        elif place and place not in anchors(found):
            wrong.append(link)
    assert wrong == []


def glossary_terms() -> list[str]:
    body = next(body for title, body in code_blocks(text(DOCS / "glossary.md")) if title == "{glossary}")
    return re.findall(r"^(\S.*)$", body, re.MULTILINE)


def test_the_glossary_is_sorted_and_without_twins() -> None:
    terms = [term.lower() for term in glossary_terms()]
    assert terms == sorted(set(terms))
    assert len(terms) > 30


def avoided() -> dict[str, str]:
    """The words that are avoided, and what is said instead, as the glossary tells it."""
    table = text(DOCS / "glossary.md").partition("## Words that are not used")[2]
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", table, re.MULTILINE)[1:]
    return {word.strip(): instead for words, instead in rows for word in words.split(",")}


@functools.cache
def avoided_pattern() -> re.Pattern[str]:
    words = "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in avoided())
    return re.compile(rf"(?<![\w.$])(?:{words})s?(?![\w$])", re.IGNORECASE)


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_one_word_for_one_thing_on_the_pages(path: Path) -> None:
    page = text(path).partition("## Words that are not used")[0] if path.name == "glossary.md" else text(path)
    assert avoided_pattern().findall(without_code(page)) == []


def test_one_word_for_one_thing_in_the_help() -> None:
    assert len(avoided()) > 8
    wrong = []
    for words, command in commands().items():
        if isinstance(command, argparse.ArgumentParser):
            continue
        told = [command.help or "", *(getattr(one, "help", "") or "" for one in command.params)]
        wrong += [(words, found) for one in told for found in avoided_pattern().findall(INLINE.sub("", one))]
    assert wrong == []


def test_one_word_for_one_thing_in_the_settings() -> None:
    from spacetravlr.cli._facts import facts

    assert [
        (key, found)
        for key, fact in facts().items()
        for found in avoided_pattern().findall(INLINE.sub("", fact.description))
    ] == []
