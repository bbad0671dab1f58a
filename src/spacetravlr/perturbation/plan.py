"""Batch files: many perturbations written down in one TOML."""

from __future__ import annotations

import logging
import tomllib
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from spacetravlr.config import N_PROPAGATION
from spacetravlr.errors import ConfigError, InputError, UsageError, did_you_mean, listing
from spacetravlr.perturbation._plan_keys import Keys
from spacetravlr.perturbation._read import read_text
from spacetravlr.perturbation._settings import MAX_PROPAGATION
from spacetravlr.perturbation.doses import Dose
from spacetravlr.perturbation.jobs import Job, name_outputs
from spacetravlr.perturbation.scopes import read_cell_list, read_cells_csv
from spacetravlr.perturbation.targets import Target

logger = logging.getLogger("spacetravlr")

BATCH_KEYS = (
    *("gene", "genes", "desired_expr", "n_propagation", "beta_scale_factor", "out", "out_dir", "parallelism", "joint"),
    *("cells_csv", "cells_csv_column", "cells_csv_columns", "cells_obs_file"),
    *("radius", "ligand_grid_factor", "contact_distance"),
)
"""Keys of a batch file, in the order of its documentation."""

_OVERRIDES = {"radius": "radius", "ligand_grid_factor": "ligand_grid_factor", "contact_distance": "cutoff"}


@dataclass(frozen=True)
class CellsCsv:
    """A table whose columns list cells, as a run's ``[perturbation]`` names it: the file, and the column if any."""

    path: Path
    column: str | None = None


@dataclass(frozen=True, eq=False)
class BatchPlan:
    """A checked batch file.

    Attributes
    ----------
    jobs
        The jobs, each with its file; a single one with all genes if they are perturbed together.
    parallelism
        Jobs at once; None for the default.
    overrides
        Settings of the model for all jobs, keywords of `Run.model`: ``radius`` (of all ligands that have no radius of
        their own), ``ligand_grid_factor``, ``cutoff`` (``contact_distance`` in the file; 0 is off).
    """

    jobs: tuple[Job, ...]
    parallelism: int | None
    overrides: Mapping[str, float]

    @classmethod
    def read(cls, path: Path | str, genes: Sequence[str], **context: Any) -> Self:
        """Read a batch file; see `parse` for its keys and for the other parameters.

        Parameters
        ----------
        path
            The TOML file; relative paths in it resolve against its directory.
        genes
            Measured genes.
        context
            Keywords of `parse`.

        Raises
        ------
        InputError, ConfigError, UsageError
            If the file cannot be read, and as `parse`.
        """
        file = Path(path).expanduser()
        try:
            table = tomllib.loads(read_text(file))
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{file} is not TOML: {error}") from error
        return cls.parse(table, genes, base=file.parent, source=str(file), **context)

    @classmethod
    def parse(
        cls,
        table: Mapping[str, Any],
        genes: Sequence[str],
        *,
        cells: Sequence[str],
        left_out: Container[str] = (),
        base: Path,
        source: str = "the batch",
        n_propagation: int | None = None,
        default_n_propagation: int = N_PROPAGATION,
        parallelism: int | None = None,
        cells_csv: CellsCsv | None = None,
    ) -> Self:
        """Check the keys of a batch; nothing is computed and nothing is written before all of them are right.

        Parameters
        ----------
        table
            ``gene`` or ``genes`` (one of the two); ``desired_expr`` (a dose: number, ``"x2"``, ``"q95"``, ...; 0),
            ``n_propagation``, ``beta_scale_factor``: one value, or one per gene; ``out`` (a file per gene) or
            ``out_dir`` (one of the two); ``parallelism``; ``joint`` (all genes in one simulation, one file);
            ``cells_csv`` with ``cells_csv_column`` (for all) or ``cells_csv_columns`` (one per gene, ``""`` is the
            whole tissue), or ``cells_obs_file``; ``radius``, ``ligand_grid_factor``, ``contact_distance``. Unknown
            keys are named in a warning.
        genes, cells
            Measured genes, and names of the cells.
        left_out
            Names of cells that the run does without; files of cells may name them.
        base
            Directory against which relative paths resolve.
        source
            What messages call the batch.
        n_propagation
            From the command line; a key of the batch wins over it.
        default_n_propagation
            From the run, where neither says anything.
        parallelism
            From the command line; wins over the batch.
        cells_csv
            From the run's ``[perturbation]``; used where the batch names no cells.

        Returns
        -------
        The plan.

        Raises
        ------
        ConfigError
            If a key has a wrong type, length or value, is missing, or contradicts another one.
        InputError
            If a gene is unknown, a file of cells cannot be read or does not fit.
        UsageError
            If two jobs would write the same file.
        """
        keys = Keys(table, source, base)
        _warn_of_unknown(keys)
        wanted = _genes(keys, genes)
        n, joint = len(wanted), keys.flag("joint")
        doses = keys.per_gene("desired_expr", n, lambda value: _dose(keys, value), Dose.parse(0.0))
        default = default_n_propagation if n_propagation is None else n_propagation
        steps = keys.per_gene(
            "n_propagation",
            n,
            lambda value: keys.as_whole("n_propagation", value, low=0, high=MAX_PROPAGATION),
            keys.as_whole("n_propagation", default, low=0, high=MAX_PROPAGATION),
        )
        scales = keys.per_gene("beta_scale_factor", n, lambda value: _scale(keys, value), None)
        scopes = _scopes(keys, n, _Names(cells, left_out), cells_csv)
        workers = parallelism
        if workers is None and "parallelism" in keys:
            workers = keys.whole("parallelism", low=1)
        targets = [Target(gene, dose, scope) for gene, dose, scope in zip(wanted, doses, scopes, strict=True)]
        jobs = [
            Job([target], n_propagation=step, beta_scale_factor=scale)
            for target, step, scale in zip(targets, steps, scales, strict=True)
        ]
        if joint:
            for key, values in (("n_propagation", steps), ("beta_scale_factor", scales)):
                if len(set(values)) > 1:
                    raise keys.error(f"{key} differs between genes of a joint simulation: give one value")
            jobs = [replace(jobs[0], targets=targets)]
        return cls(tuple(_with_outputs(keys, jobs, joint=joint)), workers, _overrides(keys))


