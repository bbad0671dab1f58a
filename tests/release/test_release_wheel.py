"""What is published: built, installed into an empty environment, and used there without a network."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = (
    "pandas",
    "anndata",
    "numba",
    "torch",
    "matplotlib",
    "scipy",
    "textual",
    "fastapi",
    "mcp",
    "distributed",
    "scanpy",
)

# refuses every connection but those to this machine, in every process of the environment
NO_NETWORK = """
import sys

def refuse(event, arguments):
    if event == "socket.connect":
        address = arguments[1]
        if isinstance(address, tuple) and not str(address[0]).startswith(("127.", "::1", "localhost")):
            raise OSError(f"a connection to {address} was tried")
    if event == "socket.getaddrinfo" and arguments[0] not in (None, "localhost", "127.0.0.1", "::1", "", b"localhost"):
        raise OSError(f"the address of {arguments[0]!r} was asked for")

sys.addaudithook(refuse)
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--outdir", str(out), str(ROOT)],
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.fixture(scope="module")
def bare(built, tmp_path_factory) -> Environment:
    return Environment.make(tmp_path_factory.mktemp("bare"), next(built.glob("*.whl")))


class Environment:
    """A virtual environment whose programs cannot leave this machine."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.bin = place / "env" / ("Scripts" if os.name == "nt" else "bin")

    @classmethod
    def make(cls, place: Path, wheel: Path, extra: str = "", constraints: Path | None = None) -> Environment:
        made = cls(place)
        venv.create(place / "env", with_pip=True)
        pip = [str(made.bin / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        limits = ["-c", str(constraints or ROOT / "constraints.txt")]
        if "torch" in extra_needs(extra):
            subprocess.run([*pip, torch_of_constraints()], check=True, timeout=1200)
        target = f"{wheel}[{extra}]" if extra else str(wheel)
        done = subprocess.run([*pip, *limits, target], check=False, capture_output=True, text=True, timeout=1800)
        assert done.returncode == 0, done.stderr
        (place / "offline").mkdir()
        (place / "offline" / "sitecustomize.py").write_text(NO_NETWORK)
        return made

    def run(self, program: str, *arguments: str, cwd: Path, code: int = 0) -> str:
        keep = {key: value for key, value in os.environ.items() if not key.startswith(("SPACETRAVLR", "PYTHON"))}
        done = subprocess.run(
            [str(self.bin / program), *arguments],
            check=False,
            cwd=cwd,
            env=keep | {"PYTHONPATH": str(self.place / "offline"), "COLUMNS": "100"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout


def extra_needs(extra: str) -> str:
    import tomllib

    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    return " ".join(table.get(extra, []))


def torch_of_constraints() -> str:
    return next(line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("torch=="))


def test_sdist_and_wheel_hold_what_they_should(built):
    (wheel,), (sdist,) = built.glob("*.whl"), built.glob("*.tar.gz")
    names = zipfile.ZipFile(wheel).namelist()
    packages = [name for name in names if name.startswith("spacetravlr/")]
    sources = {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src" / "spacetravlr").rglob("*.py")}
    assert sources <= set(packages)
    assert "spacetravlr/cli/settings.json" in packages
    assert "spacetravlr/py.typed" in packages
    for page in ("viewer/static", "mcp/app"):  # built by `make web`; without Node there is none
        kept = {str(file.relative_to(ROOT / "src")) for file in (ROOT / "src/spacetravlr" / page).rglob("*.*")}
        assert kept <= set(packages)
        if os.environ.get("CI"):
            assert f"spacetravlr/{page}/index.html" in packages
    assert not [name for name in names if name.startswith("tests") or "__pycache__" in name or name.endswith(".nbi")]
    assert any(name.endswith("licenses/LICENSE") for name in names)
    metadata = zipfile.ZipFile(wheel).read(next(name for name in names if name.endswith("/METADATA"))).decode()
    assert "# SpaceTravLR for Python" in metadata
    assert not re.findall(r"\]\((?!https?:|#)", metadata)  # an index has no files beside the README
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "tests/conftest.py", "docs/start.md"} <= inside
    assert not [name for name in inside if "/_build/" in name or "node_modules" in name or "__pycache__" in name]


def test_demo_without_a_network(bare, tmp_path):
    said = bare.run("spacetravlr", "demo", "--cells", "600", cwd=tmp_path)
    assert (tmp_path / "demo_spacetravlr").is_dir()
    assert "knock-out" in said


@pytest.mark.parametrize("program", ["spacetravlr", "spacetravlr-perturb", "spatial_viewer", "spacetravlr-mcp"])
def test_help_needs_nothing_heavy(bare, tmp_path, program):
    assert "Usage" in bare.run(program, "--help", cwd=tmp_path)
    module = {"spacetravlr": "main", "spacetravlr-perturb": "perturb", "spacetravlr-mcp": "mcp"}.get(program, program)
    heard = bare.run(
        "python",
        "-c",
        "import contextlib, io, sys\n"
        f"from spacetravlr.cli.{module} import run\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "    run(['--help'])\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])",
        cwd=tmp_path,
    )
    assert heard.strip().splitlines()[-1] == "[]"


def test_import_needs_nothing_heavy(bare, tmp_path):
    heard = bare.run(
        "python", "-c", f"import sys, spacetravlr; print([m for m in {HEAVY!r} if m in sys.modules])", cwd=tmp_path
    )
    assert heard.strip() == "[]"


@pytest.mark.parametrize(
    ("program", "arguments", "extra"),
    [("spatial_viewer", ("--port", "0"), "viewer"), ("spacetravlr-mcp", (), "mcp")],
)
def test_without_its_extra_a_face_says_what_to_install(bare, tmp_path, program, arguments, extra):
    done = subprocess.run(
        [str(bare.bin / program), *arguments],
        check=False,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode in {1, 2}
    assert f"spacetravlr-py[{extra}]" in done.stderr
    assert "Traceback" not in done.stderr


FACES = {
    "cnn": "cnn.py",
    "tui": "tui.py",
    "viewer": "viewer.py",
    "mcp": "assistant.py",
    "cluster": "cluster.py",
    "pp": "pp.py",
}
"""By extra, a program that uses its face; each says in its first line what it does."""


@pytest.fixture(scope="module")
def trained(bare, tmp_path_factory) -> Path:
    """A directory with a small tissue, its network where it is looked for, and a run of it."""
    place = tmp_path_factory.mktemp("trained")
    bare.run(
        "python",
        "-c",
        "from spacetravlr.datasets import simulated_tissue, write_network\n"
        "tissue = simulated_tissue(300, 60, 3, 1, radius=60.0)\n"
        "write_network(tissue, 'data')\n"
        "tissue.write_h5ad('tissue.h5ad')",
        cwd=place,
    )
    bare.run("spacetravlr", *SAMPLE, "--output-dir", "trained", cwd=place)
    return place


SAMPLE = ("--h5ad", "tissue.h5ad", "--radius", "60")


def test_every_extra_has_a_face():
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(FACES) == set(extras) - {"all", "docs", "test"}


@pytest.mark.slow
@pytest.mark.parametrize("extra", list(FACES))
def test_each_extra_alone(built, trained, tmp_path, extra):
    one = Environment.make(tmp_path, next(built.glob("*.whl")), extra)
    doctor = one.run("spacetravlr", "doctor", cwd=tmp_path).splitlines()
    assert [line for line in doctor if line.startswith("ok") and f"[{extra}]" in line]
    for other in set(FACES) - {extra, *({"viewer"} if extra == "mcp" else ())}:
        assert not [line for line in doctor if line.startswith("ok") and f"[{other}]" in line]
    place = tmp_path / "work"
    shutil.copytree(trained, place)
    one.run("python", str(ROOT / "tests" / "release" / "faces" / FACES[extra]), cwd=place)


@pytest.mark.slow
@pytest.mark.parametrize("newest", [False, True], ids=["lowest", "newest"])
def test_lowest_and_newest_dependencies(built, tmp_path, newest):
    """A training, a knock-out and a second look at the files, with the oldest versions allowed and with the newest there are."""
    import tomllib

    limits = tmp_path / "limits.txt"
    needs = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    limits.write_text("" if newest else "\n".join(need.replace(">=", "==") for need in needs))
    one = Environment.make(tmp_path, next(built.glob("*.whl")), constraints=limits)
    one.run("spacetravlr", "demo", "--cells", "600", cwd=tmp_path)
    run = str(tmp_path / "demo_spacetravlr" / "run")
    one.run("spacetravlr", "edges", run, cwd=tmp_path)
    one.run(
        "python",
        "-W",
        "error",
        "-c",
        "import warnings\n"
        "# what the libraries say of each other; what they say of this package is an error\n"
        "for text in ('The .future.infer_string. option', 'The .mode.chained_assignment. option'):\n"
        "    warnings.filterwarnings('ignore', text)\n"
        "import spacetravlr as stl\n"
        "adata = stl.datasets.simulated_tissue(300, 40, 3, 1, radius=60.0)\n"
        "stl.datasets.write_network(adata, 'data')\n"
        "run = stl.tl.train(adata, out='memory', network_data_dir='data', radius=60.0)\n"
        "effect = run.perturb({run.betas(run.genes[0]).tfs[0]: 0.0})\n"
        "assert abs(effect.delta).max() > 0\n"
        "effect.write('ko.feather')",
        cwd=tmp_path,
    )
