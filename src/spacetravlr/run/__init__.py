"""Run directories: configuration, claims, coefficients, logs and manifest, everything that must survive a crash."""

from __future__ import annotations

from spacetravlr.run._locate import own_cells
from spacetravlr.run._lockfile import LockInfo
from spacetravlr.run._log_parser import parse_log, read_log
from spacetravlr.run._scores import GeneScores, gene_scores, path_table, read_logs, score_table
from spacetravlr.run.claims import Claims, read_claims
from spacetravlr.run.conditions import ConditionRuns
from spacetravlr.run.directory import RunDirectory
from spacetravlr.run.doubts import level_doubt
from spacetravlr.run.log import ClusterLog, GeneLog, format_log
from spacetravlr.run.manifest import InputData, Manifest, environment
from spacetravlr.run.paths import RunPaths, Scan, condition_directories, condition_label, default_output_dir, scan
from spacetravlr.run.progress import RunProgress, Worker, read_progress
from spacetravlr.run.run import Run
from spacetravlr.run.settings import Difference
from spacetravlr.run.status import RunStatus, read_status

__all__ = [
    "Claims",
    "ClusterLog",
    "ConditionRuns",
    "Difference",
    "GeneLog",
    "GeneScores",
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
    "condition_label",
    "default_output_dir",
    "environment",
    "format_log",
    "gene_scores",
    "level_doubt",
    "own_cells",
    "parse_log",
    "path_table",
    "read_claims",
    "read_log",
    "read_logs",
    "read_progress",
    "read_status",
    "scan",
    "score_table",
]
