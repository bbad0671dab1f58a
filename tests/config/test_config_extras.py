"""Extra modulators and pairs from three sources."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetravlr.config import RunConfig, load_config, merge_extras, parse_lr_pair, split_lr_pairs, split_names
from spacetravlr.errors import ConfigError

NAME = st.text("ABCab1-.", min_size=1, max_size=5)


@pytest.mark.parametrize(
    ("token", "pair"),
    [
        ("A$B", "A$B"),
        ("A,B", "A$B"),
        ("  A $ B ", "A$B"),
        (" A , B ", "A$B"),
        ("HLA-A$CD8A", "HLA-A$CD8A"),
        ("A", None),
        ("", None),
        ("A$", None),
        ("$B", None),
        ("A$B$C", None),
        ("A,B,C", None),
        ("A$B,C", None),
    ],
)
def test_one_pair(token, pair):
    assert parse_lr_pair(token) == pair


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("A$B", ("A$B",)),
        ("A$B, C$D", ("A$B", "C$D")),
        ("A,B", ("A$B",)),
        ("A,B;C,D", ("A$B", "C$D")),
        ("A$B;C,D; E$F,G$H;", ("A$B", "C$D", "E$F", "G$H")),
        ("", ()),
        (" ; ", ()),
    ],
)
def test_pairs_of_a_command_line_text(text, pairs):
    assert split_lr_pairs(text) == pairs


@pytest.mark.parametrize(
    ("text", "bad"), [("A", "A"), ("A,B,C", "A,B,C"), ("A$B,C", "C"), ("A$B,", ""), ("A;B,C", "A")]
)
def test_bad_text_of_the_command_line_is_an_error(text, bad):
    with pytest.raises(ConfigError) as caught:
        load_config(overrides={"extra_lr": text})
    assert str(caught.value) == (
        f'command line: "{bad}" in "{text}" is not a ligand-receptor pair: write L1$R1,L2$R2 or L1,R1;L2,R2'
    )


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(NAME, NAME), max_size=5))
def test_every_way_to_write_pairs_means_the_same(pairs):
    expected = tuple(f"{ligand}${receptor}" for ligand, receptor in pairs)
    assert split_lr_pairs(",".join(expected)) == expected
    assert split_lr_pairs(" ; ".join(f"{ligand} , {receptor}" for ligand, receptor in pairs)) == expected


def test_names_of_a_text():
    assert split_names(" A, ,B ,") == ("A", "B")
    assert split_names("") == ()


def test_the_three_sources_in_order_without_duplicates(tmp_path):
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "genes.txt").write_text("# a comment\nG3, G1 # more\n\n  G4\n")
    (tmp_path / "lists" / "pairs.txt").write_text("L3$R3\nL1,R1\n#L9$R9\nnonsense\n")
    path = tmp_path / "run.toml"
    path.write_text(
        '[grn]\nextra_modulators = ["G1", " ", " G2 "]\nextra_modulators_file = "lists/genes.txt"\n'
        'extra_lr = ["L1$R1", "bad", "L2, R2"]\nextra_lr_file = "lists/pairs.txt"\n'
    )
    overrides = {"grn.extra_modulators": "G5,G2", "grn.extra_lr": ["L4$R4,L2$R2", "L5,R5"]}
    loaded = load_config(path, overrides=overrides)
    grn = loaded.config.grn
    assert grn.extra_modulators == ("G1", "G2", "G5", "G3", "G4")
    assert grn.extra_lr == ("L1$R1", "L2$R2", "L4$R4", "L5$R5", "L3$R3")
    # the lists are complete, so the written configuration needs no other file
    assert grn.extra_modulators_file is None and grn.extra_lr_file is None
    assert loaded.notices == (
        '"bad" in [grn].extra_lr is not a ligand-receptor pair LIG$REC or LIG,REC; it is dropped',
        f'"nonsense" in {tmp_path}/lists/pairs.txt line 4 is not a ligand-receptor pair LIG$REC or LIG,REC; '
        "it is dropped",
    )
    assert loaded.origin("extra_lr") == "cli" and loaded.origin("extra_lr_file") == "toml"
    again = load_config(overrides=loaded.config.given())
    assert again.config.grn == grn and again.notices == ()


def test_merging_is_idempotent_and_leaves_others_alone():
    config = RunConfig(lasso={"l1_reg": 0.5}, grn={"extra_lr": ["A,B"], "extra_modulators": ["G"]})
    merged, notices = merge_extras(config)
    assert merged.grn.extra_lr == ("A$B",) and notices == ()
    assert merged.given() == {"lasso.l1_reg": 0.5, "grn.extra_lr": ["A$B"], "grn.extra_modulators": ["G"]}
    assert merge_extras(merged) == (merged, ())
    assert merge_extras(RunConfig())[0].given() == {}


def test_list_files_count_from_the_file_or_the_working_directory_or_home(tmp_path, monkeypatch):
    for name in ("cwd", "home", "conf"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "g.txt").write_text(name)
    monkeypatch.chdir(tmp_path / "cwd")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    path = tmp_path / "conf" / "run.toml"
    for text, expected in (("g.txt", "conf"), ("~/g.txt", "home"), (str(tmp_path / "cwd" / "g.txt"), "cwd")):
        path.write_text(f'[grn]\nextra_modulators_file = "{text}"')
        assert load_config(path).config.grn.extra_modulators == (expected,)
    assert load_config(overrides={"extra_modulators_file": "g.txt"}).config.grn.extra_modulators == ("cwd",)
    # a file named outside the TOML counts from where the command runs
    overrides = {"extra_modulators_file": "g.txt"}
    assert load_config(path, overrides=overrides).config.grn.extra_modulators == ("cwd",)


@pytest.mark.parametrize("key", ["extra_modulators_file", "extra_lr_file"])
def test_an_unreadable_list_file_is_an_error(tmp_path, key):
    path = tmp_path / "run.toml"
    path.write_text(f'[grn]\n{key} = "no.txt"')
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(caught.value) == f"[grn].{key}: {tmp_path}/no.txt: there is no such file"


def test_types_are_checked_before_lists_are_joined(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text("[grn]\nextra_modulators = 3")
    with pytest.raises(ConfigError, match=r"run.toml: \[grn\].extra_modulators = 3 must be a list of texts$"):
        load_config(path, overrides={"extra_modulators": ["A"]})
    for value, message in ((3, "= 3 must be"), ([3], "contains 3 but must be"), (("A$B", None), "contains none but")):
        with pytest.raises(ConfigError, match=rf"^command line: \[grn\].extra_lr {message}"):
            load_config(overrides={"extra_lr": value})


def test_a_text_of_targets_is_split():
    assert load_config(overrides={"genes": "Pax5, Foxo1"}).config.training.genes == ("Pax5", "Foxo1")
    assert load_config(overrides={"genes": ["Pax5"]}).config.training.genes == ("Pax5",)
    assert load_config(overrides={"genes": []}).config.training.genes == ()
