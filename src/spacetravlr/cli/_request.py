"""What the flags of a training ask for: a sample and settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacetravlr.cli._train_flags import TRAIN_FLAGS
from spacetravlr.errors import UsageError

if TYPE_CHECKING:
    from spacetravlr.config import LoadedConfig, RunConfig

_EXAMPLE = "spacetravlr --h5ad sample.h5ad --output-dir my_run"
_OLD = "--max-lr-pairs"
_COMPARED = ("condition", "sample")
"""Columns that may be named again when a run is joined."""
_HEEDED = ("join_output_dir", "h5ad", "parallel", "scheduler", "workers", "plain", "dry_run", "fail_on_gene_error")


@dataclass(frozen=True, slots=True)
class Request:
    """A training to do."""

    sample: str
    """Path of the h5ad file."""
    config: RunConfig
    """All settings, with absolute paths."""
    out: str | None
    """Run directory; None leaves it to the settings."""
    notices: tuple[str, ...]
    """What the user should know."""


def make_request(given: Mapping[str, Any]) -> Request:
    """Return what is asked for.

    Parameters
    ----------
    given
        Value of every flag by its name, None for those that were not given.

    Raises
    ------
    UsageError
        If no sample is known, or flags contradict each other.
    ConfigError
        If a setting or a configuration file cannot be used.
    RunDirectoryError
        If there is no run to join.
    """
    if given["join_output_dir"] is not None:
        return _join(given)
    return _fresh(given)


def load_settings(given: Mapping[str, Any]) -> LoadedConfig:
    """Return the settings of a training that begins, with where each comes from.

    Parameters
    ----------
    given
        Value of every flag by its name, None for those that were not given.

    Raises
    ------
    UsageError
        If flags contradict each other.
    ConfigError
        If a setting or a configuration file cannot be used.
    """
    from spacetravlr.config import load_config

    flags = _flags(given)
    keys = {flag.names[0]: flag.key for flag in TRAIN_FLAGS}
    named = given["config"]
    return load_config(
        None if named is None else Path(named),
        overrides={str(keys[name]): value for name, value in flags.items()},
        search=Path.cwd(),
    )


def _flags(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the flags that set something, by their names; of an old and a new name the new one."""
    flags = {
        flag.names[0]: given[flag.name] if flag.sets is None else flag.sets
        for flag in TRAIN_FLAGS
        if flag.key and given[flag.name] is not None
    }
    if _OLD in flags:
        old = flags.pop(_OLD)
        if flags.setdefault("--max-ligands", old) != old:
            raise UsageError(f"{_OLD} is the old name of --max-ligands: give only one of them")
    return flags


def _fresh(given: Mapping[str, Any]) -> Request:
    flags, loaded = _flags(given), load_settings(given)
    notices = [] if given["max_lr_pairs"] is None else [f"{_OLD} is the old name of --max-ligands"]
    source = "default settings" if loaded.path is None else f"settings from {loaded.path}"
    notices.insert(0, source + (f", with {', '.join(flags)}" if flags else ""))
    config = loaded.config.absolute(None if loaded.path is None else loaded.path.parent)
    if not config.data.adata_path:
        raise UsageError(f"no sample is named: give --h5ad FILE, or [data].adata_path in a configuration: {_EXAMPLE}")
    return Request(config.data.adata_path, config, None, (*notices, *loaded.notices))


def _join(given: Mapping[str, Any]) -> Request:
    from spacetravlr.run import RunDirectory

    directory = RunDirectory.open(given["join_output_dir"])
    stored = directory.config.absolute(directory.path)
    cap = given["max_ligands"] if given["max_ligands"] is not None else given["max_lr_pairs"]
    if cap is not None and (cap or None) != stored.grn.max_ligands:
        kept = "unset" if stored.grn.max_ligands is None else stored.grn.max_ligands
        raise UsageError(
            f"--max-ligands {cap} differs from the run in {directory.path}, where it is {kept}: leave it out to join"
        )
    for flag in _COMPARED:
        _refuse_another(flag, given[flag], getattr(stored.data, flag), directory.path)
    kept_settings = (*_HEEDED, *_COMPARED, "max_ligands", "max_lr_pairs")
    ignored = [
        flag.names[0] for flag in TRAIN_FLAGS if given.get(flag.name) is not None and flag.name not in kept_settings
    ]
    notices = [f"settings of the run in {directory.path}"]
    if ignored:
        notices.append(f"{', '.join(ignored)} ignored: a run that is joined keeps its settings")
    changes = {"adata_path": given["h5ad"], "n_parallel": given["parallel"], "workers": given["workers"]}
    heeded = {key: value for key, value in changes.items() if value is not None}
    # whoever began the run may have had a cluster: who joins says for itself who works
    config = stored.replace({**heeded, "scheduler": given["scheduler"], "output_dir": str(directory.path)}).absolute()
    if not config.data.adata_path:
        raise UsageError(f"the run in {directory.path} does not say where its sample is: give --h5ad FILE")
    return Request(config.data.adata_path, config, str(directory.path), tuple(notices))


def _refuse_another(flag: str, wanted: str | None, stored: str | None, run: Path) -> None:
    if wanted is not None and wanted.strip().casefold() != (stored or "").casefold():
        kept = "unset" if stored is None else stored
        raise UsageError(f"--{flag} {wanted} differs from the run in {run}, where it is {kept}: leave it out to join")
