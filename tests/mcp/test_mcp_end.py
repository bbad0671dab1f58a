"""When the assistant's program goes away, so does everything that was started for it."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

SLOW = 31
"""Steps of a perturbation that ends only when it is cancelled."""
# makes a demo that takes two minutes in a thread for which the interpreter would wait
DEMO = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from spacetravlr.bench import demo
def run_demo(out, *, say):
    with ThreadPoolExecutor(1) as pool:
        say("a tissue")
        pool.submit(time.sleep, 120).result()
demo.run_demo = run_demo
from spacetravlr.cli.mcp import run
sys.exit(run())
"""
HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}


class Wire:
    """A server and its streams, without a client that tidies up."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def send(self, method: str, params: dict[str, Any], identifier: int | None = None) -> None:
        """Ask, or tell."""
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message | ({} if identifier is None else {"id": identifier})) + "\n")
        self.process.stdin.flush()

    def call(self, tool: str, arguments: dict[str, Any]) -> None:
        """Call a tool, and ask it to tell its progress."""
        self.send("tools/call", {"name": tool, "arguments": arguments, "_meta": {"progressToken": 9}}, 9)

    def until_told(self, beginning: str) -> None:
        """Wait for a progress that begins so."""
        self.until(lambda message: str(message.get("params", {}).get("message", "")).startswith(beginning))

    def hang_up(self, seconds: float) -> None:
        """End its input; it must end by itself in that time."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(timeout=seconds) == 0

    def until(self, fits: Any) -> dict[str, Any]:
        """Return the first message that fits; every line must be one of the protocol."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            message: dict[str, Any] = json.loads(line)
            if fits(message):
                return message
        raise AssertionError("the server has ended")


@pytest.fixture
def wire(start_program: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> Iterator[Callable[..., Wire]]:
    """Start a server and greet it; the function takes its flags."""
    running: list[subprocess.Popen[str]] = []

    def start(flags: list[str], **program: str) -> Wire:
        running.append(start_program(flags, folder=tmp_path, XDG_CACHE_HOME=str(tmp_path), **program))
        made = Wire(running[0])
        made.send("initialize", HELLO, 1)
        made.until(lambda message: message.get("id") == 1)
        made.send("notifications/initialized", {})
        return made

    yield start
    for process in running:
        process.kill()
        with process:
            pass


def test_the_end_of_input_ends_the_server_its_jobs_and_its_viewer(
    wire: Callable[..., Wire], run_flags: list[str]
) -> None:
    server = wire(run_flags)
    server.send("tools/call", {"name": "show_spatial_viewer", "arguments": {}}, 2)
    shown = server.until(lambda message: message.get("id") == 2)["result"]
    base = urlsplit(shown["_meta"]["spacetravlr/connection"]["base"])
    slow = {"targets": [{"gene": "Sox9"}], "scope": {"type": "all"}, "n_propagation": SLOW}
    server.call("perturb", slow)
    server.until_told("step")
    # the simulation alone would go on for a minute
    server.hang_up(40)
    with socket.socket() as other:
        assert other.connect_ex((base.hostname, base.port)) != 0


def test_the_end_of_input_does_not_wait_for_the_demo(wire: Callable[..., Wire]) -> None:
    server = wire(["--demo"], program=DEMO)
    server.call("describe_dataset", {})
    server.until_told("a tissue")
    server.hang_up(40)
