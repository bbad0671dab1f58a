"""How to upgrade: the command for the way in which this package was installed. Nothing is changed."""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from spacetravlr.errors import PACKAGE, UsageError

_VERSION = re.compile(r"\d+(\.\d+)*((a|b|rc|\.post|\.dev)\d+)*")


@dataclass(frozen=True, slots=True)
class Installation:
    """How this package came here.

    Attributes
    ----------
    way
        `source` (a checkout, installed editable), `conda`, `pipx`, `uv tool`, `uv` or `pip`.
    place
        The directory of the checkout, or the prefix of the environment.
    """

    way: str
    place: Path


def find_installation(prefix: Path, found: Distribution | None) -> Installation:
    """Tell how a distribution was installed, from the traces that installers leave.

    Parameters
    ----------
    prefix
        `sys.prefix` of the environment.
    found
        The distribution, or None where there are no metadata: then it runs from a checkout.
    """
    checkout = _checkout(found)
    if checkout is not None:
        return Installation("source", checkout)
    if any((prefix / "conda-meta").glob(f"{PACKAGE}-*.json")):
        return Installation("conda", prefix)
    if (prefix / "pipx_metadata.json").exists():
        return Installation("pipx", prefix)
    if (prefix / "uv-receipt.toml").exists():
        return Installation("uv tool", prefix)
    installer = ((found.read_text("INSTALLER") if found else None) or "pip").strip()
    return Installation("uv" if installer == "uv" else "pip", prefix)


def _checkout(found: Distribution | None) -> Path | None:
    """Return the directory of an editable installation."""
    if found is None:
        return Path(__file__).resolve().parents[3]
    record = json.loads(found.read_text("direct_url.json") or "{}")
    if not record.get("dir_info", {}).get("editable"):
        return None
    return Path(record["url"].removeprefix("file://"))


def upgrade_command(installation: Installation, version: str | None, *, python: str) -> str:
    """Return the command that upgrades, or goes to one version.

    Parameters
    ----------
    installation
        How the package was installed.
    version
        Such as ``0.2.0`` (a leading v is dropped); None is the newest.
    python
        The interpreter of the environment, for those that need to be told.

    Raises
    ------
    UsageError
        If the version is not one.
    """
    wanted = version.removeprefix("v") if version is not None else None
    if wanted is not None and not _VERSION.fullmatch(wanted):
        raise UsageError(f"--update-version {version}: not a version; give one such as 0.2.0")
    exact = f"{PACKAGE}=={wanted}" if wanted else PACKAGE
    commands = {
        "source": f"git -C {_quoted(installation.place)} "
        + (f"checkout v{wanted}" if wanted else "pull")
        + f" && {_quoted(python)} -m pip install -e {_quoted(installation.place)}",
        "conda": f"conda install -p {_quoted(installation.place)} "
        + (f"{PACKAGE}={wanted}" if wanted else f"--update-specs {PACKAGE}"),
        "pipx": f"pipx install --force {exact}" if wanted else f"pipx upgrade {PACKAGE}",
        "uv tool": f"uv tool install {exact}" if wanted else f"uv tool upgrade {PACKAGE}",
        "uv": f"uv pip install --python {_quoted(python)} --upgrade {exact}",
        "pip": f"{_quoted(python)} -m pip install --upgrade {exact}",
    }
    return commands[installation.way]


def _quoted(path: Path | str) -> str:
    """Return a path as a shell of this system takes it."""
    text = str(path)
    if os.name == "nt":
        return f'"{text}"' if " " in text else text
    import shlex

    return shlex.quote(text)


def upgrade_lines(version: str | None) -> tuple[str, str]:
    """Return what `--update` says: what is here, and the command.

    Raises
    ------
    UsageError
        If the version is not one.
    """
    from spacetravlr import __version__

    try:
        found: Distribution | None = distribution(PACKAGE)
    except PackageNotFoundError:
        found = None
    here = find_installation(Path(sys.prefix), found)
    goal = "go to that version" if version else "upgrade"
    way = "from a checkout" if here.way == "source" else f"by {here.way}"
    return (
        f"{PACKAGE} {__version__}, installed {way}. Nothing was changed; to {goal}, stop what is running and enter:",
        f"  {upgrade_command(here, version, python=sys.executable)}",
    )
