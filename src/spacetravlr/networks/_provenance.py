"""Where a network comes from, kept in the file itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from spacetravlr.errors import InputError
from spacetravlr.prior import refuse_pointer

KEY = b"spacetravlr_network"
"""Key of the parquet file's metadata; the value is JSON."""
_LICENCES = {
    name.casefold(): name
    for name in (
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CC0-1.0",
        "CC-BY-3.0",
        "CC-BY-4.0",
        "CC-BY-SA-4.0",
        "CC-BY-NC-4.0",
        "CC-BY-NC-SA-4.0",
        "GPL-2.0-only",
        "GPL-3.0-only",
        "GPL-3.0-or-later",
        "LGPL-3.0-only",
        "AGPL-3.0-only",
        "MIT",
        "ODbL-1.0",
    )
}
_LICENCES |= {"cc0": "CC0-1.0", "cc-by": "CC-BY-4.0", "gpl-3": "GPL-3.0-only", "gpl3": "GPL-3.0-only"}
_LICENCES |= {"gpl-3.0": "GPL-3.0-only", "gpl-2": "GPL-2.0-only", "bsd-3": "BSD-3-Clause", "odbl": "ODbL-1.0"}
NOT_STATED = "not stated"


def licence(given: str | None) -> str:
    """Return a licence as it is written down: a known name in its SPDX form, any other text as it is."""
    text = " ".join((given or "").split())
    return _LICENCES.get(text.casefold(), text) or NOT_STATED


def to_metadata(provenance: Mapping[str, Any]) -> dict[bytes, bytes]:
    """Return the metadata of the file."""
    return {KEY: json.dumps(provenance, ensure_ascii=False, sort_keys=True).encode()}


def read_provenance(path: str | Path) -> dict[str, Any] | None:
    """Read where a network file says it comes from.

    Parameters
    ----------
    path
        A parquet file; `~` is expanded.

    Returns
    -------
    Species, date, program, settings, and for each source name, file, sha256, licence, weight and account; None if the
    file says nothing.

    Raises
    ------
    InputError
        The file cannot be read.
    """
    file = Path(path).expanduser()
    refuse_pointer(file)
    try:
        found = pq.read_schema(file).metadata or {}
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{file}: not a readable parquet file [{' '.join(str(error).split())}]") from error
    try:
        value = json.loads(found[KEY]) if KEY in found else None
    except ValueError as error:
        raise InputError(f"{file}: its provenance is damaged ({error})") from error
    return value if isinstance(value, dict) else None
