"""Which files may be opened: those whose real path lies in one of the data roots."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from spacetravlr.run.paths import REPRO_TOML
from spacetravlr.viewer._problem import ProblemError

_DEPTH = 4
_MOST_FILES = 1000
_MOST_ENTRIES = 20_000


@dataclass(frozen=True)
class DataFile:
    """A sample or a run that can be opened."""

    id: str
    name: str
    """Relative to its root."""
    kind: str
    """`h5ad` or `run`."""
    size: int
    """Bytes; 0 for a run."""
    path: Path


class DataRoots:
    """Directories whose files may be opened.

    Parameters
    ----------
    roots
        The directories; links in them are resolved.
    extra
        Files and directories that may be opened wherever they are.
    """

    def __init__(self, roots: Iterable[Path], *, extra: Iterable[Path] = ()) -> None:
        self.roots = tuple(dict.fromkeys(root.resolve() for root in roots))
        self._extra = frozenset(path.resolve() for path in extra)

    def holds(self, path: Path) -> bool:
        """Say whether the real path of a file lies in a root."""
        real = path.resolve()
        return any(real.is_relative_to(root) for root in (*self.roots, *self._extra))

    def find(self, given: str, *, what: str) -> Path:
        """Return the real path of what a client names: absolute, or relative to a root.

        Raises
        ------
        ProblemError
            If there is nothing of that name in any root; whether it exists elsewhere is not told.
        """
        text = clean(given)
        for candidate in self._candidates(text):
            try:
                if candidate.exists() and self.holds(candidate):
                    return candidate.resolve()
            except (OSError, ValueError):  # a name that no file system takes
                continue
        raise ProblemError(400, f"{what}: no such file in the data roots of this server", code="not_in_data_roots")

    def shown(self, path: Path) -> str:
        """Return a path relative to its root: `find` gives the same file for it."""
        real = path.resolve()
        for root in self.roots:
            if real.is_relative_to(root):
                name = str(real.relative_to(root))
                first = next((one for one in self._candidates(name) if one.exists()), None)
                if first is not None and first.resolve() == real:
                    return name
                return f"{root.name}/{name}"
        return real.name

    def files(self) -> list[tuple[str, list[DataFile]]]:
        """Return the samples and runs in each root, by name; hidden files and what links lead out of are left out."""
        return [(root.name or str(root), sorted(_walk(self, root), key=lambda one: one.name)) for root in self.roots]

    def file(self, identifier: str, kind: str) -> DataFile:
        """Return a file of the listing by its id.

        Raises
        ------
        ProblemError
            If there is none.
        """
        for _, files in self.files():
            for one in files:
                if one.id == identifier and one.kind == kind:
                    return one
        raise ProblemError(404, f"no {kind} with the id {identifier!r} in the listing of files")

    def _candidates(self, text: str) -> Iterator[Path]:
        if not text or "\0" in text:
            return
        given = Path(text)
        if given.is_absolute():
            yield given
            return
        for root in self.roots:
            yield root / given
        for root in self.roots:
            if given.parts and given.parts[0] == root.name:
                yield root.parent / given


def clean(given: str) -> str:
    """Return a path as people paste it: blanks, quotes, a byte-order mark and `file:` removed, `~` expanded."""
    text = given.strip().strip("\ufeff").strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1].strip()
    if text.startswith("file:"):
        text = text.removeprefix("file:")
        text = text.removeprefix("//") if text.startswith("///") else text
    if text == "~" or text.startswith("~/"):
        text = os.path.expanduser(text)  # noqa: PTH111 - a text that may be no path at all
    return text


def file_id(path: Path) -> str:
    """Return the id of a file in the listing."""
    return sha256(os.fsencode(path)).hexdigest()[:16]


def _walk(roots: DataRoots, root: Path) -> Iterator[DataFile]:
    found, seen, waiting = 0, 0, [(root, 0)]
    while waiting:
        folder, depth = waiting.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            seen += 1
            if seen > _MOST_ENTRIES or found >= _MOST_FILES:
                return
            path = Path(entry.path)
            if entry.name.startswith(".") or not roots.holds(path):
                continue
            if entry.is_dir(follow_symlinks=False):
                if depth < _DEPTH:
                    waiting.append((path, depth + 1))
            elif entry.name == REPRO_TOML:
                found += 1
                name = str(folder.relative_to(root)) if folder != root else root.name
                yield DataFile(file_id(path.resolve()), name, "run", 0, path.resolve())
            elif entry.name.endswith(".h5ad") and entry.is_file():
                found += 1
                name = str(path.relative_to(root))
                yield DataFile(file_id(path.resolve()), name, "h5ad", entry.stat().st_size, path.resolve())
