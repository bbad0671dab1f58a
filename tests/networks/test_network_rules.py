"""Which word counts where sources, rows or partners disagree."""

from __future__ import annotations

import pandas as pd
import pytest

from spacetravlr.networks import Source, build

MEANS = (
    "id_cp_interaction\tinteracting_pair\tpartner_a\tpartner_b\tgene_a\tgene_b\tsecreted\treceptor_a\treceptor_b\n"
    "1\tx\tsimple:P1\tsimple:P2\tCDH1\tITGB7\tFalse\tTrue\tTrue\n"
    "2\tx\tsimple:P3\tsimple:P4\tDLL1\tNOTCH1\tFalse\tFalse\tTrue\n"
    "3\tx\tsimple:P5\tsimple:P6\tTNFRSF1A\tTNF\tTrue\tTrue\tFalse\n"
)
CHAIN = {"edge_type": "nichenet", "source": ["IL6"], "target": ["STAT3"]}


def reach(rows: pd.DataFrame) -> dict[tuple[str, str], object]:
    return dict(zip(zip(rows["source"], rows["target"], strict=True), rows["signaling"], strict=True))


def test_two_receptors_act_on_each_other_by_contact(write):
    built = build([write("means.txt", MEANS)], "human")
    assert reach(built.edges) == {
        ("CDH1", "ITGB7"): "Cell-Cell Contact",
        ("ITGB7", "CDH1"): "Cell-Cell Contact",
        ("DLL1", "NOTCH1"): "Cell-Cell Contact",
        ("TNF", "TNFRSF1A"): "Secreted Signaling",
    }
    assert built.ledgers[0].made == {"both directions of an interaction between equals": 1}


def test_a_ligand_needs_a_receptor_in_the_intercellular_network(write):
    path = write(
        "intercell.csv",
        "category_intercell_source,genesymbol_intercell_source,category_intercell_target,genesymbol_intercell_target\n"
        "cell_surface_ligand,DLL1,receptor,NOTCH1\nligand,TNF,adhesion,ITGAV\necm,FN1,receptor,ITGB1\n",
    )
    built = build([path], "human")
    assert built.edges[["source", "target"]].to_numpy().tolist() == [["DLL1", "NOTCH1"]]
    assert built.ledgers[0].lost == {"not a ligand with a receptor": 2}


def test_a_potential_is_the_largest_that_a_source_gives_it_times_its_weight():
    tables = [pd.DataFrame({**CHAIN, "weight": [weight]}) for weight in (0.2, 0.5)]
    built = build([Source(tables[0], name="a", weight=3), Source(tables[1], name="b")], "human")
    assert built.edges["weight"].tolist() == [pytest.approx(0.6)]
    assert built.edges["sources"].tolist() == ["a;b"]


def test_an_edge_that_is_repeated_has_its_largest_weight():
    rows = pd.DataFrame(
        {"edge_type": "nichenet", "source": "IL6", "target": ["STAT3", "FOS", "STAT3"], "weight": [0.1, 0.2, 0.5]}
    )
    built = build([rows], "human")
    assert dict(zip(built.edges["target"], built.edges["weight"], strict=True)) == {"STAT3": 0.5, "FOS": 0.2}


def test_the_first_source_that_knows_says_how_a_ligand_travels():
    pair = {"ligand": ["IL6"], "receptor": ["IL6R"]}
    silent, first, second = (pd.DataFrame({**pair, "signaling": [word]}) for word in (None, "first", "second"))
    assert reach(build([silent, first, second], "human").edges) == {("IL6", "IL6R"): "first"}


@pytest.mark.parametrize(("levels", "kept"), [(("A",), True), (("D",), False)])
def test_a_row_of_two_levels_counts_as_the_better(levels: tuple[str, ...], kept: bool):
    table = pd.DataFrame(
        {"tf": ["PAX5", "MYC"], "target": ["CD19", "TERT"], "confidence": ["D;A", levels[0]], "mor": [1, 1]}
    )
    built = build([Source(table, confidence=levels)], "human")
    assert ("PAX5" in set(built.edges["source"])) is kept
