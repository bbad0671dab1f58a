"""The viewer's page in a real browser: how long until there is a picture, and until another colour is shown.

The page times itself (performance measures, `web/src/map/timing.ts`), so what is told is what a person waits for, less
the drawing: on a machine without a GPU the browser draws in software, and that is told apart.
"""

from __future__ import annotations

import importlib.util
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
"""With WebGL2 in software, and without a word to anybody."""
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_PATIENCE = 120.0
_SIZE = {"width": 1360, "height": 860}


def browser_program() -> str | None:
    """Return the path of a Chromium, if there is one."""
    return next((found for name in _PROGRAMS if (found := shutil.which(name))), None)


def why_not() -> str | None:
    """Say what is missing for a page to be opened; None if nothing is."""
    if importlib.util.find_spec("playwright") is None:
        return "playwright is not installed (pip install playwright)"
    return None if browser_program() else "chromium is not installed"


@contextmanager
def browser() -> Iterator[Any]:
    """Start a headless browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=browser_program(), args=list(CHROMIUM_FLAGS))
        try:
            yield running
        finally:
            running.close()


class ShownPage:
    """The page of a server, in a profile of its own.

    Parameters
    ----------
    running
        The browser.
    origin
        Address of the server.
    """

    def __init__(self, running: Any, origin: str) -> None:
        self._context = running.new_context(viewport=_SIZE, reduced_motion="reduce")
        self._page = self._context.new_page()
        self._page.goto(f"{origin}/?test=1", wait_until="commit")

    def first_picture(self) -> dict[str, float]:
        """Wait for the first picture; seconds from opening the address until it was handed over, and drawn."""
        self._until("first-picture-drawn", 1)
        return {"handed_s": self._seconds("first-picture", 0), "drawn_s": self._seconds("first-picture-drawn", 0)}

    def recolour(self, gene: str) -> dict[str, float]:
        """Colour by a gene; seconds until the new colours were handed to the drawing, and drawn.

        `upload_s` is the part of `handed_s` after the server's answer was there.
        """
        before = len(self._measures("recolour-drawn"))
        self._page.evaluate("(gene) => __stl.show({kind: 'expr', gene})", gene)
        self._until("recolour-drawn", before + 1)
        return {
            "handed_s": self._seconds("recolour", -1),
            "upload_s": self._seconds("recolour-upload", -1),
            "drawn_s": self._seconds("recolour-drawn", -1),
        }

    def close(self) -> None:
        """Close the page and forget its profile."""
        self._context.close()

    def _measures(self, name: str) -> list[float]:
        found = self._page.evaluate("() => window.__stl ? __stl.measures() : []")
        return [one["duration"] / 1000 for one in found if one["name"] == name]

    def _seconds(self, name: str, which: int) -> float:
        return self._measures(name)[which]

    def _until(self, name: str, number: int) -> None:
        end = time.monotonic() + _PATIENCE
        while len(self._measures(name)) < number:
            if time.monotonic() > end:
                raise TimeoutError(f"the page did not report {name} within {_PATIENCE:.0f} s")
            time.sleep(0.02)
