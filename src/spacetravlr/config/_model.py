"""The run configuration: all sections together."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from spacetravlr.config import _sections as sections
from spacetravlr.config._keys import full_key, settings
from spacetravlr.config._messages import explain
from spacetravlr.config._paths import absolute_paths
from spacetravlr.config._reading import Sifted, parse_toml, read_settings, sift
from spacetravlr.config._result import result_settings
from spacetravlr.config._rules import choose
from spacetravlr.config._toml import write_toml
from spacetravlr.errors import ConfigError


class RunConfig(BaseModel):
    """Every setting of a run, by section; immutable.

    Built from sections or mappings, `RunConfig(spatial={"radius": 300})`. Sections remember which keys were given
    (`model_fields_set`), because giving a penalty decides how penalties are chosen.

    Parameters
    ----------
    data, spatial, grn, cnn, lasso, training, execution, cluster, perturbation, model_export
        The sections of the TOML file, each with its keys as attributes: `config.spatial.radius`.

    Raises
    ------
    ConfigError
        A value has the wrong type or is out of range; the one-line message names key, value and what is allowed.

    Examples
    --------
    >>> config = stl.RunConfig(spatial={"radius": 150}, lasso={"n_bootstraps": 50})
    >>> config.spatial.radius, config.given()
    (150.0, {'spatial.radius': 150.0, 'lasso.n_bootstraps': 50})
    >>> config.replace({"max_genes": 10}).training.max_genes
    10
    >>> stl.RunConfig.from_toml(config.to_toml(comments=True)) == config
    True
    >>> stl.RunConfig(spatial={"radius": -1})
    Traceback (most recent call last):
    ...
    spacetravlr.errors.ConfigError: [spatial].radius = -1 must be a number > 0
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    data: sections.DataSettings = Field(default=sections.DataSettings())
    spatial: sections.SpatialSettings = Field(default=sections.SpatialSettings())
    grn: sections.GrnSettings = Field(default=sections.GrnSettings())
    cnn: sections.CnnSettings = Field(default=sections.CnnSettings())
    lasso: sections.LassoSettings = Field(default=sections.LassoSettings())
    training: sections.TrainingSettings = Field(default=sections.TrainingSettings())
    execution: sections.ExecutionSettings = Field(default=sections.ExecutionSettings())
    cluster: sections.ClusterSettings = Field(default=sections.ClusterSettings())
    perturbation: sections.PerturbationSettings = Field(default=sections.PerturbationSettings())
    model_export: sections.ModelExportSettings = Field(default=sections.ModelExportSettings())

    def __init__(self, /, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigError(explain(error)) from None

    @classmethod
    def from_flat(cls, values: Mapping[str, object], *, where: str = "") -> Self:
        """Return a configuration from values by full or bare key; all other settings have their defaults.

        Parameters
        ----------
        values
            `{"spatial.radius": 300.0, "max_genes": 50}`.
        where
            Where the values come from (a file name, "command line"), to begin error messages with.

        Raises
        ------
        ConfigError
            A key is unknown, or a value is not allowed.
        """
        nested: dict[str, Any] = {}
        try:
            for name, value in values.items():
                *path, last = full_key(name).split(".")
                table = nested
                for part in path:
                    table = table.setdefault(part, {})
                table[last] = value
            return cls(**nested)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}" if where else str(error)) from None

    @classmethod
    def from_toml(cls, source: str | Path) -> Self:
        """Return the configuration of a TOML file or text; ignored keys are logged.

        Parameters
        ----------
        source
            A path, a text of one line that ends in `.toml` (a path too), or TOML text.

        Raises
        ------
        ConfigError
            The file cannot be read, is not TOML, or has a value that is not allowed.
        """
        if isinstance(source, str) and source.endswith(".toml") and "\n" not in source:
            source = Path(source)
        where = str(source) if isinstance(source, Path) else "TOML text"
        sifted: Sifted = read_settings(source) if isinstance(source, Path) else sift(parse_toml(source, where), where)
        for notice in sifted.notices:
            logging.getLogger("spacetravlr").warning(notice)
        return cls.from_flat(sifted.values, where=where)

    def to_toml(self, comments: bool = False) -> str:  # noqa: FBT001, FBT002 - signature shared between rooms
        """Return the configuration as TOML.

        Parameters
        ----------
        comments
            False: the record of a run, that is every key of the resolved configuration that has a value.
            True: a template of this configuration with every key explained; keys without a value, and penalties
            that were not given, are commented out.

        Returns
        -------
        TOML text. Read again it gives `resolved()` without comments, and this configuration with comments.

        Raises
        ------
        ConfigError
            Without comments: two settings contradict each other.
        """
        return write_toml(self if comments else self.resolved(), comments=comments)

    def flat(self) -> dict[str, object]:
        """Return the value of every setting by full key; lists as lists, unset as None."""
        values: dict[str, object] = {}
        for setting in settings():
            value: Any = self
            for part in setting.key.split("."):
                value = getattr(value, part)
            values[setting.key] = list(value) if isinstance(value, tuple) else value
        return values

    def given(self) -> dict[str, object]:
        """Return the settings that were given explicitly, by full key."""
        flat = self.flat()
        owners: dict[str, BaseModel] = {name: getattr(self, name) for name in type(self).model_fields}
        owners["training.hybrid"] = self.training.hybrid
        return {s.key: flat[s.key] for s in settings() if s.name in owners[s.section].model_fields_set}

    def replace(self, values: Mapping[str, object]) -> Self:
        """Return a copy with other values for some settings.

        Parameters
        ----------
        values
            New values by full or bare key; None unsets an optional key.

        Raises
        ------
        ConfigError
            A key is unknown, or a value is not allowed.
        """
        return type(self).from_flat(self.given() | {full_key(name): value for name, value in values.items()})

    def resolved(self) -> Self:
        """Return a copy in which select, penalty, beta_export, score_on, held_out and model_level are decided.

        So is a response layer that does not depend on the sample; the rest of it is found out when one is opened.

        Raises
        ------
        ConfigError
            Two settings contradict each other.
        """
        choices = choose(self)
        lasso = {"select": choices.select, "penalty": choices.penalty, "beta_export": choices.beta_export}
        training = {
            "score_on": choices.score_on,
            "held_out": choices.held_out,
            "model_level": choices.model_level,
        }
        response = {} if choices.response_layer is None else {"response_layer": choices.response_layer}
        return self.model_copy(
            update={
                "data": self.data.model_copy(update=response),
                "lasso": self.lasso.model_copy(update=lasso),
                "training": self.training.model_copy(update=training),
            }
        )

    def implied(self) -> tuple[str, ...]:
        """Return one line for each setting that implies another, or has an effect that is easily overlooked.

        Raises
        ------
        ConfigError
            Two settings contradict each other.
        """
        return choose(self).notices

    def result_settings(self) -> dict[str, object]:
        """Return every setting that can change a trained result, by full key, of the resolved configuration.

        Settings without effect in the chosen mode are left out, so changing them does not count as a change. Values
        are text, numbers, booleans, None and lists of text, ready for JSON.

        Raises
        ------
        ConfigError
            Two settings contradict each other.
        """
        return result_settings(self.resolved())

    def absolute(self, base: Path | None = None) -> Self:
        """Return a copy whose paths are absolute, so that it means the same from any directory.

        Parameters
        ----------
        base
            Directory of the file the configuration was read from. A relative input counts from the working directory
            if it exists there, else from `base` if it exists there; the run directory from the working directory.
        """
        return self.replace(absolute_paths(self.flat(), base))
