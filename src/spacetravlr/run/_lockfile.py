"""The text inside a claim, and what can be known about its holder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from spacetravlr.process import ProcessId, is_gone, this_process

FIRST_LINE = "spacetravlr_gene 1"
BEATING: set[str] = set()
"""Names of the heartbeat files that this process keeps changing."""


@dataclass(frozen=True, slots=True)
class LockInfo:
    """Who holds a target, and since when.

    The fields are None where the claim does not tell: the compiled edition leaves its claims empty.
    """

    gene: str
    host: str | None = None
    pid: int | None = None
    since: float | None = None
    """Seconds since 1970 by the clock of the holder's host."""
    gone: bool = False
    """The holder is known to have ended: the next claim takes the target over."""
    beats: bool = False
    """The claim refers to a heartbeat; those of other editions do not."""


@dataclass(frozen=True, slots=True)
class LockFile:
    """One reading of a claim."""

    content: bytes
    mtime_ns: int
    fields: dict[str, str]

    @property
    def heartbeat(self) -> str | None:
        """Name of the file whose content changes while the holder lives, in the same directory."""
        name = self.fields.get("heartbeat", "")
        return name if name.startswith(".heartbeat-") and "/" not in name and "\\" not in name else None

    @property
    def holder_gone(self) -> bool:
        """The holder is known to have ended (same machine only)."""
        machine, pid = self.fields.get("machine"), self._number("pid")
        if not machine or pid is None:
            return False
        holder = ProcessId(self.fields.get("host", ""), int(pid), machine, self.fields.get("process_start", ""))
        return is_gone(holder) or (holder == this_process() and self._abandoned)

    @property
    def _abandoned(self) -> bool:
        # this very process could not remove it when it was done with it, for example from a read-only disk
        return self.heartbeat is not None and self.heartbeat not in BEATING

    @property
    def holder_here(self) -> bool:
        """The holder's process numbers are those of this machine, so it is known whether it has ended."""
        return self.fields.get("machine") == this_process().machine

    def info(self, gene: str) -> LockInfo:
        """Return what it says about the holder of a gene."""
        pid = self._number("pid")
        return LockInfo(
            gene=gene,
            host=self.fields.get("host"),
            pid=None if pid is None else int(pid),
            since=self._number("started_unix"),
            gone=self.holder_gone,
            beats=self.heartbeat is not None,
        )

    def _number(self, key: str) -> float | None:
        try:
            return float(self.fields[key])
        except (KeyError, ValueError):
            return None


def read_lock(path: Path) -> LockFile | None:
    """Read a claim; None if it is not there (any more)."""
    try:
        content, mtime_ns = path.read_bytes()[:4096], path.stat().st_mtime_ns
    except OSError:
        return None
    return LockFile(content, mtime_ns, _fields(content))


def holder_text(process: ProcessId, *, started_unix: float) -> str:
    """Return the lines that name a process; the same in claims and heartbeats."""
    lines = {
        "host": process.host,
        "pid": str(process.pid),
        "started_unix": f"{started_unix:.3f}",
        "machine": process.machine,
        "process_start": process.started,
    }
    return "".join(f"{key} {value}\n" for key, value in lines.items())


def lock_text(holder: str, *, heartbeat: str, serial: int) -> bytes:
    """Return the content of a claim; no two claims are ever equal."""
    return f"{FIRST_LINE}\n{holder}heartbeat {heartbeat}\nserial {serial}\n".encode()


def _fields(content: bytes) -> dict[str, str]:
    pairs = (line.split(None, 1) for line in content.decode("utf-8", errors="replace").splitlines())
    return {pair[0].rstrip(":="): pair[1].strip() for pair in pairs if len(pair) == 2}
