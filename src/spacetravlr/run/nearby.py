"""Runs that a person may mean: those opened lately, and those in the directories around."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from spacetravlr.atomic import write_text
from spacetravlr.errors import SpaceTravLRError
from spacetravlr.run.paths import REPRO_TOML, scan

_SKIPPED = ("node_modules", "__pycache__", "site-packages")
_KEPT = 20
_LOOKED_AT = 2000
"""Directories that are looked into at most: a home directory can have any number."""


@dataclass(frozen=True, slots=True)
class NearbyRun:
    """A run directory with models."""

    path: Path
    n_models: int
    changed: float
    """When something in it changed last, seconds since 1970."""


def nearby_runs(start: Path | None = None, *, depth: int = 2, limit: int = 20) -> list[NearbyRun]:
    """Return the runs with models in a directory and below, the newest first.

    Parameters
    ----------
    start
        Where to look; None for the working directory.
    depth
        Levels of directories below it.
    limit
        Number of runs.
    """
    found = [run for place in _directories(start or Path.cwd(), depth) if (run := _look(place)) is not None]
    return sorted(found, key=lambda run: (-run.changed, run.path))[:limit]


def recent_runs() -> list[NearbyRun]:
    """Return the runs that were opened lately and are still there, the latest first."""
    with suppress(OSError, UnicodeDecodeError):
        lines = _memory().read_text(encoding="utf-8").splitlines()
        return [run for line in lines if line and (run := _look(Path(line))) is not None]
    return []


def remember_run(path: Path) -> None:
    """Put a run at the beginning of those opened lately; where that cannot be written, nothing happens."""
    place, mine = _memory(), str(path.absolute())
    with suppress(OSError, SpaceTravLRError, UnicodeError):
        before = place.read_text(encoding="utf-8").splitlines() if place.exists() else []
        place.parent.mkdir(parents=True, exist_ok=True)
        write_text(place, "\n".join([mine, *(line for line in before if line != mine)][:_KEPT]) + "\n")


def state_directory() -> Path:
    """Return where what is remembered between sessions lies, there or not."""
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "spacetravlr"


def path_completions(text: str, *, limit: int = 200) -> list[str]:
    """Return what the path of a run could go on to: directories (with a slash at the end) and TOML files.

    Parameters
    ----------
    text
        What is typed so far; its words are kept, and hidden names are offered once their dot is typed.
    limit
        Number of paths.
    """
    head, _, begun = text.rpartition("/")
    folder = Path(f"{head}/" if "/" in text else ".").expanduser()
    found: list[tuple[bool, str]] = []
    with suppress(OSError, RuntimeError), os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith(begun) or (entry.name[0] == "." and not begun.startswith(".")):
                continue
            if entry.is_dir():
                found.append((False, f"{entry.name}/"))
            elif entry.name.casefold().endswith(".toml"):
                found.append((True, entry.name))
    before = f"{head}/" if "/" in text else ""
    return [before + name for _, name in sorted(found)[:limit]]


def _memory() -> Path:
    return state_directory() / "recent_runs"


def _look(place: Path) -> NearbyRun | None:
    toml = place / REPRO_TOML
    try:
        if not toml.is_file():
            return None
        n_models = len(scan(place).done)
        return NearbyRun(place, n_models, max(toml.stat().st_mtime, place.stat().st_mtime)) if n_models else None
    except (OSError, SpaceTravLRError):
        return None


def _directories(start: Path, depth: int) -> Iterator[Path]:
    """Yield a directory and those below, level by level, without hidden ones and links."""
    level, seen = [start], 0
    for _ in range(depth + 1):
        below: list[Path] = []
        for place in level:
            seen += 1
            if seen > _LOOKED_AT:
                return
            yield place
            with suppress(OSError), os.scandir(place) as entries:
                names = sorted(one.name for one in entries if one.is_dir(follow_symlinks=False))
                below += [place / name for name in names if name[0] != "." and name not in _SKIPPED]
        level = below
