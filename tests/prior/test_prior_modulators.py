"""Modulators against a slow literal transcription of the rules, on random small networks."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetravlr.errors import ConfigError, InputError
from spacetravlr.prior import Modulators, PriorNetwork, TfPriors

GENES = ["Aa", "Bb", "Cc", "Dd", "Ee", "Ff", "Gg", "Hh", "Ii"]
UNMEASURED = ["Yy", "Zz"]
Row = tuple[str, str, str, float]
Prior = tuple[str, str, str]


def frame(rows: Sequence[Row]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "source": pd.Series([r[0] for r in rows], dtype=object),
            "target": pd.Series([r[1] for r in rows], dtype=object),
            "edge_type": pd.Series([r[2] for r in rows], dtype=object),
            "weight": pd.Series([r[3] for r in rows], dtype=float),
        }
    )


def oracle(
    rows: Sequence[Row],
    genes: Sequence[str],
    target: str,
    *,
    tf_ligand_cutoff: float = 0.2,
    max_ligands: int | None = None,
    gene_means: dict[str, float] | None = None,
    use_tf: bool = True,
    use_lr: bool = True,
    use_tfl: bool = True,
    extra_modulators: Sequence[str] = (),
    extra_lr: Sequence[str] = (),
    priors: Sequence[Prior] = (),
) -> dict[str, Any]:
    rows = [r for r in rows if r[0] in genes and r[1] in genes]
    # 1. regulators
    regulators: list[str] = []
    for source, end, kind, _ in rows:
        if kind == "grn" and end == target and source != target and source not in regulators:
            regulators.append(source)
    # 2. ligand-receptor pairs
    pairs: list[str] = []
    for source, end, kind, _ in rows:
        if kind == "lr" and target not in (source, end) and f"{source}${end}" not in pairs:
            pairs.append(f"{source}${end}")
    # 3. cap
    ligands = {pair.split("$")[0] for pair in pairs}
    if max_ligands:
        means = gene_means or {}
        ligands = set(sorted(ligands, key=lambda g: (-means.get(g, 0.0), g))[:max_ligands])
        pairs = sorted((pair for pair in pairs if pair.split("$")[0] in ligands), key=lambda pair: pair.encode())
    # 4. ligand-TF pairs, each pair once
    tfl: list[str] = []
    for tf in regulators:
        mine = [(w, s) for s, e, kind, w in rows if kind == "nichenet" and e == tf and w > tf_ligand_cutoff]
        mine = sorted((m for m in mine if m[1] in ligands), key=lambda m: -m[0])
        once: list[str] = []
        for _, ligand in mine:
            if ligand not in once:
                once.append(ligand)
        tfl += [f"{ligand}#{tf}" for ligand in once[:5]]
    # 5. switches
    regulators = regulators if use_tf else []
    pairs = pairs if use_lr else []
    tfl = tfl if use_tfl else []
    # 6. extra pairs, priors, extra genes
    if use_lr:
        for token in extra_lr:
            ligand, receptor = token.split("$")
            if target not in (ligand, receptor) and ligand in genes and receptor in genes and token not in pairs:
                pairs.append(token)
    mine_priors = [p for p in priors if p[1] == target and p[0] != target and p[0] in genes]
    masks: dict[str, list[bool]] = {}
    if use_tf and mine_priors:
        regulators = list(dict.fromkeys(p[0] for p in mine_priors))
        tfl = [pair for pair in tfl if pair.split("#")[1] in regulators]
        for cell_type in {p[2] for p in mine_priors}:
            masks[cell_type] = [(tf, target, cell_type) in mine_priors for tf in regulators]
    taken = {
        *regulators,
        *(g for pair in pairs for g in pair.split("$")),
        *(g for pair in tfl for g in pair.split("#")),
    }
    extras = [g for g in dict.fromkeys(extra_modulators) if g in genes and g != target and g not in taken]
    return {"regulators": regulators, "pairs": pairs, "tfl": tfl, "extras": extras, "masks": masks}


def check(found: Modulators, expected: dict[str, Any]) -> None:
    assert list(found.regulators) == expected["regulators"]
    assert list(found.lr_pairs) == expected["pairs"]
    assert list(found.tfl_pairs) == expected["tfl"]
    assert list(found.extras) == expected["extras"]
    assert {k: v.tolist() for k, v in found.masks.items()} == expected["masks"]
    assert [f"{a}${b}" for a, b in zip(found.ligands, found.receptors, strict=True)] == expected["pairs"]
    assert [f"{a}#{b}" for a, b in zip(found.tfl_ligands, found.tfl_regulators, strict=True)] == expected["tfl"]
    assert list(found.names) == [*found.regulators, *found.lr_pairs, *found.tfl_pairs, *found.extras]
    sizes = [len(found.regulators), len(found.lr_pairs), len(found.tfl_pairs), len(found.extras)]
    assert found.groups.tolist() == [group for group, size in enumerate(sizes) for _ in range(size)]
    assert found.groups.dtype == np.int64
    assert len(found) == len(found.names) == len(set(found.names))


symbols = st.sampled_from(GENES + UNMEASURED)
edges = st.tuples(
    symbols,
    symbols,
    st.sampled_from(["grn", "lr", "nichenet", "nichenet"]),
    st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.5, -1.0]),
)
options = st.fixed_dictionaries(
    {
        "tf_ligand_cutoff": st.sampled_from([-2.0, 0.0, 0.2, 0.3]),
        "max_ligands": st.sampled_from([None, 0, 1, 2, 5]),
        "gene_means": st.one_of(st.none(), st.dictionaries(symbols, st.sampled_from([0.0, 0.5, 2.0]))),
        "use_tf": st.booleans(),
        "use_lr": st.booleans(),
        "use_tfl": st.booleans(),
        "extra_modulators": st.lists(symbols, max_size=5),
        "extra_lr": st.lists(st.tuples(symbols, symbols).map("$".join), max_size=4),
    }
)
prior_rows = st.lists(st.tuples(symbols, symbols, st.sampled_from(["B cell", "T cell"])), max_size=8)


@settings(max_examples=25, deadline=None)
@given(st.lists(edges, max_size=60), options, prior_rows)
def test_modulators_follow_the_rules(rows: list[Row], chosen: dict[str, Any], priors: list[Prior]) -> None:
    network = PriorNetwork.from_frame(frame(rows)).restrict(GENES)
    table = pd.DataFrame(priors, columns=["source", "target", "cell_type"])
    for given_priors, prior_object in (((), None), (priors, TfPriors.from_frame(table, GENES))):
        found = list(network.all_modulators(GENES, tf_priors=prior_object, **chosen))
        for target, modulators in zip(GENES, found, strict=True):
            assert modulators.target == target
            check(modulators, oracle(rows, GENES, target, priors=given_priors, **chosen))


@pytest.mark.parametrize("seed", range(40))
def test_modulators_follow_the_rules_in_dense_networks(seed: int) -> None:
    # Enough ligand-TF rows that five places per TF, ties and duplicates all matter.
    rng = np.random.Generator(np.random.PCG64(seed))
    n = int(rng.integers(100, 400))
    kinds = rng.choice(["grn", "lr", "nichenet"], size=n, p=[0.2, 0.2, 0.6]).tolist()
    ends = rng.choice([*GENES, "Jj", "Kk", "Ll", "Mm", *UNMEASURED], size=(n, 2)).tolist()
    weights = rng.choice([0.1, 0.2, 0.25, 0.5, 0.9, np.nan], size=n).tolist()
    rows = [(a, b, kind, w) for (a, b), kind, w in zip(ends, kinds, weights, strict=True)]
    genes = [*GENES, "Jj", "Kk", "Ll", "Mm"]
    network = PriorNetwork.from_frame(frame(rows)).restrict(genes)
    means = dict(zip(genes, rng.integers(0, 4, len(genes)).astype(float).tolist(), strict=True))
    for cap in (None, 3, 7):
        for target in genes:
            found = network.modulators(target, max_ligands=cap, gene_means=means)
            check(found, oracle(rows, genes, target, max_ligands=cap, gene_means=means))


def test_the_plan_is_remembered_but_not_confused_with_that_of_other_settings() -> None:
    rows: list[Row] = [
        ("Aa", "Bb", "lr", 1),
        ("Cc", "Dd", "lr", 1),
        ("Aa", "Ee", "nichenet", 0.3),
        ("Ee", "Ff", "grn", 1),
    ]
    network = PriorNetwork.from_frame(frame(rows))
    first = network.modulators("Ff")
    assert network.modulators("Ff", tf_ligand_cutoff=0.3).tfl_pairs == ()
    assert network.modulators("Ff", max_ligands=1, gene_means={"Cc": 1.0}).lr_pairs == ("Cc$Dd",)
    assert network.modulators("Ff", max_ligands=1, gene_means={"Aa": 1.0}).lr_pairs == ("Aa$Bb",)
    for cutoff in np.linspace(0.5, 0.9, 12):
        assert network.modulators("Ff", tf_ligand_cutoff=float(cutoff)).tfl_pairs == ()
    again = network.modulators("Ff")
    assert again.names == first.names == ("Ee", "Aa$Bb", "Cc$Dd", "Aa#Ee")
    assert again.lr_pairs is network.modulators("Ff", use_tf=False).lr_pairs


def test_order_survives_the_cap_only_as_names() -> None:
    rows: list[Row] = [("Cc", "Dd", "lr", 1), ("Aa", "Bb", "lr", 1), ("Aa", "BB", "lr", 1)]
    network = PriorNetwork.from_frame(frame(rows))
    assert network.modulators("Ff").lr_pairs == ("Cc$Dd", "Aa$Bb", "Aa$BB")
    # Sorted by bytes even if nothing is cut.
    assert network.modulators("Ff", max_ligands=9).lr_pairs == ("Aa$BB", "Aa$Bb", "Cc$Dd")
    # Ranked after the target is taken out: the next ligand moves up.
    means = {"Aa": 2.0, "Cc": 1.0}
    assert network.modulators("Ff", max_ligands=1, gene_means=means).lr_pairs == ("Aa$BB", "Aa$Bb")
    assert network.modulators("Aa", max_ligands=1, gene_means=means).lr_pairs == ("Cc$Dd",)


def test_means_that_are_missing_or_nan_count_as_zero() -> None:
    rows: list[Row] = [("Cc", "Dd", "lr", 1), ("Bb", "Dd", "lr", 1), ("Aa", "Dd", "lr", 1)]
    network = PriorNetwork.from_frame(frame(rows))
    means = {"Aa": float("nan"), "Cc": 0.0}
    assert network.modulators("Ff", max_ligands=2, gene_means=means).lr_pairs == ("Aa$Dd", "Bb$Dd")
    assert network.modulators("Ff", max_ligands=2).lr_pairs == ("Aa$Dd", "Bb$Dd")


def test_repeated_ligand_tf_rows_take_one_place_with_the_largest_weight() -> None:
    ligands = ["Aa", "Bb", "Cc", "Dd", "Ee", "Ff"]
    rows: list[Row] = [(ligand, "Zz", "lr", 1.0) for ligand in ligands]
    rows += [("Tf", "Goal", "grn", 1.0)] + [("Aa", "Tf", "nichenet", 0.9)] * 4 + [("Ff", "Tf", "nichenet", 0.21)]
    rows += [(ligand, "Tf", "nichenet", 0.5) for ligand in ligands]
    found = PriorNetwork.from_frame(frame(rows)).modulators("Goal")
    assert found.tfl_pairs == ("Aa#Tf", "Bb#Tf", "Cc#Tf", "Dd#Tf", "Ee#Tf")


def test_switched_off_families_keep_tfl_and_free_their_genes_for_extras() -> None:
    rows: list[Row] = [("Aa", "Bb", "lr", 1), ("Tf", "Goal", "grn", 1), ("Aa", "Tf", "nichenet", 0.5)]
    network = PriorNetwork.from_frame(frame(rows))
    wanted = ("Bb", "Tf", "Aa", "Xx", "Goal")
    off = network.modulators("Goal", use_tf=False, use_lr=False, extra_modulators=wanted, extra_lr=["Xx$Yy"])
    assert off.names == ("Aa#Tf", "Bb", "Xx")
    none = network.modulators("Goal", use_tf=False, use_lr=False, use_tfl=False, extra_modulators=wanted)
    assert none.names == ("Bb", "Tf", "Aa", "Xx")


def test_extra_pairs_are_appended_after_the_cap_and_bring_no_tfl() -> None:
    rows: list[Row] = [
        ("Aa", "Bb", "lr", 1), ("Cc", "Bb", "lr", 1), ("Tf", "Goal", "grn", 1),
        ("Cc", "Tf", "nichenet", 0.9), ("Dd", "Tf", "nichenet", 0.9), ("Aa", "Tf", "nichenet", 0.5),
    ]  # fmt: skip
    network = PriorNetwork.from_frame(frame(rows)).restrict(["Aa", "Bb", "Cc", "Dd", "Tf", "Goal"])
    found = network.modulators(
        "Goal",
        max_ligands=1,
        gene_means={"Aa": 1.0},
        extra_lr=["Dd , Bb", "Cc$Bb", "Aa$Bb", "Goal$Bb", "Bb$Goal", "No$Bb", ("Dd", "Dd")],
        extra_modulators=["Dd", "No"],
    )
    assert found.names == ("Tf", "Aa$Bb", "Dd$Bb", "Cc$Bb", "Dd$Dd", "Aa#Tf")


def test_pair_signs_in_extras_are_left_out_without_a_restriction() -> None:
    network = PriorNetwork.from_frame(frame([("Aa", "Bb", "lr", 1)]))
    found = network.modulators("Goal", extra_lr=["Cc$D#d", "Cc$D$d"], extra_modulators=["X#y", "X$y", "Xx"])
    assert found.names == ("Aa$Bb", "Xx")


def test_a_target_outside_the_sample_is_refused_with_a_suggestion() -> None:
    network = PriorNetwork.from_frame(frame([("Pax5", "Cd19", "grn", 1)])).restrict(["Pax5", "Cd19"])
    with pytest.raises(InputError, match=r"pax5: is not a measured gene; did you mean Pax5\?"):
        network.modulators("pax5")
    with pytest.raises(InputError, match="Qqqqqqq: is not a measured gene; see var_names"):
        network.modulators("Qqqqqqq")


def test_settings_without_meaning_are_refused() -> None:
    network = PriorNetwork.from_frame(frame([("Pax5", "Cd19", "grn", 1)]))
    with pytest.raises(ConfigError, match="tf_ligand_cutoff"):
        network.modulators("Cd19", tf_ligand_cutoff=float("nan"))
    with pytest.raises(ConfigError, match="max_ligands = -2"):
        network.modulators("Cd19", max_ligands=-2)


@pytest.mark.parametrize("role", ["regulators", "ligands", "receptors", "tfl_ligands", "tfl_regulators", "extras"])
def test_no_gene_may_be_its_own_modulator(role: str) -> None:
    with pytest.raises(InputError, match=f"Goal: is among its own modulators \\({role}\\)"):
        Modulators("Goal", **{role: ("Aa", "Goal")})


def test_groups_are_read_only_and_modulators_can_be_copied() -> None:
    found = PriorNetwork.from_frame(frame([("Aa", "Goal", "grn", 1), ("Bb", "Cc", "lr", 1)])).modulators("Goal")
    with pytest.raises(ValueError, match="read-only"):
        found.groups[0] = 3
    twin = copy.deepcopy(found)
    assert twin.names == found.names == ("Aa", "Bb$Cc")
    assert twin.groups.tolist() == [0, 1]
