"""The summary of a screen: a table that grows gene by gene and is complete on the disk after each one."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from spacetravlr.atomic import replacing, write_text
from spacetravlr.errors import RunDirectoryError, SettingsChangedError
from spacetravlr.perturbation._fingerprint import fingerprint
from spacetravlr.perturbation._groups import Groups, label_groups
from spacetravlr.perturbation._tables import mean_magnitude

if TYPE_CHECKING:
    import pandas as pd

    from spacetravlr.perturbation.effect import Effect
    from spacetravlr.perturbation.jobs import Job
    from spacetravlr.perturbation.model import PropagationModel

SUMMARY = "screen_summary.feather"
SETTINGS = "screen.json"
_OTHER = {"cells": "another scope", "model": "another model"}
_N_TOP = 10
_MEAN = "mean_abs_change"


class ScreenTable:
    """Rows of a screen's summary, by gene.

    Parameters
    ----------
    folder
        Directory of the screen.
    groups
        Cell types.
    rows
        Rows that are there already.
    """

    def __init__(self, folder: Path, groups: Groups, rows: Mapping[str, dict[str, Any]]) -> None:
        self.path = folder / SUMMARY
        self._groups = groups
        self._rows = dict(rows)
        self._lock = threading.Lock()

    @classmethod
    def open(
        cls,
        folder: Path,
        model: PropagationModel,
        settings: Mapping[str, Any],
        *,
        rows: NDArray[np.int64],
        resume: bool,
    ) -> Self:
        """Begin or continue a screen in an existing directory.

        Parameters
        ----------
        folder
            The directory.
        model
            The model.
        settings
            What else the results depend on, as plain values.
        rows
            The perturbed cells.
        resume
            Whether to keep what is there.

        Raises
        ------
        SettingsChangedError
            If the directory holds a screen that was made otherwise, and `resume` is set.
        RunDirectoryError
            If its files are damaged or cannot be written.
        """
        wanted = {
            **settings,
            "cells": hashlib.sha256(np.ascontiguousarray(rows).tobytes()).hexdigest()[:16],
            "model": fingerprint(model),
        }
        groups = label_groups("cell_type", len(model.cells), model.obs, model.labels[0])
        there = _read_settings(folder / SETTINGS) if resume else None
        if there is not None and there != wanted:
            names = [name for name in wanted if there.get(name) != wanted[name]]
            shown = [
                f"{name} {there.get(name)!r} instead of {wanted[name]!r}" if name in settings else _OTHER[name]
                for name in names
            ]
            raise SettingsChangedError(
                f"{folder} holds a screen that was made with {', '.join(shown)}: choose another directory, or make it "
                "anew with resume=False"
            )
        known = _read_rows(folder / SUMMARY) if there is not None else {}
        write_text(folder / SETTINGS, json.dumps(wanted, indent=2) + "\n")
        table = cls(folder, groups, known)
        if there is None:
            # what the summary lists must be of this screen
            table.path.unlink(missing_ok=True)
        return table

    def __contains__(self, gene: str) -> bool:
        return gene in self._rows

    def add(self, job: Job, effect: Effect) -> None:
        """Add the row of a gene; may be called on several threads."""
        (target,) = effect.targets
        rows = np.array([row for row, gene in enumerate(effect.columns) if effect.genes[gene] != target.gene], np.int64)
        means = mean_magnitude(effect.baseline, effect.columns, effect.values, rows, self._groups)
        by_type = means.mean(axis=0) if len(rows) else np.zeros(len(self._groups.labels))
        sizes = self._groups.sizes
        overall = float((np.nan_to_num(by_type) * sizes).sum() / sizes.sum())
        row = {
            "gene": target.gene,
            "dose": target.dose.label,
            "n_cells": int(sum(len(item.rows) for item in effect.interventions)),
            _MEAN: overall,
            **{f"{_MEAN}_{label}": float(mean) for label, mean in zip(self._groups.labels, by_type, strict=True)},
            "top_genes": ";".join(effect.top(_N_TOP)["gene"]),
            "notes": ";".join(effect.notes),
            "file": "" if job.out is None else job.out.name,
        }
        with self._lock:
            self._rows[target.gene] = row

    def write(self, genes: Sequence[str]) -> pd.DataFrame:
        """Write the rows of some genes, in their order, and return them; rows of other genes come after them.

        Raises
        ------
        RunDirectoryError
            If the file cannot be written.
        """
        import pandas as pd
        from pyarrow import feather

        with self._lock:
            rows = dict(self._rows)
        first = [gene for gene in genes if gene in rows]
        order = [*first, *sorted(rows.keys() - set(first))]
        columns = ["gene", "dose", "n_cells", _MEAN, *(f"{_MEAN}_{label}" for label in self._groups.labels)]
        table = pd.DataFrame([rows[gene] for gene in order], columns=[*columns, "top_genes", "notes", "file"])
        with replacing(self.path) as temporary:
            feather.write_feather(table, str(temporary), compression="lz4")
        return table[table["gene"].isin(set(first))].reset_index(drop=True)


def _read_settings(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise RunDirectoryError(f"cannot read {path}: {error}; remove the directory or choose another one") from error
    return content if isinstance(content, dict) else {}


def _read_rows(path: Path) -> dict[str, dict[str, Any]]:
    from pyarrow import ArrowInvalid, feather

    try:
        table = feather.read_table(str(path))
    except FileNotFoundError:
        return {}
    except (OSError, ArrowInvalid) as error:
        raise RunDirectoryError(f"cannot read {path}: {error}; remove it to make the screen anew") from error
    return {row["gene"]: row for row in table.to_pylist()}
