"""A server for assistants in a process of its own, and a client of it, over standard streams and over HTTP."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import anyio
import httpx
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

mcp = pytest.importorskip("mcp", reason="assistants need the extra mcp")
pytest.importorskip("fastapi", reason="assistants need the extra mcp")

GENE = "Sox9"
SLOW = 31
"""Steps of a perturbation that ends only when it is cancelled."""
LATE = "late.h5ad"
"""A sample that takes a second to open."""
# the real program, in which one simulation never ends by itself, and which prints where only the protocol may
PROGRAM = f"""
import sys, time
from spacetravlr.perturbation import SimulationCancelledError
from spacetravlr.viewer import _hub, _v2_jobs
opens = _hub.open_dataset
def open_dataset(request, options, holds):
    time.sleep(request.h5ad is not None and request.h5ad.name == {LATE!r})
    return opens(request, options, holds)
_hub.open_dataset = open_dataset
whole = _v2_jobs.simulate
def simulate(model, targets, *, n_propagation, at, cancelled, **rest):
    print("this must not reach the assistant")
    end = time.monotonic() + 60
    while n_propagation == {SLOW} and time.monotonic() < end:
        at(0.3, "step 1 of {SLOW}")
        time.sleep(0.01)
        if cancelled():
            raise SimulationCancelledError("cancelled")
    return whole(model, targets, n_propagation=n_propagation, at=at, cancelled=cancelled, **rest)
_v2_jobs.simulate = simulate
from spacetravlr.cli.mcp import run
sys.exit(run())
"""

# few sessions, which end soon, and no patience with what does not come
LITTLE = """
from functools import partial
import spacetravlr.mcp
from spacetravlr.viewer import _patience
spacetravlr.mcp.AssistantOptions = partial(spacetravlr.mcp.AssistantOptions, sessions=4, idle=3.0)
_patience.Patience = partial(_patience.Patience, head=1.0, pause=1.0, body=2.0)
"""
PLAIN = "import sys; from spacetravlr.cli.mcp import run; sys.exit(run())"


def environment(**more: str) -> dict[str, str]:
    """Variables of a server: those of this process, none that names another viewer."""
    own = {
        name: value for name, value in os.environ.items() if not name.startswith(("SPATIAL_VIEWER", "SPACETRAVLR_MCP"))
    }
    return {**own, **more}


@pytest.fixture(scope="session")
def start_program() -> Callable[..., subprocess.Popen[str]]:
    """Start a program, by default that of `assistant`, without a client; the function takes flags and variables."""

    def start(flags: list[str], *, folder: Path, program: str = PROGRAM, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", program, *flags],
            cwd=folder,
            env=environment(**variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    return start


class Assistant:
    """A client of a server; its methods wait for answers."""

    def __init__(self, portal: BlockingPortal, client: Any) -> None:
        self.portal = portal
        self.client = client
        self.progress: list[tuple[float, float | None, str | None]] = []

    def call(self, tool: str, **arguments: Any) -> Any:
        """Answer of a tool, whatever it is; what it says meanwhile is in `progress`."""
        self.progress.clear()

        async def hear(progress: float, total: float | None, message: str | None) -> None:
            self.progress.append((progress, total, message))

        return self.portal.call(lambda: self.client.call_tool(tool, arguments, progress_callback=hear))

    def data(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Structured answer of a tool that must succeed."""
        answer = self.call(tool, **arguments)
        assert not answer.is_error, text(answer)
        assert text(answer)
        return answer.structured_content  # type: ignore[no-any-return]

    def error(self, tool: str, **arguments: Any) -> str:
        """Text of a tool that must fail."""
        answer = self.call(tool, **arguments)
        assert answer.is_error, text(answer)
        assert "Traceback" not in text(answer)
        return text(answer)

    def cancel(self, tool: str, *, told: str = "step", **arguments: Any) -> None:
        """Call a tool, and give it up once it has told something that begins so."""

        async def work() -> None:
            with anyio.fail_after(60), anyio.CancelScope() as scope:

                async def hear(progress: float, total: float | None, message: str | None) -> None:
                    if message and message.startswith(told):
                        scope.cancel()

                await self.client.call_tool(tool, arguments, progress_callback=hear)
                raise AssertionError("the call was not given up")

        self.portal.call(work)

    def get(self, method: str, *arguments: Any) -> Any:
        """Answer of another method of the client."""
        return self.portal.call(lambda: getattr(self.client, method)(*arguments))


