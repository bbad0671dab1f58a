"""The viewer in this process: it listens on a free loopback port, and is made ready in the background."""

from __future__ import annotations

import logging
import secrets
import socket
from collections.abc import Callable
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

from spacetravlr.errors import SpaceTravLRError
from spacetravlr.mcp._clean import clean

_LOG = logging.getLogger("spacetravlr")


class LocalViewer:
    """A viewer whose address is known at once, and which answers once it is ready.

    Parameters
    ----------
    settings
        Fields of `ViewerOptions`.
    prepare
        Called in the background before the data are opened, with a function that is told what is going on; returns
        further settings.
    """

    def __init__(
        self, settings: dict[str, Any], prepare: Callable[[Callable[[str], None]], dict[str, Any]] | None = None
    ) -> None:
        self.token = secrets.token_urlsafe(32)
        self.doing = "starting the viewer"
        self.failure: str | None = None
        self.settled = Event()
        """Set when it answers, or has failed."""
        self._settings = settings
        self._prepare = prepare
        self._lock = Lock()
        self._thread: Thread | None = None
        self._server: Any = None
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._listener.bind(("127.0.0.1", 0))
        self.base = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def start(self) -> None:
        """Begin, unless that has been done."""
        with self._lock:
            if self._thread is None:
                self._thread = Thread(target=self._run, name="viewer", daemon=True)
                self._thread.start()

    def stop(self) -> bool:
        """Stop serving and cancel what is at work; returns whether all of it has ended."""
        if self._server is not None:
            self._server.should_exit = True
        if self._thread is not None and self.settled.is_set():
            self._thread.join(10.0)
        self._listener.close()
        return self._thread is None or not self._thread.is_alive()

    def _run(self) -> None:
        try:
            server = self._open()
        except SpaceTravLRError as error:
            self._fail(str(error))
        except Exception as error:  # noqa: BLE001 - who asks must hear of it, and the log tells the rest
            message = getattr(error, "message", None)
            if message is None:
                _LOG.exception("the viewer cannot be started")
            self._fail(str(message or "internal error, see the log of this server"))
        else:
            self._server = server
            self.settled.set()
            server.run(sockets=[self._listener])

    def _open(self) -> Any:
        settings = dict(self._settings)
        if self._prepare is not None:
            settings |= self._prepare(self._say)
        self._say("opening the data")
        import uvicorn

        from spacetravlr.viewer import ViewerOptions, create_app

        # the app lives in a frame without an origin of its own: that takes CORS, and CORS takes the token
        options = ViewerOptions(**{**settings, "allow_cors": True, "token": self.token, "bind": "127.0.0.1"})
        app = create_app(options)
        app.state.hub.begin()
        # whoever is told the address may connect at once
        self._listener.listen(128)
        config = uvicorn.Config(
            app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=2
        )
        return uvicorn.Server(config)

    def _say(self, text: str) -> None:
        self.doing = clean(text)

    def _fail(self, message: str) -> None:
        self.failure = clean(message, 600)
        self.settled.set()


def demo_settings(folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Return the settings that show the demo in a directory, which is made if it is not there (half a minute or more).

    Raises
    ------
    SpaceTravLRError
        If the directory holds something else, or cannot be written.
    """
    run = folder / "run"
    if not (folder / "demo.json").is_file() or not (run / "spacetravlr_run_repro.toml").is_file():
        from spacetravlr.bench.demo import run_demo

        say("making the demo: a simulated tissue, a training and two knock-outs (about a minute)")
        run_demo(folder, say=say)
    return {"run_toml": run / "spacetravlr_run_repro.toml"}
