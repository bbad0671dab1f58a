"""Run directories: configuration, claims, coefficients, logs and manifest, everything that must survive a crash."""

from __future__ import annotations

from spacetravlr.run._lockfile import LockInfo
from spacetravlr.run._log_parser import parse_log, read_log
from spacetravlr.run._scores import read_logs, score_table
from spacetravlr.run.claims import Claims, read_claims
from spacetravlr.run.directory import RunDirectory
from spacetravlr.run.log import ClusterLog, GeneLog, format_log
from spacetravlr.run.manifest import InputData, Manifest, environment
from spacetravlr.run.paths import RunPaths, Scan, condition_directories, default_output_dir, scan
from spacetravlr.run.progress import RunProgress, Worker, read_progress
from spacetravlr.run.run import Run
from spacetravlr.run.settings import Difference
from spacetravlr.run.status import RunStatus, read_status

__all__ = [
    "Claims",
    "ClusterLog",
    "Difference",
    "GeneLog",
    "InputData",
    "LockInfo",
    "Manifest",
    "Run",
    "RunDirectory",
    "RunPaths",
    "RunProgress",
    "RunStatus",
    "Scan",
    "Worker",
    "condition_directories",
    "default_output_dir",
    "environment",
    "format_log",
    "parse_log",
    "read_claims",
    "read_log",
    "read_logs",
    "read_progress",
    "read_status",
    "scan",
    "score_table",
]
