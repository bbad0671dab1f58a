"""`spacetravlr peek`: what a file holds, and what to do with it."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

from spacetravlr.errors import SpaceTravLRError, listing
from spacetravlr.words import count, one_line, size

if TYPE_CHECKING:
    from spacetravlr.preparation import FileSummary
    from spacetravlr.preparation._columns import Column
    from spacetravlr.preparation.look import Coverage, Matrix

_LABEL = 10
_COLUMNS = 40
_MANY = 200
_KINDS = {
    "counts": "whole numbers (counts)",
    "log": "logarithms or the like",
    "linear": "normalised, no logarithm",
    "signed": "scaled: some are negative",
    "unusable": "no usable numbers",
}


def peek(file: str, *, radius: float, network_data_dir: str | None, um_per_unit: float | None) -> int:
    """Show what a file holds, and return the exit code.

    Parameters
    ----------
    file
        An h5ad file.
    radius
        For the units, coordinate units.
    network_data_dir
        Where networks are looked for first.
    um_per_unit
        Length of a unit, for the units.

    Raises
    ------
    InputError
        If it is no h5ad file or damaged.
    """
    from spacetravlr.preparation import look_at

    found = look_at(file, radius=radius, um_per_unit=um_per_unit)
    for line in describe(found, network_data_dir, um_per_unit):
        sys.stdout.write(f"{line}\n")
    return 0


def describe(found: FileSummary, network_data_dir: str | None = None, um_per_unit: float | None = None) -> list[str]:
    """Return it as lines for people."""
    rows = [
        ("file", f"{found.path}, {size(found.size)}{', made by prepare' if found.prepared else ''}"),
        ("shape", f"{count(found.n_cells, 'cell')} x {count(found.n_genes, 'gene')}"),
        ("genes", f"{listing(found.genes, 6)}; {_species(found)}"),
    ]
    rows += [("X" if m.name == "X" else "layer", _matrix(m)) for m in found.matrices]
    if found.raw is not None:
        rows.append(("raw", _matrix(found.raw)))
    if found.response:
        rows.append(("response", found.response))
    shown = found.columns[:_COLUMNS]
    rows += [("obs", f"{column.name}: {_column(column)}") for column in shown]
    if len(found.columns) > len(shown):
        rows.append(("obs", f"and {len(found.columns) - len(shown)} columns more"))
    rows += [("obsm", f"{name} {' x '.join(map(str, shape))}") for name, shape in found.obsm.items()]
    if found.uns:
        rows.append(("uns", listing(found.uns)))
    rows.append(("units", found.units.line if found.units is not None else f"unknown: {found.no_units}"))
    if found.units is not None:
        rows += [("warning", text) for text in found.units.warnings]
    try:
        rows.append(("network", _coverage(found, found.coverage(network_data_dir))))
    except SpaceTravLRError as error:
        rows.append(("warning", f"the network cannot be read: {error}"))
    rows += _next(found, um_per_unit)
    before = ""
    lines = []
    for label, text in rows:
        lines.append(f"{'' if label == before else label:<{_LABEL}}{one_line(text)}")
        before = label
    return lines


def _species(found: FileSummary) -> str:
    from spacetravlr.preparation.labels import are_symbols

    if are_symbols(found.genes):
        return f"species by their names: {found.species}"
    if found.symbol_column is None:
        return "no symbols, so that no network knows them, and var has no column of symbols"
    return f"no symbols: prepare takes these from var[{found.symbol_column!r}]"


def next_command(found: FileSummary, um_per_unit: float | None = None) -> str:
    """Return the command that brings this file further."""
    file = shlex.quote(str(found.path))
    if not found.missing:
        return f"spacetravlr --h5ad {file} --output-dir my_run"
    ready = shlex.quote(f"{found.path.stem}_ready.h5ad")
    extra = ""
    if found.type_column is None and found.possible_types:
        extra += f" --cluster-key {shlex.quote(found.possible_types[0])}"
    if um_per_unit is not None:
        extra += f" --um-per-unit {um_per_unit:g}"
    elif found.pair is not None or (found.units is not None and found.units.scale is None):
        extra += " --um-per-unit NUMBER"
    return f"spacetravlr prepare {file} -o {ready}{extra}"


def _next(found: FileSummary, um_per_unit: float | None) -> list[tuple[str, str]]:
    lacks = found.missing
    rows = [("missing", ", ".join(lacks))] if lacks else []
    if found.units is None and found.pair is None:
        rows.append(("missing", "no positions, no signals: add them as obsm['spatial'] or as columns x and y of obs"))
    rows.append(("next", next_command(found, um_per_unit)))
    if "NUMBER" in rows[-1][1]:
        rows.append(("next", "NUMBER: micrometres per unit of the coordinates; leave it out if they are micrometres"))
    return rows


def _matrix(matrix: Matrix) -> str:
    name = "" if matrix.name in {"X", "raw"} else f"{matrix.name}: "
    filled = "" if matrix.filled is None else f", {matrix.filled:.1%} filled"
    return f"{name}{matrix.storage} {matrix.dtype}{filled}; {_KINDS[matrix.values]}"


def _column(column: Column) -> str:
    if column.kind in {"categories", "text"}:
        return _labels(column)
    if column.kind == "yes/no":
        return ", ".join(f"{number:,} {word}" for word, number in column.most)
    if column.span is not None:
        low, high = column.span
        return f"{'whole numbers' if column.whole else 'numbers'} {low:g} to {high:g}"
    return "empty" if column.kind == "numbers" else "cannot be shown"


def _labels(column: Column) -> str:
    n = column.n_values or 0
    if column.partly:
        return f"text, at least {n:,} different: {listing((value for value, _ in column.most), 3)}, ..."
    shown = ", ".join(f"{value} ({number:,})" for value, number in column.most)
    more = ", ..." if n > len(column.most) else ""
    if column.kind == "categories":
        return f"{count(n, 'category', 'categories')}: {shown}{more}"
    return f"text, {n:,} different" + ("" if n > _MANY else f": {shown}{more}")


def _coverage(found: FileSummary, covers: Coverage) -> str:
    where = "the starter network (for a first look only)" if covers.source == "starter" else covers.source
    edges = covers.edges
    return (
        f"{where}: knows {covers.genes:,} of {found.n_genes:,} genes; {edges['grn']:,} TF-gene, {edges['lr']:,} "
        f"ligand-receptor, {edges['nichenet']:,} ligand-TF edges"
    )
