"""What the help says about a setting.

The configuration is the one source of descriptions, defaults and choices, but importing it costs more than the rest of
`--help` together. So they are kept in a file that is made from it; a test fails when the two differ.
"""

from __future__ import annotations

import functools
import json
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = Path(__file__).with_name("settings.json")
_LONGEST_PLAIN = 1e4
_SHORTEST_PLAIN = 1e-3


@dataclass(frozen=True, slots=True)
class Fact:
    """One setting, as far as help is concerned."""

    kind: str
    """`text`, `path`, `number`, `integer`, `flag`, `choice` or `list`."""
    default: object
    choices: tuple[str, ...]
    description: str

    @property
    def help(self) -> str:
        """Description, choices that it does not name, and default as one text."""
        parts = [self.description]
        if any(choice not in self.description for choice in self.choices):
            parts.append(f"One of {', '.join(self.choices)}.")
        # false is what a switch that is not given means anyway, and some descriptions tell their defaults themselves
        tells = "Unset:" in self.description
        if not tells and self.default is not None and self.default is not False and self.default not in ("", []):
            parts.append(f"Default: {shown_value(self.default)}.")
        return " ".join(parts)


@functools.cache
def facts() -> dict[str, Fact]:
    """Return the facts about every setting, by full key."""
    table = json.loads(FILE.read_text(encoding="utf-8"))
    return {key: Fact(**{**entry, "choices": tuple(entry["choices"])}) for key, entry in table.items()}


def make_facts() -> str:
    """Return what the file must hold, from the configuration."""
    from spacetravlr.config import settings

    table = {
        setting.key: asdict(
            Fact(
                kind=setting.kind,
                default=list(setting.default) if isinstance(setting.default, tuple) else setting.default,
                choices=setting.choices,
                description=setting.description,
            )
        )
        for setting in settings()
    }
    return json.dumps(table, indent=1, ensure_ascii=False) + "\n"


def write_facts() -> None:
    """Bring the file up to date with the configuration."""
    FILE.write_text(make_facts(), encoding="utf-8")


def shown_value(value: object) -> str:
    """Return a default as help shows it: `200`, not `200.0`."""
    if isinstance(value, float):
        plain = value == 0 or _SHORTEST_PLAIN <= abs(value) < _LONGEST_PLAIN
        return f"{value:g}" if plain else f"{value:g}".replace("e-0", "e-")
    return str(value)
