"""What is asked of a cluster: flags, refusals before anything is read, and the jobs that Slurm gets."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from spacetravlr.cli._request import make_request
from spacetravlr.cli._train_flags import TRAIN_FLAGS
from spacetravlr.cluster import ClusterExecutor, _start
from spacetravlr.config import ClusterSettings, RunConfig
from spacetravlr.errors import MissingExtraError, SpaceTravLRError, UsageError
from spacetravlr.tl import train as train_by_settings
from spacetravlr.training import train

SLURM = {
    "scheduler": "slurm", "workers": 4, "threads_per_worker": 2, "queue": "short", "cores": 8, "memory": "16GB",
    "walltime": "04:00:00", "account": "lab", "directives": ("--gres=gpu:1",), "prologue": ("module load python",),
    "local_directory": "/scratch", "interface": "lo",
}  # fmt: skip

SBATCH = """#!/bin/sh
if [ "$1" = --test-only ]; then
    if [ -e '{refuse}' ]; then echo 'sbatch: error: invalid partition' >&2; exit 1; fi
    exit 0
fi
cp "$1" '{script}'
setsid sh -c 'exec bash {script}' >/dev/null 2>&1 &
echo "Submitted batch job $!"
"""
SCANCEL = """#!/bin/sh
kill -- "-$1"
"""


def test_the_job_script_says_what_the_settings_say(tmp_path: Path) -> None:
    with _start.slurm_cluster(ClusterSettings(**SLURM), tmp_path / "log") as cluster:
        script = cluster.job_script()
    lines = script.splitlines()
    for line in (
        "#SBATCH -J spacetravlr",
        "#SBATCH -p short",
        "#SBATCH -A lab",
        "#SBATCH -t 04:00:00",
        "#SBATCH --cpus-per-task=8",
        "#SBATCH --mem=15G",
        "#SBATCH --gres=gpu:1",
        f"#SBATCH -o {tmp_path}/log/spacetravlr-%J.out",
        "module load python",
        "export DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE=False",
    ):
        assert line in lines
    assert lines[-1].startswith(f"{sys.executable} -m distributed.cli.dask_worker tls://")
    for option in ("--nworkers 4", "--nthreads 2", "--memory-limit 3.73GiB", "--nanny", "--local-directory /scratch"):
        assert f" {option}" in lines[-1]


def test_a_stranger_is_not_let_in_and_nobody_else_reads_the_keys(tmp_path: Path) -> None:
    with _start.slurm_cluster(ClusterSettings(**SLURM), tmp_path) as cluster:
        (folder,) = tmp_path.glob(".certificates-*")
        assert folder.stat().st_mode & 0o077 == 0
        files = sorted(folder.iterdir())
        assert [path.name for path in files] == ["certificate.pem", "key.pem"]
        assert all(str(path) in cluster.job_script() for path in files)
        plain = cluster.scheduler_address.replace("tls://", "tcp://")
        code = f"from distributed import Client; Client({plain!r}, timeout=2)"
        assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode != 0
    assert not list(tmp_path.glob(".certificates-*"))


def test_without_certificates_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "cryptography" else real(name, *rest)
    )
    with _start.slurm_cluster(ClusterSettings(**SLURM), tmp_path / "log") as cluster:
        assert " tcp://" in cluster.job_script()
    assert "whoever can reach this host can run programs as you" in caplog.text


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Slurm that runs every job at once on this host."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    names = {"refuse": folder / "refuse", "script": folder / "job.sh"}
    for name, text in (("sbatch", SBATCH.format(**names)), ("scancel", SCANCEL)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def test_jobs_of_slurm_train_the_same(go, on_threads, slurm: Path) -> None:
    trained = go(scheduler="slurm", workers=1, memory="4GB", interface="lo")
    assert trained.files == on_threads
    assert trained.left_overs == []
    assert trained.finished.status == "complete"
    assert any("waiting for workers" in notice for notice in trained.notices())


def test_jobs_that_slurm_refuses_are_one_line(go, slurm: Path) -> None:
    (slurm / "refuse").touch()
    with pytest.raises(SpaceTravLRError, match=r"^Slurm refuses the jobs of \[cluster\]: sbatch: error: invalid part"):
        go(scheduler="slurm", workers=1, memory="4GB", interface="lo")


def test_without_slurm_its_scheduler_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UsageError, match="there is no sbatch on this host"):
        ClusterExecutor().check(RunConfig(cluster=SLURM))


def in_a_new_process(code: str) -> None:
    code = f"import signal, sys, threading\nfrom spacetravlr.cluster import _start\n{code}"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_slurm_leaves_ctrl_c_alone_and_wants_the_main_thread() -> None:
    in_a_new_process(
        "found = []\n"
        "def load():\n"
        "    try: _start._load('dask_jobqueue')\n"
        "    except _start.UsageError as error: found.append(str(error))\n"
        "thread = threading.Thread(target=load); thread.start(); thread.join()\n"
        "assert found == ['--scheduler slurm can only be begun from the main thread of a program']\n"
        "before = signal.getsignal(signal.SIGINT)\n"
        "assert _start._load('dask_jobqueue').SLURMCluster\n"
        "assert signal.getsignal(signal.SIGINT) is before"
    )


@pytest.mark.parametrize(
    ("scheduler", "module"),
    [("local", "distributed"), ("tcp://host:1", "distributed"), ("slurm", "dask_jobqueue")],
)
def test_a_missing_extra_is_named(scheduler: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    settings = RunConfig(cluster={**SLURM, "scheduler": scheduler})
    with pytest.raises(MissingExtraError) as caught:
        ClusterExecutor().check(settings)
    assert str(caught.value) == (
        f"--scheduler {scheduler} needs {module.replace('_', '-')}: python -m pip install 'spacetravlr-py[cluster]'"
    )


def test_a_scheduler_that_is_not_there_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(SpaceTravLRError, match=f"^no scheduler answers at {address}: "):
        train_by_settings(tmp_path / "missing.h5ad", tmp_path / "run", scheduler=address)
    assert not (tmp_path / "run").exists()


def test_nothing_of_dask_is_loaded_until_it_is_asked_for() -> None:
    in_a_new_process("import spacetravlr.tl; assert not {'dask', 'distributed', 'dask_jobqueue'} & set(sys.modules)")


def test_threads_do_not_pass_over_a_scheduler_in_silence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^\[cluster\].scheduler = 'local', but this call trains on threads"):
        train(tmp_path / "missing.h5ad", tmp_path / "run", scheduler="local")
    with pytest.raises(UsageError, match="this call trains on threads"):
        train(tmp_path / "missing.h5ad", tmp_path / "run", config=RunConfig(cluster={"scheduler": "tcp://host:1"}))


def request_of(**given: object):
    return make_request({flag.name: None for flag in TRAIN_FLAGS} | given)


def test_flags_name_the_scheduler_and_its_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.toml").write_text('[cluster]\nscheduler = "slurm"\nworkers = 3\nmemory = "4GB"\n')
    request = request_of(h5ad="x.h5ad", scheduler="local", workers=2, config="my.toml")
    assert request.config.cluster == ClusterSettings(scheduler="local", workers=2, memory="4GB")


def test_who_joins_a_run_says_for_itself_who_works(go, scheduler: str) -> None:
    run = go(scheduler=scheduler).run
    assert run.config.cluster.scheduler == scheduler
    alone = request_of(join_output_dir=str(run.path)).config
    assert alone.cluster.scheduler is None
    helped = request_of(join_output_dir=str(run.path), scheduler="local", workers=2)
    assert helped.config.cluster == ClusterSettings(scheduler="local", workers=2)
    assert not any("ignored" in notice for notice in helped.notices)
