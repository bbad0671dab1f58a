"""The command: flags and environment to settings, and one line for what is wrong."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from spacetravlr.cli._viewer import options_of
from spacetravlr.cli.spatial_viewer import VIEWER_FLAGS, run
from spacetravlr.errors import InputError, UsageError
from spacetravlr.viewer import ViewerOptions

NOTHING = dict.fromkeys((flag.name for flag in VIEWER_FLAGS), None)


def settings(environment=None, **given):
    return options_of({**NOTHING, **given}, environment or {})


def test_nothing_given_means_the_usual_settings():
    assert ViewerOptions(**settings()) == ViewerOptions()


def test_every_flag_reaches_a_setting(tmp_path):
    (tmp_path / "x.h5ad").write_bytes(b"")
    found = settings(
        h5ad=str(tmp_path / "x.h5ad"),
        run_toml=str(tmp_path),
        layer="X",
        cluster_annot="leiden",
        network_dir=str(tmp_path),
        data_root=[str(tmp_path), str(tmp_path.parent)],
        bind="0.0.0.0",
        port=9000,
        static_dir="page",
        allow_cors=True,
        allow_host=["tissue.example"],
        read_only=True,
        perturb_cache_dir=str(tmp_path / "cache"),
        column_cache_mb=0,
        foyer_grn_memory_mb=7,
        foyer_grid_memory_mb=8,
        workers=3,
    )
    options = ViewerOptions(**found)
    assert options.h5ad == tmp_path / "x.h5ad"
    assert (options.port, options.bind, options.layer) == (9000, "0.0.0.0", "X")
    assert options.data_roots == (tmp_path, tmp_path.parent)
    assert options.allow_hosts == ("tissue.example",)
    assert (options.column_disk_mb, options.grn_memory_mb, options.grid_memory_mb, options.workers) == (0, 7, 8, 3)
    assert options.read_only
    assert options.allow_cors


def test_environment_gives_way_to_flags_and_nonsense_to_the_usual():
    variables = {
        "SPATIAL_VIEWER_ALLOW_CORS": "TRUE",
        "SPACETRAVLR_FOYER_GRN_MEMORY_MB": "12",
        "SPACETRAVLR_FOYER_GRID_MEMORY_MB": "0",
    }
    found = settings(variables)
    assert (found["allow_cors"], found["grn_memory_mb"], found["grid_memory_mb"]) == (True, 12, 64)
    assert settings(variables, foyer_grn_memory_mb=99)["grn_memory_mb"] == 99
    assert (
        settings({"SPATIAL_VIEWER_ALLOW_CORS": "no", "SPACETRAVLR_FOYER_GRN_MEMORY_MB": "many"})["grn_memory_mb"] == 256
    )


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"h5ad": "/nowhere/x.h5ad"}, InputError),
        ({"data_root": ["/nowhere"]}, InputError),
        ({"workers": 0}, UsageError),
        ({"column_cache_mb": -1}, UsageError),
    ],
)
def test_flags_that_make_no_sense(given, error):
    with pytest.raises(error):
        settings(**given)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--bind", "localhost"], 2, "127.0.0.1"),
        (["--port", "70000"], 2, "65535"),
        (["--static-dir", "."], 2, "index.html"),
        (["--h5ad", "/nowhere.h5ad"], 1, "no such file"),
        (["--nothing"], 2, "--nothing"),
    ],
)
def test_mistakes_are_said_on_one_line_before_anything_is_loaded(arguments, code, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == code
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_a_port_that_is_taken(capsys, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert run(["--port", str(taken.getsockname()[1]), "--data-root", str(tmp_path)]) == 1
    assert "--port" in capsys.readouterr().err


def test_a_sample_that_is_none(capsys, tmp_path):
    (tmp_path / "x.h5ad").write_text("hello")
    assert run(["--h5ad", str(tmp_path / "x.h5ad"), "--port", "0"]) == 1
    assert "x.h5ad" in capsys.readouterr().err


def test_help_loads_none_of_the_libraries():
    code = (
        "import sys; from spacetravlr.cli.spatial_viewer import run; run(['--help']);"
        "sys.exit(bool({'fastapi', 'uvicorn', 'numpy', 'pandas', 'h5py'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for flag in VIEWER_FLAGS:
        assert flag.names[0] in done.stdout
