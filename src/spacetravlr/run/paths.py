"""The file names of a run directory: a public contract, shared with the compiled edition."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from spacetravlr.betas.names import (
    SUFFIXES,
    betadata_file_name,
    escape_gene,
    gene_of_file,
    is_betadata_file_name,
    unescape_gene,
)
from spacetravlr.errors import RunDirectoryError

ORPHAN_SUFFIX = ".orphan"
LOCK_SUFFIX = ".lock"
REPRO_TOML = "spacetravlr_run_repro.toml"
PREPARED_SAMPLE = "spacetravlr_prepared.h5ad"
"""The sample of a training that has prepared it itself."""
MANIFEST = "run_manifest.json"
LOG_DIRECTORY = "log"
RUN_LOG = "run.log"
CONDITIONS = "conditions"
CONDITION_LABEL = "condition_label.txt"


@dataclass(frozen=True, slots=True)
class RunPaths:
    """Where everything of one run lies; gene symbols are escaped, so any symbol has a file."""

    root: Path

    def betadata(self, gene: str) -> Path:
        """Coefficients of a target, as this project writes them."""
        return self.root / betadata_file_name(gene)

    def finished(self, gene: str) -> tuple[Path, ...]:
        """Files of which any says that a target needs no training: coefficients in any format, or the marker."""
        return (
            self.betadata(gene),
            self.orphan(gene),
            *(self.root / betadata_file_name(gene, s) for s in SUFFIXES[1:]),
        )

    def orphan(self, gene: str) -> Path:
        """Marker of a target that gets no model; holds the reason."""
        return self.root / f"{escape_gene(gene)}{ORPHAN_SUFFIX}"

    def lock(self, gene: str) -> Path:
        """Claim of a target that is being trained."""
        return self.root / f"{escape_gene(gene)}{LOCK_SUFFIX}"

    def log(self, gene: str) -> Path:
        """Text log of a target."""
        name = escape_gene(gene)
        # a gene called run (there is one in the fly) must not write into the log of the run
        stem = f"{name}.gene" if f"{name}.log".casefold() == RUN_LOG else name
        return self.log_directory / f"{stem}.log"

    @property
    def log_directory(self) -> Path:
        """Directory of the text logs."""
        return self.root / LOG_DIRECTORY

    @property
    def run_log(self) -> Path:
        """Lines about the run as a whole."""
        return self.log_directory / RUN_LOG

    @property
    def toml(self) -> Path:
        """Effective configuration."""
        return self.root / REPRO_TOML

    @property
    def manifest(self) -> Path:
        """Facts about the run: status, counts, versions, input."""
        return self.root / MANIFEST

    @property
    def conditions(self) -> Path:
        """Directory of the runs of a condition split."""
        return self.root / CONDITIONS


@dataclass(frozen=True, slots=True)
class Scan:
    """The targets of a run directory, as its file names tell."""

    done: frozenset[str] = frozenset()
    """Targets with a coefficient file."""
    orphan: frozenset[str] = frozenset()
    """Targets without a model (none of them has a coefficient file)."""
    locked: frozenset[str] = frozenset()
    """Targets with a claim, whoever holds it."""

    @property
    def finished(self) -> frozenset[str]:
        """Targets that need no training any more."""
        return self.done | self.orphan


def scan(directory: Path) -> Scan:
    """List the targets of a run directory by reading the names in it once.

    Parameters
    ----------
    directory
        The run directory.

    Returns
    -------
    Done, orphan and locked targets. Hidden files (temporary ones, heartbeats) do not count.

    Raises
    ------
    RunDirectoryError
        If it is missing or cannot be read.
    """
    try:
        names = [path.name for path in directory.iterdir()]
    except FileNotFoundError as error:
        raise RunDirectoryError(f"no such run directory: {directory}") from error
    except NotADirectoryError as error:
        raise RunDirectoryError(f"{directory} is a file, not a run directory") from error
    except OSError as error:
        raise RunDirectoryError(f"cannot read the run directory {directory}: {error.strerror}") from error
    done = frozenset(gene for gene in map(gene_of_result, names) if gene is not None)
    return Scan(done, _genes(names, ORPHAN_SUFFIX) - done, _genes(names, LOCK_SUFFIX))


def gene_of_result(name: str) -> str | None:
    """Return the target whose coefficients a file of this name holds; None if it is another kind of file."""
    return gene_of_file(name) if is_betadata_file_name(name) else None


def condition_directories(directory: Path) -> dict[str, Path]:
    """Return the runs of a condition split by condition, empty if it is none.

    The condition is what `condition_label.txt` says (the compiled edition puts text in quotes, which are dropped),
    else the name of the directory; of two with the same one the first by name counts.

    Raises
    ------
    RunDirectoryError
        If the file system refuses to list them.
    """
    parent = RunPaths(directory).conditions
    try:
        places = sorted(path for path in parent.iterdir() if path.is_dir()) if parent.is_dir() else []
    except OSError as error:
        raise RunDirectoryError(f"cannot read {parent}: {error.strerror}") from error
    found: dict[str, Path] = {}
    for path in places:
        found.setdefault(_condition(path), path)
    return found


def default_output_dir(h5ad: str | Path, *, parent: Path | None = None) -> Path:
    """Return the directory that a sample is trained into when none is named.

    It carries no date, so the same command on another day continues the run.

    Parameters
    ----------
    h5ad
        The sample.
    parent
        Where to put it; the current directory by default.

    Returns
    -------
    `{stem}_spacetravlr`, absolute.
    """
    stem = re.sub(r"[\\/]+", "_", Path(h5ad).stem).strip() or "sample"
    return (parent or Path.cwd()).resolve() / f"{stem}_spacetravlr"


def _genes(names: list[str], suffix: str) -> frozenset[str]:
    return frozenset(
        unescape_gene(name.removesuffix(suffix)) for name in names if name.endswith(suffix) and not name.startswith(".")
    )


def condition_label(directory: Path) -> str | None:
    """Return the condition that a run is about; None if its directory has no `condition_label.txt` or an empty one.

    The compiled edition puts text in quotes, which are dropped.
    """
    try:
        text = (directory / CONDITION_LABEL).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    if text.endswith("\0"):
        # damaged, as good as none
        return None
    label = text.strip()
    quoted = len(label) > 1 and label[0] == label[-1] == '"'
    return label[1:-1] if quoted else label or None


def _condition(directory: Path) -> str:
    label = condition_label(directory)
    return directory.name if label is None else label
