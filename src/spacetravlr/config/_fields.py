"""Value types of the settings: what is accepted, and what is made of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

MODE_ALIASES = {"minimal": "seed", "seed-only": "seed"}
ACTIVATION_ALIASES = {"sigmoid-x2": "sigmoidx2"}


class PathMark:
    """Marks a text as the path of a file or directory."""


def _unset_if_blank(value: object) -> object:
    # TOML has no null: an empty text is the only way a file (or --condition "") can switch a setting off
    return None if isinstance(value, str) and not value.strip() else value


def expand_home(text: str) -> str:
    """Return a path with a leading `~` replaced by the home directory."""
    # unlike Path.expanduser this neither raises nor rewrites other paths
    return os.path.expanduser(text) if text == "~" or text.startswith("~/") else text  # noqa: PTH111


def _expand(value: object) -> object:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    return expand_home(value) if isinstance(value, str) else value


def _layer(value: object) -> object:
    return "X" if isinstance(value, str) and not value.strip() else value


def _mode(value: object) -> object:
    return MODE_ALIASES.get(value, value) if isinstance(value, str) else value


def _activation(value: object) -> object:
    return ACTIVATION_ALIASES.get(value, value) if isinstance(value, str) else value


def _zero_is_none(value: object) -> object:
    return None if value == 0 and isinstance(value, int) and not isinstance(value, bool) else value


def _as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


_BLANK = BeforeValidator(_unset_if_blank)
_EXPAND = BeforeValidator(_expand)

OptionalText = Annotated[str | None, _BLANK]
LayerName = Annotated[str, BeforeValidator(_layer)]
PathText = Annotated[str, _EXPAND, PathMark()]
# validators written last run first: a blank is unset before it could be expanded
OptionalPath = Annotated[str | None, _EXPAND, _BLANK, PathMark()]
Names = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]
OptionalNames = Annotated[tuple[str, ...] | None, BeforeValidator(_as_tuple)]
LigandCap = Annotated[int | None, BeforeValidator(_zero_is_none)]

Species = Literal["mouse", "human"]
Kernel = Literal["gaussian", "truncated"]
Solver = Literal["cd", "fista"]
Select = Literal["cv", "fixed"]
Penalty = Literal["enet", "lasso", "sgl"]
PenaltyRule = Literal["1se", "near", "min"]
BetaExport = Literal["fit", "mean"]
ScoreOn = Literal["held_out", "in_sample"]
ResponseUse = Literal["score", "fit"]
Mode = Literal["seed", "full", "hybrid"]
Activation = Literal["identity", "sigmoid", "tanh", "sigmoidx2"]
Encoder = Literal["per_gene", "shared"]
MapStyle = Literal["readme", "python"]
LrSchedule = Literal["constant", "cosine"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Profile = Literal["default", "v1", "python"]

OptionalSpecies = Annotated[Species | None, _BLANK]
OptionalSelect = Annotated[Select | None, _BLANK]
OptionalPenalty = Annotated[Penalty | None, _BLANK]
OptionalBetaExport = Annotated[BetaExport | None, _BLANK]
OptionalScoreOn = Annotated[ScoreOn | None, _BLANK]
ModeName = Annotated[Mode, BeforeValidator(_mode)]
ActivationName = Annotated[Activation, BeforeValidator(_activation)]


class Section(BaseModel):
    """One table of the TOML file; immutable, strict about types, without unknown keys."""

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        protected_namespaces=(),
    )

    @model_validator(mode="before")
    @classmethod
    def _plain_numbers(cls, values: Any) -> Any:
        # notebooks pass numpy scalars, which strict validation would refuse
        if not isinstance(values, Mapping):
            return values
        return {
            name: value.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else value
            for name, value in values.items()
        }
