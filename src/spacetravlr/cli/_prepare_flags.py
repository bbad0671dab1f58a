"""The flags of `spacetravlr prepare`; those of its parameters are made from the parameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Annotated, Any

import typer

from spacetravlr.cli._flags import Flag, with_flags
from spacetravlr.preparation.options import PrepareOptions

INPUT, CELLS, EMBEDDING, IMPUTATION = "Input and output", "Cells and genes", "Embedding", "Imputation"
_PANELS = {
    **dict.fromkeys(("min_genes", "min_counts", "max_mito", "min_cells", "normalize_target_sum", "n_top_hvg"), CELLS),
    **dict.fromkeys(("imputation", "magic_t"), IMPUTATION),
}
_OPPOSITE = {"umap": "no_umap"}
"""Switches that are on by default, and the flags that turn them off."""


def _kind(annotation: str) -> str:
    for word, kind in (("bool", "flag"), ("int", "integer"), ("float", "number")):
        if word in annotation.split(" | "):
            return kind
    return "text"


def _flags() -> Iterable[Flag]:
    for one in fields(PrepareOptions):
        name, text = one.name, one.metadata["help"]
        kind = _kind(str(one.type))
        if name in _OPPOSITE:
            yield Flag((f"--{_OPPOSITE[name].replace('_', '-')}",), EMBEDDING, help="Compute no UMAP.", kind="flag")
            continue
        default = f" Default: {one.default:g}." if isinstance(one.default, float) else f" Default: {one.default}."
        flag = "--seed" if name == "random_seed" else f"--{name.replace('_', '-')}"
        yield Flag(
            (flag,),
            _PANELS.get(name, EMBEDDING),
            help=text + ("" if one.default is None else default),
            kind=kind,
            metavar="WORD" if kind == "text" else None,
        )


PREPARE_FLAGS: tuple[Flag, ...] = (
    Flag(("--output", "-o"), INPUT, help="The .h5ad file to write. Default: {name}_ready.h5ad.", metavar="FILE"),
    Flag(("--layer",), INPUT, help="Layer of the counts. Default: the one that holds counts.", metavar="NAME"),
    Flag(
        ("--cluster-key", "--cluster-annot"),
        INPUT,
        help="Column of obs with the cell types. Default: cell_type or a similar name, else Leiden clusters.",
        metavar="COLUMN",
    ),
    Flag(
        ("--sample",),
        INPUT,
        help="Column of obs that tells tissue samples apart: nothing is imputed from one into another.",
        metavar="COLUMN",
    ),
    Flag(
        ("--um-per-unit",),
        INPUT,
        help="Micrometres per unit of the coordinates; they are converted. Default: what the file tells.",
        kind="number",
    ),
    Flag(("--radius",), INPUT, help="Radius to check, micrometres. Default: 200.", kind="number"),
    Flag(("--species",), INPUT, "data.spatial_species"),
    Flag(
        ("--network-data-dir",), INPUT, "grn.network_data_dir", metavar="DIR", more="Its genes are never filtered away."
    ),
    *_flags(),
)


def with_raw(command: Callable[..., Any], flags: Iterable[Flag]) -> Callable[..., Any]:
    """Give a command its flags, and before them the raw sample as an argument."""
    with_flags(command, flags)
    signature = inspect.signature(command)
    annotation = Annotated[str, typer.Argument(metavar="RAW", help="The raw sample: a file or a folder.")]
    raw = inspect.Parameter("raw", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=annotation)
    first, *rest = signature.parameters.values()
    command.__signature__ = signature.replace(parameters=[first, raw, *rest])  # type: ignore[attr-defined]
    command.__annotations__["raw"] = annotation
    return command


def chosen_options(given: dict[str, Any]) -> PrepareOptions:
    """Return the parameters that flags ask for.

    Raises
    ------
    ConfigError
        If one is out of range.
    """
    values: dict[str, Any] = {}
    for one in fields(PrepareOptions):
        if one.name in _OPPOSITE:
            values[one.name] = not given[_OPPOSITE[one.name]]
            continue
        value = given["seed" if one.name == "random_seed" else one.name]
        if value is not None:
            values[one.name] = value
    return PrepareOptions(**values)