def _warn_of_unknown(keys: Keys) -> None:
    for key in keys.table:
        if key not in BATCH_KEYS:
            hint = did_you_mean(key, BATCH_KEYS)
            logger.warning("%s: unknown key %r is not used%s", keys.source, key, hint)


def _genes(keys: Keys, known: Sequence[str]) -> list[str]:
    key = keys.one_of("gene", "genes", what="name the genes to perturb")
    wanted = [gene for gene in keys.texts(key) if gene]
    if key == "gene" and isinstance(keys.table[key], list):
        raise keys.error("gene is one name; a list of them is called genes")
    if not wanted:
        raise keys.error(f"{key} names no gene")
    measured = set(known)
    unknown = [gene for gene in wanted if gene not in measured]
    if unknown:
        hint = did_you_mean(unknown[0], known)
        raise InputError(
            f"{keys.source}: {key} names what is not among the {len(known)} measured genes: "
            f"{listing(map(repr, unknown), 5)}{hint}"
        )
    return wanted


def _dose(keys: Keys, value: Any) -> Dose:
    try:
        dose = Dose.parse(value, gene="desired_expr")
    except InputError as error:
        raise keys.error(str(error).replace("the desired expression of desired_expr", "desired_expr")) from error
    if dose.kind == "per_cell":
        raise keys.error(f"desired_expr must be a dose for each gene, not {value!r}")
    return dose


def _scale(keys: Keys, value: Any) -> float | None:
    return Keys({"beta_scale_factor": value}, keys.source, keys.base).number("beta_scale_factor", zero=True)


@dataclass(frozen=True)
class _Names:
    """Names of cells, and of those that the run does without."""

    cells: Sequence[str]
    left_out: Container[str]


def _scopes(keys: Keys, n: int, known: _Names, default: CellsCsv | None) -> list[tuple[str, ...] | None]:
    """Return the names of the cells of each gene; None for the whole tissue.

    Names, not rows: the model may hold its cells in another order than the caller.
    """
    columns = [key for key in ("cells_csv_column", "cells_csv_columns") if key in keys]
    if "cells_obs_file" in keys:
        if "cells_csv" in keys or columns:
            other = "cells_csv" if "cells_csv" in keys else columns[0]
            raise keys.error(f"cells_obs_file and {other} exclude each other")
        rows = read_cell_list(keys.path(keys.text("cells_obs_file")), known.cells, left_out=known.left_out)
        return [tuple(known.cells[row] for row in rows)] * n
    if len(columns) > 1:
        raise keys.error("cells_csv_column and cells_csv_columns exclude each other")
    if "cells_csv" in keys:
        path = keys.path(keys.text("cells_csv"))
    elif default is not None:
        path = default.path
    elif columns:
        raise keys.error(f"{columns[0]} names columns of no table: give cells_csv too")
    else:
        return [None] * n
    if columns:
        names = keys.texts(columns[0])
        if columns[0] == "cells_csv_column" and len(names) != 1:
            raise keys.error("cells_csv_column is one name; a list of them is called cells_csv_columns")
        if len(names) not in (1, n):
            raise keys.error(f"cells_csv_columns has {len(names)} values for {n} genes: give one, or one for each")
    elif default is not None and default.column:
        names = [default.column]
    elif "cells_csv" in keys:
        raise keys.error("cells_csv needs cells_csv_column: which of its columns lists the cells to perturb")
    else:
        return [None] * n
    read = {name: _column(keys, path, name, known) for name in dict.fromkeys(names)}
    return [read[name] for name in (names if len(names) == n else names * n)]


def _column(keys: Keys, path: Path, name: str, known: _Names) -> tuple[str, ...] | None:
    if not name:
        return None
    rows = read_cells_csv(path, name, known.cells, left_out=known.left_out)
    if not len(rows):
        raise InputError(f"{keys.source}: column {name!r} of {path} names no cell; give '' for the whole tissue")
    return tuple(known.cells[row] for row in rows)


def _with_outputs(keys: Keys, jobs: Sequence[Job], *, joint: bool) -> list[Job]:
    key = keys.one_of("out", "out_dir", what="say where the results go")
    try:
        if key == "out_dir":
            folder = keys.text("out_dir")
            if not folder:
                raise keys.error("out_dir is empty: name a directory")
            return name_outputs(jobs, out_dir=keys.path(folder))
        outs = keys.texts("out")
        if len(outs) != len(jobs) or not all(outs):
            per = "one file for the joint simulation" if joint else f"one file for each of the {len(jobs)} genes"
            raise keys.error(f"out has {len([out for out in outs if out])} files: give {per}")
        return name_outputs(jobs, outs=[keys.path(out) for out in outs])
    except UsageError as error:
        raise UsageError(f"{keys.source}: {error}") from error


def _overrides(keys: Keys) -> dict[str, float]:
    found = {name: keys.number(key, zero=key != "radius") for key, name in _OVERRIDES.items() if key in keys}
    if found.get("cutoff") and found.get("ligand_grid_factor"):
        raise keys.error(
            "ligand_grid_factor and contact_distance exclude each other: a cut-off on a coarse grid loses cells"
        )
    return found
