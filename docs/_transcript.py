"""Hold the conversation of the page on assistants, for real, and write it down: `python docs/_transcript.py`.

Starts `spacetravlr-mcp --demo` as an assistant's program does (the demo is made if it is not there, about a minute),
calls tools, and writes docs/_parts/assistant_tools.inc and docs/_parts/assistant_talk.inc. What differs from one time
to the next (ids, ports, tokens, seconds) is written as a word in its place.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
from mcp.client.stdio import StdioServerParameters

from mcp import Client

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = "import sys; from spacetravlr.cli.mcp import run; sys.exit(run())"
GENE, TYPE = "Hbegf", "Fibroblast"
_DIFFERENT = (
    (re.compile(r"#token=\S+"), "#token=..."),
    (re.compile(r"http://127\.0\.0\.1:\d+"), "http://127.0.0.1:PORT"),
    (re.compile(r"\b[0-9a-f]{16}\b"), "JOB"),
    (re.compile(r"\b\d+\.\d s\b"), "... s"),
    (re.compile("model to simulate with: loading"), "model to simulate with: ready"),
)


def same_each_time(text: str) -> str:
    """Return a text without what differs from one time to the next."""
    for pattern, word in _DIFFERENT:
        text = pattern.sub(word, text)
    return text


class Talk:
    """A conversation, written down as it goes on."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.lines: list[str] = []

    def say(self, who: str, text: str) -> None:
        self.lines += [f"**{who}**: {text}", ""]

    async def call(self, tool: str, *, fails: bool = False, **arguments: Any) -> Mapping[str, Any]:
        """Call a tool, write down call and answer, and return what it answers."""
        answer = await self.client.call_tool(tool, arguments)
        text = "\n".join(part.text for part in answer.content if part.type == "text")
        if bool(answer.is_error) != fails:
            raise RuntimeError(text)
        asked = same_each_time(f"{tool} {json.dumps(arguments)}" if arguments else tool)
        self.lines += ["```text", f"> {asked}", "", same_each_time(text), "```", ""]
        return answer.structured_content or {}


def tool_table(tools: list[Any]) -> str:
    """Return the tools that an assistant sees, as a table."""
    rows = ["| tool | what it does | inputs |", "|---|---|---|"]
    for one in tools:
        if (one.meta or {}).get("ui", {}).get("visibility") == ["app"]:
            continue
        needed = one.input_schema.get("required", [])
        inputs = [f"**{name}**" if name in needed else name for name in one.input_schema["properties"]]
        first = one.description.partition("\n")[0]
        rows.append(f"| `{one.name}` | {first} | {', '.join(inputs) or '-'} |")
    return "\n".join(rows) + "\n"


async def hold(client: Client) -> tuple[str, str]:
    """Return the table of tools and the conversation, in Markdown."""
    tools = tool_table((await client.list_tools()).tools)
    talk = Talk(client)
    question = f"Show me the tissue, and knock out {GENE} in the fibroblasts only. What changes, and can I believe it?"
    talk.say("User", question)
    await talk.call("show_spatial_viewer")
    talk.say("Assistant", "A scope that does not exist is refused, and never becomes a larger one:")
    asked = {"targets": [{"gene": GENE, "dose": 0}], "n_genes": 5}
    await talk.call("perturb", fails=True, **asked, scope={"type": "cell_type", "names": [f"{TYPE}s"]})
    talk.say("Assistant", "With the name as the data spell it:")
    found = await talk.call("perturb", **asked, scope={"type": "cell_type", "names": [TYPE]})
    job, top = found["job"], found["everywhere"][0]["gene"]
    talk.say("Assistant", "How far does it reach?")
    await talk.call("top_effects", job=job, by="ring", n=2)
    talk.say("Assistant", f"Is {top}, which changes most, fitted well, and through what does the change come?")
    await talk.call("scores", genes=[top])
    await talk.call("modulators_of_gene", gene=top, kind="ligand-receptor", limit=3)
    talk.say("Assistant", "And so that you see it:")
    await talk.call("spatial_viewer_control", job=job, readout_gene=top)
    return tools, "\n".join(talk.lines)


async def converse(environment: Mapping[str, str], folder: Path) -> tuple[str, str]:
    """Start the server in a directory as an assistant's program does, and hold the conversation."""
    program = StdioServerParameters(
        command=sys.executable, args=["-c", PROGRAM, "--demo"], env=dict(environment), cwd=folder
    )
    async with Client(program) as client:
        return await hold(client)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", type=Path, default=ROOT / "docs" / "_parts")
    options = parser.parse_args(arguments)
    # a demo that lies about may be of another version: the figures must be those of this one
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "XDG_CACHE_HOME": str(Path(folder) / "cache")}
        tools, talk = anyio.run(converse, environment, Path(folder))
    for name, text in (("tools", tools), ("talk", talk)):
        target = options.parts / f"assistant_{name}.inc"
        target.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{target}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
