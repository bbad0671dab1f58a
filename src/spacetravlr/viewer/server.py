"""Listen: check everything that can be wrong first, open the data, then serve until told to stop."""

from __future__ import annotations

import ipaddress
import logging
import secrets
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from spacetravlr.errors import InputError, UsageError
from spacetravlr.viewer._hub import Hub
from spacetravlr.viewer._options import ViewerOptions
from spacetravlr.viewer._patience import patient_protocol
from spacetravlr.viewer._problem import ProblemError
from spacetravlr.viewer._security import is_loopback
from spacetravlr.viewer._static import bundle
from spacetravlr.viewer.app import create_app

_LOG = logging.getLogger("spacetravlr")


def serve(options: ViewerOptions, *, say: Callable[[str], None]) -> None:
    """Run a server until it is told to stop (Ctrl-C, SIGTERM).

    Parameters
    ----------
    options
        Its settings.
    say
        Shows a line to the user.

    Raises
    ------
    UsageError
        For an address that is none, or a directory of the page without one.
    InputError
        If the address is taken, or the data cannot be opened.
    """
    import uvicorn

    options = checked(options)
    bundle(options.static_dir)
    listener = _listen(options)
    try:
        hub = Hub(options)
        app = create_app(options, hub=hub)
        try:
            hub.begin()
        except ProblemError as error:
            raise InputError(error.message) from error
        # whoever reads the address may connect at once
        listener.listen(2048)
        for line in _greeting(options, hub, listener):
            say(line)
        config = uvicorn.Config(
            app,
            http=patient_protocol(),
            ws="none",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=5,
            # longer than a client waits between two requests: a connection closed just then looks like an error
            timeout_keep_alive=75,
            server_header=False,
            limit_concurrency=2000,
            h11_max_incomplete_event_size=64 * 1024,
        )
        # Ctrl-C is how a server is stopped; whatever is at work has been told by then
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])
    finally:
        listener.close()


def checked(options: ViewerOptions) -> ViewerOptions:
    """Return settings with a token where one is needed.

    Raises
    ------
    UsageError
        If the address is none.
    """
    try:
        ipaddress.ip_address(options.bind.strip("[]"))
    except ValueError as error:
        hint = "; use 127.0.0.1" if options.bind == "localhost" else ""
        raise UsageError(f"--bind {options.bind}: this is no IP address{hint}") from error
    if not 0 <= options.port <= 65_535:
        raise UsageError(f"--port {options.port}: ports go from 0 to 65535")
    if options.token is None and (options.allow_cors or not is_loopback(options.bind)):
        return replace(options, token=secrets.token_urlsafe(32))
    return options


def _listen(options: ViewerOptions) -> socket.socket:
    address = ipaddress.ip_address(options.bind.strip("[]"))
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    # with the protocol named, asyncio sends small packets at once: else every answer waits 40 ms for the one before
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((str(address), options.port))
    except OSError as error:
        listener.close()
        raise InputError(
            f"cannot listen on {options.bind}:{options.port} ({error.strerror}); choose another --port"
        ) from error
    return listener


def _greeting(options: ViewerOptions, hub: Hub, listener: socket.socket) -> list[str]:
    port = listener.getsockname()[1]
    address = ipaddress.ip_address(options.bind.strip("[]"))
    host = "127.0.0.1" if address.is_unspecified else f"[{address}]" if address.version == 6 else str(address)
    fragment = f"#token={options.token}" if options.token else ""
    lines = [f"viewer: http://{host}:{port}/{fragment}"]
    data = hub.current()
    if data is not None:
        lines.append(f"showing {data.file.path.name}: {data.n_obs:,} cells x {len(data.genes):,} genes")
    if options.allow_cors:
        lines.append("pages of other origins may use the API with the token (--allow-cors)")
    if address.is_unspecified or not address.is_loopback:
        lines.append("everybody who reaches this address and has the token can see the data")
    shown = ", ".join(str(root) for root in hub.roots.roots)
    lines.append(f"files may be opened in: {shown}")
    return lines
