"""The command: flags, environment, what is missing, and the guide."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from spacetravlr.cli import _mcp
from spacetravlr.cli.main import run as spacetravlr
from spacetravlr.cli.mcp import MCP_FLAGS, app, run
from spacetravlr.errors import InputError, UsageError
from spacetravlr.mcp import AssistantOptions, guide, options_of_environment

NOTHING = dict.fromkeys(flag.name for flag in MCP_FLAGS)


def settings(environment=None, **given):
    return _mcp.assistant_options({**NOTHING, **given}, environment or {})


def test_flags_reach_the_viewer(tmp_path):
    found = settings(run_toml=str(tmp_path), layer="X", data_root=[str(tmp_path)], workers=3, read_only=True)
    assert found["viewer"]["run_toml"] == tmp_path
    assert (found["viewer"]["layer"], found["viewer"]["workers"], found["viewer"]["read_only"]) == ("X", 3, True)
    assert found["viewer"]["data_roots"] == (tmp_path,)
    assert AssistantOptions(**found).api_base is None


def test_environment_names_a_viewer_origins_and_tokens():
    variables = {
        "SPATIAL_VIEWER_API_BASE": "http://127.0.0.1:8080/",
        "SPATIAL_VIEWER_TOKEN": "secret",
        "SPATIAL_VIEWER_CONNECT_ORIGINS": "https://a.example, http://[::1]:5173,",
        "SPACETRAVLR_MCP_TOKEN": "other",
    }
    options = AssistantOptions(**options_of_environment(variables))
    assert (options.api_base, options.api_token, options.token) == ("http://127.0.0.1:8080", "secret", "other")
    assert options.connect_origins == ("https://a.example", "http://[::1]:5173")
    assert "secret" not in repr(options)
    assert len(AssistantOptions().token) > 40
    assert AssistantOptions().token != AssistantOptions().token


@pytest.mark.parametrize(
    "text",
    [
        "file:///etc",
        "http://a b",
        "http://a;script-src *",
        "http://user@a",
        "http://a/path",
        "127.0.0.1:8080",
        "http://*",
        "http://a:x",
    ],
)
def test_an_origin_can_not_change_the_policy(text):
    for name in ("SPATIAL_VIEWER_API_BASE", "SPATIAL_VIEWER_CONNECT_ORIGINS"):
        with pytest.raises(UsageError, match=name):
            options_of_environment({name: text})


@pytest.mark.parametrize(
    ("given", "environment", "error", "said"),
    [
        ({"port": 1}, {}, UsageError, "--http"),
        ({"demo": True, "layer": "X"}, {}, UsageError, "leave out --layer"),
        ({"layer": "X"}, {"SPATIAL_VIEWER_API_BASE": "http://127.0.0.1:1"}, UsageError, "SPATIAL_VIEWER_API_BASE"),
        ({"read_only": True}, {"SPATIAL_VIEWER_API_BASE": "http://127.0.0.1:1"}, UsageError, "leave out --read-only"),
        ({"run_toml": "/nowhere"}, {}, InputError, "no such file"),
        ({"workers": 0}, {}, UsageError, "at least 1"),
    ],
)
def test_what_makes_no_sense_is_refused(given, environment, error, said):
    with pytest.raises(error, match=said):
        settings(environment, **given)


def test_the_demo_is_found_here_or_kept_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert _mcp.demo_directory({"XDG_CACHE_HOME": "/c"}) == Path("/c/spacetravlr/demo")
    (tmp_path / "demo_spacetravlr").mkdir()
    (tmp_path / "demo_spacetravlr" / "demo.json").write_text("{}")
    assert _mcp.demo_directory({}) == tmp_path / "demo_spacetravlr"


def test_without_the_extra_one_line_says_how_to_get_it(monkeypatch, capsys):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "mcp" else real(name, *rest))
    assert run([]) == 1
    assert (
        capsys.readouterr().err == "Error: assistants need the extra mcp: python -m pip install 'spacetravlr-py[mcp]'\n"
    )


def test_help_loads_nothing_heavy():
    script = (
        "import sys\nfrom spacetravlr.cli.mcp import run\nassert run(['--help']) == 0\n"
        "heavy = {'mcp', 'fastapi', 'uvicorn', 'pandas', 'anndata', 'numba', 'scipy', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--demo" in done.stdout


def test_a_taken_port_is_one_line(capsys):
    import socket

    pytest.importorskip("mcp")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert run(["--http", "--port", str(port)]) == 1
    assert capsys.readouterr().err == (
        f"Error: cannot listen on 127.0.0.1:{port} (Address already in use); choose another --port\n"
    )


def test_data_that_cannot_be_opened_are_told_by_the_tools(tmp_path):
    mcp = pytest.importorskip("mcp")
    from spacetravlr.mcp.server import make_desk, make_server

    (tmp_path / "x.h5ad").write_bytes(b"no sample")
    desk = make_desk(AssistantOptions(viewer={"h5ad": tmp_path / "x.h5ad"}))

    async def ask():
        async with mcp.Client(make_server(AssistantOptions(), desk)) as client:
            answer = await client.call_tool("describe_dataset", {})
            return answer.is_error, answer.content[0].text

    failed, said = anyio.run(ask)
    desk.local.stop()
    assert failed
    assert "nothing is open: " in said
    assert "x.h5ad" in said
    assert str(tmp_path) not in said


def test_a_run_is_opened_with_the_layer_and_clusters_it_was_trained_on(golden, tmp_path, monkeypatch):
    mcp = pytest.importorskip("mcp")
    h5py = pytest.importorskip("h5py")
    from spacetravlr.mcp import _perturb_tools
    from spacetravlr.mcp.server import make_desk, make_server

    shutil.copytree(golden / "v1_run", tmp_path / "run")
    with h5py.File(tmp_path / "run" / "tissue.h5ad", "a") as file:
        file.move("obs/cell_type_int", "obs/leiden")
        file.move("layers/imputed_count", "layers/logs")
        del file["obs/cell_type"]
        order = ["leiden" if one == "cell_type_int" else one for one in file["obs"].attrs["column-order"]]
        file["obs"].attrs["column-order"] = [one for one in order if one != "cell_type"]
    toml = tmp_path / "run" / "spacetravlr_run_repro.toml"
    toml.write_text(toml.read_text().replace("cell_type_int", "leiden").replace('"imputed_count"', '"logs"'))
    options = AssistantOptions(viewer={"data_roots": (tmp_path,), "cache_dir": tmp_path / "cache"})
    desk = make_desk(options)
    monkeypatch.setattr(_perturb_tools, "_MOST_ROWS", 4)

    async def ask():
        async with mcp.Client(make_server(options, desk)) as client:
            answer = await client.call_tool("show_spatial_viewer", {"run_toml": "run"})
            twice = [{"gene": "Hlf"}, {"gene": "Hlf", "dose": 2}]
            both = await client.call_tool("perturb", {"targets": twice, "scope": {"type": "cluster", "ids": [1]}})
            once = await client.call_tool("perturb", {"targets": twice[:1], "scope": {"type": "cluster", "ids": [1]}})
            asked = {"job": once.structured_content["job"], "by": "cluster", "n": 3}
            long = await client.call_tool("top_effects", asked)
            part = await client.call_tool("top_effects", {**asked, "group": "1"})
            return answer, both, long, part

    answer, both, long, part = anyio.run(ask)
    assert desk.local.stop()
    assert long.is_error
    assert "3 groups by 'cluster' have 9 lines together" in long.content[0].text
    assert len(part.structured_content["groups"][0]["genes"]) == 3
    assert not answer.is_error, answer.content[0].text
    found = answer.structured_content["dataset"]
    assert (found["layer"], found["cluster_column"], found["run"]["genes"]) == ("logs", "leiden", 14)
    assert both.is_error
    assert "'Hlf' is a target twice" in both.content[0].text


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("describe_dataset", {}),
        ("list_genes", {}),
        ("modulators_of_gene", {"gene": "A"}),
        ("scores", {"genes": ["A"]}),
        ("perturb", {"targets": [{"gene": "A"}], "scope": {"type": "all"}}),
    ],
)
def test_without_data_every_tool_says_how_to_open_some(tool, arguments, tmp_path):
    mcp = pytest.importorskip("mcp")
    from spacetravlr.mcp.server import make_desk, make_server

    desk = make_desk(AssistantOptions(viewer={"data_roots": (tmp_path,)}))

    async def ask():
        async with mcp.Client(make_server(AssistantOptions(), desk)) as client:
            answer = await client.call_tool(tool, arguments)
            return answer.is_error, answer.content[0].text

    failed, said = anyio.run(ask)
    assert desk.local.stop()
    assert failed
    assert "nothing is open: call show_spatial_viewer" in said


def test_the_demo_is_made_while_the_assistant_waits(tmp_path, monkeypatch):
    mcp = pytest.importorskip("mcp")
    from spacetravlr.bench import demo
    from spacetravlr.errors import RunDirectoryError
    from spacetravlr.mcp.server import make_desk, make_server

    def run_demo(out, *, say):
        say("a tissue\x1b")
        raise RunDirectoryError("the directory holds something else")

    monkeypatch.setattr(demo, "run_demo", run_demo)
    desk = make_desk(AssistantOptions(demo=tmp_path))

    async def ask():
        async with mcp.Client(make_server(AssistantOptions(), desk)) as client:
            return (await client.call_tool("run_status", {})).content[0].text

    said = anyio.run(ask)
    desk.local.stop()
    assert "nothing is open: the directory holds something else" in said


# the guide


def test_the_guide_is_printed_and_copied(tmp_path, capsys):
    assert spacetravlr(["skill"]) == 0
    assert capsys.readouterr().out == guide()
    assert spacetravlr(["skill", "--copy", str(tmp_path / "skills")]) == 0
    target = tmp_path / "skills" / "spacetravlr" / "SKILL.md"
    assert target.read_text(encoding="utf-8") == guide()
    assert capsys.readouterr().out == f"Wrote {target}\n"
    (tmp_path / "file").write_text("")
    assert spacetravlr(["skill", "--copy", str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_the_guide_names_every_tool_and_only_what_exists():
    pytest.importorskip("mcp")
    import typer

    from spacetravlr.cli import main, perturb, spatial_viewer
    from spacetravlr.mcp.server import make_desk, make_server

    options = AssistantOptions(api_base="http://127.0.0.1:1")
    server = make_server(options, make_desk(options))
    tools = {one.name: one for one in anyio.run(server.list_tools)}
    text = guide()
    head, table = text.partition("## Tools")[0], text.partition("## Tools")[2].partition("Coefficients:")[0]
    assert re.match(r"---\nname: [a-z-]+\ndescription: .{20,}\n---\n", head)
    listed = re.findall(r"^\| `(\w+)`", table, flags=re.MULTILINE)
    # what only the page calls is of no use to an assistant
    assert set(listed) == set(tools) - {"viewer_request"}
    scopes = set(re.findall(r'\{"type": "(\w+)"', text))
    schema = json.dumps(tools["perturb"].input_schema)
    assert scopes == set(re.findall(r'"const": "(\w+)"', schema))
    templates = {one.uri_template for one in anyio.run(server.list_resource_templates)}
    for uri in re.findall(r"`(spacetravlr://[^`]+)`", text):
        assert uri == "spacetravlr://run/summary" or re.sub("GENE", "{gene}", re.sub("JOB", "{job}", uri)) in templates

    apps = {
        "spacetravlr": main.app,
        "spacetravlr-perturb": perturb.app,
        "spatial_viewer": spatial_viewer.app,
        "spacetravlr-mcp": app,
    }
    for line in re.search(r"```bash\n(.*?)```", text, flags=re.DOTALL)[1].splitlines():
        program, *words = line.partition("#")[0].split()
        command = typer.main.get_command(apps[program])
        if words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words[0]]
        flags = {name for one in command.params for name in one.opts}
        assert {word for word in words if word.startswith("-")} <= flags, line
