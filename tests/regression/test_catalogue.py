"""Shared columns: every target's design is a selection of them, and equals the design made for it alone."""

from __future__ import annotations

import numpy as np

from spacetravlr.prior import Modulators
from spacetravlr.regression import Catalogue


def modulators() -> list[Modulators]:
    return [
        Modulators("T1", regulators=("A", "B"), lr_pairs=("L$R", "L$S"), ligands=("L", "L"), receptors=("R", "S"),
                   tfl_pairs=("L#A",), tfl_ligands=("L",), tfl_regulators=("A",)),
        Modulators("A", regulators=("B",), lr_pairs=("L$R", "M$R"), ligands=("L", "M"), receptors=("R", "R"), extras=("Q",)),
        Modulators("T3"),
    ]  # fmt: skip


def test_columns_are_listed_once_pairs_first() -> None:
    catalogue = Catalogue.from_modulators(modulators())
    assert catalogue.names == ("L$R", "L$S", "M$R", "A", "B", "Q", "L#A")
    assert catalogue.ligands == ("L", "M")
    assert set(catalogue.genes) == {"R", "S", "A", "B", "Q"}


def test_the_design_of_a_target_is_a_selection() -> None:
    rng = np.random.default_rng(0)
    catalogue = Catalogue.from_modulators(modulators())
    expression = {gene: rng.normal(size=9) for gene in "ABQRS"}
    received = {ligand: rng.normal(size=9) for ligand in "LM"}
    E = np.column_stack([expression[gene] for gene in catalogue.genes])
    W = np.column_stack([received[ligand] for ligand in catalogue.ligands])
    X = catalogue.design(E, W)
    for one in modulators():
        literal = [expression[g] for g in one.regulators]
        literal += [received[a] * expression[b] for a, b in zip(one.ligands, one.receptors, strict=True)]
        literal += [received[a] * expression[b] for a, b in zip(one.tfl_ligands, one.tfl_regulators, strict=True)]
        literal += [expression[g] for g in one.extras]
        own = catalogue.positions(one.names)
        assert np.array_equal(X[:, own], np.column_stack(literal) if literal else np.zeros((9, 0)))
        assert np.array_equal(catalogue.design(E, W, own), X[:, own])
