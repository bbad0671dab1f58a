"""Training on many processes and hosts, through Dask's distributed scheduler."""

from __future__ import annotations

from spacetravlr.cluster.executor import ClusterExecutor

__all__ = ["ClusterExecutor"]
