"""Reference pages that are made from the code: commands, settings, HTTP routes.

They are written below `reference/made/` before the pages are read, and only when they have changed.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def write_pages(app: Sphinx) -> None:
    """Write every page that is made from the code."""
    folder = Path(app.srcdir) / "reference" / "made"
    folder.mkdir(parents=True, exist_ok=True)
    pages = {"settings": settings_page(), "http": http_page(), **dict(command_pages())}
    for name, text in pages.items():
        file = folder / f"{name}.md"
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
    for old in folder.glob("*.md"):
        if old.stem not in pages:
            old.unlink()


# settings


def settings_page() -> str:
    """Return the page of all settings of the TOML file."""
    from spacetravlr.cli._facts import facts

    lines = ["# Settings", "", SETTINGS_INTRODUCTION]
    section = ""
    for key, fact in facts().items():
        table, _, name = key.rpartition(".")
        if table != section:
            section = table
            lines += ["", f"## `[{section}]`", ""]
        default = "unset" if fact.default is None else f"`{json.dumps(fact.default)}`"
        choices = f" One of {', '.join(f'`{choice}`' for choice in fact.choices)}." if fact.choices else ""
        lines += [f"(setting-{key})=", f"`{name}`", f": {plain(fact.description)}{choices} {kind_word(fact.kind)}; default: {default}.", ""]
    return "\n".join(lines) + "\n"


SETTINGS_INTRODUCTION = """A TOML file is given by `--config`, or found as `spaceship_config.toml` in the current directory; flags win over it, and
`spacetravlr init` writes one with comments. A key that is not known is warned about, with the nearest that is. The effective settings of a run are in its
`spacetravlr_run_repro.toml`, which is such a file itself."""


def kind_word(kind: str) -> str:
    """Return how a kind of value is called."""
    return {"integer": "A whole number", "number": "A number", "flag": "true or false", "list": "A list", "path": "A path"}.get(kind, "A text")


# commands


def command_pages() -> Iterator[tuple[str, str]]:
    """Return a page for each program."""
    import typer

    from spacetravlr.cli.main import app as main
    from spacetravlr.cli.perturb import app as perturb

    yield "spacetravlr", command_page("spacetravlr", typer.main.get_command(main))
    yield "spacetravlr-perturb", command_page("spacetravlr-perturb", typer.main.get_command(perturb))
    for name, module in (("spatial_viewer", "spatial_viewer"), ("spacetravlr-mcp", "mcp")):
        found = importlib.import_module(f"spacetravlr.cli.{module}")
        yield name, command_page(name, typer.main.get_command(found.app))


def command_page(name: str, command: Any) -> str:
    """Return the page of a program and its subcommands."""
    lines = [f"# `{name}`", ""]
    for words, found in walk(name, command):
        if words != name:
            lines += ["", f"## `{words}`", ""]
        lines += [plain(paragraph) + "\n" for paragraph in paragraphs(found.help or "")]
        lines += list(parameters(found))
    return "\n".join(lines) + "\n"


def walk(words: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Return a command and all below it with the words that call them."""
    yield words, command
    for name, child in sorted(getattr(command, "commands", {}).items()):
        if not child.hidden:
            yield from walk(f"{words} {name}", child)


def parameters(command: Any) -> Iterator[str]:
    """Return the lines about the arguments and flags of a command, by panel."""
    panel = ""
    for parameter in sorted(command.params, key=lambda one: order(command, one)):
        if getattr(parameter, "hidden", False):
            continue
        if (found := getattr(parameter, "rich_help_panel", None) or "") != panel:
            panel = found
            yield from ("", f"**{panel}**", "")
        names = ", ".join(f"`{one}`" for one in parameter.opts + parameter.secondary_opts)
        if parameter.param_type_name == "argument":
            names = f"`{parameter.metavar or parameter.name.upper()}`"
        elif parameter.metavar and not getattr(parameter, "is_flag", False):
            names += f" *{parameter.metavar.replace('*', '')}*"
        yield names
        yield f": {plain(getattr(parameter, 'help', '') or 'See above.')}"
        yield ""


