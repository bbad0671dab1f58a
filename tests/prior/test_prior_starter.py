"""The starter network is well-formed and rich enough to train on."""

from __future__ import annotations

from collections import Counter

import pandas as pd
import pytest

from spacetravlr.prior import PriorNetwork, infer_species
from spacetravlr.prior._starter import starter_edges

# Mouse symbols whose human counterpart is not the same word in capitals.
EXCEPTIONS = {
    "Trp53": "TP53", "Trp63": "TP63", "Ccl21a": "CCL21", "Kitl": "KITLG", "Flt3l": "FLT3LG", "Fasl": "FASLG",
    "Icosl": "ICOSLG", "Il4ra": "IL4R", "Il6ra": "IL6R", "Agtr1a": "AGTR1", "Ins2": "INS", "H2-Aa": "HLA-DQA1",
    "H2-Ab1": "HLA-DQB1", "Hbb-b1": "HBB", "Scd1": "SCD", "Cd8b1": "CD8B",
}  # fmt: skip


@pytest.fixture(scope="module")
def mouse() -> pd.DataFrame:
    return starter_edges("mouse")


@pytest.fixture(scope="module")
def human() -> pd.DataFrame:
    return starter_edges("human")


def test_human_symbols_are_capitals_but_for_known_exceptions(mouse: pd.DataFrame, human: pd.DataFrame) -> None:
    for end in ("source", "target"):
        for ours, theirs in zip(mouse[end], human[end], strict=True):
            assert theirs == EXCEPTIONS.get(ours, ours.upper())
    used = {*mouse["source"], *mouse["target"]}
    assert set(EXCEPTIONS) <= used
    assert infer_species(mouse["source"]) == "mouse"
    assert infer_species(human["source"]) == "human"


def test_relations_are_unique_and_say_why_they_are_there(mouse: pd.DataFrame, human: pd.DataFrame) -> None:
    for table in (mouse, human):
        assert not table.duplicated(["source", "target", "edge_type"]).any()
    assert mouse["note"].str.match(r"(textbook|signalling pathway): \w").all()
    symbols = pd.concat([mouse["source"], mouse["target"]])
    assert symbols.str.fullmatch(r"[A-Z][A-Za-z0-9-]+").all()


def test_signaling_is_given_for_every_ligand_receptor_pair_only(mouse: pd.DataFrame) -> None:
    pairs = mouse[mouse["edge_type"] == "lr"]
    assert set(pairs["signaling"]) == {"Secreted Signaling", "Cell-Cell Contact", "ECM-Receptor"}
    assert mouse.loc[mouse["edge_type"] != "lr", "signaling"].isna().all()
    assert pairs.groupby("source")["signaling"].nunique().max() == 1


def test_the_default_cutoff_keeps_every_ligand_tf_relation(mouse: pd.DataFrame) -> None:
    weights = mouse.loc[mouse["edge_type"] == "nichenet", "weight"]
    assert weights.between(0.25, 0.9).all()
    assert weights.nunique() > 8


def test_families_overlap(mouse: pd.DataFrame) -> None:
    by = {kind: mouse[mouse["edge_type"] == kind] for kind in ("grn", "lr", "nichenet")}
    tfs, targets = set(by["grn"]["source"]), set(by["grn"]["target"])
    ligands, receptors = set(by["lr"]["source"]), set(by["lr"]["target"])
    assert set(by["nichenet"]["target"]) <= tfs
    assert set(by["nichenet"]["source"]) <= ligands
    assert len(tfs & targets) >= 40
    assert len(ligands & targets) >= 40
    assert len(receptors & targets) >= 30


@pytest.mark.parametrize("species", ["mouse", "human"])
def test_two_hundred_symbols_are_usable_together(species: str) -> None:
    network = PriorNetwork.starter(species)
    assert network.source == "starter"
    assert network.species == species
    found = list(network.all_modulators(network.symbols))
    assert sum(bool(m.regulators) for m in found) >= 300
    assert sum(bool(m.regulators and m.lr_pairs and m.tfl_pairs) for m in found) >= 200
    assert Counter(len(m.regulators) >= 2 for m in found)[True] >= 100
    assert all(max(Counter(m.tfl_regulators).values(), default=0) <= 5 for m in found)


def test_contact_ligands_reach_less_far() -> None:
    radii = PriorNetwork.starter("mouse").ligand_radii(200.0, 50.0)
    assert {name: radii[name] for name in ("Dll1", "Efnb2", "Tgfb1", "Fn1")} == {
        "Dll1": 50.0,
        "Efnb2": 50.0,
        "Tgfb1": 200.0,
        "Fn1": 200.0,
    }


def test_the_notice_says_it_is_a_starter_and_where_a_full_one_goes() -> None:
    network = PriorNetwork.starter("mouse")
    (notice,) = network.notices
    assert f"{len(network.edges)} textbook relations of {len(network.symbols)} genes" in notice
    assert "not for results" in notice
    assert "mouse_network.parquet" in notice
    assert "[grn].network_data_dir" in notice
    assert "SPACETRAVLR_DATA_DIR" in notice
    assert network.restrict(["Pax5", "Cd19"]).notices == network.notices
