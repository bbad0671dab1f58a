"""`run_manifest.json`: what was run, on what, by whom, and how it ended."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import platform
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, get_args

from spacetravlr.errors import InputError

SCHEMA_VERSION = 1
Status = Literal["running", "complete", "partial", "stopped", "failed"]
_REPORTED = ("spacetravlr-py", "numpy", "scipy", "numba", "pandas", "pyarrow", "anndata", "torch")


@dataclass(frozen=True, slots=True, kw_only=True)
class InputData:
    """The sample a run was trained on, so that another one is noticed."""

    path: str = ""
    """Absolute; empty for data in memory."""
    size: int | None = None
    """Bytes."""
    mtime: float | None = None
    """Seconds since 1970."""
    sha256: str | None = None
    """Of the file, if it was asked for."""
    n_cells: int | None = None
    n_genes: int | None = None
    names_sha256: str | None = None
    """Of all cell and gene names in order."""
    content_sha256: str | None = None
    """Of positions, clusters, pieces of tissue, and the expression of some genes, the same ones for every run on these
    genes."""
    network_sha256: str | None = None
    """Of the prior network restricted to these genes."""

    @classmethod
    def describe(
        cls, path: str | Path | None, *, cells: Iterable[str], genes: Iterable[str], with_sha256: bool = False
    ) -> InputData:
        """Describe a sample.

        Parameters
        ----------
        path
            The file behind it; None for data in memory.
        cells, genes
            Names in the order of the sample.
        with_sha256
            Also read the whole file (about 1 s per GB).

        Raises
        ------
        InputError
            If the file cannot be read.
        """
        cell_names, gene_names = list(cells), list(genes)
        names = sha256("\0".join([*cell_names, "", *gene_names]).encode()).hexdigest()
        shape: dict[str, Any] = {
            "n_cells": len(cell_names),
            "n_genes": len(gene_names),
            "names_sha256": names,
        }
        if path is None:
            return cls(**shape)
        where = Path(path).expanduser().absolute()
        try:
            facts, digest = where.stat(), _digest(where) if with_sha256 else None
        except OSError as error:
            raise InputError(f"cannot read {where}: {error.strerror}") from error
        return cls(path=str(where), size=facts.st_size, mtime=facts.st_mtime, sha256=digest, **shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Facts about a run; the first seven keys are those that the compiled edition's report reads.

    Every field has a default, because every key of a manifest is optional.
    """

    run_id: str = ""
    started: str = ""
    """ISO 8601, UTC."""
    finished: str = ""
    """ISO 8601, UTC; empty while it runs."""
    pace_from: str = ""
    """ISO 8601, UTC: when a process last began or ended; the speed of all of them together counts from there."""
    training_mode: str = ""
    epochs: int | None = None
    n_parallel: int | None = None
    betadata_count: int | None = None
    schema_version: int = SCHEMA_VERSION
    status: Status = "running"
    counts: Mapping[str, int] = field(default_factory=dict)
    """Targets that are `ok`, `skipped`, `failed`, `orphan`."""
    failures: Mapping[str, str] = field(default_factory=dict)
    """Targets that could not be trained, with the reason."""
    targets: tuple[str, ...] = ()
    """All targets of the run, in var order."""
    clusters: Mapping[str, int] = field(default_factory=dict)
    """Number of cells per cluster label."""
    ligand_radii: Mapping[str, float] = field(default_factory=dict)
    """Radius of every ligand that does not use `[spatial].radius`: the contact-dependent ones."""
    network: str = ""
    """Where the prior network came from."""
    input: InputData = field(default_factory=InputData)
    config: Mapping[str, Any] = field(default_factory=dict)
    """The effective configuration, as in the TOML."""
    versions: Mapping[str, str] = field(default_factory=dict)
    device: str = ""
    hostname: str = ""
    pid: int | None = None
    seed: int | None = None
    wall_seconds: float | None = None
    argv: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    """Settings that applied without being asked for, and other things to know."""

    def to_json(self) -> str:
        """Return the text of the file; NaN and infinite numbers become null."""
        return json.dumps(_plain(dataclasses.asdict(self)), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """Read the text of a manifest.

        Parameters
        ----------
        text
            A JSON object; unknown keys and values of a wrong type are ignored.

        Raises
        ------
        InputError
            If it is no JSON object.
        """
        try:
            found = json.loads(text)
        except ValueError as error:
            raise InputError(f"the manifest is no JSON: {error}") from error
        if not isinstance(found, dict):
            raise InputError("the manifest is no JSON object")
        return cls(**_readable(found))


def now() -> str:
    """Return the time in UTC, ISO 8601 with seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def moment() -> str:
    """Return the time in UTC, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def environment() -> dict[str, Any]:
    """Return the manifest fields that describe this process: versions, hostname, pid and argv."""
    versions = {"python": platform.python_version()}
    for name in _REPORTED:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "versions": versions,
        "hostname": platform.node(),
        "pid": os.getpid(),
        "argv": tuple(sys.argv),
    }


def _readable(found: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the keys whose values can be used."""
    kept: dict[str, Any] = {}
    for key in ("run_id", "started", "finished", "pace_from", "training_mode", "network", "device", "hostname"):
        if isinstance(found.get(key), str):
            kept[key] = found[key]
    if "training_mode" in found and "training_mode" not in kept and found["training_mode"] is not None:
        kept["training_mode"] = json.dumps(found["training_mode"])
    for key in ("epochs", "n_parallel", "betadata_count", "schema_version", "pid"):
        if _is_count(found.get(key)):
            kept[key] = found[key]
    for key in ("seed",):
        if isinstance(found.get(key), int) and not isinstance(found[key], bool):
            kept[key] = found[key]
    if found.get("status") in get_args(Status):
        kept["status"] = found["status"]
    if _is_real(found.get("wall_seconds")):
        kept["wall_seconds"] = float(found["wall_seconds"])
    for key in ("targets", "argv", "notices"):
        if isinstance(found.get(key), list) and all(isinstance(entry, str) for entry in found[key]):
            kept[key] = tuple(found[key])
    for key, right in {"counts": _is_count, "clusters": _is_count, "failures": _is_text, "versions": _is_text}.items():
        if isinstance(found.get(key), dict):
            kept[key] = {name: value for name, value in found[key].items() if right(value)}
    if isinstance(found.get("ligand_radii"), dict):
        kept["ligand_radii"] = {
            name: float(value) for name, value in found["ligand_radii"].items() if _is_real(value) and value > 0
        }
    if isinstance(found.get("config"), dict):
        kept["config"] = found["config"]
    if isinstance(found.get("input"), dict):
        kept["input"] = InputData(**_readable_input(found["input"]))
    return kept


def _readable_input(found: Mapping[str, Any]) -> dict[str, Any]:
    rules = {
        "path": _is_text,
        "size": _is_count,
        "mtime": _is_real,
        "sha256": _is_text,
        "n_cells": _is_count,
        "n_genes": _is_count,
        "names_sha256": _is_text,
        "content_sha256": _is_text,
        "network_sha256": _is_text,
    }
    return {key: found[key] for key, right in rules.items() if right(found.get(key))}


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_real(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _plain(value: Any) -> Any:
    """Return a value that JSON can hold."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | bool | int | float):
        return value
    return str(value)


def _digest(path: Path) -> str:
    total = sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            total.update(block)
    return total.hexdigest()
