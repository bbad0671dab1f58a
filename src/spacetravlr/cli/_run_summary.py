"""`spacetravlr run-summary`, and the page that every training leaves."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacetravlr.cli._imports import uncollected
from spacetravlr.cli._perturb_voice import Voice
from spacetravlr.errors import InputError, RunDirectoryError, SpaceTravLRError, UsageError
from spacetravlr.words import one_line

if TYPE_CHECKING:
    from spacetravlr.cli._errors import Guard
    from spacetravlr.config import LoadedConfig

_EXAMPLE = "spacetravlr run-summary my_run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The flags of `run-summary`; None for those that were not given."""

    directory: str | None
    h5ad: str | None
    output_dir: str | None
    config: str | None
    cluster_key: str | None
    layer: str | None
    run_id: str | None
    manifest: str | None
    pattern: str


def run_summary(asked: Asked) -> int:
    """Write the page, tell where it is on standard output, and return the exit code.

    Parameters
    ----------
    asked
        The flags.

    Raises
    ------
    SpaceTravLRError
        If the run, the sample that is named or the manifest cannot be read, or the page not be written.
    """
    with uncollected():
        from spacetravlr.config import load_config
        from spacetravlr.report import Wanted, write_reports

    named = asked.directory or asked.output_dir
    if asked.directory is not None and asked.output_dir is not None and not _same(asked.directory, asked.output_dir):
        raise UsageError(f"two run directories are named: {asked.directory} and --output-dir {asked.output_dir}")
    # a configuration in the current directory may belong to anything: it counts only if no run is named
    path = None if asked.config is None else Path(asked.config)
    loaded = load_config(path, search=None if named is not None else Path.cwd())
    wanted = Wanted(
        h5ad=None if asked.h5ad is None else _existing(asked.h5ad, "--h5ad"),
        config=None if loaded.path is None else loaded.config.absolute(loaded.path.parent),
        manifest=None if asked.manifest is None else _existing(asked.manifest, "--manifest"),
        run_id=asked.run_id,
        cluster_key=asked.cluster_key,
        layer=asked.layer,
        pattern=asked.pattern,
    )
    directory, voice = _run_directory(named, loaded, wanted.h5ad), Voice(verbose=False)
    with voice.hearing_logs(), voice.working(f"writing the summary of {directory}"):
        written = write_reports(directory, wanted)
    sys.stdout.write(f"{written}\n")
    sys.stdout.flush()
    voice.say(f"next: open it in a browser, {written.as_uri()}")
    return 0


@contextmanager
def leaving_a_report(given: Mapping[str, Any], guard: Guard) -> Iterator[None]:
    """Write the page of the run that is trained meanwhile, however it ends short of being killed.

    Parameters
    ----------
    given
        The flags of the training.
    guard
        Knows where the run keeps its logs, once there is a run.
    """
    try:
        yield
    except SpaceTravLRError:
        _leave(given, guard)
        raise
    _leave(given, guard)


def _leave(given: Mapping[str, Any], guard: Guard) -> None:
    if guard.log_directory is None:
        return
    try:
        # the account of the run says where it is
        _write(given, guard.log_directory.parent)
    except Exception as error:  # noqa: BLE001 - the results are there, and no page is worth an exit code
        sys.stderr.write(f"{one_line(f'note: the run summary was not written: {error}')}\n")


def _write(given: Mapping[str, Any], out: Path) -> None:
    with uncollected():
        from spacetravlr.report import record_origins, write_report, write_reports
        from spacetravlr.run.paths import CONDITIONS

    split = out.parent.name == CONDITIONS
    root = out.parent.parent if split else out
    if given["join_output_dir"] is None:
        loaded = _settings(given)
        parts = [path for path in out.parent.iterdir() if path.is_dir()] if split else [out]
        for part in parts:
            record_origins(part, loaded)
    if split:
        write_reports(root)
    else:
        write_report(out)


def _settings(given: Mapping[str, Any]) -> LoadedConfig:
    from spacetravlr.cli._request import load_settings

    return load_settings(given)


def _run_directory(named: str | None, loaded: LoadedConfig, h5ad: Path | None) -> Path:
    from spacetravlr.run import default_output_dir

    if named is not None:
        path = Path(named).expanduser().absolute()
        # the record of a run stands for the run, as everywhere
        return _holding_a_run(path.parent if path.suffix == ".toml" and path.is_file() else path)
    configured = loaded.config.execution.output_dir
    base = Path.cwd() if loaded.path is None else loaded.path.absolute().parent
    if configured:
        return _holding_a_run((base / Path(configured).expanduser()).absolute())
    sample = h5ad or (Path(loaded.config.data.adata_path) if loaded.config.data.adata_path else None)
    if sample is not None and default_output_dir(sample).is_dir():
        return _holding_a_run(default_output_dir(sample))
    raise UsageError(f"no run is named: give its directory, {_EXAMPLE}, or a configuration that names one with -c FILE")


def _holding_a_run(path: Path) -> Path:
    from spacetravlr.run import RunPaths, condition_directories, scan

    files = RunPaths(path)
    known = path.is_dir() and (files.toml.exists() or files.manifest.exists() or condition_directories(path))
    if not known and not scan(path).finished:
        raise RunDirectoryError(f"{path} holds no run: no results, no {files.toml.name}, no {files.manifest.name}")
    return path


def _existing(name: str, flag: str) -> Path:
    path = Path(name).expanduser().absolute()
    if not path.is_file():
        raise InputError(f"{flag}: there is no file {path}")
    return path


def _same(first: str, second: str) -> bool:
    return Path(first).expanduser().resolve() == Path(second).expanduser().resolve()
