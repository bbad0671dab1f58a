"""A real browser (software WebGL2) that shows the viewer's page from the real server."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="the page needs playwright")

sync_api.expect.set_options(timeout=15_000)

REPOSITORY = Path(__file__).resolve().parents[3]
STATIC = REPOSITORY / "src" / "spacetravlr" / "viewer" / "static"
GENE = "Sox9"


@pytest.fixture(scope="session")
def bundle(build_page: Callable[[str, Path], None]) -> Path:
    """The built page, built now if it is not there."""
    build_page("build", STATIC / "index.html")
    return STATIC


@pytest.fixture(scope="session")
def serve(bundle: Path) -> Iterator[Callable[[dict[str, Any]], str]]:
    """Start servers with given settings; returns their address."""
    running: list[subprocess.Popen[str]] = []

    def start(options: dict[str, Any]) -> str:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = int(free.getsockname()[1])
        plain = json.dumps({**options, "port": port, "static_dir": bundle}, default=_plain)
        command = [sys.executable, "-m", "spacetravlr.viewer", plain]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        running.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, line
        return found.group(0).rstrip("/")

    yield start
    for process in running:
        process.terminate()
        process.communicate(timeout=30)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else str(value)


@pytest.fixture(scope="session")
def address(serve: Callable[[dict[str, Any]], str], run_options: dict[str, Any]) -> str:
    """A server that shows a run whose model is loaded."""
    url = serve(run_options)
    for _ in range(600):
        if httpx.get(f"{url}/api/v2/meta").json()["perturb"]["state"] == "ready":
            return url
        time.sleep(0.1)
    raise AssertionError("the model was not loaded in 60 s")


class Viewer:
    """A page and what happened in it."""

    def __init__(self, page: Any, origin: str) -> None:
        self.page = page
        self.origin = origin
        self.errors: list[str] = []
        self.foreign: list[str] = []
        page.set_default_timeout(15_000)
        page.on("console", lambda m: self.errors.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", self._see)

    def _see(self, request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("blob", "data") and f"{parts.scheme}://{parts.netloc}" != self.origin:
            self.foreign.append(request.url)

    def open(self, fragment: str = "", *, ready: bool = True) -> Viewer:
        """Load the page, and wait for its first picture."""
        self.page.goto(f"{self.origin}/?test=1{fragment}")
        if ready:
            self.until("__stl.state().status === 'ready' && !__stl.state().busy")
            self.until("__stl.measures().some((m) => m.name === 'first-picture')")
        return self

    def until(self, condition: str, *, seconds: float = 20.0) -> None:
        """Wait for a condition (asked from outside: the page's policy forbids evaluating text inside)."""
        end = time.monotonic() + seconds
        while not self.page.evaluate(f"Boolean(window.__stl) && Boolean({condition})"):
            if time.monotonic() > end:
                raise AssertionError(f"{condition} did not come true: {self.state()}")
            self.page.wait_for_timeout(30)

    def state(self) -> dict[str, Any]:
        """What the page says about itself."""
        found: dict[str, Any] = self.page.evaluate("window.__stl ? __stl.state() : {}")
        return found

    def button(self, name: str, section: str | None = None) -> Any:
        """A button by its exact name."""
        inside = self.page.locator(f"[data-section={section}]") if section else self.page
        return inside.get_by_role("button", name=name, exact=True)

    def unfold(self, title: str) -> None:
        """Open a panel."""
        head = self.page.locator(".section-head", has_text=title).first
        if head.get_attribute("aria-expanded") == "false":
            head.click()

    def twin(self, fragment: str) -> Viewer:
        """Another page of the same browser."""
        return Viewer(self.page.context.new_page(), self.origin).open(fragment)

    def choose(self, label: str, text: str) -> None:
        """Choose a gene in a search box."""
        box = self.page.get_by_role("combobox", name=label, exact=True)
        box.click()
        box.fill(text)
        option = self.page.get_by_role("option").filter(has=self.page.get_by_text(text, exact=True))
        option.first.wait_for()
        box.press("Enter")
        sync_api.expect(box).to_have_value(text)

    def show_gene(self, gene: str) -> None:
        """Colour by a gene with the keyboard only."""
        self.page.keyboard.press("/")
        box = self.page.locator("#gene-search")
        sync_api.expect(box).to_be_focused()
        self.page.keyboard.type(gene.lower())
        self.page.get_by_role("option").filter(has=self.page.get_by_text(gene, exact=True)).first.wait_for()
        self.page.keyboard.press("Enter")
        self.until(f"__stl.state().a.gene === '{gene}' && !__stl.state().busy")

    def stage(self, x: float, y: float) -> tuple[float, float]:
        """Pixel of the window for one of the map."""
        box = self.page.locator("main.stage").bounding_box()
        return box["x"] + x, box["y"] + y

    def cell(self, index: int) -> tuple[float, float]:
        """Pixel of the window where a cell lies."""
        return self.stage(*self.page.evaluate("(i) => __stl.screenOf(i)", index))

    def places(self) -> np.ndarray:
        """Pixels of all cells on the map, shape (n, 2)."""
        script = "() => Array.from({length: __stl.state().n}, (_, i) => __stl.screenOf(i))"
        return np.array(self.page.evaluate(script))

    def column(self, path: str, **query: str) -> np.ndarray:
        """Values of a column as the server gives them: float32, or codes of a categorical one."""
        session = {"X-Session": self.page.evaluate("sessionStorage.getItem('stl.session')")}
        url = f"{self.origin}/api/v2/columns/{path}"
        raw = httpx.get(url, params=query, headers=session).raise_for_status().content
        dtype = {0: np.float32, 2: np.uint8, 3: np.uint16}[raw[6]]
        return np.frombuffer(raw, dtype, int.from_bytes(raw[8:16], "little"), 32)

    def draw(self, corners: list[tuple[float, float]], *, key: str | None = None) -> None:
        """Draw an outline on the map."""
        mouse = self.page.mouse
        mouse.move(*self.stage(*corners[0]))
        if key:
            self.page.keyboard.down(key)
        mouse.down()
        for corner in corners[1:]:
            mouse.move(*self.stage(*corner), steps=3)
        mouse.up()
        if key:
            self.page.keyboard.up(key)

    def save_pictures(self, folder: Path) -> list[Path]:
        """Save what is shown as PNG and as SVG; returns the files."""
        saved = []
        for name, start in (("Picture (PNG)", b"\x89PNG"), ("Drawing (SVG)", b"<svg")):
            self.page.get_by_label("Save the picture").click()
            with self.page.expect_download() as download:
                self.button(name).click()
            saved.append(folder / download.value.suggested_filename)
            download.value.save_as(saved[-1])
            assert saved[-1].read_bytes().startswith(start)
        return saved

    def perturb(self, gene: str = GENE) -> None:
        """Run a knock-out in all cells and wait for its picture."""
        self.choose("Gene 1 to perturb", gene)
        self.button("Run perturbation").click()
        self.until("__stl.state().a.kind === 'delta' && !__stl.state().busy")


@pytest.fixture
def viewer(browser: Any, address: str, request: pytest.FixtureRequest) -> Iterator[Viewer]:
    """A page of its own; afterwards nothing may have been complained about, nor left the server."""
    options = {"viewport": {"width": 1360, "height": 860}, "accept_downloads": True, "reduced_motion": "reduce"}
    context = browser.new_context(**{**options, **getattr(request, "param", {})})
    shown = Viewer(context.new_page(), address)
    yield shown
    context.close()
    assert shown.foreign == []
    assert shown.errors == []


@pytest.fixture
def another(browser: Any) -> Iterator[Callable[[str], Viewer]]:
    """Pages of other servers, each with a profile of its own."""
    contexts: list[Any] = []

    def make(origin: str) -> Viewer:
        contexts.append(browser.new_context(reduced_motion="reduce"))
        return Viewer(contexts[-1].new_page(), origin)

    yield make
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def api(address: str) -> Iterator[httpx.Client]:
    """The server's data, asked directly."""
    with httpx.Client(base_url=f"{address}/api/v2", timeout=30.0) as client:
        yield client
