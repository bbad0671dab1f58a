"""Species from the style of gene names."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetravlr.errors import ConfigError
from spacetravlr.prior import PriorNetwork, infer_species


@pytest.mark.parametrize(
    ("genes", "species"),
    [
        (["Pax5", "Foxo1", "Nkx2-5"], "mouse"),
        (["PAX5", "FOXO1", "NKX2-5", "HLA-DQA1"], "human"),
        ([], "human"),
        (["Pax5", "PAX5"], "human"),
        (["1700010I14Rik", "mt-Nd1", "1234", "x"], "human"),
        (["Pax5", "1700010I14Rik", "mt-Nd1"], "mouse"),
        (["ENSG00000139618", "ENSG00000157764"], "human"),
        (["ENSMUSG00000041147", "ENSMUSG00000002413"], "mouse"),
        (["A", "Pax5", "Foxo1"], "mouse"),
        (["H2-Aa", "", "-"], "human"),
        (["PAX5"] * 99 + ["Pax5"] * 100, "mouse"),
    ],
)
def test_species_of_examples(genes: list[str], species: str) -> None:
    assert infer_species(genes) == species


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(["Pax5", "PAX5", "Rik1a", "x", "7", "Gm1", "LOC1", "b-Cd"]), max_size=30))
def test_majority_of_votes_decides_whatever_the_order(genes: list[str]) -> None:
    mouse = sum(g in {"Pax5", "Rik1a", "Gm1"} for g in genes)
    human = sum(g in {"PAX5", "LOC1"} for g in genes)
    expected = "mouse" if mouse > human else "human"
    assert infer_species(genes) == expected
    random.Random(0).shuffle(genes)
    assert infer_species(iter(genes)) == expected


def test_unknown_species_is_refused_with_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="did you mean 'mouse'"):
        PriorNetwork.starter("Mouse")
    with pytest.raises(ConfigError, match=r"use 'mouse' or 'human'$"):
        PriorNetwork.load("zebrafish")
