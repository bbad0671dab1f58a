"""What the server is told when it starts."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_LAYER = "imputed_count"
DEFAULT_CLUSTERS = "cell_type"
MEGABYTE = 1 << 20


@dataclass(frozen=True, kw_only=True)
class ViewerOptions:
    """Settings of one server; paths are taken as they are."""

    h5ad: Path | None = None
    """Sample to open before listening."""
    layer: str | None = None
    """Expression layer; None for that of the run, else `imputed_count`."""
    cluster_annot: str | None = None
    """obs column of the clusters; None for that of the run, else `cell_type`."""
    network_dir: Path | None = None
    """Directory of `{species}_network.parquet`."""
    run_toml: Path | None = None
    """TOML or directory of a trained run."""
    bind: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 8080
    """Port to listen on; 0 takes a free one."""
    static_dir: Path | None = None
    """Directory of the built page; None for the one in the package."""
    allow_cors: bool = False
    """Whether pages of other origins may use the API (with the token)."""
    allow_hosts: tuple[str, ...] = ()
    """Further host names by which the server is addressed."""
    data_roots: tuple[Path, ...] = ()
    """Directories whose files may be opened; none means those of the files given, else the working directory."""
    cache_dir: Path | None = None
    """Where columns are kept on the disk; None for a private directory of the user."""
    column_disk_mb: int = 20_000
    """Size of that directory, at most; 0 writes nothing."""
    column_memory_mb: int = 256
    """Columns kept in memory, and as much again for their encoded form."""
    grn_memory_mb: int = 256
    """Perturbation results kept in memory for the routes of version 1."""
    grid_memory_mb: int = 64
    """Fields kept in memory for the routes of version 1."""
    workers: int = 2
    """Simulations at once."""
    read_only: bool = False
    """Whether the data that are open cannot be exchanged or renamed."""
    token: str | None = field(default=None, repr=False)
    """Secret that every request has to show; None asks for none."""


def default_cache_dir() -> Path:
    """Return a directory that other users of the machine cannot prepare."""
    named = os.environ.get("XDG_CACHE_HOME")
    if named:
        return Path(named) / "spacetravlr" / "viewer"
    try:
        return Path.home() / ".cache" / "spacetravlr" / "viewer"
    except RuntimeError:  # no home: then one for this process only
        return Path(tempfile.mkdtemp(prefix="spacetravlr-viewer-"))
