"""Which `[cluster]` settings go together, and which of them have an effect."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from spacetravlr.errors import ConfigError, nearest

if TYPE_CHECKING:
    from spacetravlr.config._cluster_section import ClusterSettings

_NAMES = ("local", "slurm")
_ADDRESS = re.compile(r"[a-z]+://\S+")
_SLURM = ("queue", "cores", "memory", "walltime", "account", "directives", "prologue", "interface")
_STARTED = ("workers", "threads_per_worker", "local_directory")


def refuse_cluster(cluster: ClusterSettings) -> None:
    """Refuse a scheduler that nobody knows, and Slurm jobs that are not described.

    Raises
    ------
    ConfigError
        With what to write instead.
    """
    scheduler = cluster.scheduler
    if scheduler is not None and scheduler not in _NAMES and not _ADDRESS.fullmatch(scheduler):
        close = nearest(scheduler, _NAMES)
        raise ConfigError(
            f'[cluster].scheduler = "{scheduler}" must be local, slurm, or an address such as tcp://host:8786'
            + (f'; did you mean "{close}"?' if close else "")
        )
    if scheduler != "slurm":
        return
    if not cluster.workers:
        raise ConfigError('[cluster].scheduler = "slurm" needs [cluster].workers (--workers): how many workers in all')
    if cluster.memory is None:
        raise ConfigError('[cluster].scheduler = "slurm" needs [cluster].memory: of each job, for example "16GB"')
    if cluster.cores < cluster.threads_per_worker:
        raise ConfigError(
            f"[cluster].cores = {cluster.cores} is less than [cluster].threads_per_worker = "
            f"{cluster.threads_per_worker}: a job must have room for one worker"
        )


def idle_cluster_rules(cluster: ClusterSettings) -> Iterator[tuple[bool, tuple[str, ...], str]]:
    """Yield condition, keys without effect under it, and the condition in words."""
    scheduler = cluster.scheduler
    slurm, started = (tuple(f"cluster.{name}" for name in names) for names in (_SLURM, _STARTED))
    yield scheduler is None, slurm + started, "[cluster].scheduler is not set"
    yield scheduler == "local", slurm, '[cluster].scheduler is "local"'
    yield scheduler not in (None, *_NAMES), slurm + started, "[cluster].scheduler has its own workers"
    yield scheduler is not None, ("execution.n_parallel",), "[cluster].scheduler is set; see [cluster].workers"
