"""Gene names as file names."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetravlr.betas import betadata_file_name, escape_gene, gene_of_file, is_betadata_file_name, unescape_gene

awkward = st.text(alphabet=st.sampled_from('aZ09-_./\\%:*?"<>| \x00\n2F5eé'), max_size=12)


@pytest.mark.parametrize(
    "symbol", ["Pax5", "HLA-A", "Nkx2-1", "H2-Ab1", "Gm123.1", "1700020I14Rik", "a_b", "a b", "mt-Co1", "IFNγ", ""]
)
def test_ordinary_symbols_stay(symbol: str) -> None:
    assert escape_gene(symbol) == symbol
    assert unescape_gene(symbol) == symbol


@pytest.mark.parametrize(
    ("symbol", "stem"),
    [
        ("a/b", "a%2Fb"),
        ("a\\b", "a%5Cb"),
        ("50%", "50%25"),
        ("a\x00b", "a%00b"),
        ("a\tb", "a%09b"),
        (".hidden", "%2Ehidden"),
        ("a.", "a%2E"),
        ("a..", "a.%2E"),
        ("a ", "a%20"),
        (".", "%2E"),
        ("a:b*?", "a%3Ab%2A%3F"),
        ('"<>|', "%22%3C%3E%7C"),
        ("%2F", "%252F"),
    ],
)
def test_escapes(symbol: str, stem: str) -> None:
    assert escape_gene(symbol) == stem
    assert unescape_gene(stem) == symbol


@pytest.mark.parametrize("stem", ["5%x", "%", "a%2", "%GG", "%41", "a%zz%"])
def test_foreign_percent_signs_stay(stem: str) -> None:
    assert unescape_gene(stem) == stem


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=20) | awkward, st.text(max_size=20) | awkward)
def test_escaping_is_reversible_and_legal(first: str, second: str) -> None:
    stem = escape_gene(first)
    assert unescape_gene(stem) == first
    assert not re.search(r'[\x00-\x1f/\\:*?"<>|]', stem)
    assert not stem.startswith(".")
    assert not stem.endswith((".", " "))
    assert (stem == escape_gene(second)) == (first == second)
    assert gene_of_file(betadata_file_name(first)) == first or first == ""


def test_gene_of_a_file() -> None:
    assert betadata_file_name("a/b") == "a%2Fb_betadata.feather"
    assert gene_of_file("/run/Gm123.1_betadata.feather") == "Gm123.1"
    assert gene_of_file("x_betadata_betadata.csv") == "x_betadata"
    assert gene_of_file("with_underscore_betadata.parquet") == "with_underscore"
    assert gene_of_file("other.feather") == "other"


def test_which_files_are_betadata() -> None:
    assert all(is_betadata_file_name(f"A_betadata.{kind}") for kind in ("feather", "parquet", "csv"))
    others = [
        "A_betadata_scaled.feather",
        "._A_betadata.feather",
        "A_betadata.feather.tmp",
        "A.feather",
        "A_betadata.txt",
    ]
    assert not any(map(is_betadata_file_name, others))


def test_importing_the_room_loads_no_compiler() -> None:
    code = "import sys, spacetravlr.betas; print([m for m in ('numba', 'torch', 'anndata') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
