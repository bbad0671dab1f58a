"""Taking back what a set-up wrote when it fails, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from spacetravlr.run import RunPaths, scan
from spacetravlr.training.input_copy import INPUT_COPY

if TYPE_CHECKING:
    from spacetravlr.run import RunDirectory


class FreshStart:
    """Remembers what a directory held before.

    Parameters
    ----------
    root
        Run directory; it need not exist.
    files
        Further files that the set-up may write.
    parts
        Directories of runs below it that the set-up may make.
    """

    def __init__(self, root: Path, *, files: Iterable[Path] = (), parts: Sequence[Path] = ()) -> None:
        paths = RunPaths(root)
        own = (paths.toml, root / INPUT_COPY, paths.run_log, *files)
        self.began_here = not paths.toml.exists()
        self.files = [path for path in own if not path.exists()]
        self._parts = parts
        below = (*parts, *dict.fromkeys(part.parent for part in parts), paths.log_directory, root)
        self.directories = [path for path in below if not path.exists()]

    def roll_back(self, directory: RunDirectory) -> None:
        """Remove the files of this set-up, unless training has begun or another process has joined meanwhile."""
        directory.close()
        if not directory.path.is_dir():
            # somebody has removed it, and that is what went wrong
            return
        begun = any(_has_begun(place) for place in (directory.path, *self._parts))
        if not self.began_here or begun or directory.anybody_at_work():
            return
        for path in self.files:
            with suppress(OSError):
                path.unlink(missing_ok=True)
        for path in self.directories:
            with suppress(OSError):
                # only goes if it is empty
                path.rmdir()


def _has_begun(place: Path) -> bool:
    if not place.is_dir():
        return False
    found = scan(place)
    return bool(found.finished or found.locked) or RunPaths(place).manifest.exists()