def text(answer: Any) -> str:
    """All text of an answer."""
    return "\n".join(part.text for part in answer.content if part.type == "text")


@pytest.fixture(scope="session")
def run_flags(golden: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Flags that open a run of the compiled edition, in a directory of its own."""
    root = tmp_path_factory.mktemp("assistant")
    shutil.copytree(golden / "v1_run", root / "run")
    (root / "network").mkdir()
    shutil.copy(golden / "v1_mouse_network.parquet", root / "network" / "mouse_network.parquet")
    (root / "secret.h5ad").write_bytes(b"not a sample")
    shutil.copy(root / "run" / "tissue.h5ad", root / "run" / LATE)
    return [
        *("--run-toml", str(root / "run" / "spacetravlr_run_repro.toml")),
        *("--network-dir", str(root / "network")),
        *("--layer", "imputed_count"),
        *("--cluster-annot", "cell_type_int"),
    ]


@pytest.fixture(scope="session")
def portal() -> Iterator[BlockingPortal]:
    """A thread in which clients live."""
    with start_blocking_portal() as running:
        yield running


@pytest.fixture(scope="session")
def stdio_client(portal: BlockingPortal) -> Callable[..., Any]:
    """Start the program with flags in a directory, with a client over standard streams: a context manager."""

    @contextmanager
    def start(flags: list[str], folder: Path, *, program: str = PLAIN) -> Iterator[Assistant]:
        from mcp.client.stdio import StdioServerParameters

        from mcp import Client

        started = StdioServerParameters(
            command=sys.executable,
            args=["-c", program, *flags],
            env=environment(XDG_CACHE_HOME=str(folder / "cache")),
            cwd=folder,
        )
        with ExitStack() as stack:
            yield Assistant(portal, stack.enter_context(portal.wrap_async_context_manager(Client(started))))

    return start


@pytest.fixture(scope="session")
def assistant(
    portal: BlockingPortal, run_flags: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Assistant]:
    """A client over standard streams, of a program that runs by itself."""
    from mcp.client.stdio import StdioServerParameters

    from mcp import Client

    cache = tmp_path_factory.mktemp("cache")
    program = StdioServerParameters(
        command=sys.executable, args=["-c", PROGRAM, *run_flags], env=environment(XDG_CACHE_HOME=str(cache))
    )
    strange: list[Exception] = []

    async def hear(message: Any) -> None:
        if isinstance(message, Exception):
            strange.append(message)

    with ExitStack() as stack:
        client = Client(program, message_handler=hear)
        yield Assistant(portal, stack.enter_context(portal.wrap_async_context_manager(client)))
    # the program prints while it simulates, and none of that may be taken for the protocol
    assert strange == []


@pytest.fixture(scope="session")
def connection(assistant: Assistant) -> dict[str, str]:
    """Where the viewer of that server is, as its page is told."""
    return assistant.call("show_spatial_viewer").meta["spacetravlr/connection"]  # type: ignore[no-any-return]


class HttpServer:
    """A server over HTTP.

    Parameters
    ----------
    flags
        Besides those for HTTP.
    program
        What runs.
    variables
        Of its environment.
    """

    def __init__(self, *flags: str, program: str = PLAIN, **variables: str) -> None:
        self.errors = TemporaryFile("w+")  # noqa: SIM115 - closed with the server
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, "--http", "--port", "0", *flags],
            env=environment(**variables),
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )
        assert self.process.stdout is not None
        lines = [self.process.stdout.readline() for _ in range(2)]
        self.url = lines[0].split()[-1]
        self.token = lines[1].split()[-1]

    def close(self) -> None:
        """Stop it; nothing may have happened in it that nobody has foreseen."""
        self.process.terminate()
        self.process.communicate(timeout=30)
        with self.errors as errors:
            errors.seek(0)
            said = errors.read()
        assert "Traceback" not in said, said


@pytest.fixture(scope="session")
def http_server(connection: dict[str, str]) -> Iterator[HttpServer]:
    """A running server over HTTP, whose viewer is the one of another server."""
    running = HttpServer(
        SPATIAL_VIEWER_API_BASE=connection["base"],
        SPATIAL_VIEWER_TOKEN=connection["token"],
        SPATIAL_VIEWER_CONNECT_ORIGINS="https://tissue.example, http://localhost:5173",
    )
    yield running
    running.close()


@contextmanager
def client_of(portal: BlockingPortal, server: HttpServer, mode: str = "auto") -> Iterator[Assistant]:
    """A client over HTTP, with the token and a session of its own."""
    import httpx2
    from mcp.client.streamable_http import streamable_http_client

    from mcp import Client

    with ExitStack() as stack:
        make: Callable[[], Any] = lambda: httpx2.AsyncClient(  # noqa: E731
            headers={"Authorization": f"Bearer {server.token}"}, timeout=60.0
        )
        http = stack.enter_context(portal.wrap_async_context_manager(portal.call(make)))
        client = Client(streamable_http_client(server.url, http_client=http), mode=mode)
        yield Assistant(portal, stack.enter_context(portal.wrap_async_context_manager(client)))


@pytest.fixture(scope="session")
def over_http(portal: BlockingPortal, http_server: HttpServer) -> Iterator[Assistant]:
    """A client over HTTP, with the token."""
    with client_of(portal, http_server) as client:
        yield client


@pytest.fixture(scope="session")
def new_client(portal: BlockingPortal) -> Callable[..., Any]:
    """Make a client over HTTP; the function takes the server, and is a context manager."""
    return partial(client_of, portal)


@pytest.fixture(scope="session")
def busy_server(run_flags: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpServer]:
    """A server over HTTP with its own viewer, four sessions and little patience."""
    program = PROGRAM.replace("from spacetravlr.cli.mcp import run\n", LITTLE + "from spacetravlr.cli.mcp import run\n")
    running = HttpServer(*run_flags, program=program, XDG_CACHE_HOME=str(tmp_path_factory.mktemp("busy")))
    yield running
    running.close()


@pytest.fixture
def http_started() -> Iterator[Callable[..., HttpServer]]:
    """Start servers over HTTP; the function takes flags and variables."""
    running: list[HttpServer] = []

    def start(*flags: str, **variables: str) -> HttpServer:
        running.append(HttpServer(*flags, **variables))
        return running[-1]

    yield start
    for one in running:
        one.close()


@pytest.fixture(scope="session")
def tools(assistant: Assistant) -> dict[str, Any]:
    """Tools by name."""
    return {one.name: one for one in assistant.get("list_tools").tools}


@pytest.fixture(scope="session")
def viewer(connection: dict[str, str]) -> Iterator[httpx.Client]:
    """The viewer of that server, asked directly, in the session of the tools."""
    headers = {"Authorization": f"Bearer {connection['token']}", "X-Session": connection["session"]}
    with httpx.Client(base_url=f"{connection['base']}/api/v2", headers=headers, timeout=30.0) as client:
        yield client


@pytest.fixture(scope="session")
def types(assistant: Assistant) -> dict[str, int]:
    """Cells of each type."""
    columns = {one["name"]: one for one in assistant.data("describe_dataset")["columns"]}
    own = columns[assistant.data("describe_dataset")["cell_type_column"]]
    return dict(zip(own["labels"], own["cells"], strict=True))


@pytest.fixture(scope="session")
def job(assistant: Assistant) -> str:
    """A knock-out in all cells that is done."""
    return str(assistant.data("perturb", targets=[{"gene": GENE}], scope={"type": "all"})["job"])
