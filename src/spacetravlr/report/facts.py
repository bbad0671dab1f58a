"""Everything the report tells, read from the files of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacetravlr.config import RunConfig, describe, settings
from spacetravlr.errors import InputError, SpaceTravLRError
from spacetravlr.report.firmness import Firmness, read_firmness
from spacetravlr.report.genes import Genes, read_genes
from spacetravlr.report.origins import Source, read_origins
from spacetravlr.report.recovery import Kind, Recovery, recovery
from spacetravlr.report.sample import Sample, read_sample
from spacetravlr.report.suggest import largest
from spacetravlr.report.timings import Timings, read_timings
from spacetravlr.run import Manifest, Run, RunDirectory, RunProgress, level_doubt, read_progress, score_table
from spacetravlr.run.mending import damage_line

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a report shall be made of, where it is not to be found in the run itself.

    Attributes
    ----------
    h5ad
        The sample.
    config
        Settings for a directory without a record of its own.
    manifest
        A JSON file whose keys win over those of the run's manifest.
    run_id
        Wins over both.
    cluster_key, layer
        Column of the clusters on the map; layer to name.
    pattern
        Names of the files to count as results.
    """

    h5ad: Path | None = None
    config: RunConfig | None = None
    manifest: Path | None = None
    run_id: str | None = None
    cluster_key: str | None = None
    layer: str | None = None
    pattern: str = "*_betadata.feather"


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting as it is shown."""

    name: str
    value: str
    default: str
    origin: Source
    description: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Facts:
    """A run as the report tells it."""

    path: Path
    run: Run
    manifest: Manifest
    has_manifest: bool
    """Whether the run has one of its own."""
    progress: RunProgress
    genes: Genes
    firmness: Firmness
    knocked: str | None
    """A gene whose knock-out should show; None without a model."""
    sample: Sample
    timings: Timings
    settings: Mapping[str, tuple[SettingRow, ...]]
    """By section."""
    settings_file: str | None
    """The file that was read when the run began."""
    differing: tuple[str, ...]
    """Settings of the configuration that was named which the run does not have."""
    recovery: Mapping[Kind, Recovery]
    layer: str
    n_files: int
    """Files that match the pattern."""
    trouble: tuple[str, ...]
    """What could not be read."""
    doubt: str | None
    """Why models may be written for genes that nothing regulates, if their test cannot exclude that."""


def gather(root: Path, wanted: Wanted) -> Facts:
    """Read everything that a report tells.

    Parameters
    ----------
    root
        The run directory.
    wanted
        What is to be taken from elsewhere.

    Raises
    ------
    RunDirectoryError
        If the directory cannot be read.
    InputError
        If the manifest that is named is no JSON object, or cannot be read.
    """
    directory = RunDirectory(root)
    trouble: list[str] = []
    own = _own_config(directory, trouble)
    config = own or wanted.config or RunConfig()
    run = Run(directory, toml=directory.files.toml, config=config)
    # the status first: what is finished meanwhile is told the next time, and never counted twice
    progress = read_progress(directory)
    manifest = _merged(directory.manifest, wanted, root)
    scores: pd.DataFrame = score_table(directory.scores())
    genes = read_genes(directory, progress.status, scores)
    sample = read_sample(
        _sample_path(wanted, config, root), root, config, cluster_key=wanted.cluster_key, layer=wanted.layer
    )
    origins, source = read_origins(root, config)
    names = {} if sample.tissue is None else sample.tissue.cluster_cell_types
    skill = genes.skill
    firmness = read_firmness(root, skill)
    return Facts(
        path=root,
        run=run,
        manifest=manifest,
        has_manifest=directory.manifest is not None,
        progress=progress,
        genes=genes,
        firmness=firmness,
        knocked=largest(run, skill) if firmness.knock_out is None else firmness.knock_out.gene,
        sample=sample,
        timings=read_timings(root, manifest.started),
        settings=_rows(config, origins),
        settings_file=source,
        differing=() if wanted.config is None or own is None else _differing(own, wanted.config),
        recovery={} if sample.truth is None else recovery(run, sample.truth, names),
        layer=(config.data.layer if wanted.layer is None else wanted.layer) or "X",
        n_files=sum(1 for _ in root.glob(wanted.pattern)),
        trouble=(*trouble, *([sample.trouble] if sample.trouble else []), *_damage(directory)),
        doubt=level_doubt(config),
    )


def _own_config(directory: RunDirectory, trouble: list[str]) -> RunConfig | None:
    try:
        return directory.config
    except SpaceTravLRError as error:
        trouble.append(f"The settings of the run are not known: {error}")
        return None


def _damage(directory: RunDirectory) -> list[str]:
    line = damage_line(directory)
    return [] if line is None else [f"{line}."]


def _sample_path(wanted: Wanted, config: RunConfig, root: Path) -> Path | None:
    if wanted.h5ad is not None:
        return wanted.h5ad
    named = config.data.adata_path
    if not named:
        return None
    path = Path(named).expanduser()
    return path if path.is_absolute() or path.exists() else root / path


def _merged(own: Manifest | None, wanted: Wanted, root: Path) -> Manifest:
    """Return the manifest of the run, with what is in the named file put over it."""
    base = own or Manifest()
    if wanted.manifest is not None:
        try:
            given = Manifest.from_json(wanted.manifest.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot read the manifest {wanted.manifest}: {error}") from error
        except InputError as error:
            raise InputError(f"{wanted.manifest}: {error}") from error
        nothing = Manifest()
        fields = [one.name for one in dataclasses.fields(Manifest)]
        changed = {name: getattr(given, name) for name in fields if getattr(given, name) != getattr(nothing, name)}
        base = dataclasses.replace(base, **changed)
    name = wanted.run_id or base.run_id or (wanted.h5ad.stem if wanted.h5ad is not None else root.name)
    return dataclasses.replace(base, run_id=name)


def _rows(config: RunConfig, origins: Mapping[str, Source]) -> dict[str, tuple[SettingRow, ...]]:
    values = config.flat()
    sections: dict[str, list[SettingRow]] = {}
    for one in settings():
        row = SettingRow(one.name, _text(values[one.key]), _text(one.default), origins[one.key], one.description)
        sections.setdefault(one.section, []).append(row)
    return {name: tuple(rows) for name, rows in sections.items()}


def _differing(own: RunConfig, other: RunConfig) -> tuple[str, ...]:
    mine, theirs = own.result_settings(), other.result_settings()
    return tuple(
        f"{describe(key).label}: {_text(mine.get(key))} here, {_text(theirs.get(key))} there"
        for key in dict.fromkeys((*mine, *theirs))
        if mine.get(key) != theirs.get(key) and not key.startswith("data.adata_path")
    )


def _text(value: Any) -> str:
    if value is None or value == "":
        return "not set"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value)
