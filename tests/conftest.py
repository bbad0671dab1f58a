"""Fixtures shared by all rooms."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from spacetravlr.bench._viewer_page import CHROMIUM_FLAGS, browser_program

# whoever starts the tests in the background may have had them ignore Ctrl-C, and programs inherit that; some tests press it
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """Reference data and figures that are not part of the project."""
    folder = Path(os.environ.get("SPACETRAVLR_SHARED", REPOSITORY.parent / "shared"))
    if not (folder / "golden").is_dir():
        pytest.skip("the folder of reference data is not here")
    return folder


@pytest.fixture(scope="session")
def golden() -> Path:
    """Small reference figures that ship with the tests."""
    return Path(__file__).resolve().parent / "golden"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 64 KiB; mounting it needs root."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no small file system can be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium for a file of tests, with WebGL2 in software; while it is open, no other event loop can run."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="pages are opened by playwright")
    program = browser_program()
    if program is None:
        absent("chromium")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=list(CHROMIUM_FLAGS))
        yield running
        running.close()


@pytest.fixture(scope="session")
def build_page() -> Callable[[str, Path], None]:
    """Builds what a script of `web/` makes, if it is not there."""

    def build(script: str, made: Path) -> None:
        if made.is_file():
            return
        npm = shutil.which("npm") or absent("npm")
        for command in (["ci", "--no-audit", "--no-fund"], ["run", script]):
            subprocess.run([npm, *command], cwd=REPOSITORY / "web", check=True, capture_output=True, timeout=300)

    return build


_ACCESS = """async () => {
  const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
  const found = await axe.run(document, {runOnly: {type: 'tag', values: rules}, resultTypes: ['violations']});
  return found.violations.flatMap(({id, impact, help, nodes}) => nodes.map((node) => {
    const facts = node.any.concat(node.all, node.none).map((check) => check.message).join('; ');
    return `${id} (${impact}): ${help} | ${node.target.join(' ')} | ${facts}`;
  }));
}"""


@pytest.fixture(scope="session")
def inaccessible() -> Callable[[Any], list[str]]:
    """What axe-core holds against a page (or a frame) as it is now, by the rules of WCAG 2.0 to 2.2, A and AA."""
    program = REPOSITORY / "web" / "node_modules" / "axe-core" / "axe.min.js"
    if not program.is_file():
        npm = shutil.which("npm") or absent("npm")
        subprocess.run(
            [npm, "ci", "--no-audit", "--no-fund"], cwd=program.parents[2], check=True, capture_output=True, timeout=300
        )
    axe = program.read_text()

    def look(page: Any) -> list[str]:
        # given from outside: the page's own policy lets in no other script
        if not page.evaluate("typeof window.axe === 'object'"):
            page.evaluate(f"() => {{ {axe} }}")
        found: list[str] = page.evaluate(_ACCESS)
        return found

    return look


def absent(program: str) -> NoReturn:
    """Fail where all programs must be there, skip elsewhere."""
    if os.environ.get("CI"):
        pytest.fail(f"{program} is not installed, and tests need it")
    pytest.skip(f"{program} is not installed")
