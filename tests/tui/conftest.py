"""Screens as text, snapshots of them, real terminals, and a small tissue to train and perturb."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

SNAPSHOTS = Path(__file__).resolve().parent / "snapshots"
SIZES = ((60, 16), (100, 30), (160, 50))


def screen_text(app: Any) -> str:
    """What an application shows now, as lines of text without colours and trailing blanks."""
    strips = app.screen._compositor.render_strips()
    lines = ["".join(segment.text for segment in strip).rstrip() for strip in strips]
    return "\n".join(lines).rstrip("\n") + "\n"


@pytest.fixture(scope="session")
def text_of() -> Callable[[Any], str]:
    """Return what an application shows, as text."""
    return screen_text


@pytest.fixture(scope="session")
def snapshot() -> Callable[[Any, str], None]:
    """Compare a screen (an application, or text) with the snapshot of that name; UPDATE_SNAPSHOTS=1 writes it."""

    def check(shown: Any, name: str) -> None:
        text = shown if isinstance(shown, str) else screen_text(shown)
        path = SNAPSHOTS / f"{name}.txt"
        if os.environ.get("UPDATE_SNAPSHOTS"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"there is no snapshot {path.name}: run the tests with UPDATE_SNAPSHOTS=1 and look at it"
        assert text == path.read_text(encoding="utf-8"), f"{path.name} differs; UPDATE_SNAPSHOTS=1 rewrites it"

    return check


class Terminal:
    """A program in a terminal of its own, driven by keys and read as text."""

    def __init__(self, tmux: str, socket: Path, command: str, *, size: tuple[int, int], env: dict[str, str], cwd: Path):
        self._base = [tmux, "-S", str(socket), "-f", "/dev/null"]
        told = [part for name, value in env.items() for part in ("-e", f"{name}={value}")]
        width, height = map(str, size)
        self._tmux("new-session", "-d", "-s", "t", "-x", width, "-y", height, "-c", str(cwd), *told, command)

    def _tmux(self, *arguments: str, check: bool = True) -> str:
        # the size is that of the terminal, whatever whoever runs the tests has set
        env = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "TMUX")}
        done = subprocess.run(
            [*self._base, *arguments], capture_output=True, text=True, check=False, timeout=60, env=env
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def keys(self, *names: str) -> None:
        """Press keys by the names that tmux has for them."""
        self._tmux("send-keys", "-t", "t", *names)

    def type(self, text: str) -> None:
        """Type a text."""
        self._tmux("send-keys", "-t", "t", "-l", text)

    def text(self) -> str:
        """What is on the screen now."""
        return self._tmux("capture-pane", "-p", "-t", "t", check=False)

    def resize(self, width: int, height: int) -> None:
        """Change the size of the terminal."""
        self._tmux("resize-window", "-t", "t", "-x", str(width), "-y", str(height))

    def ask(self, what: str) -> str:
        """A value that tmux knows, such as `#{alternate_on}`."""
        return self._tmux("display-message", "-p", "-t", "t", what).strip()

    def wait_for(self, *words: str, gone: bool = False, seconds: float = 60) -> str:
        """Wait until all words are on the screen (or none of them)."""
        end = time.monotonic() + seconds
        while True:
            shown = self.text()
            if (not any(word in shown for word in words)) if gone else all(word in shown for word in words):
                return shown
            assert time.monotonic() < end, f"{words} {'still' if gone else 'not'} on the screen:\n{shown}"
            time.sleep(0.05)

    def close(self) -> None:
        """End the session and what runs in it."""
        self._tmux("kill-server", check=False)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Open terminals: a shell command, and perhaps `size`, `env` and `cwd`."""
    tmux = shutil.which("tmux")
    if tmux is None:
        if os.environ.get("CI"):
            pytest.fail("tmux is not installed")
        pytest.skip("tmux is not installed")
    opened: list[Terminal] = []

    def start(
        command: str, *, size: tuple[int, int] = (100, 30), env: dict[str, str] | None = None, cwd: Path | None = None
    ) -> Terminal:
        socket = tmp_path / f"tmux{len(opened)}"
        opened.append(Terminal(tmux, socket, command, size=size, env=env or {}, cwd=cwd or tmp_path))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what is remembered between sessions out of the home of whoever runs the tests."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture(scope="session")
def drive() -> Callable[..., None]:
    """Run an application without a terminal, with an async function that gets its pilot."""

    def run(app: Any, script: Callable[[Any], Coroutine[Any, Any, None]], size: tuple[int, int] = (100, 30)) -> None:
        async def main() -> None:
            async with app.run_test(size=size) as pilot:
                await pilot.pause()
                await script(pilot)

        asyncio.run(main())

    return run


