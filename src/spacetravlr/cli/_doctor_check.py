"""What a check of `spacetravlr doctor` says."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Status = Literal["ok", "note", "problem"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    status: Status
    """`note`: works, but could be better, or is optional and absent. `problem`: something will fail or be wrong."""
    found: str
    fix: str = ""
    """What to do, for everything that is not `ok`."""

    def as_json(self) -> dict[str, str]:
        """Return it for scripts."""
        return asdict(self)
