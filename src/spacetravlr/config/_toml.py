"""Configuration to TOML: the record of a run, and the commented template."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from spacetravlr.config._keys import SECTIONS, Setting, settings
from spacetravlr.config._messages import shown
from spacetravlr.config._rules import FIXED_PENALTIES

if TYPE_CHECKING:
    from spacetravlr.config._model import RunConfig

_WIDTH = 120
_HEADER = """\
# SpaceTravLR run configuration. Every key is optional; a line that begins with "# name =" shows a key that is not set.
# Command-line flags win over this file, this file over the defaults.
"""


def _literal(value: object) -> str:
    import tomlkit

    return tomlkit.item(list(value) if isinstance(value, tuple) else value).as_string()


def _explanation(setting: Setting) -> str:
    default = "unset" if setting.default is None else shown(setting.default)
    text = f"{setting.description} [{setting.type}; default {default}]"
    return textwrap.fill(text, _WIDTH, initial_indent="# ", subsequent_indent="#   ", break_on_hyphens=False)


def _implies(config: RunConfig, setting: Setting) -> bool:
    """Say whether merely writing the key would change the meaning of the file."""
    if setting.key == "training.score_threshold":
        return setting.name not in config.training.model_fields_set
    implying = setting.section == "lasso" and setting.name in FIXED_PENALTIES
    return implying and config.lasso.select is None and setting.name not in config.lasso.model_fields_set


def write_toml(config: RunConfig, *, comments: bool) -> str:
    """Return the TOML text of a configuration.

    Parameters
    ----------
    config
        What is written.
    comments
        Whether every key is explained, and keys that are not set are shown commented out.
    """
    flat = config.flat()
    blocks = [_HEADER] if comments else []
    for section in SECTIONS:
        lines = [f"[{section}]"]
        for setting in (setting for setting in settings() if setting.section == section):
            value = flat[setting.key]
            if comments:
                lines.append(_explanation(setting))
            if value is not None and not (comments and _implies(config, setting)):
                lines.append(f"{setting.name} = {_literal(value)}")
            elif comments:
                lines.append(f"# {setting.name} = {_literal(setting.example)}")
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)
