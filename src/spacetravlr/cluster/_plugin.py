"""The part that runs inside Dask's workers; imported only where Dask is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from distributed import WorkerPlugin, get_worker

from spacetravlr.cluster._messages import Job, Order, Report, Signal
from spacetravlr.cluster._workbench import Workbench

if TYPE_CHECKING:
    from distributed import Worker

    from spacetravlr.training import Plan


class JobPlugin(WorkerPlugin):
    """Gives every worker, also those that come later, a workbench for one training.

    Parameters
    ----------
    job
        The training.
    """

    def __init__(self, job: Job) -> None:
        self.name = job.name
        self.job = job

    def setup(self, worker: Worker) -> None:
        """Prepare the bench; nothing is read yet."""
        self._worker = worker
        self.bench = Workbench(self.job, worker.local_directory, self._sent)

    def teardown(self, worker: Worker) -> None:  # noqa: ARG002 - the signature of a plugin
        """Give claims and memory back."""
        self.bench.close()

    def send(self, signal: Signal) -> None:
        """Pass an event on to whoever runs the training."""
        self._worker.log_event(self.name, signal.pack())

    def _sent(self) -> Plan | None:
        parcel = self._worker.plugins.get(parcel_name(self.name))
        return parcel.plan if isinstance(parcel, Parcel) else None


class Parcel(WorkerPlugin):
    """Brings the plan to every worker; as a plugin it is not lost with the worker that got it first.

    Parameters
    ----------
    job
        Name of the training.
    plan
        As `portable` returns it.
    """

    def __init__(self, job: str, plan: Plan) -> None:
        self.name = parcel_name(job)
        self.plan = plan


def parcel_name(job: str) -> str:
    """Return the name of the plan of a training among the plugins of a worker."""
    return f"{job}-plan"


def work_on(job: str, order: Order) -> Report:
    """Train a block on the worker that runs this."""
    plugin = get_worker().plugins[job]
    report: Report = plugin.bench.train(order, plugin.send)
    return report


def ask(job: str, what: str, dask_worker: Worker) -> frozenset[str]:
    """Ask the worker that runs this to end its part of a training; see `Workbench.ask`."""
    plugin = dask_worker.plugins.get(job)
    return plugin.bench.ask(what) if plugin is not None else frozenset()
