"""Batch files: what they mean, and every way in which they are refused before anything is done."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spacetravlr.errors import ConfigError, InputError, UsageError
from spacetravlr.perturbation import BATCH_KEYS, BatchPlan, CellsCsv, simulate_many

GENES = ("Pax5", "Foxo1", "Ccl5", "HLA/A", "HLA:A")
CELLS = ("c0", "c1", "c2", "c3")


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "cells.csv").write_text("some,others,blank,odd\nc1,c0,,c9\nc3,c2,,\n")
    (tmp_path / "list.txt").write_text("# two\nc2\nc0\n")
    return tmp_path


def read(folder: Path, text: str, **context) -> BatchPlan:
    path = folder / "batch.toml"
    path.write_text(text)
    return BatchPlan.read(path, GENES, cells=CELLS, **context)


def summary(plan: BatchPlan):
    return [(job.name, job.targets[0].dose.label, job.n_propagation, job.targets[0].cells) for job in plan.jobs]


def test_the_smallest_batch(folder):
    plan = read(folder, 'gene = " Foxo1 "\nout = "ko.feather"')
    (job,) = plan.jobs
    assert summary(plan) == [("Foxo1", "KO", 2, None)]
    assert job.out == folder / "ko.feather"
    assert job.beta_scale_factor is None
    assert plan.parallelism is None
    assert dict(plan.overrides) == {}


def test_one_value_for_all_or_one_for_each(folder):
    plan = read(
        folder,
        'genes = ["Foxo1", " ", "Pax5"]\ndesired_expr = ["x2", 1.5]\nn_propagation = [2, 3]\nbeta_scale_factor = 2\n'
        'out_dir = "sub/dir"\nparallelism = 3\n',
        n_propagation=7,
        parallelism=None,
    )
    assert summary(plan) == [("Foxo1", "x2", 2, None), ("Pax5", "1.5", 3, None)]
    assert [job.beta_scale_factor for job in plan.jobs] == [2.0, 2.0]
    assert [job.out for job in plan.jobs] == [
        folder / "sub/dir" / f"{g}_perturb_expr.feather" for g in ("Foxo1", "Pax5")
    ]
    assert plan.parallelism == 3
    single = read(folder, 'genes = ["Foxo1", "Pax5"]\ndesired_expr = ["q95"]\nout = ["a.feather", "b.h5ad"]')
    assert summary(single) == [("Foxo1", "q95", 2, None), ("Pax5", "q95", 2, None)]
    assert [job.out.name for job in single.jobs] == ["a.feather", "b.h5ad"]
    as_list = read(folder, 'genes = "Foxo1"\nout = ["a.feather"]')
    assert summary(as_list)[0][0] == "Foxo1"


def test_where_the_number_of_steps_comes_from(folder):
    text = 'gene = "Foxo1"\nout = "a.feather"\n'
    assert read(folder, text, default_n_propagation=5).jobs[0].n_propagation == 5
    assert read(folder, text, default_n_propagation=5, n_propagation=2).jobs[0].n_propagation == 2
    assert read(folder, text + "n_propagation = 0", n_propagation=2).jobs[0].n_propagation == 0
    assert read(folder, text + "parallelism = 2", parallelism=6).parallelism == 6


def test_cells(folder):
    text = 'genes = ["Foxo1", "Pax5"]\nout_dir = "out"\n'
    some, others = ("c1", "c3"), ("c0", "c2")
    table = 'cells_csv = "cells.csv"\n'

    def scopes(more: str, **context):
        return [job.targets[0].cells for job in read(folder, text + more, **context).jobs]

    assert scopes(table + 'cells_csv_column = "some"') == [some, some]
    assert scopes(table + 'cells_csv_columns = ["some", "others"]') == [some, others]
    assert scopes(table + 'cells_csv_columns = ["", "others"]') == [None, others]
    assert scopes(table + 'cells_csv_columns = ["others"]') == [others, others]
    assert scopes(table + 'cells_csv_column = ["some"]') == [some, some]
    assert scopes('cells_obs_file = "list.txt"') == [others, others]
    default = CellsCsv(folder / "cells.csv", "others")
    assert scopes("", cells_csv=default) == [others, others]
    assert scopes('cells_csv_column = "some"', cells_csv=default) == [some, some]
    assert scopes(table, cells_csv=default) == [others, others]
    assert scopes('cells_csv_column = ""', cells_csv=default) == [None, None]
    assert scopes('cells_obs_file = "list.txt"', cells_csv=default) == [others, others]
    assert scopes("", cells_csv=CellsCsv(folder / "cells.csv")) == [None, None]
    assert scopes("") == [None, None]


def test_settings_of_the_model(folder):
    text = 'gene = "Foxo1"\nout = "a.feather"\n'
    assert read(folder, text + "radius = 150\nligand_grid_factor = 0.5").overrides == {
        "radius": 150.0,
        "ligand_grid_factor": 0.5,
    }
    assert read(folder, text + "contact_distance = 30\nligand_grid_factor = 0").overrides == {
        "cutoff": 30.0,
        "ligand_grid_factor": 0.0,
    }


def test_joint(folder):
    plan = read(
        folder,
        'genes = ["Foxo1", "Pax5"]\ndesired_expr = [0, "x2"]\njoint = true\nout_dir = "out"\nn_propagation = 3\n'
        'cells_csv = "cells.csv"\ncells_csv_columns = ["some", ""]',
    )
    (job,) = plan.jobs
    assert job.genes == ("Foxo1", "Pax5")
    assert [target.dose.label for target in job.targets] == ["KO", "x2"]
    assert [target.cells for target in job.targets] == [("c1", "c3"), None]
    assert job.n_propagation == 3
    assert job.out == folder / "out/joint_perturb_expr.feather"
    assert (
        read(folder, 'genes = ["Foxo1", "Pax5"]\njoint = true\nout = "both.feather"').jobs[0].out.name == "both.feather"
    )
    assert len(read(folder, 'genes = ["Foxo1", "Pax5"]\njoint = false\nout_dir = "out"').jobs) == 2
    # one gene twice, in different cells, is one joint simulation
    twice = read(
        folder,
        'genes = ["Foxo1", "Foxo1"]\njoint = true\nout = "a.feather"\ndesired_expr = [0, 2]\ncells_csv = "cells.csv"\n'
        'cells_csv_columns = ["some", "others"]',
    )
    assert len(twice.jobs[0].targets) == 2


def test_unknown_keys_are_named(folder, caplog):
    with caplog.at_level(logging.WARNING, "spacetravlr"):
        read(folder, 'gene = "Foxo1"\nout = "a.feather"\ndesired_exp = 2\nwhatever_else = 1\n[spatial]\nradius = 1')
    assert [message.split(": ", 1)[1] for message in caplog.messages] == [
        "unknown key 'desired_exp' is not used; did you mean 'desired_expr'?",
        "unknown key 'whatever_else' is not used",
        "unknown key 'spatial' is not used",
    ]


ONE = 'gene = "Foxo1"\nout = "a.feather"\n'
TWO = 'genes = ["Foxo1", "Pax5"]\nout_dir = "out"\n'
TABLE = 'cells_csv = "cells.csv"\n'


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("gene = ", ConfigError, "batch.toml is not TOML: Invalid value"),
        ('out = "a.feather"', ConfigError, "batch.toml: gene or genes is missing: name the genes"),
        ('gene = "Foxo1"\ngenes = ["Pax5"]\nout_dir = "o"', ConfigError, "gene and genes exclude each other"),
        ('gene = ["Foxo1"]\nout = "a.feather"', ConfigError, "gene is one name; a list of them is called genes"),
        ('genes = ["", " "]\nout_dir = "o"', ConfigError, "genes names no gene"),
        ('genes = [1]\nout_dir = "o"', ConfigError, r"genes must be a text or a list of texts, not \[1\]"),
        (
            'genes = ["Pax5", "foxo1"]\nout_dir = "o"',
            InputError,
            "batch.toml: genes names what is not among the 5 measured genes: 'foxo1'; did you mean 'Foxo1'",
        ),
        ('gene = "Foxo1"', ConfigError, "out or out_dir is missing: say where"),
        (ONE + 'out_dir = "o"', ConfigError, "out and out_dir exclude each other"),
        ('gene = "Foxo1"\nout_dir = " "', ConfigError, "out_dir is empty"),
        ('gene = "Foxo1"\nout = ""', ConfigError, "out has 0 files: give one file for each of the 1 genes"),
        (
            'genes = ["Foxo1", "Pax5"]\nout = "a.feather"',
            ConfigError,
            "out has 1 files: give one file for each of the 2",
        ),
        ('genes = ["Foxo1", "Pax5"]\nout = ["a.feather", "a.feather"]', UsageError, "Foxo1 and Pax5 would both write"),
        ('gene = "Foxo1"\nout = "a.csv"', UsageError, "batch.toml: cannot write .*a.csv"),
        ('genes = ["Foxo1", "Foxo1"]\nout_dir = "o"', UsageError, "the jobs Foxo1 and Foxo1 would both write"),
        ('genes = ["HLA/A", "HLA:A"]\nout_dir = "o"', UsageError, "HLA/A and HLA:A would both write .*HLA_A_perturb"),
        (
            TWO + "desired_expr = [1, 2, 3]",
            ConfigError,
            "desired_expr has 3 values for 2 genes: give one, or one for each",
        ),
        (TWO + "desired_expr = []", ConfigError, "desired_expr has 0 values"),
        (ONE + "desired_expr = -1", ConfigError, "batch.toml: desired_expr must be finite and not negative, not -1"),
        (ONE + 'desired_expr = "2x"', ConfigError, "desired_expr is no number and no dose: '2x'.*did you mean 'x2'"),
        (ONE + "desired_expr = nan", ConfigError, "desired_expr must be finite"),
        (TWO + "desired_expr = [[1, 2], 3]", ConfigError, "desired_expr must be a dose for each gene"),
        (ONE + "n_propagation = 33", ConfigError, "n_propagation must be a whole number from 0 to 32, not 33"),
        (ONE + "n_propagation = 2.0", ConfigError, "n_propagation must be a whole number"),
        (ONE + "n_propagation = true", ConfigError, "n_propagation must be a whole number"),
        (TWO + "n_propagation = [1]\nbeta_scale_factor = [1, -2]", ConfigError, "beta_scale_factor must be .* not -2"),
        (ONE + "parallelism = 0", ConfigError, "parallelism must be a whole number of at least 1, not 0"),
        (ONE + 'joint = "yes"', ConfigError, "joint must be true or false"),
        (TWO + "joint = true\nn_propagation = [1, 2]", ConfigError, "n_propagation differs between genes of a joint"),
        (
            'genes = ["Foxo1", "Pax5"]\njoint = true\nout = ["a.feather", "b.feather"]',
            ConfigError,
            "the joint simulation",
        ),
        (ONE + TABLE, ConfigError, "cells_csv needs cells_csv_column"),
        (ONE + 'cells_csv_column = "some"', ConfigError, "cells_csv_column names columns of no table: give cells_csv"),
        (ONE + TABLE + 'cells_csv_column = ["some", "others"]', ConfigError, "cells_csv_column is one name"),
        (ONE + TABLE + 'cells_csv_column = "some"\ncells_csv_columns = ["some"]', ConfigError, "exclude each other"),
        (TWO + TABLE + 'cells_csv_columns = ["some", "others", ""]', ConfigError, "has 3 values for 2 genes"),
        (ONE + TABLE + 'cells_csv_column = "sum"', InputError, "cells.csv has no column 'sum'; its header is: some"),
        (ONE + TABLE + 'cells_csv_column = "odd"', InputError, "column 'odd', row 2: no cell is called 'c9'"),
        (ONE + TABLE + 'cells_csv_column = "blank"', InputError, "column 'blank' of .*cells.csv names no cell"),
        (ONE + 'cells_csv = "no.csv"\ncells_csv_column = "a"', InputError, "cannot read .*no.csv"),
        (ONE + TABLE + 'cells_obs_file = "list.txt"', ConfigError, "cells_obs_file and cells_csv exclude each other"),
        (
            ONE + 'cells_csv_column = "a"\ncells_obs_file = "list.txt"',
            ConfigError,
            "cells_obs_file and cells_csv_column",
        ),
        (ONE + 'cells_obs_file = "cells.csv"', InputError, "cells.csv, line 1: no cell is called"),
        (ONE + "cells_obs_file = 3", ConfigError, "cells_obs_file must be a text"),
        (ONE + "radius = 0", ConfigError, "radius must be a finite number above 0, not 0"),
        (ONE + "contact_distance = -1", ConfigError, "contact_distance must be a finite number of at least 0"),
        (ONE + 'ligand_grid_factor = "a"', ConfigError, "ligand_grid_factor must be a finite number"),
        (ONE + "ligand_grid_factor = 0.5\ncontact_distance = 30", ConfigError, "exclude each other: a cut-off"),
    ],
)
def test_refused_batches(folder, text, error, message):
    with pytest.raises(error, match=message):
        read(folder, text)


def test_a_missing_file_and_a_table_in_memory(tmp_path):
    with pytest.raises(InputError, match="cannot read .*nowhere.toml"):
        BatchPlan.read(tmp_path / "nowhere.toml", GENES, cells=CELLS)
    plan = BatchPlan.parse({"gene": "Foxo1", "out": "~/a.feather"}, GENES, cells=CELLS, base=tmp_path)
    assert plan.jobs[0].out == Path("~/a.feather").expanduser()
    with pytest.raises(ConfigError, match="the batch: out has"):
        BatchPlan.parse({"gene": "Foxo1", "out": []}, GENES, cells=CELLS, base=tmp_path)
    assert {"gene", "joint", "cells_obs_file"} <= set(BATCH_KEYS)


def test_from_a_file_to_results(model, tmp_path):
    (tmp_path / "batch.toml").write_text(
        'genes = ["G05", "G01"]\ndesired_expr = [0, "x2"]\nout_dir = "out"\nn_propagation = 2\n'
        'cells_csv = "cells.csv"\ncells_csv_columns = ["first", ""]\n'
    )
    (tmp_path / "cells.csv").write_text("first\ncell4\ncell9\n")
    plan = BatchPlan.read(tmp_path / "batch.toml", model.genes, cells=model.cells)
    results = simulate_many(model, plan.jobs, n_jobs=plan.parallelism)
    frames = [pd.read_feather(result.path).set_index("CellID").to_numpy() for result in results]
    assert np.array_equal(frames[0], model.simulate({"G05": 0.0}, cells=[4, 9], n_propagation=2).simulated)
    assert np.array_equal(frames[1], model.simulate({"G01": "x2"}, n_propagation=2).simulated)
