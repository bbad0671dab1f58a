"""Schedulers: one started here, one of Slurm jobs, or one that is there already."""

from __future__ import annotations

import logging
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from spacetravlr.errors import MissingExtraError, SpaceTravLRError, UsageError
from spacetravlr.process import import_quietly
from spacetravlr.training.workers import worker_count

if TYPE_CHECKING:
    from distributed import Client

    from spacetravlr.config import ClusterSettings

_CONNECT_SECONDS = 10.0
_PRIVATE_PORT = "127.0.0.1:0"
"""Of the scheduler's web server, which cannot be done without: a free one that other hosts do not see."""
_NEVER_PAUSE = "export DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE=False"
"""A worker that Dask pauses for its memory would wait for ever: the sample stays there until the run is over."""


def refuse_what_cannot_start(cluster: ClusterSettings) -> None:
    """Refuse what is known to be missing, before anything is read.

    Raises
    ------
    MissingExtraError
        If Dask is not installed.
    UsageError
        If there is no Slurm here.
    SpaceTravLRError
        If nobody listens at the address of the scheduler.
    """
    needed = ("distributed", "dask_jobqueue") if cluster.scheduler == "slurm" else ("distributed",)
    for module in needed:
        try:
            _load(module)
        except ImportError as error:
            raise MissingExtraError(
                f"--scheduler {cluster.scheduler} needs {module.replace('_', '-')}: "
                "python -m pip install 'spacetravlr-py[cluster]'"
            ) from error
    if cluster.scheduler == "slurm" and shutil.which("sbatch") is None:
        raise UsageError("--scheduler slurm: there is no sbatch on this host; run it on a login node of the cluster")
    where = urlsplit(cluster.scheduler or "")
    if where.scheme in {"tcp", "tls"}:
        try:
            socket.create_connection((where.hostname or "", where.port or 8786), _CONNECT_SECONDS).close()
        except (OSError, ValueError) as error:
            raise SpaceTravLRError(f"no scheduler answers at {cluster.scheduler}: {error}") from error


@dataclass(frozen=True)
class Connection:
    """A scheduler to give work to."""

    client: Client
    renew: Callable[[], object]
    """Asks for new workers in place of those that have ended, where nobody else does."""


@contextmanager
def connected(cluster: ClusterSettings, logs: Path) -> Iterator[Connection]:
    """Connect to a scheduler, which is started here if the settings say so and stopped in the end.

    Parameters
    ----------
    cluster
        Which one, and its workers.
    logs
        Where Slurm jobs write what they print.

    Raises
    ------
    SpaceTravLRError
        If it cannot be started, or does not answer.
    """
    from distributed import Client

    with ExitStack() as stack:
        try:
            target: Any = cluster.scheduler
            renew: Callable[[], object] = int
            with _out_of_reach_of_the_keyboard():
                if cluster.scheduler == "local":
                    target = stack.enter_context(local_cluster(cluster))
                elif cluster.scheduler == "slurm":
                    target = stack.enter_context(slurm_cluster(cluster, logs))
                    try_to_submit(target.job_script())
                    renew = partial(target.scale, cluster.workers)
                    renew()
            client = stack.enter_context(Client(target, timeout=_CONNECT_SECONDS, set_as_default=False))
        except (OSError, RuntimeError, ValueError) as error:
            raise SpaceTravLRError(f"--scheduler {cluster.scheduler} cannot be used: {error}") from error
        yield Connection(client, renew)


def local_cluster(cluster: ClusterSettings) -> Any:
    """Start worker processes on this host; without a limit of memory, as for any other process here."""
    from distributed import LocalCluster

    workers = cluster.workers or max(1, worker_count(0) // cluster.threads_per_worker)
    started = LocalCluster(
        n_workers=workers,
        threads_per_worker=cluster.threads_per_worker,
        processes=True,
        memory_limit=None,
        dashboard_address=_PRIVATE_PORT,
        local_directory=cluster.local_directory,
        silence_logs=logging.ERROR,
    )
    # its processes end with this one in any case: a second Ctrl-C need not wait for each to be asked
    started.shutdown_on_close = False
    return started


def slurm_cluster(cluster: ClusterSettings, logs: Path) -> Any:
    """Start a scheduler on this host whose workers will be Slurm jobs; none is submitted yet."""
    return _load("dask_jobqueue").SLURMCluster(
        cores=cluster.cores,
        processes=cluster.cores // cluster.threads_per_worker,
        memory=cluster.memory,
        queue=cluster.queue,
        account=cluster.account,
        walltime=cluster.walltime,
        job_extra_directives=list(cluster.directives),
        job_script_prologue=[_NEVER_PAUSE, *cluster.prologue],
        interface=cluster.interface,
        local_directory=cluster.local_directory,
        log_directory=str(logs),
        job_name="spacetravlr",
        scheduler_options={"dashboard": False, "dashboard_address": _PRIVATE_PORT},
        silence_logs="error",
    )


def try_to_submit(script: str) -> None:
    """Have Slurm check a job; what it refuses later only shows in the log.

    Raises
    ------
    SpaceTravLRError
        If Slurm would refuse it.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".sh") as file:
        file.write(script)
        file.flush()
        tried = subprocess.run(["sbatch", "--test-only", file.name], capture_output=True, text=True, check=False)
    if tried.returncode:
        raise SpaceTravLRError(f"Slurm refuses the jobs of [cluster]: {' '.join(tried.stderr.split())}")


def _load(module: str) -> Any:
    """Import a module of a cluster."""
    try:
        return import_quietly(module)
    except ValueError as error:
        raise UsageError("--scheduler slurm can only be begun from the main thread of a program") from error


@contextmanager
def _out_of_reach_of_the_keyboard() -> Iterator[None]:
    """Start processes that Ctrl-C does not reach: it asks this process for an end, which lets them finish their blocks.

    The terminal sends it to all processes of a command. A blocked signal stays blocked in the threads and processes
    that are started meanwhile, and in those that they start.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    # started with the first process it would lift the block again
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
