"""Network files from a server, checked and cached."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass
from hashlib import sha256 as sha256_of
from pathlib import Path

from spacetravlr.atomic import make_directory, replacing, write_text
from spacetravlr.errors import ConfigError, InputError
from spacetravlr.networks._files import TableFile
from spacetravlr.networks._http import UnreachableError, check_url, download, read_text, unchanged
from spacetravlr.networks._species import species_word
from spacetravlr.networks._store import alone, refused
from spacetravlr.prior import check_columns, refuse_pointer

SMALLEST = 100_000
"""Bytes a network file has at least; smaller ones are error pages, pointers and leftovers."""
MANIFEST = "SHA256SUMS"
LONGEST_WAIT = 86_400.0
"""Seconds of patience with a server at the most."""
_SUMS = (
    re.compile(r"(?P<sum>[0-9a-fA-F]{64})(?:\s+\*?(?P<name>\S.*))?"),
    re.compile(r"SHA256 ?\((?P<name>.+)\) ?= ?(?P<sum>[0-9a-fA-F]{64})"),  # of BSD and openssl
)


@dataclass(frozen=True)
class Fetched:
    """A network file that was fetched."""

    path: Path
    sha256: str
    n_bytes: int
    checked_by: str
    """What its sum was compared with: `given`, the name of the manifest, or empty if there was nothing."""
    from_cache: bool
    """Whether the copy in the cache was still the right one."""
    resumed_at: int
    """Bytes that an earlier attempt had brought already."""
    note: str = ""
    """What a person should know."""


def default_cache() -> Path:
    """Return the directory of cached files: below `XDG_CACHE_HOME`, by default `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "spacetravlr" / "networks"


def fetch(
    species: str,
    base_url: str,
    out: str | Path,
    *,
    cache: str | Path | None = None,
    sha256: str | None = None,
    replace: bool = False,
    timeout: float = 30.0,
) -> Fetched:
    """Download `{species}_network.parquet` into a directory.

    The sum of the file is compared with the one given, else with the manifest beside it on the server
    (`{file}.sha256` or `SHA256SUMS`). Without either it is written into `SHA256SUMS` beside the file and reported. A
    copy in the cache is used if its sum is the one expected, or, without one, if the server says it is unchanged. Of
    several processes that fetch the same file one does, and the others wait for it.

    Parameters
    ----------
    species
        `mouse`, `human`, or what the server has.
    base_url
        Directory of the files, http or https.
    out
        Directory; made if missing.
    cache
        Directory of the cache; `default_cache` if not given.
    sha256
        The sum the file must have.
    replace
        Whether a different file of that name may be replaced.
    timeout
        Seconds without an answer after which the server counts as unreachable.

    Raises
    ------
    ConfigError
        The species is no word, the address or the sum is none, or the timeout is no time.
    InputError
        The server cannot be reached or has no such file; the file is a Git LFS pointer, too small, damaged, has another
        sum than it should, or a different file is there already.
    RunDirectoryError
        The file system refuses.
    """
    name = f"{species_word(species)}_network.parquet"
    url = f"{check_url(base_url)}/{name}"
    expected = _given_sum(sha256)
    if not 0 < timeout <= LONGEST_WAIT:
        raise ConfigError(f"timeout must be above 0 and at most {LONGEST_WAIT:g} seconds, not {timeout}")
    store = Path(cache).expanduser() if cache is not None else default_cache()
    store = store / sha256_of(url.encode()).hexdigest()[:16]
    with alone(store):
        return _fetch(store / name, url, expected, Path(out).expanduser(), replace=replace, timeout=timeout)


def _fetch(kept: Path, url: str, expected: str | None, out: Path, *, replace: bool, timeout: float) -> Fetched:
    note = ""
    try:
        checked_by = "given" if expected else ""
        if expected is None:
            expected, checked_by = _manifest(url, kept.name, timeout)
        fresh = _is_fresh(kept, url, expected, timeout)
    except UnreachableError as problem:
        if not _is_intact(kept, expected):
            raise
        fresh, checked_by = True, ""
        note = f"{problem}; the copy in the cache was used"
    resumed = 0 if fresh else _into(kept, url, expected, timeout)
    digest, size = TableFile(kept).digest()
    path = _place(kept, out, digest, replace=replace)
    return Fetched(path, digest, size, checked_by, fresh, resumed, note)


def _into(kept: Path, url: str, expected: str | None, timeout: float) -> int:
    """Download into the cache; return how much of it was there already."""
    part = kept.with_name(kept.name + ".part")
    answer = download(url, part, timeout=timeout)
    try:
        digest = _accept(part, url, expected)
    except InputError:
        part.unlink(missing_ok=True)  # to go on with it would not mend it
        raise
    try:
        part.replace(kept)
    except OSError as error:
        raise refused(kept, error) from error
    write_text(_record(kept), json.dumps({"url": url, "sha256": digest, "validator": answer.validator}))
    return answer.resumed_at


def _accept(part: Path, url: str, expected: str | None) -> str:
    """Return the sum of a file that may be used, or raise."""
    try:
        refuse_pointer(part)
    except InputError as error:
        raise InputError(
            f"{url}: is a Git LFS pointer, not the file; use the address that serves the files themselves"
        ) from error
    digest, size = TableFile(part).digest()
    if size < SMALLEST:
        raise InputError(f"{url}: has {size:,} bytes, too few for a network file; the address may be wrong")
    if expected is not None and digest != expected:
        raise InputError(f"{url}: the sum of the file is {digest}, expected {expected}; it was refused")
    try:
        if TableFile(part).kind != "parquet":
            raise InputError("no parquet file")
        check_columns(list(TableFile(part).columns), url)
    except InputError as error:
        cause = str(error).removeprefix(f"{url}: ")
        raise InputError(f"{url}: is no usable network file ({cause}); it was refused") from error
    return digest


def _manifest(url: str, name: str, timeout: float) -> tuple[str | None, str]:
    """Return the sum that the server states, and the name of the file it is in."""
    for place, label in ((f"{url}.sha256", f"{name}.sha256"), (f"{url.rpartition('/')[0]}/{MANIFEST}", MANIFEST)):
        text = read_text(place, timeout=timeout)
        for line in (text or "").splitlines():
            total, named = _stated(line)
            # a sum alone is that of the file its own file is named after
            if total and (Path(named).name == name if named else label != MANIFEST):
                return total, label
    return None, ""


def _stated(line: str) -> tuple[str, str]:
    """Return sum and name of a line of a manifest, empty where there are none."""
    for form in _SUMS:
        found = form.fullmatch(line.strip())
        if found:
            return found["sum"].lower(), found["name"] or ""
    return "", ""


def _is_fresh(kept: Path, url: str, expected: str | None, timeout: float) -> bool:
    if not _is_intact(kept, expected):
        return False
    if expected is not None:
        return True
    validator = _recorded(kept).get("validator", "")
    return bool(validator) and unchanged(url, validator, timeout=timeout)


def _is_intact(kept: Path, expected: str | None) -> bool:
    """Tell whether there is a copy with the sum expected, or with the one that was recorded."""
    wanted = expected or _recorded(kept).get("sha256")
    return kept.is_file() and wanted is not None and TableFile(kept).digest()[0] == wanted


def _recorded(kept: Path) -> dict[str, str]:
    try:
        found = json.loads(_record(kept).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def _record(kept: Path) -> Path:
    return kept.with_name(kept.name + ".json")


def _place(kept: Path, out: Path, digest: str, *, replace: bool) -> Path:
    """Copy the file out of the cache, and write its sum beside it."""
    make_directory(out)
    path = out / kept.name
    if path.is_dir():
        raise InputError(f"{path} is a directory; remove it, or take another place with --out-dir")
    there = TableFile(path).digest()[0] if path.exists() else None
    if there is not None and there != digest and not replace:
        raise InputError(
            f"{path} is there already and is a different file; --force replaces it, --out-dir takes another place"
        )
    if there != digest:
        with replacing(path) as temporary:
            shutil.copyfile(kept, temporary)
    sums = out / MANIFEST
    lines = sums.read_text(encoding="utf-8", errors="replace").splitlines() if sums.is_file() else []
    others = [line for line in lines if line.strip() and Path(_stated(line)[1]).name != kept.name]
    write_text(sums, "\n".join([*others, f"{digest}  {kept.name}", ""]))
    return path


def _given_sum(text: str | None) -> str | None:
    if text is None:
        return None
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text.strip()):
        raise ConfigError(f"{text!r} is no SHA-256: 64 hexadecimal digits")
    return text.strip().lower()
