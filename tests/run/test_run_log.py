"""The text log: the compiled edition's files, ours, and what its parser makes of ours."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetravlr.errors import InputError
from spacetravlr.run._log_parser import parse_log, read_log
from spacetravlr.run._scores import COLUMNS, GeneScores, read_logs, score_table
from spacetravlr.run.log import GATE_KEYS, ClusterLog, GeneLog, format_log

SEED_LOG = """\
format\tspacetravlr_training_log\tv1
gene\tIrf4
seed_only\ttrue
per_cell_cnn_export\tfalse
cnn_epochs_config\t10
learning_rate\t0.001
lasso_n_iter_max\t100
lasso_tol\t0.0001

# summary: cluster_id, n_cells, n_modulators, lasso_r2, lasso_train_mse, lasso_fista_iters, lasso_converged, \
cnn_epochs_ran, cnn_mse_first, cnn_mse_last
cluster_id\tn_cells\tn_modulators\tlasso_r2\tlasso_train_mse\tlasso_fista_iters\tlasso_converged\tcnn_epochs_ran\t\
cnn_mse_first\tcnn_mse_last
0\t129\t18\t0.206811\t0.318093\t100\tfalse\t0\tNA\tNA
1\t124\t18\t0.219149\t0.287395\t87\ttrue\t0\tNA\tNA

# cnn_mse_by_epoch: cluster_id, epoch, train_mse
cluster_id\tepoch\ttrain_mse
"""


def entry(cluster: str = "0", **changes: object) -> ClusterLog:
    values: dict[str, object] = {
        "cluster": cluster,
        "n_cells": 129,
        "n_modulators": 18,
        "r2_in": 0.206811,
        "train_mse": 0.318093,
        "n_iter": 100,
        "converged": False,
    }
    return ClusterLog(**{**values, **changes})  # type: ignore[arg-type]


def seed_log() -> GeneLog:
    second = entry("1", n_cells=124, r2_in=0.219149, train_mse=0.287395, n_iter=87, converged=True)
    return GeneLog(
        gene="Irf4", clusters=(entry(), second), cnn_epochs_config=10, lasso_n_iter_max=100, lasso_tol=0.0001
    )


def test_our_text_begins_with_the_text_of_the_compiled_edition_byte_for_byte() -> None:
    text = format_log(seed_log())
    assert text.startswith(SEED_LOG)
    assert text.removeprefix(SEED_LOG).startswith("\n# held_out: ")


def test_every_log_of_the_compiled_edition_is_read_and_written_back(shared: Path) -> None:
    paths = sorted((shared / "golden/v1/run/log").glob("*.log"))
    assert len(paths) == 14
    for path in paths:
        log = read_log(path)
        assert log is not None
        assert log.gene == path.stem
        assert format_log(log).startswith(path.read_text())
    agt = read_log(paths[0])
    assert agt is not None
    assert (agt.seed_only, agt.clusters[1].converged, len(agt.clusters[2].cnn_mse)) == (False, True, 3)
    assert agt.clusters[2].cnn_mse[-1] == 0.418029
    assert [entry.r2_in for entry in agt.clusters] == [0.109630, 0.138089, 0.128079]
    assert all(math.isnan(entry.r2_out) for entry in agt.clusters)


def old_parser(text: str) -> list[list[str]]:
    """The rule of the compiled edition in words: the summary ends at a blank or # line; nothing else is looked at."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("# summary"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.strip() or line.startswith("#"):
            break
        rows.append(line.split("\t"))
    return rows


def test_our_extra_block_is_invisible_to_an_old_parser_and_tells_the_raw_score() -> None:
    log = GeneLog(
        gene="Pax5",
        clusters=(entry("B cell", kept=False, r2_in=0.05, r2_out=-0.25, penalty=0.0125), entry("T", r2_out=0.5)),
    )
    rows = old_parser(format_log(log))
    assert [len(row) for row in rows] == [10, 10]
    assert rows[0][:4] == ["B cell", "129", "18", "0.000000"]
    back = parse_log(format_log(log))
    assert back is not None
    assert back.clusters[0] == log.clusters[0]
    assert (back.clusters[1].kept, back.clusters[1].r2_in, back.clusters[1].r2_out) == (True, 0.206811, 0.5)
    assert math.isnan(back.clusters[1].penalty)


labels = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=8).filter(
    lambda text: text.strip() and not text.startswith(" ") and len(text.splitlines()) == 1
)
reals = st.floats(-1e4, 1e4).map(lambda value: round(value, 6) + 0.0)


