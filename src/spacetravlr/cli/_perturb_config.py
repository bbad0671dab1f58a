"""The file of `--config` (which run, which settings, perhaps a batch), and the file of `--batch-toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from spacetravlr.cli._facts import facts
from spacetravlr.errors import ConfigError, InputError, listing, nearest

RUN_KEYS = ("run_toml", "run_repro", "spacetravlr_run_repro")
"""Names under which a configuration file gives the run."""
_MOVED = ("beta_scale_factor", "beta_cap")
"""Settings that may also be at the root, as in the compiled edition."""
_NEWER = ("preprocess", "ligand_field", "cellchat")
"""Sections of newer compiled editions, which say nothing about a perturbation."""
_PATHS = ("data.adata_path", "data.perturb_obs_subset_file", "perturbation.cells_csv")


@dataclass(frozen=True, slots=True)
class Batch:
    """The keys of a batch."""

    table: Mapping[str, Any]
    source: str
    """What messages call the file."""
    base: Path
    """Where relative paths count from."""


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file of `--config`, its root keys sorted by what they mean."""

    path: Path
    run_toml: Path | None
    scalars: Mapping[str, object]
    """Settings of `[perturbation]` that are at the root."""
    batch: Batch | None

    @classmethod
    def read(cls, path: str) -> Self:
        """Read the file.

        Raises
        ------
        InputError, ConfigError
            If it cannot be read, is not TOML, or a root key is unknown or contradicts another one.
        """
        file = Path(path).expanduser()
        table = _read_table(file)
        scalars = {key: table[key] for key in _MOVED if key in table and not isinstance(table[key], list)}
        rest = {key: value for key, value in table.items() if key not in scalars}
        batch_keys = [key for key in rest if key not in (*RUN_KEYS, *_sections())]
        _refuse_unknown(batch_keys, table, str(file), more=(*RUN_KEYS, *_sections(), *_MOVED))
        if batch_keys and not {"gene", "genes"} & set(batch_keys):
            raise ConfigError(
                f"{file}: {listing(batch_keys)} belongs to a batch, but there is no gene or genes: name them, or put "
                "settings into their section, such as [perturbation]"
            )
        batch = Batch({key: rest[key] for key in batch_keys}, str(file), file.parent) if batch_keys else None
        return cls(file, _run_toml(table, file), scalars, batch)

    def settings(self) -> tuple[dict[str, object], tuple[str, ...]]:
        """Return the settings by full key, and notices about keys that are ignored.

        Raises
        ------
        ConfigError
            If a value is not allowed.
        """
        from spacetravlr.config import RunConfig, read_settings

        batch = () if self.batch is None else self.batch.table
        sifted = read_settings(self.path, ignore={*RUN_KEYS, *_NEWER, *self.scalars, *batch})
        values = {f"perturbation.{key}": value for key, value in self.scalars.items()} | sifted.values
        RunConfig.from_flat(values, where=str(self.path))
        if "execution.output_dir" in values:
            raise ConfigError(f"{self.path}: [execution].output_dir would name another run: give that one as run_toml")
        for key in _PATHS:
            place = self.path.parent / Path(str(values.get(key))).expanduser()
            if values.get(key) and place.exists():
                values[key] = str(place.absolute())
        return values, sifted.notices


def find_batch(batch_toml: str | None, config: ConfigFile | None) -> Batch | None:
    """Return the batch that was asked for; None for a single simulation.

    Parameters
    ----------
    batch_toml
        Value of the flag.
    config
        The file of `--config`.

    Raises
    ------
    InputError, ConfigError
        If the file cannot be read, a key is unknown, or there are two batches.
    """
    inside = None if config is None else config.batch
    if batch_toml is None:
        return inside
    if inside is not None:
        raise ConfigError(
            f"--batch-toml {batch_toml} and the batch keys of {inside.source} ({listing(inside.table, 5)}) exclude "
            "each other"
        )
    file = Path(batch_toml).expanduser()
    table = _read_table(file)
    foreign = [key for key in table if key in (*RUN_KEYS, *_sections())]
    if foreign:
        name = foreign[0] if foreign[0] in RUN_KEYS else f"[{foreign[0]}]"
        raise ConfigError(f"{file}: {name} is no key of a batch; it belongs into the file of --config")
    _refuse_unknown(table, table, str(file))
    return Batch(table, str(file), file.parent)


def _read_table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not text in UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error


def _run_toml(table: Mapping[str, Any], file: Path) -> Path | None:
    there = [key for key in RUN_KEYS if key in table]
    if len(there) > 1:
        raise ConfigError(f"{file}: {' and '.join(there)} are names for the same: give one")
    if not there:
        return None
    value = table[there[0]]
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"{file}: {there[0]} must be the path of a run TOML, not {value!r}")
    return file.parent / Path(value.strip()).expanduser()


def _sections() -> tuple[str, ...]:
    return (*dict.fromkeys(key.partition(".")[0] for key in facts()), *_NEWER)


def _refuse_unknown(keys: Iterable[str], table: Mapping[str, Any], source: str, *, more: Iterable[str] = ()) -> None:
    from spacetravlr.perturbation import BATCH_KEYS

    for key in keys:
        if key in BATCH_KEYS:
            continue
        homes = [
            f"[{section}].{name}" for section, _, name in (full.rpartition(".") for full in facts()) if name == key
        ]
        close = nearest(key, (*BATCH_KEYS, *more))
        meant = homes[0] if homes else f"[{close}]" if close in _sections() else close
        hint = f"; did you mean {meant}?" if meant else ""
        what = f"section [{key}]" if isinstance(table[key], dict) else f"key {key!r}"
        raise ConfigError(f"{source}: unknown {what}{hint}")