@pytest.fixture(scope="session")
def toy_model() -> Any:
    """A model of 120 cells and 24 genes whose coefficients are given, so that every figure is known to the last digit."""
    import numpy as np
    import pandas as pd

    from spacetravlr.betas import Betas
    from spacetravlr.perturbation import PropagationModel

    rng = np.random.default_rng(3)
    heard = ["Tcf3", "Pax5", "Foxo1", "Ebf1", "Il21", "Il21r", "Ccl19", "Ccr7"]
    genes = [*heard, *(f"Gene{k:02d}" for k in range(14)), "Idle1", "Idle2"]
    kinds = np.array(["B cell", "T cell", "fibroblast"])
    codes = np.repeat([0, 1, 2], [50, 40, 30])
    xy = np.column_stack([rng.uniform(0, 300, 120) + 120 * codes, rng.uniform(0, 400, 120)])
    X = np.where(rng.random((120, 24)) < 0.2, 0.0, rng.gamma(2.0, 0.6, (120, 24)))
    X[:, :8] *= 1 + (codes[:, None] == rng.integers(0, 3, 8))
    names = ("Tcf3", "Pax5", "Foxo1", "Ebf1", "Il21$Il21r", "Ccl19$Ccr7", "Il21#Pax5")
    betas = [
        Betas(gene, "cluster", tuple(kinds), np.zeros(3), names, rng.normal(0, 0.2, (3, len(names))))
        for gene in genes[1:22]
    ]
    cells = [f"cell{k}" for k in range(120)]
    obs = pd.DataFrame({"cell_type": pd.Categorical(kinds[codes]), "slide": np.arange(120) % 2}, index=cells)
    return PropagationModel(X, genes, xy, betas, radii=80.0, cluster_labels=kinds[codes], cell_names=cells, obs=obs)


class Hand:
    """What tests of the perturbation screens do again and again."""

    async def until(self, pilot: Any, condition: Callable[[], Any], seconds: float = 60) -> None:
        """Wait for something, with a limit."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end
            await pilot.pause(0.02)

    async def ready(self, pilot: Any) -> Any:
        """Wait for the main screen, and return it."""
        from spacetravlr.tui._perturb_main import MainScreen

        app = pilot.app
        await self.until(pilot, lambda: isinstance(app.screen, MainScreen) and app.screen.is_mounted and app.main.gene)
        await pilot.pause()
        return app.main

    async def idle(self, pilot: Any) -> None:
        """Wait until nothing is simulated."""
        await self.until(pilot, lambda: not pilot.app.main.queue.busy)
        await pilot.pause()

    async def press(self, pilot: Any, *keys: str) -> None:
        """Press keys, and let what follows happen."""
        await pilot.press(*keys)
        await pilot.pause()


@pytest.fixture(scope="session")
def hand() -> Hand:
    """Drives the perturbation screens."""
    return Hand()


@pytest.fixture
def bench(toy_model: Any, tmp_path: Path) -> Any:
    """The toy model as a run that is loaded."""
    from spacetravlr.perturbation.workbench import Workbench

    return Workbench(toy_model, place=tmp_path, title="my_run", n_propagation=2)


@pytest.fixture
def app(bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The perturbation screens of the toy model."""
    from spacetravlr.perturbation.workbench import Draft
    from spacetravlr.tui.perturb import PerturbApp

    monkeypatch.chdir(tmp_path)
    return PerturbApp(lambda path, progress, cancelled: (bench, Draft(n_propagation=2)), path=Path("my_run"))


@dataclass
class Keys:
    """What keys of the dashboard have asked for."""

    pressed: list[str] = field(default_factory=list)
    over: bool = False

    def controls(self) -> Any:
        """The functions that the keys call."""
        from spacetravlr.tui.train_app import Controls

        return Controls(
            finish=lambda: self.pressed.append("finish"),
            stop_now=lambda: self.pressed.append("stop now"),
            is_over=lambda: self.over,
        )


