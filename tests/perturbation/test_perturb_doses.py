"""Doses: how they are written, what they mean in each cell, and what is said about unusual ones."""

from __future__ import annotations

import logging
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetravlr.errors import ConfigError, InputError, UsageError
from spacetravlr.perturbation import Dose, Target


@pytest.mark.parametrize(
    ("value", "kind", "amount", "label"),
    [
        (0, "absolute", 0.0, "KO"),
        (np.float32(1.5), "absolute", 1.5, "1.5"),
        ("2", "absolute", 2.0, "2"),
        (" 0.25 ", "absolute", 0.25, "0.25"),
        ("x2", "multiple", 2.0, "x2"),
        ("X0.5", "multiple", 0.5, "x0.5"),
        ("×3", "multiple", 3.0, "x3"),
        ("q95", "quantile", 95.0, "q95"),
        ("Q99.5", "quantile", 99.5, "q99.5"),
        ("+1.5", "shift", 1.5, "+1.5"),
        ("-.5", "shift", -0.5, "-0.5"),
        ("1e-3", "absolute", 1e-3, "0.001"),
    ],
)
def test_forms(value, kind, amount, label):
    dose = Dose.parse(value)
    assert (dose.kind, dose.amount, dose.label) == (kind, amount, label)
    assert Dose.parse(dose) is dose
    assert Dose.parse(label if label != "KO" else 0).kind == kind


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("2x", r"desired expression of Foxo1 is no number and no dose: '2x' \(write .*\); did you mean 'x2'"),
        ("95%", "did you mean 'q95'"),
        ("p95", "did you mean 'q95'"),
        ("x 2", "did you mean 'x2'"),
        ("twice", r"'x2' for a multiple, 'q95' for a quantile, '\+1.5' or '-0.5' for a shift\)$"),
        ("nan", "no dose"),
        ("x-2", "no dose"),
        ("", "no dose"),
        ("1e999", "must be finite"),
        ("q101", "no quantile: 'q101' .*q0 to q100"),
        (-0.5, "must be finite and not negative, not -0.5; for a shift write the text '-0.5'"),
        (math.inf, "must be finite and not negative, not inf$"),
        (True, "must be finite"),
        (None, "no number: None"),
        ([["a"]], "not all numbers"),
        ([[1.0]], "value per cell, not of shape"),
    ],
)
def test_refused_texts(value, message):
    with pytest.raises(InputError, match=message):
        Dose.parse(value, gene="Foxo1")


@given(
    st.lists(st.floats(0, 10), min_size=1, max_size=12),
    st.sampled_from(["x2", "x0", "x0.3", "q0", "q50", "q95", "q100", "+1.5", "-0.5", "-100", "3"]),
    st.data(),
)
@settings(max_examples=25, deadline=None)
def test_what_a_dose_means_in_each_cell(expression, text, data):
    rows = np.array(sorted(data.draw(st.sets(st.integers(0, len(expression) - 1)))), dtype=np.int64)
    found = Dose.parse(text).desired(rows, expression, limits=(0.0, 12.0))
    for row, value in zip(rows, found, strict=True):
        own, ordered = expression[row], sorted(expression)
        if text.startswith("x"):
            expected = own * float(text[1:])
        elif text.startswith("q"):
            place = float(text[1:]) / 100 * (len(ordered) - 1)
            low = ordered[math.floor(place)]
            expected = low + (ordered[math.ceil(place)] - low) * (place - math.floor(place))
        elif text[0] in "+-":
            expected = own + float(text)
        else:
            assert value == float(text)
            continue
        assert value == pytest.approx(min(max(expected, 0.0), 12.0), abs=1e-12)


def test_a_quantile_is_one_of_the_whole_tissue(model):
    # cells outside the scope express the gene, those inside may be silent: the level is the same
    effect = model.simulate([Target("G05", "q95", [3, 4])], n_propagation=0)
    column = effect.baseline[:, 5]
    assert effect.gene("G05")[[3, 4]].tolist() == [np.quantile(column, 0.95)] * 2
    assert np.array_equal(np.delete(effect.gene("G05"), [3, 4]), np.delete(column, [3, 4]))