@settings(max_examples=25, deadline=None)
@given(gene=labels, names=st.lists(labels, unique=True, max_size=4), r2=reals, mse=st.lists(reals, max_size=3))
def test_what_is_written_is_read_back(gene: str, names: list[str], r2: float, mse: list[float]) -> None:
    entries = tuple(entry(name, r2_in=r2, r2_out=r2, penalty=0.5, cnn_mse=tuple(mse)) for name in names)
    log = GeneLog(gene=gene, clusters=entries, seed_only=not mse, learning_rate=2e-4, lasso_tol=1e-9)
    assert parse_log(format_log(log)) == log


def test_gate_block() -> None:
    gate = dict.fromkeys(GATE_KEYS, 3) | {
        "gate_use_cnn": True,
        "gate_reason": "moran_ok\tp=0.0100",
        "gate_mean_lasso_r2": 0.25,
        "gate_moran_i": 0.5,
        "gate_mean_target_expression": None,
    }
    text = format_log(GeneLog(gene="A", clusters=(entry(),), gate=gate))
    lines = text.splitlines()
    at = lines.index(next(line for line in lines if line.startswith("# hybrid_cnn_gate")))
    assert [line.split("\t")[0] for line in lines[at + 1 : at + 17]] == list(GATE_KEYS)
    assert {
        "gate_use_cnn\ttrue",
        "gate_reason\tmoran_ok p=0.0100",
        "gate_mean_lasso_r2\t0.250000",
        "gate_moran_i\t0.50000000",
        "gate_mean_target_expression\tNA",
    } <= set(lines)
    assert lines[at + 17] == ""
    back = parse_log(text)
    assert back is not None
    assert back.gate["gate_use_cnn"] is True
    assert back.gate["gate_mean_target_expression"] is None
    assert back.gate["gate_n_modulators"] == 3
    assert len(back.clusters) == 1


@pytest.mark.parametrize(
    ("value", "text"), [(1e-5, "0.00001"), (0.001, "0.001"), (1.0, "1"), (2e-4, "0.0002"), (1.25e-7, "0.000000125")]
)
def test_small_numbers_have_no_exponent(value: float, text: str) -> None:
    assert f"learning_rate\t{text}\n" in format_log(GeneLog(gene="A", clusters=(), learning_rate=value))


def test_numbers_that_are_not_finite() -> None:
    row = old_parser(format_log(GeneLog(gene="A", clusters=(entry(r2_in=math.nan, train_mse=math.nan),))))[0]
    assert row[3:5] == ["0.000000", "NaN"]
    back = parse_log(format_log(GeneLog(gene="A", clusters=(entry(r2_in=math.nan, train_mse=math.inf),))))
    assert back is not None
    assert math.isnan(back.clusters[0].r2_in)
    assert back.clusters[0].train_mse == math.inf


def test_newer_columns_and_blocks_are_passed_over() -> None:
    text = SEED_LOG.replace("cnn_mse_last\n", "cnn_mse_last\tcnn_r2\n").replace("NA\tNA\n", "NA\tNA\tnan\n")
    log = parse_log(text + "\n# news: a, b\na\tb\n1\t2\n")
    assert log is not None
    assert [fit.n_cells for fit in log.clusters] == [129, 124]


def test_other_files_are_no_logs_and_damaged_ones_are_named(tmp_path: Path) -> None:
    assert parse_log("") is None
    assert parse_log("2024-01-01 started\n") is None
    (tmp_path / "a.log").write_text(SEED_LOG.replace("0.318093", "0.3x"))
    with pytest.raises(InputError, match=r"a\.log: the log of Irf4 is damaged"):
        read_log(tmp_path / "a.log")
    (tmp_path / "b.log").write_text(SEED_LOG.replace("\t0\tNA\tNA", ""))
    with pytest.raises(InputError, match="damaged"):
        read_log(tmp_path / "b.log")
    with pytest.raises(InputError, match="cannot read the log"):
        read_log(tmp_path / "c.log")


def test_score_table(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "x.log").write_text(format_log(seed_log()))
    (tmp_path / "run.log").write_text("started\n")
    (tmp_path / "bad.log").write_text(SEED_LOG.replace("129", "many"))
    table = score_table(GeneScores.of_log(log, None) for log in read_logs(tmp_path).values())
    assert tuple(table.columns) == tuple(COLUMNS)
    assert table[["gene", "cluster", "n_cells", "converged"]].to_numpy().tolist() == [
        ["Irf4", "0", 129, False],
        ["Irf4", "1", 124, True],
    ]
    assert table["r2_out"].isna().all()
    assert "bad.log" in caplog.text
    assert table["n_kept"].isna().all()
    assert table["reason"].isna().all()
    assert read_logs(tmp_path / "missing") == {}
    assert tuple(score_table([]).columns) == tuple(COLUMNS)
