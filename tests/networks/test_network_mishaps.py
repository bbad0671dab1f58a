"""Tables as they come from other programs and hands: odd separators, open rows, broken archives."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pytest

from spacetravlr.errors import ConfigError, InputError
from spacetravlr.networks import Source, build
from spacetravlr.networks._files import TableFile


def edges(path: Path, **options: object) -> list[tuple[str, str, str]]:
    rows = build([Source(path, **options)], "human").edges
    return list(zip(rows["source"], rows["target"], rows["edge_type"], strict=True))


def test_tables_of_r_with_blanks_between(write):
    path = write("pairs.txt", '"ligand" "receptor"\n"1" "IL6" "IL6R"\n"2" "TNF" "TNFRSF1A"\n')
    assert edges(path) == [("IL6", "IL6R", "lr"), ("TNF", "TNFRSF1A", "lr")]


def test_rows_that_end_in_a_separator_do_not_move_the_columns(write):
    path = write("t.csv", "# own\ntf,target,weight\nPAX5,CD19,0.5,\nEBF1,CD79A,0.7,\n")
    assert edges(path, min_weight=0.6) == [("EBF1", "CD79A", "grn")]
    # names of rows without a header, and an empty last cell in one of them, are no such case
    named = write("n.tsv", "tf\ttarget\tweight\nr1\tPAX5\tCD19\t\nr2\tEBF1\tCD79A\t1\n")
    assert edges(named) == [("PAX5", "CD19", "grn"), ("EBF1", "CD79A", "grn")]


def test_rows_with_many_more_columns_than_the_header_are_refused(write):
    with pytest.raises(InputError, match="its rows have 2 columns more than its header"):
        build([write("t.tsv", "tf\ttarget\nA\tB\tC\tD\n")], "human")


@pytest.mark.parametrize(
    "names", ["Ligand,Receptor", "ligand.complex,receptor.complex", "ligand_symbol,RECEPTOR_SYMBOL"]
)
def test_pairs_are_recognised_whatever_the_case(write, names: str):
    assert edges(write("p.csv", f"{names}\nIL6,IL6R\n")) == [("IL6", "IL6R", "lr")]


@pytest.mark.parametrize("sign", ["_", "."])
def test_results_of_liana_give_the_whole_complex(write, sign: str):
    head = f"source,target,ligand{sign}complex,ligand,receptor{sign}complex,receptor"
    path = write("res.csv", f"{head}\nB,T,TGFB1,TGFB1,TGFBR1_TGFBR2,TGFBR2\n")
    assert edges(path) == [("TGFB1", "TGFBR1", "lr"), ("TGFB1", "TGFBR2", "lr")]


def test_omnipath_without_micrornas_and_small_molecules(write):
    rows = "".join(
        f"x\ty\t{source}\t{target}\t1\t{kind}\n"
        for source, target, kind in (
            ("MYC", "TERT", "transcriptional"),
            ("TNF", "TNFRSF1A", "post_translational"),
            ("MYC", "hsa-miR-17", "mirna_transcriptional"),
            ("hsa-miR-17", "MYC", "post_transcriptional"),
            ("HOTAIR", "MYC", "lncrna_post_transcriptional"),
            ("aspirin", "PTGS2", "small_molecule_protein"),
        )
    )
    path = write("o.tsv", f"source\ttarget\tsource_genesymbol\ttarget_genesymbol\tis_directed\ttype\n{rows}")
    assert edges(path) == [("MYC", "TERT", "grn"), ("TNF", "TNFRSF1A", "lr")]
    (ledger,) = build([path], "human").ledgers
    assert ledger.lost == {"the type is neither transcriptional nor post_translational": 4}


def test_columns_from_and_to_do_not_tell_what_they_hold(write):
    path = write("weighted.csv", "from,to,weight\nTNF,TNFRSF1A,0.4\n")
    with pytest.raises(InputError, match="say which: format lr"):
        build([path], "human")
    assert edges(path, format="lr") == [("TNF", "TNFRSF1A", "lr")]


def test_gene_sets_of_msigdb_compressed(tmp_path: Path):
    path = tmp_path / "c3.gmt.gz"
    path.write_bytes(gzip.compress(b"ADNP_TARGET_GENES\thttp://x\tFOS\tJUN\n"))
    assert edges(path) == [("ADNP", "FOS", "grn"), ("ADNP", "JUN", "grn")]
    path.write_bytes(b"ADNP\tx\tFOS\n")
    with pytest.raises(InputError, match="cannot be read as text"):
        build([path], "human")


@pytest.mark.parametrize("name", ["t.csv.gz", "t.gmt.gz"])
def test_damaged_archives_are_refused_in_one_line(tmp_path: Path, name: str):
    content = bytearray(gzip.compress("".join(f"A{i},B{i * 7}\n" for i in range(3000)).encode()))
    content[200] ^= 0xFF
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="cannot be read") as caught:
        build([tmp_path / name], "human")
    assert "\n" not in str(caught.value)


def test_complexes_without_names_are_refused(write):
    complexes = write("complex_input.csv", "subunit_1,subunit_2\nTGFBR1,TGFBR2\n")
    pairs = write("interaction_input.csv", "interaction_name,ligand,receptor\nx,TGFB1,TGFBR1\n")
    with pytest.raises(InputError, match=r"complex_input.csv: its complexes have no names"):
        build([complexes, pairs], "human")


def test_a_header_alone_is_no_network(write):
    with pytest.raises(InputError, match="t: no rows below the header, so no relations"):
        build([write("t.csv", "tf,target\n")], "human")


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_least_weights_are_checked(weight: float):
    with pytest.raises(ConfigError, match="the least weight must be a number of at least 0"):
        Source("x.csv", min_weight=weight)


def test_only_the_columns_asked_for_are_kept_of_a_text(write):
    file = TableFile(write("t.csv", "a,b,c\n1,2,3\n4,5,6\n"))
    assert file.frame(["c", "a"]).to_dict("list") == {"c": ["3", "6"], "a": ["1", "4"]}


def test_the_head_of_a_parquet_file_is_read_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    table = pd.DataFrame({"a": range(1000), "b": "x"})
    table.to_parquet(tmp_path / "t.parquet")
    table.head(0).to_parquet(tmp_path / "e.parquet")
    monkeypatch.setattr(TableFile, "frame", lambda self, columns=None: pytest.fail("the whole file was read"))
    assert TableFile(tmp_path / "t.parquet").head(3)["a"].tolist() == [0, 1, 2]
    assert list(TableFile(tmp_path / "e.parquet").head(3).columns) == ["a", "b"]


def test_base_networks_with_empty_cells_and_with_text(write):
    text = "peak_id,gene_short_name,Pax5,Ebf1\np1,Cd19,1.0,\np2,Fos,0,1\n"
    assert edges(write("base.csv", text)) == [("Pax5", "Cd19", "grn"), ("Ebf1", "Fos", "grn")]
    with pytest.raises(InputError, match="column Ebf1 should hold 0 and 1; it holds 'yes'"):
        build([write("odd.csv", text.replace(",0,1", ",0,yes"))], "mouse")
