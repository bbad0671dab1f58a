"""Many jobs with one model."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from spacetravlr.errors import ConfigError, SpaceTravLRError, UsageError
from spacetravlr.perturbation import Job, SimulationCancelledError, Target, _pool, simulate_many
from spacetravlr.perturbation.batch import verify
from spacetravlr.perturbation.jobs import file_stem


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_every_job_is_as_if_it_were_alone(model, n_jobs):
    jobs = [
        Job({"G05": 0.0}),
        Job([Target("G01", "x2", [1, 2])], cells={"half": 0}, n_propagation=2),
        Job({"G02": 0.5, "G13": 0.0}, n_propagation=0),
        {"G07": "q90"},
    ]
    seen = []
    results = simulate_many(model, jobs, n_jobs=n_jobs, progress=lambda *at: seen.append(at))
    assert [result.job.name for result in results] == ["G05", "G01", "G02+G13", "G07"]
    alone = [
        model.simulate({"G05": 0.0}),
        model.simulate([Target("G01", "x2", [1, 2])], cells={"half": 0}, n_propagation=2),
        model.simulate({"G02": 0.5, "G13": 0.0}, n_propagation=0),
        model.simulate({"G07": "q90"}),
    ]
    for result, expected in zip(results, alone, strict=True):
        assert result.error is None
        assert result.path is None
        assert result.seconds > 0
        assert result.notes == expected.notes
        assert np.array_equal(result.effect.simulated, expected.simulated)
    assert [(done, total) for done, total, _ in seen] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert {result.job.name for _, _, result in seen} == {result.job.name for result in results}


def test_targets_that_can_be_read_once_only(model):
    job = Job(Target(gene, 0.0) for gene in ("G01", "G05"))
    assert job.name == job.name == "G01+G05"
    (result,) = simulate_many(model, [job])
    assert np.array_equal(result.effect.simulated, model.simulate({"G01": 0.0, "G05": 0.0}).simulated)
    with pytest.raises(UsageError, match="targets are"):
        simulate_many(model, ["G01"])


def test_files_in_a_directory(model, tmp_path):
    own = tmp_path / "own.h5ad"
    results = simulate_many(
        model,
        [Job({"G05": 0.0}), Job({"G01": 0.0, "G02": 0.0}), Job({"G07": 0.0}, out=own)],
        out_dir=tmp_path / "new" / "dir",
        n_propagation=1,
    )
    assert [result.path.name for result in results] == [
        "G05_perturb_expr.feather",
        "joint_perturb_expr.feather",
        "own.h5ad",
    ]
    assert all(result.effect is None for result in results)
    frame = pd.read_feather(results[0].path).set_index("CellID")
    assert np.array_equal(frame.to_numpy(), model.simulate({"G05": 0.0}, n_propagation=1).simulated)
    assert file_stem("HLA/A:1\\2\0") == "HLA_A_1_2_"


def test_a_failing_job_stops_no_other_one(model, tmp_path, caplog):
    (tmp_path / "taken.feather").mkdir()
    jobs = [
        Job({"Nope": 0.0}),
        Job({"G05": -1.0}),
        Job({"G05": 0.0}),
        Job({"G01": 0.0}),
        Job({"G02": 0.0}, n_propagation=99),
    ]
    outs = [tmp_path / name for name in ("a.feather", "b.feather", "c.feather", "taken.feather", "d.feather")]
    with caplog.at_level(logging.WARNING, "spacetravlr"):
        results = simulate_many(model, jobs, outs=outs, n_jobs=2)
    assert [type(result.error).__name__ for result in results] == [
        *("InputError", "InputError", "NoneType", "RunDirectoryError", "ConfigError")
    ]
    assert [result.path for result in results] == [None, None, outs[2], None, None]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["c.feather", "taken.feather"]
    assert sum("is not simulated" in message for message in caplog.messages) == 4
    assert any(message.startswith("Nope is not simulated: gene 'Nope' is not among") for message in caplog.messages)


def test_an_unexpected_error_is_the_failure_of_its_job(model, monkeypatch):
    original = type(model).simulate

    def broken(self, targets, **options):
        if "G05" in targets:
            raise ZeroDivisionError("oops")
        return original(self, targets, **options)

    monkeypatch.setattr(type(model), "simulate", broken)
    results = simulate_many(model, [{"G05": 0.0}, {"G01": 0.0}], n_jobs=1)
    assert isinstance(results[0].error, ZeroDivisionError)
    assert results[1].error is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"out_dir": "a", "outs": ["a", "b"]}, "out_dir or outs, not both"),
        ({"outs": ["a.feather"]}, "there are 1 output files for 2 jobs"),
        ({"outs": ["a.feather", "a.feather"]}, r"the jobs G05 and G05 would both write a.feather"),
        ({"outs": ["a.feather", "b.csv"]}, r"cannot write b.csv \(of G05\): the name must end in .feather or .h5ad"),
        ({"out_dir": "."}, "would both write G05_perturb_expr.feather"),
    ],
)
def test_refused_files(model, options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        simulate_many(model, [{"G05": 0.0}, {"G05": 2.0}], **options)
    assert not list(tmp_path.iterdir())


def test_joint(model, tmp_path):
    jobs = [Job({"G05": 0.0}, cells={"cell_type": "B cell"}), Job([Target("G01", "x2", range(30))], cells={"half": 1})]
    out = tmp_path / "both.feather"
    (result,) = simulate_many(model, jobs, joint=True, outs=[out])
    b_cells = np.flatnonzero(model.labels[0] == "B cell")
    expected = model.simulate([Target("G05", 0.0, b_cells), Target("G01", "x2", range(1, 30, 2))])
    assert result.job.genes == ("G05", "G01")
    assert np.array_equal(pd.read_feather(out).set_index("CellID").to_numpy(), expected.simulated)
    apart = [model.simulate(job.targets, cells=job.cells).delta for job in jobs]
    assert np.abs(expected.delta - sum(apart)).max() > 1e-3
    with pytest.raises(UsageError, match=r"different n_propagation \(2 and 3\) cannot be one joint"):
        simulate_many(model, [jobs[0], Job({"G01": 0.0}, n_propagation=3)], joint=True)
    with pytest.raises(UsageError, match="different beta_scale_factor"):
        simulate_many(model, [jobs[0], Job({"G01": 0.0}, beta_scale_factor=2.0)], joint=True)
    assert simulate_many(model, [], joint=True) == []


def test_a_job_with_a_factor_of_its_own(build, model):
    (result,) = simulate_many(model, [Job({"G01": 0.0}, beta_scale_factor=2.5)])
    expected = build(beta_scale_factor=2.5).simulate({"G01": 0.0})
    assert np.array_equal(result.effect.simulated, expected.simulated)
    assert np.array_equal(model.simulate({"G01": 0.0}).simulated, build().simulate({"G01": 0.0}).simulated)
    (result,) = simulate_many(model, [Job({"G01": 0.0}, beta_scale_factor=-1.0)])
    assert isinstance(result.error, ConfigError)


def test_cancelled_jobs(model, tmp_path):
    stop = threading.Event()
    results = simulate_many(
        model,
        [Job({gene: 0.0}) for gene in model.genes[:6]],
        out_dir=tmp_path,
        n_jobs=1,
        progress=lambda done, *_: stop.set() if done == 2 else None,
        cancelled=stop.is_set,
    )
    # one thread may have begun the third job before it heard of it
    finished = [result.error is None for result in results]
    assert finished[:2] == [True, True]
    assert not any(finished[3:])
    assert all(isinstance(result.error, SimulationCancelledError) for result in results[3:])
    assert len(list(tmp_path.iterdir())) == sum(finished)


def test_an_error_of_the_caller_stops_everything(model):
    def interrupted(done, total, result):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate_many(model, [{gene: 0.0} for gene in model.genes], n_jobs=2, progress=interrupted)


@pytest.mark.parametrize("n_jobs", [0, -1, 1.5, True])
def test_refused_numbers_of_jobs(model, n_jobs):
    with pytest.raises(ConfigError, match="jobs at once must be a whole number of at least 1"):
        simulate_many(model, [{"G05": 0.0}], n_jobs=n_jobs)


def test_as_many_at_once_as_fit_into_the_memory(monkeypatch):
    monkeypatch.setattr(_pool.os, "sched_getaffinity", lambda _: range(16), raising=False)
    monkeypatch.setattr(_pool, "machine_memory", lambda: 100.0)
    assert _pool.choose_workers(None, 100, 1.0) == 8
    assert _pool.choose_workers(None, 3, 1.0) == 3
    assert _pool.choose_workers(None, 100, 10.0) == 5
    assert _pool.choose_workers(None, 100, 1000.0) == 1
    assert _pool.choose_workers(12, 100, 1000.0) == 12
    assert _pool.choose_workers(12, 0, 1.0) == 1


def test_what_is_checked_before_a_file_is_written(model):
    effect = model.simulate({"G05": 0.0}, n_propagation=1)
    verify(effect)
    row = int(np.flatnonzero(effect.columns == 5)[0])
    for value, message in ((np.nan, "not finite"), (-1.0, "values below 0")):
        values = effect.values.copy()
        values[0, 0] = value
        with pytest.raises(SpaceTravLRError, match=message):
            verify(replace(effect, values=values))
    values = effect.values.copy()
    values[row, 3] = 1e-9
    with pytest.raises(SpaceTravLRError, match="G05 not at its desired expression; please report"):
        verify(replace(effect, values=values))


def test_negative_baselines_are_no_fault_under_the_observed_range(build):
    expression = build()._engine.expression.values.copy()
    expression[0, 4] = -0.5
    model = build(expression=expression, profile="python")
    (result,) = simulate_many(model, [{"G05": 0.0}])
    assert result.error is None
