"""Who does the work of a run: threads of this process, unless an executor of another kind is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from spacetravlr.device import choose_device
from spacetravlr.errors import UsageError
from spacetravlr.events import Notice
from spacetravlr.training.account import device_of
from spacetravlr.training.trainer import StopRequest, Tally, Trainer

if TYPE_CHECKING:
    from spacetravlr.config import RunConfig
    from spacetravlr.events import Listener
    from spacetravlr.run import RunDirectory
    from spacetravlr.training.plan import Plan


class Work(Protocol):
    """A run about to be done; `Trainer` is one."""

    plan: Plan
    directory: RunDirectory
    stop: StopRequest
    tally: Tally

    def run(self) -> Tally:
        """Train until every target is done, here or elsewhere, or a stop was asked for."""


class Executor(Protocol):
    """Chooses who trains."""

    def check(self, settings: RunConfig) -> None:
        """Refuse settings that cannot be served, before anything is read."""

    def assign(self, plan: Plan, directory: RunDirectory, listener: Listener, stop: StopRequest) -> Work:
        """Return the work on a plan."""


class Threads:
    """Trains on threads of this process."""

    def check(self, settings: RunConfig) -> None:
        """Refuse settings that ask for a cluster, or for a device that is not here.

        Raises
        ------
        MissingExtraError, ConfigError
            If the device that `[execution].device` names is not there.
        UsageError
            If `[cluster].scheduler` is set.
        """
        if settings.cluster.scheduler is not None:
            raise UsageError(
                f"[cluster].scheduler = {settings.cluster.scheduler!r}, but this call trains on threads: use "
                "spacetravlr.tl.train, or give executor=spacetravlr.cluster.ClusterExecutor()"
            )
        choose_device(settings.execution.device)

    def assign(self, plan: Plan, directory: RunDirectory, listener: Listener, stop: StopRequest) -> Trainer:
        """Return a trainer with threads, and tell on which device."""
        listener(Notice(f"device: {device_of(plan.config)}"))
        return Trainer(plan, directory, listener, stop)
