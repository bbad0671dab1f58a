"""Run configuration: every setting with its default, the TOML file, and what one setting implies for another."""

from __future__ import annotations

from spacetravlr.config._extras import merge_extras, parse_lr_pair, split_lr_pairs, split_names
from spacetravlr.config._keys import SECTIONS, Setting, describe, full_key, settings
from spacetravlr.config._load import CONFIG_NAMES, LoadedConfig, Origin, load_config
from spacetravlr.config._model import RunConfig
from spacetravlr.config._reading import Sifted, read_settings
from spacetravlr.config._sections import (
    N_PROPAGATION,
    SAME_LAYER,
    ClusterSettings,
    CnnSettings,
    DataSettings,
    ExecutionSettings,
    GrnSettings,
    HybridSettings,
    LassoSettings,
    ModelExportSettings,
    PerturbationSettings,
    SpatialSettings,
    TrainingSettings,
)

__all__ = [
    "CONFIG_NAMES",
    "N_PROPAGATION",
    "SAME_LAYER",
    "SECTIONS",
    "ClusterSettings",
    "CnnSettings",
    "DataSettings",
    "ExecutionSettings",
    "GrnSettings",
    "HybridSettings",
    "LassoSettings",
    "LoadedConfig",
    "ModelExportSettings",
    "Origin",
    "PerturbationSettings",
    "RunConfig",
    "Setting",
    "Sifted",
    "SpatialSettings",
    "TrainingSettings",
    "describe",
    "full_key",
    "load_config",
    "merge_extras",
    "parse_lr_pair",
    "read_settings",
    "settings",
    "split_lr_pairs",
    "split_names",
]
