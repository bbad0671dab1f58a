"""What the process that runs a training and its workers tell each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from spacetravlr import events
from spacetravlr.run import environment

if TYPE_CHECKING:
    from spacetravlr.config import RunConfig
    from spacetravlr.events import Event

Block = tuple[str, ...]
Need = Literal["claims", "plan"]

_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(events.Event)}


def own_version() -> str:
    """Return the version of this package as it is installed here."""
    return str(environment()["versions"].get("spacetravlr-py", "unknown"))


@dataclass(frozen=True)
class Job:
    """One training, as far as its workers must know it."""

    name: str
    """Unlike that of any other training."""
    root: str
    """Run directory."""
    token: str
    """Name of a file in the run directory that is there while the training runs."""
    settings: RunConfig
    """As recorded."""
    digest: str
    """Of targets, modulators and sample, so that a worker notices if it has read others."""
    version: str
    """Of this package."""


@dataclass(frozen=True)
class Order:
    """A block to be trained."""

    task: str
    """Unlike that of any other order."""
    block: Block
    first: bool
    """Whether targets that are left alone are reported."""
    failed: tuple[str, ...] = ()
    """Targets of the block that are not tried again."""
    claimed: tuple[str, ...] | None = None
    """Targets that are claimed already: train these, and return the files. None: claim them, and write the files."""


@dataclass(frozen=True)
class Report:
    """What became of an order."""

    attempt: str = ""
    """Which attempt at the order this is: if a worker is lost another one makes a new attempt."""
    begun: bool = True
    """False: a stop was asked for before."""
    needs: frozenset[Need] = frozenset()
    """What this worker lacks: the claims, because it cannot write the run directory; the plan, because it cannot read
    the sample. Nothing was done then."""
    elsewhere: bool = False
    """Whether some targets are held by others."""
    events: tuple[Event, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Path below the run directory -> content; empty if the worker wrote them."""


@dataclass(frozen=True)
class Signal:
    """An event on its way while its block is at work."""

    task: str
    attempt: str
    index: int
    """Of the event among those of the attempt."""
    event: Event

    def pack(self) -> dict[str, Any]:
        """Return it as texts and numbers."""
        return {
            "task": self.task,
            "attempt": self.attempt,
            "index": self.index,
            "kind": type(self.event).__name__,
            "fields": asdict(self.event),
        }

    @classmethod
    def unpack(cls, message: Mapping[str, Any]) -> Signal:
        """Read what `pack` returned."""
        event = _KINDS[message["kind"]](**message["fields"])
        return cls(message["task"], message["attempt"], message["index"], event)
