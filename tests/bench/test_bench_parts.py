"""The machinery the benchmarks share: time, memory, text, processes, and their inputs."""

from __future__ import annotations

import argparse
import json
import math
import os
import signal as signal_numbers
import subprocess
import sys
import time

import numpy as np
import pytest

from spacetravlr import __version__
from spacetravlr.bench import _commands, perturb, signal, splash
from spacetravlr.bench._host import host_facts, thread_environment, usable_cores, versions
from spacetravlr.bench._mock import mock_tissue
from spacetravlr.bench._process import run_program
from spacetravlr.bench._session import Session
from spacetravlr.bench._text import decimal, megabytes, power, seconds, table, to_json
from spacetravlr.bench._timing import summary, timed


def test_a_table_is_aligned():
    assert table(["gene", "n"], [["Pax5", "1"], ["A", "1,000"]]) == ["  gene      n", "  Pax5      1", "  A     1,000"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(12.345, "12.3 s"), (1.0, "1.00 s"), (0.5, "500 ms"), (2.5e-3, "2.50 ms"), (4e-6, "4.00 us"), (4e-8, "0.04 us"),
     (math.nan, "-"), (None, "-")],
)  # fmt: skip
def test_durations_have_three_digits(value, text):
    assert seconds(value) == text


def test_other_numbers():
    assert [megabytes(value) for value in (12.4, 20_480.0, None)] == ["12 MB", "20.0 GB", "-"]
    assert [decimal(0.126), decimal(math.nan)] == ["0.13", "-"]
    assert [power(2.44e-7), power(None)] == ["2.4e-07", "-"]


def test_json_has_null_for_what_is_not_a_number():
    assert json.loads(to_json({"a": [math.nan, 1.5, {"b": math.inf}], "c": "x"})) == {
        "a": [None, 1.5, {"b": None}],
        "c": "x",
    }


def test_the_warm_up_is_not_counted():
    calls = []
    assert len(timed(lambda: calls.append(1), 3)) == 3
    assert len(calls) == 4
    assert len(timed(lambda: calls.append(1), 2, warm_up=False)) == 2
    assert len(calls) == 6


def test_the_median_is_reported():
    assert summary([3.0, 1.0, 1.5]) == {"median_s": 1.5, "min_s": 1.0}


def test_host_and_versions():
    facts = host_facts()
    assert facts["usable_cores"] == usable_cores() >= 1
    assert {"cpu", "cores", "ram_gb", "gpu", "os"} <= set(facts)
    assert versions()["numpy"] == np.__version__


