"""Extra modulators and ligand-receptor pairs from the file, the command line and list files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from spacetravlr.config._fields import expand_home
from spacetravlr.config._messages import shown
from spacetravlr.config._model import RunConfig
from spacetravlr.config._reading import read_text
from spacetravlr.errors import ConfigError


def parse_lr_pair(token: str) -> str | None:
    """Return a ligand-receptor pair as `LIG$REC`.

    Parameters
    ----------
    token
        `LIG$REC` or `LIG,REC`; blanks around the names are dropped.

    Returns
    -------
    The pair, or None if the token is not one.
    """
    names = [name.strip() for name in token.replace(",", "$").split("$")]
    return "$".join(names) if len(names) == 2 and all(names) else None


def split_names(text: str) -> tuple[str, ...]:
    """Return the names of a comma-separated text, without blanks and empty entries."""
    return tuple(name for part in text.split(",") if (name := part.strip()))


def split_lr_pairs(text: str) -> tuple[str, ...]:
    """Return the ligand-receptor pairs of a command-line text, each as `LIG$REC`.

    Parameters
    ----------
    text
        `L1$R1,L2$R2`, or `L1,R1;L2,R2`, or one `L,R`; the forms may be mixed between semicolons.

    Raises
    ------
    ConfigError
        A part of the text is not a pair.
    """
    pairs = []
    for chunk in filter(str.strip, text.split(";")):
        for token in chunk.split(",") if "$" in chunk else [chunk]:
            pair = parse_lr_pair(token)
            if pair is None:
                raise ConfigError(
                    f"{shown(token.strip())} in {shown(text)} is not a ligand-receptor pair: "
                    "write L1$R1,L2$R2 or L1,R1;L2,R2"
                )
            pairs.append(pair)
    return tuple(pairs)


def _lines(key: str, value: str, base: Path | None) -> Iterator[tuple[str, str]]:
    """Yield the place and the content of each line of a list file, without comments."""
    path = (base or Path()) / expand_home(value)
    try:
        text = read_text(path)
    except ConfigError as error:
        raise ConfigError(f"[grn].{key}: {error}") from None
    for number, line in enumerate(text.splitlines(), start=1):
        content = line.partition("#")[0].strip()
        if content:
            yield f"{path} line {number}", content


def _checked_pairs(entries: Iterable[tuple[str, str]], notices: list[str]) -> Iterator[str]:
    for place, token in entries:
        pair = parse_lr_pair(token)
        if pair is None:
            notices.append(f"{shown(token)} in {place} is not a ligand-receptor pair LIG$REC or LIG,REC; it is dropped")
        else:
            yield pair


def merge_extras(
    config: RunConfig,
    *,
    base: Path | None = None,
    modulators: Iterable[str] = (),
    lr_pairs: Iterable[str] = (),
) -> tuple[RunConfig, tuple[str, ...]]:
    """Collect the extra modulators and pairs of all sources in the two lists, so that no list file is needed any more.

    Parameters
    ----------
    config
        Holds the lists and the names of the list files.
    base
        Directory that relative list files count from; None is the working directory.
    modulators, lr_pairs
        Entries from the command line; pairs as `LIG$REC`.

    Returns
    -------
    The configuration with both lists merged (configuration, command line, file; first occurrence kept; pairs as
    `LIG$REC`) and both files unset, and a notice for each entry that is not a pair and was dropped.

    Raises
    ------
    ConfigError
        A list file cannot be read.
    """
    grn = config.grn
    notices: list[str] = []
    genes = [name for entry in grn.extra_modulators if (name := entry.strip())]
    genes += modulators
    pairs = list(_checked_pairs((("[grn].extra_lr", token) for token in grn.extra_lr), notices))
    pairs += lr_pairs
    if grn.extra_modulators_file is not None:
        for _, line in _lines("extra_modulators_file", grn.extra_modulators_file, base):
            genes += split_names(line)
    if grn.extra_lr_file is not None:
        pairs += _checked_pairs(_lines("extra_lr_file", grn.extra_lr_file, base), notices)
    merged = {"grn.extra_modulators": list(dict.fromkeys(genes)), "grn.extra_lr": list(dict.fromkeys(pairs))}
    flat = config.flat()
    changes: dict[str, object] = {key: value for key, value in merged.items() if value != flat[key]}
    changes |= {key: None for key in ("grn.extra_modulators_file", "grn.extra_lr_file") if flat[key] is not None}
    return (config.replace(changes) if changes else config), tuple(notices)
