"""How much each step changes, growth, and genes that nobody listens to."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from spacetravlr.betas import Betas
from spacetravlr.perturbation import PropagationModel, StepChange, _convergence
from spacetravlr.perturbation._convergence import compare_steps, growth


def test_steps_against_simulations_of_fewer_steps(model):
    # a step sees nothing of the steps after it, so fewer steps are the beginning of more
    deltas = [model.simulate({"G01": 0.0, "G05": 2.0}, n_propagation=t).delta for t in range(5)]
    steps = model.simulate({"G01": 0.0, "G05": 2.0}, n_propagation=4).steps
    assert steps.columns.tolist() == ["step", "max_change", "norm", "relative"]
    assert steps["step"].tolist() == [1, 2, 3, 4]
    for row, before, after in zip(steps.itertuples(), deltas[:-1], deltas[1:], strict=True):
        difference = after - before
        assert row.max_change == pytest.approx(np.abs(difference).max(), rel=1e-12)
        assert row.norm == pytest.approx(np.linalg.norm(difference), rel=1e-12)
        assert row.relative == pytest.approx(np.linalg.norm(difference) / np.linalg.norm(after), rel=1e-12)


def test_without_steps_and_without_changes(model):
    assert len(model.simulate({"G01": 0.0}, n_propagation=0).steps) == 0
    steps = model.simulate({"G13": 0.0}, n_propagation=2).steps
    assert steps[["max_change", "norm", "relative"]].to_numpy().tolist() == [[0, 0, 0]] * 2
    assert compare_steps(1, np.zeros((0, 3)), np.zeros((0, 3))) == StepChange(1, 0.0, 0.0, 0.0)


def test_same_numbers_in_any_blocks_and_on_any_number_of_threads(monkeypatch):
    before, after = np.random.default_rng(0).normal(size=(2, 50, 40))
    whole = compare_steps(1, before, after)
    monkeypatch.setattr(_convergence, "_CHUNK", 120)
    found = []
    for threads in (1, 3):
        with threadpool_limits(threads, user_api="blas"):
            found.append(compare_steps(1, before, after))
    assert found[0] == found[1]
    assert found[0].norm == pytest.approx(whole.norm, rel=1e-14)
    assert found[0].max_change == whole.max_change == np.abs(after - before).max()


def steps_of(*norms: float, relative: float = 0.5) -> list[StepChange]:
    return [StepChange(k + 1, norm, norm, relative) for k, norm in enumerate(norms)]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (steps_of(1, 2, 6), (2.0, 3.0)),
        (steps_of(9, 1, 2, 4), (2.0, 2.0)),
        (steps_of(1, 2), None),
        (steps_of(4, 2, 1), None),
        (steps_of(1, 4, 2, 3), None),
        (steps_of(1, 1.05, 1.1), None),
        (steps_of(0, 1, 2), None),
        (steps_of(1, 2, 4, relative=1e-4), None),
        ([], None),
    ],
)
def test_growth(steps, expected):
    assert growth(steps) == expected


def loop(gain: float) -> PropagationModel:
    """Two genes that drive each other: the change is multiplied by the gain in each step."""
    one, other = (
        Betas(target, "cluster", ("0",), np.zeros(1), (source,), np.array([[gain]])) for target, source in ("BC", "CB")
    )
    start = Betas("D", "cluster", ("0",), np.zeros(1), ("A",), np.array([[1.0]]))
    first = Betas(one.target, "cluster", ("0",), np.zeros(1), ("C", "A"), np.array([[gain, 1.0]]))
    return PropagationModel(
        np.full((3, 4), 5.0), list("ABCD"), np.zeros((3, 2)), [first, other, start], radii=1.0, cluster_labels=["0"] * 3
    )


def test_a_loop_that_grows_is_said_with_what_to_do():
    notes = loop(2.0).simulate({"A": 6.0}, n_propagation=6).notes
    (note,) = [note for note in notes if "grows" in note]
    assert note == (
        "the change grows from step to step instead of settling (by x2 and x2 in the last two of 6), so the result "
        "depends on their number: set bounds (or beta_cap), use a smaller dose, or fewer steps"
    )


def test_a_loop_that_settles_is_not_remarked_on():
    effect = loop(0.4).simulate({"A": 5.5}, n_propagation=8)
    assert not [note for note in effect.notes if "grows" in note]
    assert effect.steps["relative"].iloc[-1] < 1e-2 * effect.steps["relative"].iloc[0]


def test_bounds_stop_the_growth():
    model = loop(2.0)
    bounded = PropagationModel(
        np.full((3, 4), 5.0), list("ABCD"), np.zeros((3, 2)),
        [Betas("B", "cluster", ("0",), np.zeros(1), ("C", "A"), np.array([[2.0, 1.0]])),
         Betas("C", "cluster", ("0",), np.zeros(1), ("B",), np.array([[2.0]]))],
        radii=1.0, cluster_labels=["0"] * 3, bounds=(0.0, 7.0),
    )  # fmt: skip
    assert model.simulate({"A": 6.0}, n_propagation=6).simulated.max() > 20
    effect = bounded.simulate({"A": 6.0}, n_propagation=6)
    assert effect.simulated.max() == 7
    assert not [note for note in effect.notes if "grows" in note]


LISTENERS = {
    "TF": np.array([[0.5, 0.0]]).T,
    "DEAD": np.array([[0.0, 0.0]]).T,
    "LIG$REC": np.array([[0.0, 0.3]]).T,
    "LIG#REG": np.array([[0.2, 0.0]]).T,
    "MUTE$REC2": np.array([[0.1, 0.1]]).T,
    "MUTE$REC": np.array([[0.1, 0.1]]).T,
}
LISTENED = ["TF", "DEAD", "LIG", "REC", "REG", "MUTE", "NONE", "T", "REC2"]


def listening(by: str = "cluster", **options) -> PropagationModel:
    values = np.column_stack(list(LISTENERS.values()))
    names = ["c0", "c1", "c2", "c3"]
    labels = ("p", "q")
    if by == "cell":
        labels, values = tuple(names), values[[0, 0, 1, 1]]
    table = Betas("T", by, labels, np.zeros(len(labels)), tuple(LISTENERS), values)
    return PropagationModel(
        np.ones((4, 9)), LISTENED, np.column_stack([np.arange(4), np.zeros(4)]), [table],
        radii={"LIG": 1.0}, cluster_labels=np.array(list("ppqq")), cell_names=names, **options,
    )  # fmt: skip


@pytest.mark.parametrize("by", ["cluster", "cell"])
@pytest.mark.parametrize(
    ("gene", "cells", "reason"),
    [
        ("NONE", None, "it is a modulator of none of the 1 models"),
        ("T", None, "it is a modulator of none of the 1 models"),
        ("DEAD", None, "it is a modulator, but all its coefficients are 0"),
        ("TF", [2, 3], "all its coefficients are 0 in the clusters of the perturbed cells"),
        ("TF", [2, 1], None),
        ("REG", [3], "all its coefficients are 0 in the clusters of the perturbed cells"),
        ("REG", [0], None),
        ("REC", [0], "all its coefficients are 0 in the clusters of the perturbed cells"),
        ("REC", [0, 2], None),
        ("REC2", [0], "the ligands of its pairs have no radius, so no cell receives them"),
        ("LIG", [0], None),
        ("LIG", [3], None),
        ("MUTE", [0], "it is a ligand without a radius, so no cell receives it"),
    ],
)
def test_why_nobody_listens(gene, cells, reason, by, caplog):
    if by == "cell" and gene == "DEAD":
        reason = "all its coefficients are 0 in the clusters of the perturbed cells"  # such tables keep their zeros
    effect = listening(by).simulate({gene: 0.5}, cells=cells, n_propagation=2)
    expected = () if reason is None else (f"no model listens to {gene}: only its own column changes ({reason})",)
    assert tuple(note for note in effect.notes if not note.startswith("the dose")) == expected
    others = [column for column, name in enumerate(LISTENED) if name != gene]
    assert (reason is None) == bool(effect.delta[:, others].any())


def test_without_models_that_is_the_reason():
    model = PropagationModel(np.ones((2, 2)), ["A", "B"], np.zeros((2, 2)), [], radii=1.0, cluster_labels=["0", "0"])
    (note,) = model.simulate({"A": 0.0}).notes
    assert note == "no model listens to A: only its own column changes (there are no models)"


def test_a_knocked_out_receptor_is_explained():
    # its own gate is closed when the second step looks at it
    model = listening()
    assert model.simulate({"REC": 0.0}, n_propagation=1).delta[:, 7].any()
    effect = model.simulate({"REC": 0.0}, n_propagation=2)
    assert not effect.delta[:, 7].any()
    (note,) = effect.notes
    assert note.startswith(
        "nothing else changes: the pairs of a receptor at 0 are switched off from the second step on"
    )
    assert "the loss of REC shows with n_propagation=1, or with a dose above 0" in note
    # with a TF beside it something moves, and there is nothing to explain
    assert model.simulate({"REC": 0.0, "TF": 0.0}, n_propagation=2).notes == ()