def test_threads_are_pinned_through_the_environment():
    env = thread_environment(3)
    assert {env[name] for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")} == {"3"}
    assert env["PATH"] == os.environ["PATH"]


def run_python(code, **options):
    return run_program([sys.executable, "-c", code], env=os.environ, **{"timeout": 60.0, **options})


def test_a_program_gets_its_input_and_tells_its_error():
    done = run_python("import sys; sys.stderr.write(sys.stdin.read() + '\\nlast line\\n'); sys.exit(3)", given=b"first")
    assert done.returncode == 3
    assert done.stderr_tail == "first\nlast line\n"
    assert done.problem == "last line"
    assert done.wall_s > 0


def test_memory_of_a_program_is_its_own():
    small, large = (run_python(f"x = bytearray({size} * 1024 ** 2)").peak_rss_mb for size in (1, 300))
    assert small is not None
    assert large is not None
    assert large - small > 100


def test_a_program_that_takes_too_long_is_stopped():
    done = run_python("import time; time.sleep(60)", timeout=0.3)
    assert done.timed_out
    assert done.returncode != 0
    assert done.wall_s < 30
    assert "stopped after" in done.problem


def test_an_interrupted_measurement_leaves_no_program_behind(tmp_path):
    mark = tmp_path / "pid"
    sleeper = f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    code = f"""
import os, sys
from spacetravlr.bench._process import run_program
run_program([sys.executable, "-c", {sleeper!r}], env=os.environ, timeout=60.0)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not (mark.exists() and mark.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal_numbers.SIGINT)
    assert process.wait(30) != 0
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)


@pytest.mark.parametrize("program", ["spacetravlr", "spacetravlr-perturb"])
@pytest.mark.parametrize("script", [True, False])
def test_programs_start_with_and_without_a_script_beside_python(program, script, monkeypatch):
    if not script:
        monkeypatch.setattr(_commands, "_installed", lambda _: None)
    done = subprocess.run([*_commands.command_of(program), "--version"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{program} {__version__} ")


def test_the_mock_has_the_shape_of_the_readme():
    tissue = mock_tissue(300)
    betas = tissue.betas
    assert len(tissue.genes) == 468
    assert len(betas) == 50
    assert len(betas.modulator_genes) == 423
    for target, one in betas.items():
        assert (len(one.tfs), len(one.lr_pairs), len(one.tfl_pairs)) == (20, 160, 80)
        assert target not in one.modulator_genes
        assert one.values.shape == (13, 260)
    assert set(tissue.labels) == {str(code) for code in range(13)}
    again = mock_tissue(300)
    assert np.array_equal(tissue.expression, again.expression)
    assert all(np.array_equal(betas[gene].values, again.betas[gene].values) for gene in betas)


def test_exact_rows_are_the_plain_sum():
    xy, values = signal.make_tissue(12, 2, 3)
    rows = np.array([3, 11])
    expected = [
        [
            sum(math.exp(-(math.dist(xy[i], xy[j]) ** 2) / (2 * 200.0**2)) * values[j, k] for j in range(12)) / 12
            for k in (0, 1)
        ]
        for i in rows
    ]
    assert np.allclose(signal.exact_rows(xy, values, rows), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("method", "tol", "low", "high"),
    [("exact", None, 0.0, 1e-12), ("grid", None, 1e-4, 0.1), ("spectral", 1e-3, 0.0, 1e-3), ("gridded", 1e-3, 0.0, 1e-3),
     ("auto", 1e-6, 0.0, 1e-6)],
)  # fmt: skip
def test_signal_point(method, tol, low, high, tmp_path):
    point = {"cells": 1500, "ligands": 4, "extent": 5, "method": method, "tol": tol, "threads": 1, "repeats": 2}
    found = signal.measure({**point, "limit": 60.0, "reference": str(tmp_path / "exact.npy")})
    assert low <= found["error"] <= high
    assert len(found["walls"]) == 2
    assert found["ns_per_value"] > 0
    assert found["copies"] > 0
    assert method in ("auto", found["used"])


def test_a_signal_point_that_would_take_too_long_is_left_out(tmp_path):
    point = {"cells": 1500, "ligands": 4, "extent": 5, "method": "exact", "tol": None, "repeats": 1, "limit": 1e-9}
    assert "expected" in signal.measure({**point, "reference": str(tmp_path / "exact.npy")})["skipped"]


def test_splash_point():
    found = splash.measure({"cells": 300, "repeats": 2})
    assert found["error"] <= 1e-12
    assert found["modulator_genes"] == 423
    assert found["output_mb"] > 300 * 50 * 100 * 8 / 1024**2
    assert min(found["writes"], found["tables_s"], found["prepare_s"], *found["walls"]) > 0


def test_splash_error_sees_a_wrong_formula(monkeypatch):
    from spacetravlr.betas import Betas

    right = Betas.splash
    monkeypatch.setattr(Betas, "splash", lambda *args, **options: right(*args, **{**options, "scale": 1.001}))
    tissue = mock_tissue(200)
    assert 1e-4 < splash._error(tissue, tissue.expression[:, : len(tissue.ligands)]) < 1e-2


@pytest.mark.parametrize(
    ("variant", "low", "high"),
    [("exact", 0.0, 0.0), ("tol 1e-6", 0.0, 1e-5), ("tol 1e-3", 1e-12, 1e-2), ("grid 0.5", 1e-4, 0.3)],
)
def test_perturb_point(variant, low, high):
    found = perturb.measure({"cells": 1200, "variant": variant, "repeats": 1})
    assert low <= found["error"] <= high
    assert found["build_s"] > 0
    assert len(found["walls"]) == 1


def test_a_point_has_its_own_threads_whatever_those_of_the_session(tmp_path, monkeypatch):
    (tmp_path / "told.py").write_text(
        "def measure(point):\n"
        "    import numpy.linalg, scipy.linalg, threadpoolctl\n"
        "    found = threadpoolctl.threadpool_info()\n"
        "    return {'told': [one['num_threads'] for one in found if one['user_api'] == 'blas']}\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    session = Session("truth", argparse.Namespace(threads=2, repeats=1, timeout=300.0), print, tmp_path)
    found = session.measure({"threads": 1}, module="told")
    assert len(found["told"]) > 1
    assert set(found["told"]) == {1}
