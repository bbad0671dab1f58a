"""The list of all settings with their types, read from the models: what help, template and messages are made of."""

from __future__ import annotations

import functools
import types
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from spacetravlr.config import _sections as sections
from spacetravlr.config._fields import PathMark, Section
from spacetravlr.errors import ConfigError, nearest

Kind = Literal["text", "path", "number", "integer", "flag", "choice", "list"]

# order of the README's configuration file
SECTIONS: dict[str, type[Section]] = {
    "data": sections.DataSettings,
    "spatial": sections.SpatialSettings,
    "grn": sections.GrnSettings,
    "cnn": sections.CnnSettings,
    "lasso": sections.LassoSettings,
    "training": sections.TrainingSettings,
    "training.hybrid": sections.HybridSettings,
    "execution": sections.ExecutionSettings,
    "cluster": sections.ClusterSettings,
    "perturbation": sections.PerturbationSettings,
    "model_export": sections.ModelExportSettings,
}
ALIASES = {"grn.max_lr_pairs": "grn.max_ligands"}


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of the configuration."""

    key: str
    """Section and name joined by a dot: `training.hybrid.moran_k_neighbors`."""
    section: str
    name: str
    kind: Kind
    default: object
    """Default value; None means unset."""
    optional: bool
    """Whether the key may be unset."""
    type: str
    """What is accepted, in words: `number > 0`."""
    choices: tuple[str, ...]
    """Accepted words of a choice, else empty."""
    example: object
    """A valid value, which is the default unless that is None."""
    description: str

    @property
    def label(self) -> str:
        """The key as messages name it: `[spatial].radius`."""
        return f"[{self.section}].{self.name}"


def _bare(annotation: Any) -> tuple[Any, bool]:
    """Return the annotation without None, and whether None was allowed."""
    if get_origin(annotation) in {Union, types.UnionType}:
        return next(arg for arg in get_args(annotation) if arg is not type(None)), True
    return annotation, False


def _kind(bare: Any, info: FieldInfo) -> Kind:
    if get_origin(bare) is Literal:
        return "choice"
    if get_origin(bare) is tuple:
        return "list"
    if bare is str:
        return "path" if any(isinstance(mark, PathMark) for mark in info.metadata) else "text"
    kinds: dict[Any, Kind] = {bool: "flag", int: "integer", float: "number"}
    return kinds[bare]


def _range(info: FieldInfo) -> str:
    bounds = {
        sign: bound
        for mark in info.metadata
        for name, sign in (("gt", ">"), ("ge", ">="), ("lt", "<"), ("le", "<="))
        if (bound := getattr(mark, name, None)) is not None
    }
    if bounds.keys() == {">=", "<="}:
        return f"{bounds['>=']} to {bounds['<=']}"
    return " and ".join(f"{sign} {bound}" for sign, bound in bounds.items())


def _type_text(kind: Kind, bare: Any, info: FieldInfo) -> str:
    match kind:
        case "choice":
            return f"one of {', '.join(get_args(bare))}"
        case "flag":
            return "true or false"
        case "list":
            return "list of texts"
        case "number" | "integer":
            noun = "number" if kind == "number" else "whole number"
            return f"{noun} {_range(info)}".rstrip()
        case _:
            return f"{kind}, not empty" if any(hasattr(mark, "min_length") for mark in info.metadata) else kind


def _setting(section: str, name: str, info: FieldInfo) -> Setting:
    bare, optional = _bare(info.annotation)
    kind = _kind(bare, info)
    default = info.get_default()
    example = info.examples[0] if info.examples else default
    return Setting(
        key=f"{section}.{name}",
        section=section,
        name=name,
        kind=kind,
        default=default,
        optional=optional,
        type=_type_text(kind, bare, info),
        choices=get_args(bare) if kind == "choice" else (),
        example=(tuple(example) if isinstance(example, list) else example),
        description=info.description or "",
    )


@functools.cache
def settings() -> tuple[Setting, ...]:
    """Return every setting, in the order of the file."""
    return tuple(
        _setting(section, name, info)
        for section, model in SECTIONS.items()
        for name, info in model.model_fields.items()
        if f"{section}.{name}" not in SECTIONS
    )


@functools.cache
def settings_by_key() -> dict[str, Setting]:
    """Return the settings by their full key."""
    return {setting.key: setting for setting in settings()}


def suggestion(section: str, name: str) -> str | None:
    """Return the label of the setting most likely meant by an unknown name in a section.

    A right name in the wrong section comes first, then a near name in the same section, then one anywhere.
    """
    same_name = [setting for setting in settings() if setting.name == name.casefold()]
    if same_name:
        return same_name[0].label
    for pool in ([s for s in settings() if s.section == section], list(settings())):
        match = nearest(name, [setting.name for setting in pool])
        if match:
            return next(setting.label for setting in pool if setting.name == match)
    return None


def full_key(name: str) -> str:
    """Return the full key of a setting given as `section.key` or by its bare name.

    Parameters
    ----------
    name
        `spatial.radius`, or `radius`; old names are understood.

    Raises
    ------
    ConfigError
        No setting has this name.
    """
    key = ALIASES.get(name, name)
    known = settings_by_key()
    if key in known:
        return key
    by_name = {setting.name: setting.key for setting in settings()}
    by_name |= {alias.rpartition(".")[2]: target for alias, target in ALIASES.items()}
    if key in by_name:
        return by_name[key]
    section, _, bare = key.rpartition(".")
    raise ConfigError(f"unknown setting {name}{_meant(suggestion(section, bare))}")


def describe(name: str) -> Setting:
    """Return name, type, default and description of one setting.

    Parameters
    ----------
    name
        `section.key`, or the bare name.

    Raises
    ------
    ConfigError
        No setting has this name.
    """
    return settings_by_key()[full_key(name)]


def _meant(label: str | None) -> str:
    return f"; did you mean {label}?" if label else ""
