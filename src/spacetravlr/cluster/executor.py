"""The executor that heeds `[cluster].scheduler`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spacetravlr.training import Threads

if TYPE_CHECKING:
    from spacetravlr.config import RunConfig
    from spacetravlr.events import Listener
    from spacetravlr.run import RunDirectory
    from spacetravlr.training import Plan, StopRequest
    from spacetravlr.training.executor import Work


class ClusterExecutor:
    """Trains on the workers of the scheduler that the settings name, or on threads if they name none.

    Worker processes on this host import the main script again, so a script that trains with `scheduler = "local"`
    must do so below `if __name__ == "__main__":`.
    """

    def check(self, settings: RunConfig) -> None:
        """Refuse what is known to be missing, before anything is read.

        Raises
        ------
        MissingExtraError
            If Dask is not installed; without a scheduler, if torch is not and `[execution].device` needs it.
        ConfigError
            If there is no scheduler, and the device that the settings name is not here.
        UsageError
            If there is no Slurm here.
        SpaceTravLRError
            If nobody listens at the address of the scheduler.
        """
        if settings.cluster.scheduler is None:
            Threads().check(settings)
        else:
            from spacetravlr.cluster._start import refuse_what_cannot_start

            refuse_what_cannot_start(settings.cluster)

    def assign(self, plan: Plan, directory: RunDirectory, listener: Listener, stop: StopRequest) -> Work:
        """Return the work on a plan."""
        if plan.config.cluster.scheduler is None:
            return Threads().assign(plan, directory, listener, stop)
        from spacetravlr.cluster.trainer import ClusterTrainer

        return ClusterTrainer(plan, directory, listener, stop)