def order(command: Any, parameter: Any) -> int:
    """Return the place of a parameter's panel: panels stay together, in the order in which they come."""
    panels = list(dict.fromkeys(getattr(one, "rich_help_panel", None) or "" for one in command.params))
    return panels.index(getattr(parameter, "rich_help_panel", None) or "")


def paragraphs(text: str) -> Iterable[str]:
    """Return the paragraphs of a help text; one that begins with a backspace is shown as it is."""
    for paragraph in text.strip().split("\n\n"):
        if paragraph.lstrip().startswith("\b"):
            yield "```text\n" + paragraph.lstrip().removeprefix("\b").strip("\n") + "\n```"
        else:
            yield paragraph


def plain(text: str) -> str:
    """Return a text in which nothing is taken for markup by mistake."""
    if text.startswith("```"):
        return text
    parts = text.replace("\n", " ").split("`")
    return "`".join(part if index % 2 else escaped(part) for index, part in enumerate(parts))


def escaped(text: str) -> str:
    """Return a text without markup characters of their own."""
    for sign in "\\*_<>[]$#{}|":
        text = text.replace(sign, "\\" + sign)
    return text


# HTTP


def http_page() -> str:
    """Return the page of the routes of the viewer's server."""
    from spacetravlr.viewer import ViewerOptions, create_app

    lines = ["# HTTP", "", HTTP_INTRODUCTION]
    document = create_app(ViewerOptions()).openapi()
    for path, methods in sorted(document["paths"].items()):
        for method, facts in methods.items():
            lines += ["", f"## `{method.upper()} {path}`", ""]
            lines += [plain(facts.get("description") or facts.get("summary", "")), ""]
            for parameter in facts.get("parameters", ()):
                required = "" if parameter.get("required") else ", optional"
                lines += [f"`{parameter['name']}` ({parameter['in']}{required})", f": {plain(parameter.get('description') or shape(parameter.get('schema', {})))}", ""]
            body = facts.get("requestBody", {}).get("content", {})
            if body:
                lines += ["Body: " + ", ".join(f"`{kind}`" + named(content) for kind, content in body.items()), ""]
    lines += ["", "## Bodies", ""]
    for name, schema in sorted(document.get("components", {}).get("schemas", {}).items()):
        lines += [f"### `{name}`", "", plain(schema.get("description", "")), ""]
        for field, facts in schema.get("properties", {}).items():
            default = f"; default `{json.dumps(facts['default'])}`" if "default" in facts else ""
            lines += [f"`{field}`", f": {shape(facts)}{default}. {plain(facts.get('description', ''))}", ""]
    return "\n".join(lines) + "\n"


HTTP_INTRODUCTION = """`spatial_viewer` serves two interfaces. `/api/…` answers like the earlier server, so that its clients go on working; `/api/v2/…` is what the
page uses: typed binary columns, jobs with progress, selections. `GET /api/v2/openapi.json` is the same in a form for programs."""


def named(content: dict[str, Any]) -> str:
    """Return the name of the schema of a body, if it has one."""
    reference = content.get("schema", {}).get("$ref", "")
    return f" [`{reference.rpartition('/')[2]}`](#{reference.rpartition('/')[2].lower()})" if reference else ""


def shape(schema: dict[str, Any]) -> str:
    """Return the type of a schema in words."""
    if "$ref" in schema:
        return f"`{schema['$ref'].rpartition('/')[2]}`"
    if "anyOf" in schema or "oneOf" in schema:
        return " or ".join(shape(one) for one in schema.get("anyOf", schema.get("oneOf")))
    if schema.get("type") == "array":
        return f"list of {shape(schema.get('items', {}))}"
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{one}`" for one in schema.get("enum", [schema.get("const")]))
    return str(schema.get("type", "anything"))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    # help texts are laid out by width; a page has room for more than a terminal
    os.environ.setdefault("TERMINAL_WIDTH", "100")
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
