"""Begin or continue a run directory: same settings, same sample, or a refusal that shows what differs."""

from __future__ import annotations

import logging
import tomllib
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from spacetravlr.atomic import create_text, make_directory, write_text
from spacetravlr.config import RunConfig, settings
from spacetravlr.errors import ConfigError, RunDirectoryError, SettingsChangedError, listing
from spacetravlr.run.damage import damage_of_text
from spacetravlr.run.manifest import InputData, Manifest
from spacetravlr.run.paths import CONDITION_LABEL, MANIFEST, PREPARED_SAMPLE, REPRO_TOML, RunPaths, scan


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting that has changed."""

    label: str
    stored: object
    wanted: object

    def __str__(self) -> str:
        return f"{self.label}: {_shown(self.stored)} -> {_shown(self.wanted)}"


def settings_differences(
    stored: RunConfig, wanted: RunConfig, *, only: Set[str] | None = None
) -> tuple[Difference, ...]:
    """Return the settings by which a trained result would change.

    Parameters
    ----------
    stored, wanted
        The two configurations, with absolute paths.
    only
        Compare these keys only, and only where they have an effect in both configurations; None compares all.
    """
    before, after = _effective(stored), _effective(wanted)
    keys = list(dict.fromkeys((*before, *after)))
    if only is not None:
        keys = [key for key in keys if key in only and key in before and key in after]
    return tuple(
        Difference(_label(key), before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)
    )


def input_differences(stored: InputData, wanted: InputData) -> tuple[Difference, ...]:
    """Return what tells two samples apart: shape, names, and content where both checksums are known.

    The path and the date of a file do not count: the same sample or network may lie elsewhere on another host.
    """
    pairs = {
        "number of cells": (stored.n_cells, wanted.n_cells),
        "number of genes": (stored.n_genes, wanted.n_genes),
        "cell and gene names (sha256)": (stored.names_sha256, wanted.names_sha256),
        "file content (sha256)": (stored.sha256, wanted.sha256),
        "expression, positions, clusters or samples (sha256)": (stored.content_sha256, wanted.content_sha256),
        "prior network (sha256)": (stored.network_sha256, wanted.network_sha256),
    }
    return tuple(
        Difference(label, before, after)
        for label, (before, after) in pairs.items()
        if before is not None and after is not None and before != after
    )


def begin_or_continue(
    root: Path, config: RunConfig, *, sample: InputData | None = None, config_dir: Path | None = None
) -> tuple[str, ...]:
    """Make a directory ready for training with these settings.

    A new or empty directory gets the effective configuration before anything else; several processes may do this at
    the same time. In an existing run nothing is changed.

    Parameters
    ----------
    root
        The run directory; created with its parents.
    config
        Effective settings.
    sample
        What will be trained on; compared with the manifest if there is one.
    config_dir
        Directory of the configuration file, for relative paths in it.

    Returns
    -------
    Notices for the user.

    Raises
    ------
    SettingsChangedError
        If the directory holds a run of other settings or of another sample.
    RunDirectoryError
        If it holds results of unknown settings, or cannot be written.
    """
    make_directory(root)
    paths = RunPaths(root)
    # absolute, so that the record means the same wherever it is read from
    wanted = config.absolute(config_dir).replace({"execution.output_dir": str(root)})
    notices: tuple[str, ...] = ()
    if not paths.toml.exists():
        notices = _look_around(root)
        if create_text(paths.toml, wanted.to_toml()):
            return notices
        # another process began this run between the look and the writing
    else:
        notices = _mend(paths, wanted)
    return (*notices, *_compare(paths, wanted, sample))


def read_manifest(path: Path) -> Manifest | None:
    """Read a manifest file; None if it is missing or no JSON object (it is foreign then)."""
    try:
        return Manifest.from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def read_config(path: Path) -> tuple[RunConfig, str]:
    """Read the configuration of a run; where its record is damaged, what the manifest tells of it, with a warning.

    Returns
    -------
    The configuration, and the text of its file.

    Raises
    ------
    RunDirectoryError
        If it is missing or unreadable.
    """
    try:
        content = path.read_bytes()
        why = damage_of_text(content, b"") if path.name == REPRO_TOML else None
        text = content.decode() if why is None else ""
    except FileNotFoundError as error:
        raise RunDirectoryError(
            f"no {path.name} in {path.parent}: it is not a run directory, or its training never began"
        ) from error
    except UnicodeDecodeError as error:
        if path.name == REPRO_TOML:
            raise RunDirectoryError(f"cannot read {path}: {error}") from error
        raise RunDirectoryError(f"{path} is no TOML of a run: name {REPRO_TOML}, or the directory it is in") from error
    except OSError as error:
        raise RunDirectoryError(f"cannot read {path}: {error}") from error
    if why is not None:
        told = _as_the_manifest_tells(path.parent)
        if told is None:
            raise RunDirectoryError(f"{path} is {why}, and no {MANIFEST} tells the settings: put a copy of it there")
        logging.getLogger("spacetravlr").warning("%s is %s: settings are read from %s", path, why, MANIFEST)
        return told, told.to_toml()
    try:
        return RunConfig.from_toml(path), text
    except ConfigError as error:
        raise RunDirectoryError(f"{path}: {error}") from error


def _as_the_manifest_tells(root: Path) -> RunConfig | None:
    manifest = read_manifest(root / MANIFEST)
    if manifest is None or not manifest.config:
        return None
    try:
        return RunConfig.model_validate(manifest.config)
    except ValueError:
        return None


def _mend(paths: RunPaths, wanted: RunConfig) -> tuple[str, ...]:
    """Write the record of a run again if it is damaged, as the manifest tells it or, before the first result, anew."""
    try:
        why = damage_of_text(paths.toml.read_bytes(), b"")
    except OSError:
        why = None
    if why is None:
        return ()
    told = _as_the_manifest_tells(paths.root)
    if told is None and scan(paths.root).finished:
        # the message of whoever reads it
        return ()
    write_text(paths.toml, (told or wanted).to_toml(), durable=True)
    source = "" if told is None else f" from {MANIFEST}"
    return (f"{paths.toml.name} was {why}, as after a power failure: it is written again{source}",)


def is_own(paths: RunPaths) -> bool:
    """Return True if this edition began the run, as far as its files tell."""
    try:
        text = paths.toml.read_text(encoding="utf-8")
        return is_own_toml(text) if text.strip() else paths.manifest.exists()
    except (OSError, ValueError):
        return paths.manifest.exists()


def is_own_toml(text: str) -> bool:
    """Return True if this edition wrote the configuration: it always says how penalties are selected."""
    lasso = tomllib.loads(text).get("lasso")
    return isinstance(lasso, dict) and "select" in lasso


def _look_around(root: Path) -> tuple[str, ...]:
    found = scan(root)
    if found.finished:
        raise RunDirectoryError(
            f"{root} holds results of {len(found.finished)} genes but no {RunPaths(root).toml.name}, so their settings "
            "are unknown; use another --output-dir, or remove them"
        )
    # a run of a condition split finds its label there, one that prepares its sample first the ready file
    expected = {CONDITION_LABEL, PREPARED_SAMPLE}
    names = sorted(path.name for path in root.iterdir() if path.name[:1] != "." and path.name not in expected)
    if not names:
        return ()
    return (f"{root} is not empty ({listing(names, 5)}); the run is written beside what is there",)


def _compare(paths: RunPaths, wanted: RunConfig, sample: InputData | None) -> tuple[str, ...]:
    stored, text = read_config(paths.toml)
    own = is_own_toml(text)
    if own:
        changed = settings_differences(stored, wanted)
    else:
        # the compiled edition has one solver, and does not know many of our settings
        theirs = stored.absolute(paths.root).replace({"lasso.solver": "fista"})
        changed = settings_differences(theirs, wanted, only=_keys(tomllib.loads(text)))
    manifest = read_manifest(paths.manifest)
    if sample is not None:
        changed += (
            _other_file(stored, paths.root, sample) if manifest is None else input_differences(manifest.input, sample)
        )
    if changed:
        shown = "; ".join(map(str, changed))
        raise SettingsChangedError(
            f"{paths.root} holds a run of other settings ({shown}); use another --output-dir, or remove that directory"
        )
    return (*_silent_differences(stored, wanted), *(() if own else _foreign_notice(wanted)))


def _other_file(stored: RunConfig, root: Path, sample: InputData) -> tuple[Difference, ...]:
    """Compare the files where no manifest describes the sample; one that is no longer there proves nothing."""
    old = stored.data.adata_path
    if not old or not sample.path:
        return ()
    there = [path for path in (Path(old).absolute(), root / old) if path.exists()]
    if not there or any(path.samefile(sample.path) for path in there):
        return ()
    return (Difference("[data].adata_path", old, sample.path),)


def _silent_differences(stored: RunConfig, wanted: RunConfig) -> tuple[str, ...]:
    """Say that settings of later perturbations stay as stored; no trained result depends on them."""
    before, after, compared = stored.flat(), wanted.flat(), wanted.result_settings()
    kept = [
        str(Difference(_label(key), before[key], after[key]))
        for key in after
        if key.startswith("perturbation.") and key not in compared and before[key] != after[key]
    ]
    if not kept:
        return ()
    return (f"the stored run configuration keeps its own values, without effect on training: {'; '.join(kept)}",)


def _foreign_notice(wanted: RunConfig) -> tuple[str, ...]:
    if wanted.lasso.solver == "fista":
        return ()
    return (
        "the compiled edition began this directory; its coefficients come from its early-stopped solver, the new ones "
        f"from solver {wanted.lasso.solver!r}: use another --output-dir, or --solver fista, to keep them comparable",
    )


def _effective(config: RunConfig) -> dict[str, object]:
    """Return the result settings; two ways to write one path count as one."""
    values = config.result_settings()
    for setting in settings():
        value = values.get(setting.key)
        if setting.kind == "path" and isinstance(value, str) and value:
            values[setting.key] = str(Path(value).resolve())
    return values


def _keys(table: Mapping[str, object], above: str = "") -> set[str]:
    keys: set[str] = set()
    for name, value in table.items():
        keys |= _keys(value, f"{above}{name}.") if isinstance(value, Mapping) else {f"{above}{name}"}
    return keys


def _label(key: str) -> str:
    section, _, name = key.rpartition(".")
    return f"[{section}].{name}"


def _shown(value: object) -> str:
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