class Boards:
    """Dashboards of trainings, and the screens that show them."""

    genes = ("Foxo1", "Pax5", "Irf4", "Bcl6", "Prdm1", "Cd74", "Cd79a", "Cd83", "Aicda", "Ccl21a", "Cxcl13", "Cxcr5")
    keys = Keys

    @property
    def machine(self) -> Any:
        """A machine that is busy."""
        from spacetravlr.tui.train_machine import Machine

        return Machine(
            n_cpus=16,
            cpu=0.62,
            own_cpus=9.7,
            history=tuple((1 + math.sin(step / 3)) / 2 for step in range(60)),
            memory_used=24_300_000_000,
            memory_total=64_000_000_000,
            own_memory=3_100_000_000,
            disk_free=412_000_000_000,
            disk_total=1_000_000_000_000,
        )

    def begun(self) -> tuple[Any, Callable[[float], None]]:
        """A dashboard before anything has happened, and a function that lets time pass."""
        from spacetravlr.config import RunConfig
        from spacetravlr.tui.dashboard_facts import run_facts
        from spacetravlr.tui.dashboard_state import Dashboard

        now = [100.0]
        config = RunConfig(training={"max_genes": 60}, execution={"n_parallel": 4})
        facts = run_facts(config, sample="/data/lymph/node_07.h5ad", out="/data/lymph/runs/node_07_spacetravlr")
        board = Dashboard("node_07.h5ad", facts=(*facts, ("device", "cpu")), clock=lambda: now[0])

        def wait(seconds: float) -> None:
            now[0] += seconds

        return board, wait

    def frozen(self) -> Any:
        """A run in the middle, with everything that there can be."""
        from spacetravlr import events
        from spacetravlr.tui.dashboard_view import Other, Outside
        from spacetravlr.tui.train_demo import demo_picture

        board, wait = self.begun()
        picture = demo_picture(0)
        sizes = dict(zip(picture.labels, [5160, 4423, 2580, 1843, 1843, 1105, 921, 557], strict=True))
        board.set_clusters(sizes)
        for name, seconds, detail in (
            ("prior network", 0.6, "17,384 edges"),
            ("expression", 0.9, ""),
            ("received ligands", 12.0, "318 ligands, method gridded"),
        ):
            wait(seconds)
            board.apply(events.StageFinished(name, seconds, detail))
            board.log(f"[{seconds:.1f} s] {name}: {detail}", "stage", "14:03:07")
        names = [*self.genes, *(f"Gene{number:02d}" for number in range(48))]
        board.set_targets(names)
        board.apply(events.RunStarted("/data/lymph/runs/node_07_spacetravlr", 18_432, 2_911, 60, 8, 2))
        for gene in names[:2]:
            board.apply(events.GeneSkipped(gene, "done"))
        board.apply(events.GeneSkipped("Irf4", "locked"))
        for gene in names[3:40]:
            board.apply(events.GeneClaimed(gene))
        wait(80.0)
        for number, gene in enumerate(names[3:30]):
            r2_in = 0.15 + 0.03 * number
            for at, label in enumerate(picture.labels):
                board.apply(events.ClusterFitted(gene, label, sizes[label], r2_in + 0.01 * at, r2_in - 0.1 + 0.01 * at))
            board.apply(events.GeneWritten(gene, 80, 10 + number, r2_in, r2_in - 0.08, 0.4))
            board.log(f"[{number + 3}/60] {gene} R2={r2_in:.2f} n_mod=80 kept={10 + number}", "gene", "14:03:27")
        board.apply(events.GeneOrphan(names[30], "no score reaches 0.1"))
        board.apply(events.GeneFailed(names[31], "LinAlgError: the design is singular"))
        board.log(f"[32/60] {names[31]} failed: LinAlgError: the design is singular", "failure", "14:03:28")
        for gene in names[40:46]:
            board.apply(events.GeneClaimed(gene))
        wait(3.0)
        other = Other("node7", 4321, 1, "Irf4", 60.0, gone=False)
        board.set_outside(Outside("running", (other,), math.nan, math.nan, frozenset({"Irf4"}), 8_123_456, 2.0))
        return board

    def app_of(self, board: Any, keys: Keys | None = None, *, files: Any = None, role: Any = "train") -> Any:
        """The screens of a dashboard."""
        from spacetravlr.tui.train_app import TrainApp
        from spacetravlr.tui.train_demo import DemoFiles, demo_picture

        shown = DemoFiles(demo_picture(0)) if files is None else files
        telemetry: Any = SimpleNamespace(now=self.machine)
        return TrainApp(board, (keys or Keys()).controls(), files=shown, telemetry=telemetry, role=role)

    async def settled(self, pilot: Any) -> None:
        """Wait until the frames that follow each other by themselves have been drawn."""
        for _ in range(3):
            pilot.app.tick()
            await pilot.pause()


@pytest.fixture(scope="session")
def boards() -> Boards:
    """Makes dashboards of trainings."""
    return Boards()


@dataclass(frozen=True)
class Trained:
    """A finished run of a small tissue, and what it was trained on."""

    directory: Path
    sample: Path


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """160 cells and 40 genes, really trained; tests must leave the directory as it is."""
    from spacetravlr.datasets import simulated_tissue, write_network
    from spacetravlr.training import train

    place = tmp_path_factory.mktemp("runs")
    tissue = simulated_tissue(160, 40, 3, 1, radius=60.0)
    network = place / "network"
    network.mkdir()
    write_network(tissue, network)
    tissue.write_h5ad(place / "small.h5ad")
    settings = {"network_data_dir": str(network), "n_parallel": 1, "radius": 60.0}
    logging.getLogger("spacetravlr").setLevel(logging.ERROR)
    train(str(place / "small.h5ad"), place / "my_run", **settings)
    logging.getLogger("spacetravlr").setLevel(logging.NOTSET)
    return Trained(place / "my_run", place / "small.h5ad")
