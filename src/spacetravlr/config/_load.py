"""The configuration of a command: defaults, then a TOML file, then the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from spacetravlr.config._extras import merge_extras, split_lr_pairs, split_names
from spacetravlr.config._fields import expand_home
from spacetravlr.config._keys import full_key, settings_by_key
from spacetravlr.config._model import RunConfig
from spacetravlr.config._paths import absolute_paths
from spacetravlr.config._reading import Sifted, read_settings
from spacetravlr.config._result import without_effect
from spacetravlr.errors import ConfigError

Origin = Literal["default", "toml", "cli"]
CONFIG_NAMES = ("spaceship_config.toml", "SpaceshipConfig.toml")
_COMMAND_LINE = "command line"
_LIST_FILES = ("grn.extra_modulators_file", "grn.extra_lr_file")
_APPENDED = ("grn.extra_modulators", "grn.extra_lr")


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A configuration, and where it comes from."""

    config: RunConfig
    """As given: select, penalty and score_on are still open unless set; `config.resolved()` decides them."""
    path: Path | None
    """The TOML file that was read, if any."""
    notices: tuple[str, ...]
    """One line for each thing the user should know: ignored keys, implied settings, flags without effect."""
    _origins: Mapping[str, Origin] = field(default_factory=dict, repr=False)

    def origin(self, key: str) -> Origin:
        """Return where the value of a setting comes from.

        Raises
        ------
        ConfigError
            No setting has this name.
        """
        return self._origins.get(full_key(key), "default")


def _discover(search: Path | None, notices: list[str]) -> tuple[Path | None, Sifted]:
    """Return the first configuration file of a directory that can be parsed; add a notice for each that cannot."""
    for path in [search / name for name in CONFIG_NAMES] if search is not None else []:
        if path.exists():
            try:
                return path, read_settings(path)
            except ConfigError as error:
                notices.append(f"{error}; the file is ignored")
    return None, Sifted()


def _given(overrides: Mapping[str, object]) -> dict[str, object]:
    """Return the overrides by full key, without those that are None; texts for lists are split."""
    values: dict[str, object] = {}
    known = settings_by_key()
    for name, value in overrides.items():
        key = full_key(name)
        if value is None:
            continue
        if key == "grn.extra_lr" and isinstance(value, str | list | tuple):
            texts = [value] if isinstance(value, str) else value
            # entries of another type are left for the type check to report
            values[key] = [p for t in texts for p in (split_lr_pairs(t) if isinstance(t, str) else [t])]
        elif known[key].kind == "list" and isinstance(value, str):
            values[key] = list(split_names(value))
        else:
            values[key] = value
    return values


def _idle_flags(config: RunConfig, keys: Iterable[str]) -> list[str]:
    reasons = without_effect(config.resolved())
    known = settings_by_key()
    return [
        f"{known[key].label} from the {_COMMAND_LINE} has no effect: {reasons[key]}" for key in keys if key in reasons
    ]


def load_config(
    path: Path | None = None,
    *,
    overrides: Mapping[str, object] = MappingProxyType({}),
    search: Path | None = None,
) -> LoadedConfig:
    """Return the configuration of a command: defaults < TOML file < command line.

    Parameters
    ----------
    path
        The TOML file the user named; `~` is expanded.
    overrides
        Values of the command line by full or bare key; None means not given. A text for a list is split at commas.
        `extra_modulators` and `extra_lr` add to the lists of the file, everything else replaces.
    search
        Directory in which `spaceship_config.toml`, then `SpaceshipConfig.toml` is looked up when `path` is None;
        None looks nowhere. A file found there that cannot be parsed gives a notice.

    Returns
    -------
    The configuration with its extra lists merged, and notices.

    Raises
    ------
    ConfigError
        The named file cannot be read or parsed, a value is not allowed, an override is unknown, settings contradict
        each other, or a list file cannot be read.
    """
    notices: list[str] = []
    if path is not None:
        path = Path(expand_home(str(path)))
        sifted = read_settings(path)
    else:
        path, sifted = _discover(search, notices)
    notices += sifted.notices
    # each layer alone first, so that a message can say where the value comes from
    RunConfig.from_flat(sifted.values, where=str(path))
    try:
        flags = _given(overrides)
    except ConfigError as error:
        raise ConfigError(f"{_COMMAND_LINE}: {error}") from None
    checked = RunConfig.from_flat(flags, where=_COMMAND_LINE)
    replacing = {key: value for key, value in flags.items() if key not in _APPENDED}
    # list files of the TOML count from its directory, those of the command line from here
    replacing |= {key: value for key, value in absolute_paths(checked.flat(), None).items() if key in _LIST_FILES}
    config, dropped = merge_extras(
        RunConfig.from_flat(sifted.values | replacing),
        base=path.parent if path else None,
        modulators=checked.grn.extra_modulators,
        lr_pairs=checked.grn.extra_lr,
    )
    notices += [*dropped, *config.implied(), *_idle_flags(config, flags)]
    origins: dict[str, Origin] = dict.fromkeys(sifted.values, "toml")
    origins |= dict.fromkeys(flags, "cli")
    return LoadedConfig(config, path, tuple(notices), origins)
