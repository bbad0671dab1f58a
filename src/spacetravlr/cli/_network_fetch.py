"""`spacetravlr network fetch`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from spacetravlr.atomic import check_directory
from spacetravlr.cli._perturb_voice import Voice
from spacetravlr.errors import ConfigError, UsageError
from spacetravlr.words import size

ADDRESS_VARIABLE = "SPACETRAVLR_NETWORK_URL"
"""Environment variable that names the directory on a server."""


def run_fetch(
    species: str,
    *,
    base_url: str | None,
    out_dir: str | None,
    sha256: str | None,
    cache: str | None,
    force: bool,
    timeout: float,
) -> int:
    """Fetch a network file and say where it is; return the exit code.

    Raises
    ------
    SpaceTravLRError
        If there is no address, the server has no usable file, or it cannot be written.
    """
    if not species.replace("_", "").replace("-", "").isalnum():
        raise UsageError(f"{species!r} is no species: expected one word, such as mouse or human")
    if not timeout > 0:
        raise UsageError(f"--timeout must be positive, not {timeout:g}")
    out = Path(out_dir or os.environ.get("SPACETRAVLR_DATA_DIR") or "data").expanduser()
    check_directory(out)
    address = base_url or os.environ.get(ADDRESS_VARIABLE) or _configured()
    if not address:
        raise ConfigError(
            f"no address to fetch from: give --base-url URL, {ADDRESS_VARIABLE}, or [grn].network_base_url in "
            "spaceship_config.toml; none is built in"
        )
    voice = Voice(verbose=False)
    with voice.hearing_logs():
        from spacetravlr.networks import fetch

        with voice.working(f"fetching the network of {species}"):
            got = fetch(species, address, out, cache=cache, sha256=sha256, replace=force, timeout=timeout)
    if got.note:
        voice.note(got.note)
    if got.resumed_at:
        voice.say(f"went on after {got.resumed_at:,} bytes")
    if got.checked_by:
        voice.say(f"sha256 {got.sha256} as in {'--sha256' if got.checked_by == 'given' else got.checked_by}")
    else:
        voice.say(f"sha256 {got.sha256} recorded; there was nothing to compare it with")
    origin = "from the cache" if got.from_cache else "downloaded"
    voice.say(f"{size(got.n_bytes)} {origin}; look at it with spacetravlr network show {got.path}")
    sys.stdout.write(f"{got.path}\n")
    return 0


def _configured() -> str | None:
    from spacetravlr.config import load_config

    return load_config(search=Path.cwd()).config.grn.network_base_url
