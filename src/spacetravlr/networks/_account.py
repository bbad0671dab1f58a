"""What is written down about a network, and what a person should know of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

from spacetravlr.errors import listing
from spacetravlr.networks._ledger import Ledger
from spacetravlr.networks._provenance import licence
from spacetravlr.networks._registry import FORMATS
from spacetravlr.networks._sources import OpenSource

_PROGRAM = "spacetravlr-py"


def provenance_of(
    species: str, opened: Sequence[OpenSource], ledgers: Sequence[Ledger], settings: dict[str, Any]
) -> dict[str, Any]:
    """Return what the file's metadata says: species, date, program, settings, and of each source its account."""
    accounts = {ledger.name: ledger.as_dict() for ledger in ledgers}
    return {
        "species": species,
        "created": datetime.now(UTC).date().isoformat(),
        "program": _program(),
        "settings": settings,
        "sources": [
            {
                "name": one.name,
                **one.record,
                "licence": licence(one.given.license),
                "weight": one.given.weight,
                **accounts.get(one.name, {}),
            }
            for one in opened
        ],
    }


def _program() -> str:
    try:
        return f"{_PROGRAM} {metadata.version(_PROGRAM)}"
    except metadata.PackageNotFoundError:  # run from a source tree that is not installed
        return _PROGRAM


def notes_of(species: str, opened: Sequence[OpenSource]) -> tuple[str, ...]:
    """Return remarks on the whole: licences that are not stated, tables nobody needs, how to use another species."""
    notes = []
    silent = [one.name for one in opened if not (one.given.license or "").strip()]
    if silent:
        notes.append(f"the licence of {listing(silent)} is not stated")
    unused = [
        one.name
        for one in opened
        if one.record["format"] not in FORMATS and not any(_uses(other, one.record["format"]) for other in opened)
    ]
    if unused:
        notes.append(f"{listing(unused)}: no other file needs this table")
    if species not in {"mouse", "human"}:
        notes.append(
            f"training looks for mouse_network.parquet and human_network.parquet: to train on {species}, put the file "
            "under one of these names into a directory of its own, and set network_data_dir and spatial_species"
        )
    return tuple(notes)


def _uses(other: OpenSource, side: str) -> bool:
    return other.record["format"].startswith(side.partition("-")[0]) and other.record["format"] in FORMATS
