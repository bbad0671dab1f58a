"""Taking back what a set-up wrote when it fails, and nothing else."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from spacetravlr.run import RunPaths
from spacetravlr.training.input_copy import INPUT_COPY

if TYPE_CHECKING:
    from spacetravlr.run import RunDirectory


class FreshStart:
    """Remembers what a directory held before.

    Parameters
    ----------
    root
        Run directory; it need not exist.
    """

    def __init__(self, root: Path) -> None:
        files = RunPaths(root)
        own = (files.toml, root / INPUT_COPY, files.run_log)
        self.began_here = not files.toml.exists()
        self.files = [path for path in own if not path.exists()]
        self.directories = [path for path in (files.log_directory, root) if not path.exists()]

    def roll_back(self, directory: RunDirectory) -> None:
        """Remove the files of this set-up, unless training has begun or another process has joined meanwhile."""
        directory.close()
        if not directory.path.is_dir():
            # somebody has removed it, and that is what went wrong
            return
        found = directory.scan()
        begun = found.finished or found.locked or directory.files.manifest.exists()
        if not self.began_here or begun or directory.anybody_at_work():
            return
        for path in self.files:
            with suppress(OSError):
                path.unlink(missing_ok=True)
        for path in self.directories:
            with suppress(OSError):
                # only goes if it is empty
                path.rmdir()
