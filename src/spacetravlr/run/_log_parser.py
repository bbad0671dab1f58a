"""Read text logs, of the compiled edition and ours."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

from spacetravlr.errors import InputError
from spacetravlr.run.log import (
    ALIKE_COLUMNS,
    FORMAT_LINE,
    HELD_OUT_COLUMNS,
    MSE_COLUMNS,
    NICHE_COLUMNS,
    SUMMARY_COLUMNS,
    ClusterLog,
    GateValue,
    GeneLog,
)

Row = dict[str, str]


def parse_log(text: str) -> GeneLog | None:
    """Read the text of a log.

    Parameters
    ----------
    text
        What `format_log` or the compiled edition wrote. Unknown keys, columns and blocks are passed over.

    Returns
    -------
    The log, or None if the text does not begin with the line of the format. `r2_in` is the raw value where the log
    tells it, else `lasso_r2`, in which clusters below the score threshold read 0.

    Raises
    ------
    InputError
        If the format is announced but a row cannot be read.
    """
    lines = text.splitlines()
    if not lines or lines[0].split() != FORMAT_LINE.split():
        return None
    above = takewhile(lambda line: not line.startswith("cluster_id\t"), lines[1:])
    head = {key: value for key, mark, value in (line.partition("\t") for line in above) if mark}
    try:
        rows = list(_table(lines, SUMMARY_COLUMNS))
        mse: dict[str, list[float]] = {}
        for row in _table(lines, MSE_COLUMNS):
            mse.setdefault(row["cluster_id"], []).append(_number(row["train_mse"]))
        held_out = {row["cluster_id"]: row for row in _table(lines, HELD_OUT_COLUMNS[:3])}
        alike: dict[str, list[Row]] = {}
        for row in _table(lines, ALIKE_COLUMNS):
            alike.setdefault(row["cluster_id"], []).append(row)
        niche = {row["cluster_id"]: row for row in _table(lines, NICHE_COLUMNS)}
        clusters = tuple(
            _with_alike(
                _with_niche(_cluster(row, mse.get(row["cluster_id"], []), held_out), niche.get(row["cluster_id"])),
                alike.get(row["cluster_id"], []),
            )
            for row in rows
        )
        return GeneLog(
            gene=head["gene"],
            clusters=clusters,
            seed_only=head.get("seed_only", "true") == "true",
            cnn_epochs_config=int(head.get("cnn_epochs_config", "0")),
            learning_rate=_number(head.get("learning_rate", "NA")),
            lasso_n_iter_max=int(head.get("lasso_n_iter_max", "0")),
            lasso_tol=_number(head.get("lasso_tol", "NA")),
            gate={key: _gate_value(value) for key, value in head.items() if key.startswith("gate_")},
        )
    except (KeyError, ValueError) as error:
        raise InputError(f"the log of {head.get('gene', 'an unnamed gene')} is damaged: {error}") from error


def read_log(path: Path) -> GeneLog | None:
    """Read a log file; None if it is not one.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    InputError
        If it is one but damaged, or cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
        if not text or "\0" in text:
            why = "empty" if not text else "incomplete" if text.strip("\0") else "full of zeros"
            raise InputError(f"the log is {why}; continue the training, which makes it again")
        return parse_log(text)
    except OSError as error:
        raise InputError(f"cannot read the log {path}: {error.strerror}") from error
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _table(lines: list[str], columns: tuple[str, ...]) -> Iterator[Row]:
    """Yield the rows below the first header that begins with these columns, up to a blank line or a comment."""
    inside: list[str] | None = None
    for line in lines:
        cells = line.split("\t")
        if inside is None:
            if tuple(cells[: len(columns)]) == columns:
                inside = cells
            continue
        if not line.strip() or line.startswith("#"):
            return
        if len(cells) < len(columns):
            raise ValueError(f"a row of {len(cells)} instead of {len(inside)} values")
        row = dict(zip(inside, cells, strict=False))
        row["cluster_id"] = row["cluster_id"][1:] if row["cluster_id"].startswith(" #") else row["cluster_id"]
        yield row


def _cluster(row: Row, mse: list[float], held_out: dict[str, Row]) -> ClusterLog:
    entry = ClusterLog(
        cluster=row["cluster_id"],
        n_cells=int(row["n_cells"]),
        n_modulators=int(row["n_modulators"]),
        r2_in=_number(row["lasso_r2"]),
        train_mse=_number(row["lasso_train_mse"]),
        n_iter=int(row["lasso_fista_iters"]),
        converged=row["lasso_converged"] == "true",
        cnn_mse=tuple(mse),
    )
    extra = held_out.get(entry.cluster)
    if extra is None:
        return entry
    raw = _number(extra["lasso_r2_raw"])
    return replace(
        entry,
        r2_in=raw,
        kept=not (entry.r2_in == 0.0 and raw != 0.0),
        r2_out=_number(extra["r2_out"]),
        penalty=_number(extra.get("lambda", "NA")),
    )


def _with_niche(entry: ClusterLog, row: Row | None) -> ClusterLog:
    if row is None:
        return entry
    return replace(
        entry,
        refined=row["refined"] == "true",
        r2_lasso_niche=_number(row["r2_lasso_niche"]),
        r2_niche=_number(row["r2_niche"]),
        niche_reason="" if row["reason"] == "NA" else row["reason"],
    )


def _with_alike(entry: ClusterLog, rows: list[Row]) -> ClusterLog:
    return replace(
        entry,
        alike=tuple(tuple(row["alike"].split()) for row in rows),
        n_alike=tuple(int(row["n_alike"]) for row in rows),
    )


def _number(text: str) -> float:
    return math.nan if text.strip() in {"NA", ""} else float(text)


def _gate_value(text: str) -> GateValue:
    if text in {"true", "false"}:
        return text == "true"
    if text == "NA":
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
