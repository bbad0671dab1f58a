"""TF priors by cell type, and extra modulators from files."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pytest

from spacetravlr.errors import ConfigError, InputError
from spacetravlr.prior import PriorNetwork, TfPriors, parse_extra_lr

GENES = ["Pax5", "Ebf1", "Cd19", "Irf4", "Tgfb1", "Tgfbr1", "Blk"]


def feather(folder: Path, frame: pd.DataFrame) -> Path:
    pyarrow.feather.write_feather(frame, folder / "priors.feather")
    return folder / "priors.feather"


def rows(*edges: tuple[object, object, object]) -> pd.DataFrame:
    return pd.DataFrame(edges, columns=["source", "target", "cell_type"])


def test_priors_keep_file_order_without_repeats_and_plain_labels(tmp_path: Path) -> None:
    table = rows(
        (" Irf4", "Cd19", "T cell "),
        ("Ebf1", "Cd19 ", "B cell"),
        ("Pax5", "Cd19", "B cell"),
        ("Ebf1", "Cd19", "B cell"),
        ("Unknown", "Cd19", "B cell"),
        ("Pax5", "Unknown", "B cell"),
        (None, "Cd19", "B cell"),
        ("Pax5", "Cd19", "  "),
        ("Pax5", "Blk", None),
    )
    for source in (table, table.astype("category"), table.astype("string")):
        priors = TfPriors.read(feather(tmp_path, source), GENES)
        assert priors.regulators("Cd19") == ("Irf4", "Ebf1", "Pax5")
        assert {k: v.tolist() for k, v in priors.masks("Cd19").items()} == {
            "T cell": [True, False, False],
            "B cell": [False, True, True],
        }
        assert priors.targets == ("Cd19",)
        assert priors.regulators("Blk") == ()
        assert priors.masks("Blk") == {}


def test_number_labels_become_text(tmp_path: Path) -> None:
    table = rows(("Pax5", "Cd19", 3), ("Ebf1", "Cd19", 12))
    assert list(TfPriors.read(feather(tmp_path, table), GENES).masks("Cd19")) == ["3", "12"]
    table["cell_type"] = [3.0, np.nan]
    assert list(TfPriors.from_frame(table, GENES).masks("Cd19")) == ["3.0"]


def test_text_stored_as_views_is_read(tmp_path: Path) -> None:
    view = pa.array(["Pax5"]).cast(pa.string_view())
    table = pa.table({"source": view, "target": pa.array(["Cd19"]), "cell_type": pa.array(["B"])})
    with pa.OSFile(str(tmp_path / "p.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    assert TfPriors.read(tmp_path / "p.arrow", GENES).regulators("Cd19") == ("Pax5",)


def test_a_gene_as_its_own_prior_is_dropped_with_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    table = rows(("Pax5", "Pax5", "B"), ("Pax5", "Pax5", "T"), ("Ebf1", "Ebf1", "B"), ("Ebf1", "Pax5", "B"))
    with caplog.at_level(logging.WARNING, logger="spacetravlr"):
        priors = TfPriors.read(feather(tmp_path, table), GENES)
    assert len(caplog.messages) == 1
    assert caplog.messages[0].endswith("a gene is no prior of itself; ignored for Ebf1, Pax5")
    assert priors.regulators("Pax5") == ("Ebf1",)
    assert priors.regulators("Ebf1") == ()
    # A type of which only the dropped row spoke has no entry, so it is not masked.
    assert list(priors.masks("Pax5")) == ["B"]


def test_pair_signs_in_a_prior_are_dropped(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="spacetravlr"):
        priors = TfPriors.from_frame(rows(("A#b", "Cd19", "B"), ("Pax5", "Cd19", "B")), [*GENES, "A#b"])
    assert priors.regulators("Cd19") == ("Pax5",)
    assert caplog.messages == ["TF priors: TFs with $ or # in their name are ignored: A#b"]


@pytest.mark.parametrize("column", ["source", "target", "cell_type"])
def test_a_missing_column_is_named(tmp_path: Path, column: str) -> None:
    table = rows(("Pax5", "Cd19", "B")).drop(columns=column)
    with pytest.raises(InputError, match=rf"priors.feather: column {column} is missing; present: \w+, \w+; "):
        TfPriors.read(feather(tmp_path, table), GENES)
    with pytest.raises(InputError, match=f"TF priors: column {column} is missing"):
        TfPriors.from_frame(table, GENES)


def test_unreadable_priors_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.feather").write_bytes(b"nothing of the kind")
    for path in (tmp_path / "bad.feather", tmp_path):
        with pytest.raises(InputError, match="not a readable Arrow IPC"):
            TfPriors.read(path, GENES)
    with pytest.raises(InputError, match=r"no such file: .*none\.feather"):
        TfPriors.read(tmp_path / "none.feather", GENES)


def test_priors_replace_regulators_and_shorten_tfl() -> None:
    network = PriorNetwork.from_frame(
        pd.DataFrame(
            [
                ("Pax5", "Cd19", "grn", 1.0),
                ("Ebf1", "Cd19", "grn", 1.0),
                ("Pax5", "Blk", "grn", 1.0),
                ("Tgfb1", "Tgfbr1", "lr", 1.0),
                ("Tgfb1", "Pax5", "nichenet", 0.5),
                ("Tgfb1", "Ebf1", "nichenet", 0.5),
                ("Tgfb1", "Irf4", "nichenet", 0.5),
            ],
            columns=["source", "target", "edge_type", "weight"],
        )
    ).restrict(GENES)
    priors = TfPriors.from_frame(rows(("Irf4", "Cd19", "T"), ("Ebf1", "Cd19", "B"), ("Irf4", "Cd19", "B")), GENES)
    found = network.modulators("Cd19", tf_priors=priors, extra_modulators=["Pax5", "Irf4"])
    assert found.names == ("Irf4", "Ebf1", "Tgfb1$Tgfbr1", "Tgfb1#Ebf1", "Pax5")
    assert {k: v.tolist() for k, v in found.masks.items()} == {"T": [True, False], "B": [True, True]}
    off = network.modulators("Cd19", tf_priors=priors, use_tf=False)
    assert off.names == ("Tgfb1$Tgfbr1", "Tgfb1#Pax5", "Tgfb1#Ebf1")
    assert off.masks == {}
    untouched = network.modulators("Blk", tf_priors=priors)
    assert untouched.regulators == ("Pax5",)
    assert untouched.masks == {}


def test_extra_pairs_are_parsed(caplog: pytest.LogCaptureFixture) -> None:
    tokens = ["Aa$Bb", " Cc , Dd ", "Aa$Bb", ("Ee", "Ff"), "Gg$Hh$Ii", "Jj,Kk$Ll"]
    assert parse_extra_lr(tokens) == (("Aa", "Bb"), ("Cc", "Dd"), ("Ee", "Ff"), ("Gg", "Hh$Ii"), ("Jj,Kk", "Ll"))
    assert caplog.messages == []
    with caplog.at_level(logging.WARNING, logger="spacetravlr"):
        assert parse_extra_lr(["Aa", "$Bb", "Cc$", "", "Aa$Bb"]) == (("Aa", "Bb"),)
    assert len(caplog.messages) == 1
    with pytest.raises(ConfigError, match=r"extra_lr: Aa, \$Bb: expected"):
        parse_extra_lr(["Aa", "$Bb", "Cc$Dd"], strict=True)