@pytest.mark.parametrize(
    ("dose", "of"),
    [
        ("x2", lambda x: 2 * x),
        ("+1.5", lambda x: x + 1.5),
        ("-0.5", lambda x: np.maximum(0, x - 0.5)),
        ("q90", lambda x: np.full_like(x, np.quantile(x, 0.9))),
        ("0", lambda x: 0 * x),
    ],
)
@pytest.mark.parametrize("profile", ["default", "v1", "python"])
def test_a_dose_is_the_same_as_its_values_cell_by_cell(build, dose, of, profile):
    model = build(profile=profile)
    values = of(model._engine.expression.values[:, 2])
    written = model.simulate({"G02": dose}).simulated
    given_cell_by_cell = model.simulate({"G02": values}).simulated
    assert np.array_equal(written, given_cell_by_cell)
    assert np.array_equal(written[:, 2], values)


def test_a_dose_per_cell_is_used_in_its_scope_only(model):
    values = np.full(len(model.cells), np.nan)
    values[[2, 5]] = [1.0, 0.25]
    effect = model.simulate([Target("G01", pd.Series(values), [5, 2])], n_propagation=1)
    assert effect.gene("G01")[[2, 5]].tolist() == [1.0, 0.25]
    with pytest.raises(InputError, match=r"finite and not negative in every cell: it is nan in cell 0"):
        model.simulate({"G01": values})
    values[5] = -1.0
    with pytest.raises(InputError, match="it is -1 in cell 5"):
        model.simulate([Target("G01", values, [2, 5])])
    with pytest.raises(InputError, match="dose of G01 has 3 values, but there are 60 cells"):
        model.simulate({"G01": [1.0, 2.0, 3.0]})


def test_a_relative_dose_needs_expression():
    with pytest.raises(UsageError, match="dose x2 of the gene is relative"):
        Dose.parse("x2").desired(np.arange(2), None)


def test_the_last_of_overlapping_doses_wins(model):
    effect = model.simulate([Target("G01", "x2", [0, 1, 2]), Target("G01", 0.0, [2, 3])], n_propagation=0)
    own = effect.baseline[:, 1]
    assert effect.gene("G01")[:4].tolist() == [2 * own[0], 2 * own[1], 0.0, 0.0]


def test_relative_doses_stay_within_bounds_and_numbers_must(build):
    model = build(bounds=(None, 1.0))
    assert model.simulate({"G05": "x100"}, n_propagation=0).gene("G05").max() == 1.0
    with pytest.raises(ConfigError, match="desired expression of G05 lies outside the bounds 0 to 1"):
        model.simulate({"G05": 2.0})


def test_a_dose_outside_the_observed_range_is_said(model, caplog):
    column = model._engine.expression.values[:, 5]
    with caplog.at_level(logging.WARNING, "spacetravlr"):
        (note,) = model.simulate({"G05": 100.0}, n_propagation=1, cells=[0, 1]).notes
    assert caplog.messages == [note]
    numbers = f"(min {column.min():.4g}, median {np.median(column):.4g}, p99 {np.quantile(column, 0.99):.4g}, max {column.max():.4g})"
    assert note == (f"the dose 100 of G05 is outside its observed expression {numbers}: no model has seen such values")
    caplog.clear()
    (note,) = model.simulate({"G05": "x2"}, n_propagation=1).notes
    beyond = int((2 * column > column.max()).sum())
    assert f"the dose {2 * column.max():.4g} of G05 in {beyond} of 60 cells is outside" in note


@pytest.mark.parametrize("dose", [0.0, "q0", "q100", "q50", "x1", "x0"])
def test_doses_inside_the_observed_range_are_not_remarked_on(model, dose):
    assert model.simulate({"G05": dose}, n_propagation=1).notes == ()


def test_a_dose_below_the_observed_range(build):
    lifted = build(expression=1.0 + build()._engine.expression.values)
    (note,) = lifted.simulate({"G05": 0.5}, n_propagation=1).notes
    assert "the dose 0.5 of G05 is outside" in note
    assert lifted.simulate({"G05": 0.0}, n_propagation=1).notes == ()


def test_what_a_file_says_about_doses(model):
    effect = model.simulate([Target("G05", "x2"), Target("G01", 0.5)], n_propagation=0)
    request = effect.to_anndata().uns["perturbation"]
    assert request["doses"].tolist() == ["x2", "0.5"]
    assert np.isnan(request["values"][0])
    assert request["values"][1] == 0.5
