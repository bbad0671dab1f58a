"""The tables of a whole run."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from spacetravlr.betas import Betabase, Betas, betadata_file_name, betadata_files
from spacetravlr.errors import InputError, RunDirectoryError


def table(target: str, value: float = 1.0, labels: tuple[str, ...] = ("0", "1")) -> Betas:
    names = ("Tf1", "Lig1$Rec1", f"Lig{target}#Tf2")
    return Betas(target, "cluster", labels, np.zeros(len(labels)), names, np.full((len(labels), 3), value))


def fill(folder: Path, *genes: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for gene in genes:
        table(gene).write(folder / betadata_file_name(gene))
    return folder


def test_load_all(tmp_path: Path) -> None:
    fill(tmp_path, "B", "A", "a/b")
    for foreign in ("A_betadata_scaled.feather", "._A_betadata.feather", "C.orphan", "notes.csv"):
        (tmp_path / foreign).write_bytes(b"not betadata")
    (tmp_path / "D_betadata.csv").mkdir()
    base = Betabase.load(tmp_path)
    assert list(base) == ["A", "B", "a/b"]
    assert len(base) == 3
    assert base["a/b"].target == "a/b"
    assert "3 targets" in repr(base)
    assert base.tfs == ("Tf1",)
    assert base.ligands == ("Lig1",)
    assert base.receptors == ("Rec1",)
    assert base.tfl_ligands == ("LigA", "LigB", "Liga/b")
    assert base.tfl_regulators == ("Tf2",)
    assert base.modulator_genes == ("Lig1", "LigA", "LigB", "Liga/b", "Rec1", "Tf1", "Tf2")


def test_the_number_of_threads_changes_nothing_and_labels_are_kept_once(tmp_path: Path) -> None:
    genes = [f"G{number}" for number in range(20)]
    fill(tmp_path, *genes)
    one, many = Betabase.load(tmp_path, workers=1), Betabase.load(tmp_path, workers=5)
    assert list(one) == list(many) == sorted(genes)
    assert all(np.array_equal(one[gene].values, many[gene].values) for gene in genes)
    assert len({id(betas.row_labels) for betas in one.values()}) == 1


def test_load_some(tmp_path: Path) -> None:
    fill(tmp_path, "Pax5", "Foxo1", "Ebf1")
    (tmp_path / "Bad_betadata.feather").write_bytes(b"")
    assert list(Betabase.load(tmp_path, ["Pax5", "Ebf1", "Pax5"])) == ["Ebf1", "Pax5"]
    with pytest.raises(InputError, match="no betadata of pax5; 'pax5': do you mean 'Pax5'"):
        Betabase.load(tmp_path, ["pax5"])
    with pytest.raises(InputError, match="no betadata of Zzz, qqq; genes without a file have no model"):
        Betabase.load(tmp_path, ["qqq", "Zzz"])


def test_feather_before_parquet_before_csv(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill(tmp_path, "A")
    table("A", 2.0).to_frame().to_parquet(tmp_path / "A_betadata.parquet")
    table("A", 3.0).to_frame().to_csv(tmp_path / "A_betadata.csv")
    table("B", 2.0).to_frame().to_parquet(tmp_path / "B_betadata.parquet")
    table("B", 3.0).to_frame().to_csv(tmp_path / "B_betadata.csv")
    table("C", 3.0).to_frame().to_csv(tmp_path / "C_betadata.csv")
    with caplog.at_level(logging.WARNING, logger="spacetravlr"):
        base = Betabase.load(tmp_path)
    assert {gene: betas.values[0, 0] for gene, betas in base.items()} == {"A": 1.0, "B": 2.0, "C": 3.0}
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path}: several betadata files for 2 gene(s) (A, B): feather is read before parquet before csv; "
        "delete the ones that are out of date"
    ]


def test_directories_without_betadata(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="missing: cannot be read as a run directory"):
        Betabase.load(tmp_path / "missing")
    (tmp_path / "file").touch()
    with pytest.raises(RunDirectoryError, match="cannot be read as a run directory"):
        Betabase.load(tmp_path / "file")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert betadata_files(empty) == {}
    with pytest.raises(InputError, match=r"empty: no betadata in it .*; train first"):
        Betabase.load(empty)
    (empty / "A.orphan").touch()
    with pytest.raises(InputError, match="1 genes are marked"):
        Betabase.load(empty)
    fill(empty / "conditions" / "aged", "A")
    with pytest.raises(InputError, match=r"they are in .*conditions/aged: give one of these"):
        Betabase.load(empty)


def test_damaged_files(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill(tmp_path, "A", "B")
    (tmp_path / "C_betadata.feather").write_bytes((tmp_path / "B_betadata.feather").read_bytes()[:300])
    with pytest.raises(InputError, match=r"C_betadata\.feather: damaged or incomplete .*train the gene again$"):
        Betabase.load(tmp_path)
    (tmp_path / "D_betadata.csv").touch()
    with pytest.raises(InputError, match=r"C_betadata\.feather: .*\(and 1 more files"):
        Betabase.load(tmp_path)
    with caplog.at_level(logging.WARNING, logger="spacetravlr"):
        assert list(Betabase.load(tmp_path, on_error="skip")) == ["A", "B"]
    assert len(caplog.records) == 2
    assert "left out: " in caplog.text
    for gene in "AB":
        (tmp_path / f"{gene}_betadata.feather").unlink()
    with pytest.raises(InputError, match="C_betadata"):
        Betabase.load(tmp_path, on_error="skip")


def test_two_tables_of_one_target() -> None:
    with pytest.raises(InputError, match="two tables of betas for A"):
        Betabase([table("A"), table("A")])


def test_rows_by_target() -> None:
    base = Betabase([table("A"), table("B"), table("C", labels=("1",))])
    rows = base.rows_for((np.array(["0", "1", "2"]),), np.array(["x", "y", "z"]))
    assert rows["A"] is rows["B"]
    assert {gene: found.tolist() for gene, found in rows.items()} == {
        "A": [0, 1, -1],
        "B": [0, 1, -1],
        "C": [-1, 0, -1],
    }


def test_the_run_of_the_compiled_edition(golden: Path, tmp_path: Path) -> None:
    for path in (golden / "v1_run").iterdir():
        shutil.copy(path, tmp_path)
    base = Betabase.load(tmp_path)
    assert len(base) == 14
    assert {"Agt", "Btc", "Dsc3", "Ezh2"} <= set(base)
    cells = np.array(base["Agt"].row_labels)
    rows = base.rows_for((np.full(len(cells), "2"),), cells)
    assert rows["Agt"].tolist() == list(range(len(cells)))
    assert set(rows["Btc"].tolist()) == {2}
    assert set(base.tfs) <= set(base.modulator_genes)
