"""The viewer in this process: it listens on a free loopback port, and is made ready in the background."""

from __future__ import annotations

import logging
import secrets
import socket
from collections.abc import Callable
from pathlib import Path
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any

from spacetravlr.errors import InputError, SpaceTravLRError
from spacetravlr.mcp._clean import clean

if TYPE_CHECKING:
    from spacetravlr.viewer import ViewerOptions
    from spacetravlr.viewer._hub import Hub

_LOG = logging.getLogger("spacetravlr")
_NAMED = ("run_toml", "h5ad")


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
        """Why it cannot be asked at all."""
        self.unopened: str | None = None
        """Why what it was started with is not open; other data can be opened all the same."""
        self.settled = Event()
        """Set while nothing is being begun: it answers, or has failed."""
        self._settings = settings
        self._prepare = prepare
        self._lock = Lock()
        self._thread: Thread | None = None
        self._opener: Thread | None = None
        self._hub: Any = None
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

    def again(self) -> None:
        """Begin in the background to open what it was started with, if that has not worked before."""
        with self._lock:
            if self.unopened is None or self._server is None or not self.settled.is_set():
                return
            self.settled.clear()
            self._opener = Thread(target=self._open_again, name="viewer-open", daemon=True)
            self._opener.start()

    def stop(self) -> bool:
        """Stop serving and cancel what is at work; returns whether all of it has ended."""
        if self._server is not None:
            self._server.should_exit = True
        if self._thread is not None and (self._server is not None or self.settled.is_set()):
            self._thread.join(10.0)
        self._listener.close()
        return not any(thread is not None and thread.is_alive() for thread in (self._thread, self._opener))

    def _run(self) -> None:
        try:
            hub, server = self._made()
            self._open(hub)
            # whoever is told the address may connect at once
            self._listener.listen(128)
        except Exception as error:  # noqa: BLE001 - who asks must hear of it, and the log tells the rest
            self.failure = _told(error)
            self.settled.set()
        else:
            self._hub, self._server = hub, server
            self.settled.set()
            server.run(sockets=[self._listener])

    def _open_again(self) -> None:
        self._open(self._hub)
        self.settled.set()

    def _made(self) -> tuple[Hub, Any]:
        """Return the state of a viewer in which nothing is open, and its server."""
        import uvicorn

        from spacetravlr.viewer import create_app
        from spacetravlr.viewer._hub import Hub

        options = self._options(self._settings)
        hub = Hub(options)
        config = uvicorn.Config(
            create_app(options, hub=hub),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=2,
        )
        return hub, uvicorn.Server(config)

    def _open(self, hub: Hub) -> None:
        """Open what it was started with; where that does not work it goes on without, and tells why."""
        try:
            settings = dict(self._settings)
            if self._prepare is not None:
                settings |= self._prepare(self._say)
            self._say("opening the data")
            for name in _NAMED:
                path = settings.get(name)
                if path is not None and not path.exists():
                    raise InputError(f"--{name.replace('_', '-')} {path.name}: no such file or directory")
            hub.renew(self._options(settings))
            hub.begin()
            self.unopened = None
        except Exception as error:  # noqa: BLE001 - whatever it is, other data can still be opened
            self.unopened = _told(error)
            _LOG.warning("nothing is open: %s", self.unopened)

    def _options(self, settings: dict[str, Any]) -> ViewerOptions:
        from spacetravlr.viewer import ViewerOptions

        # the app lives in a frame without an origin of its own: that takes CORS, and CORS takes the token
        return ViewerOptions(**{**settings, "allow_cors": True, "token": self.token, "bind": "127.0.0.1"})

    def _say(self, text: str) -> None:
        self.doing = clean(text)


def _told(error: Exception) -> str:
    """Return what is said about an error to an assistant; the log tells more of one that nobody has foreseen."""
    message = str(error) if isinstance(error, SpaceTravLRError) else getattr(error, "message", None)
    if message is None:
        _LOG.error("the viewer cannot be started", exc_info=error)
    return clean(str(message or "internal error, see the log of this server"), 600)


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
