"""One line for a value that a model refuses."""

from __future__ import annotations

import json
from collections.abc import Sequence

from pydantic import ValidationError

from spacetravlr.config._keys import SECTIONS, Setting, settings_by_key, suggestion
from spacetravlr.errors import nearest

_SHOWN = 60


def shown(value: object) -> str:
    """Return a value as a TOML file would show it, on one line and not too long."""
    match value:
        case None:
            text = "none"
        case bool():
            text = str(value).lower()
        case int() if value.bit_length() > _SHOWN:
            # Python refuses to print integers of thousands of digits
            text = f"a whole number of {value.bit_length()} bits"
        case str():
            text = json.dumps(value, ensure_ascii=False)
        case list() | tuple():
            text = f"[{', '.join(shown(item) for item in value[:8])}{', ...' if len(value) > 8 else ''}]"
        case _:
            text = " ".join(repr(value).split())
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _hint(setting: Setting, value: object) -> str:
    if not isinstance(value, str):
        return ""
    if setting.kind == "choice":
        match = nearest(value, setting.choices)
        return f'; did you mean "{match}"?' if match else ""
    if setting.kind == "list":
        return "; write it between [ and ]"
    try:
        number = float(value)
    except ValueError:
        quoted = setting.kind == "flag" and value in {"true", "false"}
    else:
        quoted = setting.kind == "number" or (setting.kind == "integer" and number.is_integer())
    return "; write it without quotes" if quoted else ""


def _refused(location: Sequence[str | int], kind: str, value: object) -> str:
    words = [str(part) for part in location if isinstance(part, str)]
    key = ".".join(words)
    if kind == "extra_forbidden":
        section, _, name = key.rpartition(".")
        label = f"[{section}].{name}" if section else name
        meant = suggestion(section, name)
        return f"unknown setting {label}" + (f"; did you mean {meant}?" if meant else "")
    if key in SECTIONS:
        return f"[{key}] must be a section of keys, not {shown(value)}"
    setting = settings_by_key()[key]
    if len(words) < len(location):
        return f"{setting.label} contains {shown(value)} but must be a {setting.type}"
    article = "" if setting.kind in {"choice", "flag", "text"} else "a "
    return f"{setting.label} = {shown(value)} must be {article}{setting.type}{_hint(setting, value)}"


def explain(error: ValidationError) -> str:
    """Return one line that names the first refused key, its value and what is allowed, and counts the others."""
    problems = error.errors(include_url=False)
    first = problems[0]
    more = len(problems) - 1
    suffix = f" (and {more} more wrong setting{'s' if more > 1 else ''})" if more else ""
    return _refused(first["loc"], first["type"], first["input"]) + suffix
