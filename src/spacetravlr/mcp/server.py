"""The server: tools, app, resources and prompts around one viewer; over standard streams or HTTP."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings

from spacetravlr import __version__
from spacetravlr.errors import InputError, UsageError
from spacetravlr.mcp._api import Api
from spacetravlr.mcp._app_tools import add_app_tools
from spacetravlr.mcp._clean import NOTE
from spacetravlr.mcp._data_tools import add_data_tools
from spacetravlr.mcp._desk import Desk
from spacetravlr.mcp._gene_tools import add_gene_tools
from spacetravlr.mcp._local import LocalViewer, demo_settings
from spacetravlr.mcp._options import HTTP_TOKEN, AssistantOptions
from spacetravlr.mcp._page import add_page
from spacetravlr.mcp._perturb_tools import add_perturb_tools
from spacetravlr.mcp._prompts import add_prompts
from spacetravlr.mcp._resources import add_resources
from spacetravlr.mcp._sessions import Sessions
from spacetravlr.mcp._strict import StrictApps
from spacetravlr.mcp._token import TokenGuard
from spacetravlr.mcp._wire import Ending, SessionLayer
from spacetravlr.viewer._patience import patient_protocol

_MOST_CONNECTIONS = 500
_INSTRUCTIONS = (
    "SpaceTravLR: a tissue section with models of how each gene depends on transcription factors and on ligands of "
    "neighbouring cells. Begin with describe_dataset; find genes with list_genes. perturb simulates a knock-out in "
    "exactly the scope that is given: never replace a scope that is refused by a larger one, ask the user. Results are "
    "simulations: look at scores before you explain one, and give units. show_spatial_viewer lets the user see the "
    f"tissue. {NOTE} The resource spacetravlr://guide tells more."
)


def make_desk(options: AssistantOptions) -> Desk:
    """Return the viewer to work with: the one named, or one in this process, which starts when it is asked first."""
    if options.api_base is not None:
        return Desk(Api(options.api_base, options.api_token), None)
    prepare: Callable[[Callable[[str], None]], dict[str, Any]] | None = None
    if options.demo is not None:
        prepare = partial(demo_settings, options.demo)
    local = LocalViewer(dict(options.viewer), prepare)
    return Desk(Api(local.base, local.token), local)


def make_server(options: AssistantOptions, desk: Desk, sessions: Sessions | None = None) -> MCPServer[Any]:
    """Return the server for assistants around a viewer.

    Parameters
    ----------
    options
        Its settings.
    desk
        The viewer.
    sessions
        Those of its clients over HTTP; None where there is only one client, whose session is that of the desk.
    """

    @asynccontextmanager
    async def life(_: MCPServer[Any]) -> AsyncIterator[None]:
        # here the streams belong to the protocol already, so that nothing that is loaded can print into it
        if desk.local is not None:
            desk.local.start()
        apps.inputs = {one.name: tuple(one.input_schema["properties"]) for one in await server.list_tools()}
        yield None

    apps = StrictApps()
    add_page(apps, connect=list(dict.fromkeys((desk.api.base, *options.connect_origins))))
    add_app_tools(apps, desk)
    server: MCPServer[Any] = MCPServer(
        "spatial-viewer",
        title="SpaceTravLR",
        version=__version__,
        instructions=_INSTRUCTIONS,
        extensions=[apps],
        lifespan=life,
        middleware=[*([] if sessions is None else [sessions.serve]), desk.undo],
        log_level="WARNING",
    )
    add_data_tools(server, desk)
    add_gene_tools(server, desk)
    add_perturb_tools(server, desk)
    add_resources(server, desk)
    add_prompts(server)
    return server


def serve_stdio(options: AssistantOptions) -> None:
    """Serve one assistant over standard input and output until it hangs up."""
    desk = make_desk(options)
    ended = True
    try:
        with suppress(KeyboardInterrupt):
            make_server(options, desk).run("stdio")
    finally:
        if desk.local is not None:
            ended = desk.local.stop()
    _leave(ended)


def serve_http(options: AssistantOptions, *, say: Callable[[str], None]) -> None:
    """Serve assistants over HTTP on this machine until told to stop (Ctrl-C, SIGTERM).

    Parameters
    ----------
    options
        Settings; every request has to show the token.
    say
        Shows a line to the user.

    Raises
    ------
    UsageError
        For a port that is none.
    InputError
        If the port is taken.
    """
    import uvicorn

    listener = _listen(options.port)
    ended = True
    try:
        desk = make_desk(options)
        port = listener.getsockname()[1]
        listener.listen(128)
        say(f"assistants: http://127.0.0.1:{port}/mcp")
        own = os.environ.get(HTTP_TOKEN, "").strip() == options.token
        say(f"header:     Authorization: Bearer {f'${HTTP_TOKEN}' if own else options.token}")
        config = uvicorn.Config(
            _http_app(options, desk, port),
            http=patient_protocol(),
            ws="none",
            limit_concurrency=_MOST_CONNECTIONS,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=2,
        )
        try:
            if desk.local is not None:
                desk.local.start()
            with suppress(KeyboardInterrupt):
                uvicorn.Server(config).run(sockets=[listener])
        finally:
            if desk.local is not None:
                ended = desk.local.stop()
    finally:
        listener.close()
    _leave(ended)


def _http_app(options: AssistantOptions, desk: Desk, port: int) -> TokenGuard:
    """Return what answers over HTTP: who has no token goes no further, and each client has its own session."""
    hosts = [f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")]
    guard = TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=hosts,
        allowed_origins=[f"http://{host}" for host in hosts],
    )
    logging.getLogger("mcp.server.streamable_http").addFilter(Ending())
    sessions = Sessions(desk.api, most=options.sessions, idle=options.idle)
    # when a session ends is decided here: the viewer has to hear of it
    app = make_server(options, desk, sessions).streamable_http_app(
        transport_security=guard, session_idle_timeout=None, max_sessions=options.sessions
    )
    return TokenGuard(SessionLayer(app, sessions, host=hosts[0]), options.token)


def _leave(ended: bool) -> None:  # noqa: FBT001 - one word for one thing
    """End the process if something is still at work in it, for which the interpreter would wait."""
    if not ended:
        # the demo is being made: what there is of it is whole, and is continued the next time
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(0)


def _listen(port: int) -> socket.socket:
    if not 0 <= port <= 65_535:
        raise UsageError(f"--port {port}: ports go from 0 to 65535")
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if sys.platform != "win32":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise InputError(f"cannot listen on 127.0.0.1:{port} ({error.strerror}); choose another --port") from error
    return listener
