"""Take the pictures of the dashboard, the perturbation screen and the viewer: `python docs/_static/make_screens.py`.

Needs tmux, chromium and playwright; takes a minute. The real programs run: a tissue is simulated and written, trained on in a
terminal, a gene is knocked out in another, and the viewer is opened in a browser.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tempfile
import time
from copy import copy
from pathlib import Path

import numpy as np
from PIL import Image
from rich.color_triplet import ColorTriplet
from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME
from rich.text import Text

import spacetravlr as stl
from spacetravlr.bench._viewer_page import browser

HERE = Path(__file__).parent
SIZE = (150, 44)
BACKGROUND = ColorTriplet(17, 21, 28)
"""Of the dark theme of the screens."""


class Terminal:
    """A program in a terminal of its own."""

    def __init__(self, folder: Path, command: str) -> None:
        self._base = ["tmux", "-S", str(Path(tempfile.mkdtemp(dir=folder)) / "tmux"), "-f", "/dev/null"]
        width, height = map(str, SIZE)
        colours = ["-e", "COLORTERM=truecolor", "-e", f"XDG_STATE_HOME={folder}"]
        started = ["new-session", "-d", "-s", "t", "-x", width, "-y", height, "-c", str(folder), *colours, command]
        self.tmux(*started)

    def tmux(self, *arguments: str) -> str:
        return subprocess.run([*self._base, *arguments], capture_output=True, text=True, check=True).stdout

    def keys(self, *names: str) -> None:
        for name in names:
            self.tmux("send-keys", "-t", "t", name)
            time.sleep(0.3)

    def text(self, *flags: str) -> str:
        return self.tmux("capture-pane", "-p", *flags, "-t", "t")

    def until(self, pattern: str, seconds: float = 120) -> None:
        end = time.monotonic() + seconds
        while not re.search(pattern, self.text()):
            if time.monotonic() > end:
                raise TimeoutError(f"{pattern} is not on the screen:\n{self.text()}")
            time.sleep(0.02)

    def close(self) -> None:
        subprocess.run([*self._base, "kill-server"], capture_output=True, check=False)


def main() -> None:
    """Take all pictures."""
    with tempfile.TemporaryDirectory() as place, browser() as running:
        folder = Path(place)
        adata = stl.datasets.simulated_tissue(n_cells=4000, n_genes=400, seed=1)
        adata.obsm["X_umap"] = embedding(adata)
        adata.write_h5ad(folder / "tissue.h5ad")
        stl.datasets.write_network(adata, folder / "network")
        training(running, folder)
        factor = next(iter(adata.uns["truth"]["knock_outs"]))
        perturbation(running, folder, factor)
        viewer(running, folder, factor)


def embedding(adata) -> np.ndarray:
    """Two principal components of each cell, spread a little."""
    values = np.asarray(adata.layers["imputed_count"], dtype=float)
    values = (values - values.mean(axis=0)) / (values.std(axis=0) + 1e-9)
    u, s, _ = np.linalg.svd(values, full_matrices=False)
    return (u[:, :2] * s[:2]).astype(np.float32)


def training(running, folder: Path) -> None:
    """Train in a terminal, and look in the middle of it."""
    command = "spacetravlr --h5ad tissue.h5ad --output-dir my_run --network-data-dir network --radius 100"
    terminal = Terminal(folder, f"{Path(sys.executable).parent}/{command}; sleep 60")
    try:
        terminal.until(r"(?m)^ *(19|2\d|3[0-5])\d/400", seconds=300)
        shown = terminal.text("-e")
        terminal.until("complete after", seconds=300)
        picture(running, shown, "dashboard.png")
    finally:
        terminal.close()


def perturbation(running, folder: Path, factor: str) -> None:
    """Knock a factor out with keys, and look at the result."""
    terminal = Terminal(folder, f"{Path(sys.executable).parent}/spacetravlr-perturb --run-toml my_run")
    try:
        terminal.until("genes")
        terminal.keys("/")
        terminal.tmux("send-keys", "-t", "t", "-l", factor)
        terminal.keys("Enter", "r")
        terminal.until("done", seconds=30)
        terminal.keys("o")
        time.sleep(1)
        picture(running, terminal.text("-e"), "perturbation.png")
    finally:
        terminal.close()


def picture(running, ansi: str, name: str) -> None:
    """Draw what a terminal showed."""
    console = Console(record=True, width=SIZE[0], file=io.StringIO(), color_system="truecolor")
    # the whole at once: a colour goes on into the next line
    console.print(Text.from_ansi(ansi.rstrip("\n"), no_wrap=True, overflow="crop"))
    theme = copy(SVG_EXPORT_THEME)
    theme.background_color = BACKGROUND
    drawing = re.sub(r"@font-face \{.*?\}", "", console.export_svg(title="", theme=theme), flags=re.DOTALL)
    page = running.new_page(viewport={"width": 1400, "height": 900})
    page.set_content(f"<body style='margin:0;width:1400px'>{drawing}</body>")
    page.locator("svg").screenshot(path=HERE / name)
    page.close()
    slim(HERE / name)


def slim(path: Path) -> None:
    """Keep 200 colours of a picture of a terminal: a third of its size."""
    with Image.open(path) as shown:
        fewer = shown.convert("RGB").quantize(200)
    fewer.save(path, optimize=True)


def viewer(running, folder: Path, factor: str) -> None:
    """Knock the factor out in the viewer and look at the change beside the factor."""
    command = [f"{Path(sys.executable).parent}/spatial_viewer", "--run-toml", str(folder / "my_run"), "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        origin = ""
        while not origin:
            found = re.search(r"http://[^\s]+", server.stdout.readline())
            origin = found.group(0).rstrip("/") if found else ""
        page = running.new_page(viewport={"width": 1400, "height": 880}, reduced_motion="reduce")
        page.goto(f"{origin}/?test=1")
        page.wait_for_function("() => window.__stl && __stl.state().status === 'ready' && !__stl.state().busy")
        box = page.get_by_role("combobox", name="Gene 1 to perturb", exact=True)
        box.click()
        box.fill(factor)
        page.get_by_role("option").filter(has=page.get_by_text(factor, exact=True)).first.wait_for()
        box.press("Enter")
        page.get_by_role("button", name="Run perturbation", exact=True).click()
        page.wait_for_function("() => __stl.state().a.kind === 'delta' && !__stl.state().busy")
        page.wait_for_timeout(1500)
        page.screenshot(path=HERE / "viewer.png")
    finally:
        server.terminate()
        server.communicate(timeout=30)


if __name__ == "__main__":
    main()
