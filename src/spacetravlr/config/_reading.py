"""From a TOML file to the known settings in it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from spacetravlr.config._fields import expand_home
from spacetravlr.config._keys import ALIASES, SECTIONS, settings_by_key, suggestion
from spacetravlr.config._messages import shown
from spacetravlr.errors import ConfigError, nearest

_OF_RECORDS = frozenset(
    {"lasso.select", "lasso.penalty", "lasso.n_iter", "training.seed_only", "training.score_on", "data.cluster_annot"}
)
"""A run records every setting; nobody writes all of these by hand."""
_BEFORE = {"data.response_layer": "same", "data.response_use": "fit", "training.model_level": 1.0}
"""What settings mean in records of editions that did not know them."""
_FORGOTTEN = {"grn.top_lr_pairs_by_mean_expression": "[grn].max_ligands"}


@dataclass(frozen=True, slots=True)
class Sifted:
    """What a TOML table holds for us."""

    values: dict[str, object] = field(default_factory=dict)
    """Full key -> raw value of every known setting that is present."""
    notices: tuple[str, ...] = ()
    """One line per key that is ignored or renamed."""


def read_text(path: Path) -> str:
    """Return the text of a file.

    Raises
    ------
    ConfigError
        The file is missing, cannot be read, or is not UTF-8.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: is a directory, not a file") from None
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ConfigError(f"{path}: cannot be read: {reason}") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path} line {line}: not UTF-8 text; save the file as UTF-8") from None


def parse_toml(text: str, where: str) -> dict[str, object]:
    """Return the tables of a TOML text.

    Raises
    ------
    ConfigError
        The text is not TOML; the message has the line.
    """
    import tomllib

    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ConfigError(f"{where}: not valid TOML: nested too deeply") from None
    except tomllib.TOMLDecodeError as error:
        reason, _, place = str(error).removesuffix(")").rpartition(" (at ")
        numbers = re.findall(r"\d+", place)
        # the parser names no line when the text ends too early
        line, spot = (numbers[0], f"column {numbers[1]}") if numbers else (text.count("\n") + 1, "end of file")
        raise ConfigError(f"{where} line {line}: not valid TOML: {reason} ({spot})") from None
    except ValueError as error:
        raise ConfigError(f"{where}: not valid TOML: {error}") from None


def _unknown_section(name: str, table: Mapping[str, object], where: str) -> str:
    message = f"unknown section [{name}] in {where} is ignored"
    by_last_word = {section.rpartition(".")[2]: section for section in SECTIONS}
    match = nearest(name, SECTIONS) or by_last_word.get(nearest(name, by_last_word) or "")
    if match:
        return f"{message}; did you mean [{match}]?"
    homes = [label for key in table if (label := suggestion(name, key)) and label.endswith(f".{key}")]
    return f"{message}; {', '.join(homes)} would be known" if homes else message


def _unknown_key(section: str, name: str, where: str) -> str:
    label = f"[{section}].{name}" if section else name
    renamed = _FORGOTTEN.get(f"{section}.{name}")
    if renamed:
        return f"{label} in {where} is no longer used and is ignored; use {renamed}"
    meant = suggestion(section, name)
    return f"unknown key {label} in {where} is ignored" + (f"; did you mean {meant}?" if meant else "")


def _entries(table: Mapping[str, object], section: str, where: str) -> Iterator[tuple[str, str, object]]:
    """Yield section, name and value of every key of a section and of its known subsections."""
    for name, value in table.items():
        inner = f"{section}.{name}"
        if inner not in SECTIONS:
            yield section, name, value
        elif isinstance(value, Mapping):
            yield from _entries(value, inner, where)
        else:
            raise ConfigError(f"{where}: [{inner}] must be a section of keys, not {shown(value)}")


def sift(table: Mapping[str, object], where: str, *, ignore: Collection[str] = ()) -> Sifted:
    """Separate the known settings of a parsed TOML file from everything else.

    Parameters
    ----------
    table
        The parsed file.
    where
        The file's name for messages.
    ignore
        Keys of the top level that belong to another reader.

    Returns
    -------
    Raw values by full key (types are not checked), and a notice for each key that is ignored or renamed.

    Raises
    ------
    ConfigError
        A section is not a table, or a key is given under its old and its new name.
    """
    values: dict[str, object] = {}
    notices: list[str] = []
    known = settings_by_key()
    for top, content in table.items():
        if top in ignore:
            continue
        if not isinstance(content, Mapping):
            if top in SECTIONS:
                raise ConfigError(f"{where}: [{top}] must be a section of keys, not {shown(content)}")
            notices.append(_unknown_key("", top, where))
            continue
        if top not in SECTIONS:
            notices.append(_unknown_section(top, content, where))
            continue
        for section, name, value in _entries(content, top, where):
            key = f"{section}.{name}"
            if key in ALIASES:
                new = known[ALIASES[key]]
                if new.name in content:
                    raise ConfigError(f"{where}: [{section}].{name} is the old name of {new.label}; give only one")
                notices.append(f"[{section}].{name} in {where} is the old name of {new.label}")
                values[new.key] = value
            elif key in known:
                values[key] = value
            else:
                notices.append(_unknown_key(section, name, where))
    return Sifted(values, tuple(notices))


def read_settings(path: Path, *, ignore: Collection[str] = ()) -> Sifted:
    """Return the known settings of a TOML file, without defaults, and notices about the rest of it.

    Parameters
    ----------
    path
        A TOML file; `~` is expanded.
    ignore
        Keys of the top level that belong to another reader.

    Raises
    ------
    ConfigError
        The file cannot be read or is not TOML.
    """
    path = Path(expand_home(str(path)))
    text = read_text(path)
    sifted = sift(parse_toml(text, str(path)), str(path), ignore=ignore)
    if not sifted.values.keys() >= _OF_RECORDS or "response_use" in text:
        return sifted
    return Sifted(_BEFORE | sifted.values, sifted.notices)
