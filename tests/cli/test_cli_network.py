"""`spacetravlr network` and `spacetravlr tf-priors`: what they say, write and refuse."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from spacetravlr.cli import main
from spacetravlr.cli._network_build import per_file
from spacetravlr.errors import UsageError
from spacetravlr.prior import PriorNetwork, TfPriors


class Said:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out.splitlines(), err.splitlines()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    for name in ("SPACETRAVLR_DATA_DIR", "SPACETRAVLR_NETWORK_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def go(*arguments: object) -> Said:
        code = main.run([*map(str, arguments)])
        return Said(code, *capsys.readouterr())

    return go


@pytest.fixture
def tables(tmp_path: Path) -> None:
    (tmp_path / "dorothea.csv").write_text("tf,confidence,target,mor\nPAX5,A,CD19,1\nEBF1,E,CD19,1\nPAX5,B,CD79A,1\n")
    (tmp_path / "pairs.tsv").write_text("ligand\treceptor\nIL6\tIL6R_IL6ST\n")
    (tmp_path / "orthologs.tsv").write_text(
        "human\tmouse\nPAX5\tPax5\nCD19\tCd19\nCD79A\tCd79a\nIL6\tIl6\nIL6R\tIl6ra\nIL6ST\tIl6st\n"
    )


def test_build_writes_a_network_and_gives_an_account(run, tables, tmp_path: Path):
    said = run(
        "network", "build", "dorothea.csv", "pairs.tsv", "--species", "human", "-o", "net/human_network.parquet",
        "--license", "dorothea=GPL-3", "--license", "see paper", "--weight", "pairs.tsv=2", "--name", "pairs=own",
        "--report", "account.json",
    )  # fmt: skip
    assert said.code == 0, said.err
    assert said.out == [
        "source    format  relations  added  lost  kept",
        "dorothea  tf              3      0     1     2",
        "own       liana           1      1     0     2",
        "  dorothea: -1 confidence is none of ABC",
        "  dorothea: rows of confidence ABC are used",
        "  own: +1 pairs of subunits of complexes",
    ]
    assert said.err[0] == "Wrote account.json"
    assert said.err[1].startswith("Wrote net/human_network.parquet (2 TF-target edges, 2 ligand-receptor edges; ")
    network = PriorNetwork.read("net/human_network.parquet")
    assert network.edges["weight"].tolist() == [1.0, 1.0, 2.0, 2.0]
    licences = [source["licence"] for source in json.loads(Path("account.json").read_text())["sources"]]
    assert licences == ["GPL-3.0-only", "see paper"]


def test_build_for_another_species(run, tables):
    said = run("network", "build", "dorothea.csv", "pairs.tsv", "--species", "mouse", "--orthologs", "orthologs.tsv")
    assert said.code == 0, said.err
    assert said.err[0] == "note: the licence of dorothea, pairs is not stated"
    assert PriorNetwork.load("mouse", ".").edges["source"].tolist() == ["Pax5", "Pax5", "Il6", "Il6"]
    swapped = run(
        "network", "build", "dorothea.csv", "--species", "mouse", "--orthologs", "orthologs.tsv",
        "--ortholog-columns", "mouse,human",
    )  # fmt: skip
    assert "  dorothea: symbols taken as they are: they are those of human" in swapped.out


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["gone.csv"], 1, "no such file: gone.csv"),
        (["dorothea.csv", "./dorothea.csv"], 2, "./dorothea.csv: is listed twice"),
        (["dorothea.csv", "--format", "dorothe"], 1, "did you mean dorothea?"),
        (["dorothea.csv", "--weight", "pairs=2"], 2, "--weight pairs=2: 'pairs' is the name of none of the files"),
        (["dorothea.csv", "--weight", "dorotea=2"], 2, "did you mean 'dorothea'?"),
        (["dorothea.csv", "--weight", "much"], 2, "--weight much: is no number"),
        (["dorothea.csv", "--min-weight", "x"], 2, "--min-weight x: is no number"),
        (["dorothea.csv", "--name", "x"], 2, "--name x: say of which file, NAME=x"),
        (["dorothea.csv", "--translate", "dorothea=maybe"], 2, "is neither yes nor no"),
        (["dorothea.csv", "--ortholog-columns", "a,b"], 2, "give the table with --orthologs"),
        (["dorothea.csv", "--orthologs", "orthologs.tsv", "--ortholog-columns", "a"], 2, "expected two names"),
        (["dorothea.csv", "--complexes", "halve"], 1, "complexes must be one of split, average, drop"),
        (["dorothea.csv", "--confidence", "Z"], 1, "confidence levels are some of A, B, C, D, E"),
        (["dorothea.csv", "--ligands-in", "nowhere"], 1, "'columns' or 'rows'"),
        (["dorothea.csv", "-o", "x.csv"], 2, "--out x.csv: the name must end in .parquet"),
        (["dorothea.csv", "-o", "pairs.tsv/x.parquet"], 1, "is a file, not a directory"),
        (["liana:consensus"], 1, "liana is not installed; pip install liana, or give a file"),
        (["decoupler:collectri"], 1, "decoupler is not installed"),
    ],
)
def test_mistakes_in_building(
    run, tables, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, flags: list[str], code: int, words: str
):
    for package in ("liana", "decoupler"):
        monkeypatch.setitem(sys.modules, package, None)
    said = run("network", "build", *flags, "--species", "human")
    assert (said.code, len(said.err), said.out) == (code, 1, [])
    assert words in said.err[0]
    assert not list(tmp_path.rglob("*.parquet"))


@pytest.mark.parametrize("flags", [["-o", "."], ["-o", "new.parquet", "--report", "./pairs.tsv"]])
def test_what_is_built_from_is_not_written_over(run, tables, flags: list[str]):
    run("network", "build", "dorothea.csv", "--species", "human")
    before = {path.name: path.read_bytes() for path in Path().iterdir() if path.is_file()}
    said = run("network", "build", "human_network.parquet", "pairs.tsv", "--species", "human", *flags)
    assert (said.code, said.out, len(said.err)) == (2, [], 1)
    assert "is one of the files to build from; take another name" in said.err[0]
    assert {path.name: path.read_bytes() for path in Path().iterdir() if path.is_file()} == before


def test_values_are_sorted_by_file():
    files = ["in/a.csv.gz", "in/b.v2.csv"]
    given = ["1", "a=2", "b.v2=3"]
    assert per_file(files, given, "weight") == {"in/a.csv.gz": "2", "in/b.v2.csv": "3"}
    assert per_file(files, ["x"], "license") == dict.fromkeys(files, "x")
    assert per_file(files, ["in/a.csv.gz=x=y"], "license") == {"in/a.csv.gz": "x=y"}
    with pytest.raises(UsageError, match="'a' is the name of 2 of the files"):
        per_file(["x/a.csv", "y/a.csv"], ["a=1"], "weight")


def test_networks_of_installed_packages(run, monkeypatch: pytest.MonkeyPatch):
    liana, decoupler = ModuleType("liana"), ModuleType("decoupler")
    pairs = pd.DataFrame({"ligand": ["Il6"], "receptor": ["Il6ra"]})
    liana.rs = SimpleNamespace(select_resource=lambda name: pairs if name == "mouseconsensus" else None)
    tfs = pd.DataFrame({"source": ["Pax5"], "target": ["Cd19"], "weight": [1.0]})
    decoupler.op = SimpleNamespace(collectri=lambda organism: tfs if organism == "mouse" else None)
    monkeypatch.setitem(sys.modules, "liana", liana)
    monkeypatch.setitem(sys.modules, "decoupler", decoupler)
    assert run("network", "from-liana", "--species", "mouse", "--license", "MIT").code == 0
    assert run("network", "from-decoupler", "--species", "mouse").code == 0
    # neither replaces the other, nor a network that is there
    assert sorted(path.name for path in Path().glob("*.parquet")) == ["mouse_collectri.parquet", "mouse_liana.parquet"]
    assert (
        run(
            "network", "build", "mouse_collectri.parquet", "mouse_liana.parquet", "--species", "mouse", "-o", "both"
        ).code
        == 0
    )
    assert PriorNetwork.load("mouse", "both").modulators("Cd19").names == ("Pax5", "Il6$Il6ra")
    said = run("network", "from-liana", "mouseconsensu", "-o", "x.parquet")
    assert (said.code, said.err) == (1, ["Error: liana:mouseconsensu: liana returned no table"])


def test_show_tells_counts_provenance_coverage_and_a_gene(run, tables, sample: Path):
    run("network", "build", "dorothea.csv", "pairs.tsv", "--species", "human", "--license", "MIT")
    said = run("network", "show", "human_network.parquet", "--gene", "CD19")
    assert said.code == 0
    (following,) = said.err
    assert following.startswith(
        "next: spacetravlr --h5ad sample.h5ad --output-dir my_run, with [grn].network_data_dir = "
    )
    assert said.out[:4] == [
        "human_network.parquet (human)",
        "edges            number  genes",
        "TF-target             2  1 TF, 2 targets",
        "ligand-receptor       2  1 ligand, 2 receptors",
    ]
    assert "licence MIT, 2 edges" in said.out[6]
    assert said.out[-4:] == [
        "CD19: a model of it may use",
        "  1 TF: PAX5",
        "  2 ligand-receptor pairs (all without CD19)",
        "  0 ligand-TF pairs above 0.2: none",
    ]
    covered = run("network", "show", "--h5ad", sample)
    assert covered.code == 0
    assert any("of 40 measured genes are in the network" in line for line in covered.out)
    assert any("starter" in line for line in covered.out + covered.err)
    found = json.loads("\n".join(run("network", "show", "human_network.parquet", "--gene", "CD19", "--json").out))
    assert found["counts"]["tf_edges"] == 2
    assert found["gene"]["tfs"] == ["PAX5"]
    assert [source["licence"] for source in found["provenance"]["sources"]] == ["MIT", "MIT"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "which network? Name mouse, human or a file, or give --h5ad FILE"),
        (["moose"], 1, "no such file: moose"),
        (["pairs.tsv"], 1, "pairs.tsv is no parquet file; spacetravlr network build makes a network of tables"),
        (["human", "--gene", "Pax55"], 1, "Pax55: is not a gene of the network"),
        (["human", "--h5ad", "gone.h5ad"], 1, "no such file: gone.h5ad"),
    ],
)
def test_mistakes_in_showing(run, tables, arguments: list[str], code: int, words: str):
    said = run("network", "show", *arguments)
    assert (said.code, said.out) == (code, [])
    assert words in said.err[-1]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


def test_fetch_puts_the_file_where_training_looks(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "www"
    folder.mkdir()
    rng = np.random.default_rng(0)
    n = 20_000
    frame = pd.DataFrame(
        {"source": [f"G{i}" for i in range(n)], "target": "T", "edge_type": "grn", "weight": rng.random(n)}
    )
    frame.to_parquet(folder / "mouse_network.parquet")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        said = run("network", "fetch", "mouse", "--base-url", url)
        assert (said.code, said.out) == (0, ["data/mouse_network.parquet"])
        assert said.err[0].endswith(" recorded; there was nothing to compare it with")
        assert PriorNetwork.load("mouse").source.endswith("data/mouse_network.parquet")
        # the address from the environment, then from the configuration
        monkeypatch.setenv("SPACETRAVLR_NETWORK_URL", url)
        again = run("network", "fetch", "mouse", "--out-dir", "other", "--sha256", said.err[0].split()[1])
        assert (again.code, again.out) == (0, ["other/mouse_network.parquet"])
        assert again.err[0].endswith("as in --sha256")
        assert "from the cache" in again.err[1]
        monkeypatch.delenv("SPACETRAVLR_NETWORK_URL")
        Path("spaceship_config.toml").write_text(f'[grn]\nnetwork_base_url = "{url}"\n')
        assert run("network", "fetch", "mouse").code == 0
        missing = run("network", "fetch", "human")
        assert (missing.code, missing.out) == (1, [])
        assert missing.err == [
            f"Error: {url}/human_network.parquet: the server answers 404 File not found; check the address"
        ]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["mouse"], 1, "no address to fetch from: give --base-url URL"),
        (["mouse", "--base-url", "somewhere"], 1, "is no address of a server"),
        (["mouse", "--base-url", "http://127.0.0.1:9", "--timeout", "2"], 1, "127.0.0.1:9 cannot be reached"),
        (["mouse", "--timeout", "0"], 2, "--timeout must be positive"),
        (["../mouse"], 2, "is no species"),
    ],
)
def test_mistakes_in_fetching(run, tmp_path: Path, arguments: list[str], code: int, words: str):
    said = run("network", "fetch", *arguments)
    assert (said.code, said.out, len(said.err)) == (code, [], 1)
    assert words in said.err[0]
    assert not (tmp_path / "data").exists()


def test_tf_priors_are_written_for_training(run, sample: Path, tmp_path: Path):
    said = run("tf-priors", sample, "-o", "out/tf.feather", "--bags", 5, "--p-max", 1, "--parallel", 2)
    assert said.code == 0, said.err
    assert said.out == []
    assert said.err[-1].startswith("Wrote out/tf.feather (")
    assert said.err[-1].endswith("train with --tf-prior out/tf.feather")
    table = pd.read_feather("out/tf.feather")
    assert set(table["cell_type"]) == {"B cell", "fibroblast"}
    genes = {*table["source"], *table["target"]}
    assert TfPriors.read("out/tf.feather", genes).targets
    one = run(
        "tf-priors", sample, "-o", "one.feather", "--genes", table["target"][0], "--annot", "cell_type", "--p-max", 1
    )
    assert one.code == 0, one.err
    assert set(pd.read_feather("one.feather")["target"]) == {table["target"][0]}


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["--out", "x.csv"], 2, "the name must end in .feather"),
        (["--parallel", "-1"], 2, "--parallel must be at least 0"),
        (["--bags", "1"], 1, "n_bags must be at least 3"),
        (["--genes", "Nothing"], 1, "gene 'Nothing' is not among the 40 measured genes"),
        (["--annot", "cell_typ"], 1, "did you mean 'cell_type'?"),
        (["--layer", "counts"], 1, "counts"),
        (["--min-cells", "1000"], 1, "no cell type has 1000 cells"),
        (["--min-abs-coef", "1000"], 1, "cell types passes; raise --p-max"),
    ],
)
def test_mistakes_in_tf_priors(run, sample: Path, tmp_path: Path, flags: list[str], code: int, words: str):
    said = run("tf-priors", sample, *flags)
    assert (said.code, said.out) == (code, [])
    assert words in said.err[-1]
    assert not list(tmp_path.glob("*.feather"))


def test_the_help_of_the_commands_is_light():
    # the parser itself loads pydantic for subcommands
    heavy = ("numpy", "pandas", "anndata", "numba", "scipy", "pyarrow", "h5py", "sklearn", "http.client")
    code = (
        "import sys\nfrom spacetravlr.cli.main import run\n"
        "codes = [run(['network', name, '--help']) for name in ('build', 'fetch', 'show', 'from-liana')]\n"
        "codes += [run(['network', '--help']), run(['tf-priors', '--help'])]\n"
        f"sys.stderr.write(repr((set(codes), [name for name in {heavy!r} if name in sys.modules])))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "({0}, [])"
    assert "…" not in done.stdout
    assert "--base-url" in done.stdout


def test_the_core_does_not_know_these_rooms():
    code = (
        "import sys\nimport spacetravlr.training, spacetravlr.run, spacetravlr.perturbation\n"
        "sys.stderr.write(repr([name for name in sys.modules if name.startswith('spacetravlr.networks')]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]"
