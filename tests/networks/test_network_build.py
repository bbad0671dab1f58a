"""Many sources become one network, and every relation is accounted for."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetravlr.errors import ConfigError, InputError, UsageError
from spacetravlr.networks import FORMATS, Orthologs, Source, build, count, cover, read_provenance, roles
from spacetravlr.prior import PriorNetwork

TFS = pd.DataFrame({"tf": ["PAX5", "EBF1", "PAX5"], "target": ["CD19", "CD19", "CD79A"]})
PAIRS = pd.DataFrame({"ligand": ["IL6", "TGFB1"], "receptor": ["IL6R_IL6ST", "TGFBR1"]})


def weights(edges: pd.DataFrame) -> dict[tuple[str, str], float]:
    return dict(zip(zip(edges["source"], edges["target"], strict=True), edges["weight"], strict=True))


def test_edges_of_several_sources_add_up():
    other = pd.DataFrame({"source": ["PAX5", "MYC"], "target": ["CD19", "TERT"]})
    built = build([Source(TFS, name="a"), Source(other, name="b", weight=0.5), PAIRS], "human")
    assert weights(built.edges) == {
        ("PAX5", "CD19"): 1.5,
        ("EBF1", "CD19"): 1.0,
        ("PAX5", "CD79A"): 1.0,
        ("MYC", "TERT"): 0.5,
        ("IL6", "IL6R"): 1.0,
        ("IL6", "IL6ST"): 1.0,
        ("TGFB1", "TGFBR1"): 1.0,
    }
    assert list(built.edges["sources"]) == ["a;b", "a", "a", "b", "table", "table", "table"]
    assert list(built.edges["edge_type"]) == ["grn"] * 4 + ["lr"] * 3
    assert [one.kept for one in built.ledgers] == [3, 2, 3]


def test_support_leaves_out_what_few_sources_say():
    other = pd.DataFrame({"source": ["PAX5", "MYC"], "target": ["CD19", "TERT"]})
    built = build([Source(TFS, name="a"), Source(other, name="b")], "human", min_support=2)
    assert weights(built.edges) == {("PAX5", "CD19"): 2.0}
    assert [one.lost for one in built.ledgers] == [{"support below 2": 2}, {"support below 2": 1}]
    assert [one.kept for one in built.ledgers] == [1, 1]


@pytest.mark.parametrize(
    ("rule", "expected", "lost"),
    [
        ("split", {("A", "C"): 1.0, ("A", "D"): 1.0, ("B", "C"): 1.0, ("B", "D"): 1.0, ("E", "F"): 1.0}, {}),
        ("average", {("A", "C"): 0.25, ("A", "D"): 0.25, ("B", "C"): 0.25, ("B", "D"): 0.25, ("E", "F"): 1.0}, {}),
        ("drop", {("E", "F"): 1.0}, {"an end is a complex": 1}),
    ],
)
def test_complexes(rule: str, expected: dict[tuple[str, str], float], lost: dict[str, int]):
    pairs = pd.DataFrame({"ligand": ["A_B", "E"], "receptor": ["C_D", "F"]})
    built = build([pairs], "human", complexes=rule)
    assert weights(built.edges) == expected
    assert built.ledgers[0].lost == lost


def test_averaged_complexes_count_once_for_support():
    pairs = pd.DataFrame({"ligand": ["A_B"], "receptor": ["C_D"]})
    sources = [Source(pairs, name=str(number)) for number in range(4)]
    assert len(build(sources, "human", complexes="average", min_support=1).edges) == 4
    with pytest.raises(InputError, match="no edge is left of 3 relations: support below 1"):
        build(sources[:3], "human", complexes="average", min_support=1)


ORTHOLOGS = "human_symbol\tmouse_symbol\tsupport\nPAX5\tPax5\t12\nEBF1\tEbf1\t12\nCD19\tCd19\t11\nCD79A\tCd79a\t9\nIL6\tIl6\t5\nIL6R\tIl6ra\t5\nIL6ST\tIl6st\t4\nIL6ST\tIl6st2\t1\nTGFB1\tTgfb1\t5\n"


@pytest.mark.parametrize(
    ("rule", "receptors", "lost", "made"),
    [
        ("all", ["Il6ra", "Il6st", "Il6st2"], {"a gene has no ortholog": 1}, 2),
        ("first", ["Il6ra", "Il6st"], {"a gene has no ortholog": 1}, 1),
        ("drop", ["Il6ra"], {"a gene has no ortholog": 1, "a gene has several orthologs": 1}, 1),
    ],
)
def test_orthologs(tmp_path: Path, rule: str, receptors: list[str], lost: dict[str, int], made: int):
    path = tmp_path / "orthologs.tsv"
    path.write_text(ORTHOLOGS)
    mouse = pd.DataFrame({"tf": ["Pax5", "Stat3"], "target": ["Cd19", "Socs3"]})
    built = build(
        [Source(TFS, name="human"), PAIRS, Source(mouse, name="mouse")], "mouse", orthologs=path, one_to_many=rule
    )
    grn = built.edges[built.edges["edge_type"] == "grn"]
    # the source in mouse symbols stays as it is
    assert weights(grn) == {
        ("Pax5", "Cd19"): 2.0,
        ("Ebf1", "Cd19"): 1.0,
        ("Pax5", "Cd79a"): 1.0,
        ("Stat3", "Socs3"): 1.0,
    }
    assert list(built.edges.loc[built.edges["edge_type"] == "lr", "target"]) == receptors
    ledger = built.ledgers[1]
    assert (ledger.lost, sum(ledger.made.values())) == (lost, made)
    assert built.ledgers[2].notes == ["symbols taken as they are: they are those of mouse_symbol"]
    assert built.network.species == "mouse"


def test_translation_can_be_forced_or_forbidden(tmp_path: Path):
    path = tmp_path / "same.tsv"
    path.write_text("old\tnew\nPAX5\tPAX5B\nCD19\tCD19B\nCD79A\tCD79A\nEBF1\tEBF1\n")
    kept = build([Source(TFS, translate=False)], "human", orthologs=path)
    assert set(kept.edges["source"]) == {"PAX5", "EBF1"}
    assert kept.ledgers[0].notes == ["symbols taken as they are: as asked"]
    forced = build([Source(TFS, translate=True)], "human", orthologs=path)
    assert set(forced.edges["source"]) == {"PAX5B", "EBF1"}


def test_a_matrix_is_translated_too(tmp_path: Path):
    path = tmp_path / "orthologs.tsv"
    path.write_text(ORTHOLOGS)
    matrix = pd.DataFrame([[0.5, 0.4], [0.3, 0.2]], index=["PAX5", "CD19"], columns=["IL6", "TGFB1"])
    file = tmp_path / "matrix.parquet"
    matrix.to_parquet(file)
    pairs = pd.DataFrame({"ligand": ["Il6"], "receptor": ["Il6ra"]})
    built = build([file, TFS, pairs], "mouse", orthologs=path)
    assert weights(built.edges[built.edges["edge_type"] == "nichenet"]) == {("Il6", "Pax5"): 0.5}
    assert all(one.rows + sum(one.made.values()) == one.kept + one.n_lost for one in built.ledgers)


def test_tables_of_orthologs_that_make_no_sense(tmp_path: Path):
    one, empty, good = tmp_path / "one.tsv", tmp_path / "empty.tsv", tmp_path / "good.tsv"
    one.write_text("human\nA\n")
    empty.write_text("human\tmouse\nA\t\n")
    good.write_text(ORTHOLOGS)
    with pytest.raises(InputError, match="need two columns"):
        Orthologs.read(one)
    with pytest.raises(InputError, match="no row has symbols in both"):
        Orthologs.read(empty)
    with pytest.raises(ConfigError, match="did you mean 'mouse_symbol'"):
        Orthologs.read(good, ("human_symbol", "mouse_symbols"))
    strange = build([pd.DataFrame({"tf": ["x1"], "target": ["x2"]})], "mouse", orthologs=good)
    assert strange.ledgers[0].notes == ["symbols taken as they are: none of them is in the table of orthologs"]
    assert strange.provenance["settings"]["orthologs"] == {
        "file": "good.tsv",
        "sha256": hashlib.sha256(ORTHOLOGS.encode()).hexdigest(),
        "columns": ["human_symbol", "mouse_symbol"],
    }
    assert Orthologs.read(good, ("mouse_symbol", "human_symbol")).pairs["Il6st2"] == ("IL6ST",)


def test_the_file_is_what_training_reads_and_says_where_it_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    table = tmp_path / "tfs.csv"
    TFS.to_csv(table, index=False)
    built = build(
        [Source(table, license="cc-by-4.0"), Source(PAIRS, name="own pairs", license="for  teaching only")], "human"
    )
    path = built.write(tmp_path / "data")
    assert path == tmp_path / "data" / "human_network.parquet"
    assert list(tmp_path.glob("data/*")) == [path]
    read = PriorNetwork.load("human", tmp_path / "data")
    assert read.source == str(path)
    assert read.modulators("CD19").names == ("PAX5", "EBF1", "IL6$IL6R", "IL6$IL6ST", "TGFB1$TGFBR1")
    assert read.digest == built.network.digest
    about = read_provenance(path)
    assert about is not None
    first, second = about["sources"]
    assert (about["species"], about["program"].split()[0]) == ("human", "spacetravlr-py")
    assert (first["name"], first["file"], first["licence"]) == ("tfs", "tfs.csv", "CC-BY-4.0")
    assert first["sha256"] == hashlib.sha256(table.read_bytes()).hexdigest()
    assert (second["name"], second["licence"], second["rows"], second["kept"]) == (
        "own pairs",
        "for teaching only",
        2,
        3,
    )
    assert built.notes == ()
    # what a network file says of its own sources goes on into what is built of it
    again = build([path], "human").write(tmp_path / "again.parquet")
    assert read_provenance(again)["sources"][0]["provenance"] == about
    plain = tmp_path / "plain.parquet"
    built.edges.to_parquet(plain)
    assert read_provenance(plain) is None


def test_the_same_sources_give_the_same_bytes(tmp_path: Path):
    first, second = (build([TFS, PAIRS], "human").write(tmp_path / name) for name in ("a.parquet", "b.parquet"))
    assert first.read_bytes() == second.read_bytes()


def test_a_network_file_is_called_parquet(tmp_path: Path):
    with pytest.raises(UsageError, match=r"must end in .parquet"):
        build([TFS], "human").write(tmp_path / "x.csv")
    assert list(tmp_path.iterdir()) == []


def test_damaged_provenance_is_an_error(tmp_path: Path):
    path = tmp_path / "x.parquet"
    table = pq.read_table(build([TFS], "human").write(path))
    pq.write_table(table.replace_schema_metadata({b"spacetravlr_network": b"{"}), path)
    with pytest.raises(InputError, match="its provenance is damaged"):
        read_provenance(path)


def test_what_a_person_should_know():
    complexes = pd.DataFrame({"name": ["X"], "subunit_1": ["A"]})
    built = build([Source(TFS, name="tfs"), Source(complexes, name="cc")], "zebrafish")
    assert built.notes[0] == "the licence of tfs, cc is not stated"
    assert built.notes[1] == "cc: no other file needs this table"
    assert "to train on zebrafish" in built.notes[2]


def test_only_side_tables_are_no_network():
    with pytest.raises(InputError, match="state no relations"):
        build([pd.DataFrame({"name": ["X"], "subunit_1": ["A"]})], "human")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"complexes": "avrage"}, "complexes must be one of split, average, drop"),
        ({"one_to_many": "some"}, "one_to_many must be one of all, first, drop"),
        ({"min_support": -1}, "min_support must be a number of at least 0"),
    ],
)
def test_options_are_checked(options: dict[str, object], words: str):
    with pytest.raises(ConfigError, match=words):
        build([TFS], "human", **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"weight": 0}, "must be a positive number"),
        ({"ligands": "diagonal"}, "'columns' or 'rows'"),
        ({"confidence": ("F",)}, "some of A, B, C, D, E"),
    ],
)
def test_sources_are_checked(options: dict[str, object], words: str):
    with pytest.raises(ConfigError, match=words):
        Source(TFS, **options)


def test_unknown_formats_and_species():
    with pytest.raises(ConfigError, match="did you mean cellchat"):
        build([Source(TFS, format="celchat")], "human")
    with pytest.raises(ConfigError, match="must be one word"):
        build([TFS], "homo sapiens")
    assert set(FORMATS) >= {
        "tf",
        "pyscenic",
        "gmt",
        "celloracle",
        "cellchat",
        "cellphonedb",
        "liana",
        "omnipath",
        "nichenet",
    }


def test_sources_of_the_same_name_are_told_apart(tmp_path: Path):
    built = build([TFS, TFS], "human")
    assert [one.name for one in built.ledgers] == ["table", "table (2)"]


symbols = st.sampled_from(["A", "B", "C", "D", "A_B", "C_D_E", "E", "", "X$Y", None])
rows = st.lists(st.tuples(symbols, symbols), min_size=1, max_size=12)


@given(rows, rows, st.sampled_from(["split", "average", "drop"]), st.sampled_from([0.0, 0.4, 2.0]))
@settings(max_examples=25, deadline=None)
def test_nothing_gets_lost_without_being_counted(tfs, pairs, complexes: str, min_support: float):
    tables = [
        pd.DataFrame([*tfs, ("T", "G")], columns=["tf", "target"]),
        pd.DataFrame([*pairs, ("L", "R")], columns=["ligand", "receptor"]),
        pd.DataFrame([*pairs, ("L", "R")], columns=["ligand", "receptor"]),
        pd.DataFrame([*tfs, ("T", "G")], columns=["tf", "target"]),
    ]
    built = build(tables, "human", complexes=complexes, min_support=min_support)
    for ledger, table in zip(built.ledgers, tables, strict=True):
        assert ledger.rows == len(table)
        assert ledger.rows + sum(ledger.made.values()) == ledger.kept + ledger.n_lost
    # a slow count of the edges that a literal reading gives
    expected: dict[tuple[str, str, str], float] = {}
    for kind, table in zip(("grn", "lr", "lr", "grn"), tables, strict=True):
        mine: dict[tuple[str, str, str], float] = {}
        for source, target in table.astype(object).where(table.notna(), None).itertuples(index=False):
            left = [part for part in (source or "").split("_") if part] if kind == "lr" else [source] if source else []
            right = [part for part in (target or "").split("_") if part] if kind == "lr" else [target] if target else []
            if complexes == "drop" and len(left) * len(right) > 1:
                continue
            share = 1 / (len(left) * len(right)) if complexes == "average" and left and right else 1.0
            for one in left:
                for other in right:
                    if "$" not in one + other and (kind == "lr" or one != other):
                        mine[kind, one, other] = max(share, mine.get((kind, one, other), 0.0))
        for key, share in mine.items():
            expected[key] = expected.get(key, 0.0) + share
    kept = {key: weight for key, weight in expected.items() if weight >= min_support - 1e-9}
    found = dict(
        zip(
            zip(built.edges["edge_type"], built.edges["source"], built.edges["target"], strict=True),
            built.edges["weight"],
            strict=True,
        )
    )
    assert found == pytest.approx(kept)


def test_counts_coverage_and_roles():
    chain = pd.DataFrame(
        {"source": ["IL6", "TGFB1"], "target": ["PAX5", "EBF1"], "edge_type": "nichenet", "weight": [0.3, 0.05]}
    )
    network = build([TFS, PAIRS, chain], "human").network
    whole = count(network)
    assert (whole.tf_edges, whole.tfs, whole.targets) == (3, 2, 2)
    assert (whole.pairs, whole.ligands, whole.receptors, whole.ligand_tf_edges) == (3, 2, 3, 2)
    assert whole.symbols == len({"PAX5", "EBF1", "CD19", "CD79A", "IL6", "IL6R", "IL6ST", "TGFB1", "TGFBR1"})
    some = cover(network, ["PAX5", "CD19", "CD79A", "IL6", "IL6R", "ACTB"])
    assert (some.measured, some.known, some.with_tf, some.median_tfs) == (6, 5, 2, 1.0)
    assert (some.left.pairs, some.ligand_tf_above) == (1, {0.01: 1, 0.05: 1, 0.1: 1, 0.2: 1})
    assert cover(network, network.symbols).ligand_tf_above == {0.01: 2, 0.05: 1, 0.1: 1, 0.2: 1}
    said = roles(network, "CD19", tf_ligand_cutoff=0.01)
    assert (said.tfs, said.n_pairs) == (("PAX5", "EBF1"), 3)
    assert said.tf_ligands == {"PAX5": (("IL6", 0.3),), "EBF1": (("TGFB1", 0.05),)}
    assert roles(network, "PAX5", tf_ligand_cutoff=0.2).targets == ("CD19", "CD79A")
    assert roles(network, "IL6", tf_ligand_cutoff=0.2).receptors == ("IL6R", "IL6ST")
    assert roles(network, "IL6ST", tf_ligand_cutoff=0.2).ligands == ("IL6",)
    nothing = cover(network, ["ACTB"])
    assert (nothing.known, nothing.with_tf, nothing.median_tfs) == (0, 0, 0.0)


def test_the_account_can_be_written_as_json():
    built = build([TFS], "human")
    assert json.loads(json.dumps(built.provenance)) == built.provenance
