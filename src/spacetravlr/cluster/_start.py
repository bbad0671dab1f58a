"""Schedulers: one started here, one of Slurm jobs, or one that is there already."""

from __future__ import annotations

import importlib.util
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

from spacetravlr.atomic import make_directory
from spacetravlr.errors import MissingExtraError, SpaceTravLRError, UsageError
from spacetravlr.process import import_quietly
from spacetravlr.training.workers import worker_count

if TYPE_CHECKING:
    from distributed import Client
    from distributed.security import Security

    from spacetravlr.config import ClusterSettings

_LOG = logging.getLogger("spacetravlr")
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
            raise MissingExtraError.of(
                "cluster", f"--scheduler {cluster.scheduler} needs {module.replace('_', '-')}"
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


@contextmanager
def slurm_cluster(cluster: ClusterSettings, logs: Path) -> Iterator[Any]:
    """Start a scheduler on this host whose workers will be Slurm jobs; none is submitted yet."""
    make_directory(logs)
    with (
        _certificates(logs) as security,
        _load("dask_jobqueue").SLURMCluster(
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
            security=security,
            silence_logs="error",
        ) as started,
    ):
        yield started


@contextmanager
def _certificates(shared: Path) -> Iterator[Security | None]:
    """Make certificates by which the scheduler and the workers of one training know each other.

    A scheduler for other hosts is reached over the network, and whoever reaches a scheduler of Dask can have it run
    anything. The keys are where workers find them and only this user can read them, for as long as the scheduler runs.
    """
    if importlib.util.find_spec("cryptography") is None:
        _LOG.warning(
            "the scheduler of the Slurm jobs asks nobody who they are: whoever can reach this host can run programs as "
            "you while the training runs. With the package cryptography installed it asks for certificates"
        )
        yield None
        return
    from distributed.security import Security

    made = Security.temporary()
    with tempfile.TemporaryDirectory(prefix=".certificates-", dir=shared) as folder:
        certificate, key = Path(folder) / "certificate.pem", Path(folder) / "key.pem"
        certificate.write_text(made.tls_ca_file, encoding="ascii")
        key.write_text(made.tls_scheduler_key, encoding="ascii")
        roles = {f"tls_{role}_{part}" for role in ("client", "scheduler", "worker") for part in ("cert", "key")}
        files = {name: str(certificate if name.endswith("cert") else key) for name in sorted(roles)}
        yield Security(require_encryption=True, tls_ca_file=str(certificate), **files)


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
