"""`spacetravlr --prepare`: training makes a raw sample ready first."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacetravlr.errors import RunDirectoryError, UsageError
from spacetravlr.events import Notice, StageStarted

if TYPE_CHECKING:
    from spacetravlr.cli._reporter import Reporter
    from spacetravlr.cli._request import Request


def check_prepare(given: Mapping[str, Any]) -> None:
    """Refuse flags that have no meaning together.

    Raises
    ------
    UsageError
        If they have none.
    """
    if given["um_per_unit"] is not None and not given["prepare"]:
        raise UsageError("--um-per-unit belongs to --prepare; without it coordinates are taken as they are")
    if given["dry_run"] and given["prepare"]:
        raise UsageError(
            "--dry-run writes nothing, so it cannot prepare: first spacetravlr prepare FILE -o ready.h5ad, then "
            "--dry-run with --h5ad ready.h5ad"
        )


def prepared(request: Request, reporter: Reporter, *, um_per_unit: float | None = None) -> Request:
    """Return a training on a ready sample: the one asked for if it is ready, else one made of it in the run directory.

    Parameters
    ----------
    request
        What was asked for.
    reporter
        Is told what is done.
    um_per_unit
        Length of a unit of the coordinates, micrometres.

    Raises
    ------
    RunDirectoryError
        If the run directory has a ready file of another sample, or of this one in another state.
    SpaceTravLRError
        If the sample cannot be prepared.
    """
    from spacetravlr.run import default_output_dir
    from spacetravlr.run.paths import PREPARED_SAMPLE

    source = Path(request.sample).expanduser()
    if _is_ready(source, request):
        reporter(Notice(f"nothing to prepare: {source} has what training needs"))
        return request
    out = Path(request.config.execution.output_dir or default_output_dir(source)).expanduser().absolute()
    ready = out / PREPARED_SAMPLE
    if ready.exists():
        _check_origin(ready, source, request, um_per_unit)
        reporter(Notice(f"the sample was prepared before: {ready}"))
    else:
        _prepare(source, ready, request, reporter, um_per_unit)
    return replace(request, sample=str(ready), out=str(out))


def _is_ready(source: Path, request: Request) -> bool:
    from spacetravlr.preparation import look_at
    from spacetravlr.preparation.readers import recognise

    if recognise(source) != "h5ad":
        return False
    found = look_at(source)
    data = request.config.data
    has_layer = data.layer != "imputed_count" or data.layer in found.layers
    return has_layer and (data.cluster_annot is not None or found.type_column is not None)


def _prepare(source: Path, ready: Path, request: Request, reporter: Reporter, um_per_unit: float | None) -> None:
    from spacetravlr.cli._prepare import account
    from spacetravlr.preparation import prepare_file

    reporter(Notice(f"{source} is not ready for training: it is prepared first, as `spacetravlr prepare` does"))
    data, grn = request.config.data, request.config.grn
    reporter(StageStarted("preparing the sample"))
    with reporter.hearing_logs():
        adata = prepare_file(
            source,
            ready,
            listener=reporter,
            cluster_key=data.cluster_annot,
            sample=data.sample,
            species=data.spatial_species,
            network_data_dir=grn.network_data_dir,
            radius=request.config.spatial.radius,
            um_per_unit=um_per_unit,
        )
    for line in account(adata):
        reporter.say(line)


def _check_origin(ready: Path, source: Path, request: Request, um_per_unit: float | None) -> None:
    from spacetravlr.preparation.files import origin, read_origin, read_step

    fix = "remove it, or choose another --output-dir"
    if read_origin(ready) != origin(source):
        raise RunDirectoryError(f"{ready} was not prepared from {source} as it is now: {fix}")
    sample = json.loads(read_step(ready, "imputation") or "{}").get("sample")
    if sample != request.config.data.sample:
        raise RunDirectoryError(f"{ready} was prepared with --sample {sample or 'unset'}: {fix}")
    length = json.loads(read_step(ready, "units") or "{}").get("um_per_unit")
    if um_per_unit is not None and um_per_unit != length:
        raise RunDirectoryError(f"{ready} was prepared with --um-per-unit {length or 'unset'}: {fix}")
