"""Fields of one tissue for several radii, and the received matrix of ligands that differ in radius."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict, Unpack

import numpy as np
import numpy.typing as npt

from spacetravlr.errors import InputError
from spacetravlr.signaling._field import SignalField
from spacetravlr.signaling._plan import MethodName
from spacetravlr.signaling._weights import Floats, KernelName


class FieldOptions(TypedDict, total=False):
    """Keyword arguments of `SignalField`, all but the coordinates and the radius."""

    kernel: KernelName
    method: Literal["auto"] | MethodName
    tol: float
    cutoff: float | None
    scale: float
    grid_factor: float | None
    samples: npt.ArrayLike | None
    dtype: npt.DTypeLike


class SignalFields:
    """The fields of one tissue: one per distinct radius, each built when first asked for and then kept.

    Parameters
    ----------
    xy
        (n_cells, 2) or (n_cells, 3) positions, coordinate units.
    options
        Passed on to every `SignalField`.
    """

    def __init__(self, xy: npt.ArrayLike, **options: Unpack[FieldOptions]) -> None:
        self._xy = np.array(xy)
        self._options = options
        self._fields: dict[float, SignalField] = {}

    def get(self, radius: float) -> SignalField:
        """Return the field of a radius (coordinate units)."""
        key = float(radius)
        if key not in self._fields:
            self._fields[key] = SignalField(self._xy, key, **self._options)
        return self._fields[key]

    @property
    def radii(self) -> tuple[float, ...]:
        """Radii of the fields built so far, in that order."""
        return tuple(self._fields)

    def received(self, values: npt.ArrayLike, ligands: Sequence[str], radii: float | Mapping[str, float]) -> Floats:
        """Return what every cell receives of ligands with their own radii.

        Parameters
        ----------
        values
            (n_cells, n_ligands) expression, one column for each of `ligands`.
        ligands
            Names of the columns.
        radii
            One radius for all, or one per ligand; the column of a ligand that has none is zero.

        Returns
        -------
        (n_cells, n_ligands) of the `dtype` in the options (float64), expression units.

        Raises
        ------
        InputError
            If the columns of `values` are not as many as the ligands, or a field refuses its input.
        """
        table = np.asarray(values)
        if table.ndim != 2 or table.shape[1] != len(ligands):
            raise InputError(f"`values` (shape {table.shape}) must have one column for each of {len(ligands)} ligands")
        received = np.zeros(table.shape, self._options.get("dtype", np.float64))
        for radius, columns in _by_radius(ligands, radii).items():
            if len(columns) == len(ligands):
                return self.get(radius).apply(table)
            received[:, columns] = self.get(radius).apply(table[:, columns])
        return received


def _by_radius(ligands: Sequence[str], radii: float | Mapping[str, float]) -> dict[float, list[int]]:
    groups: dict[float, list[int]] = {}
    for column, ligand in enumerate(ligands):
        radius = radii.get(ligand) if isinstance(radii, Mapping) else radii
        if radius is not None:
            groups.setdefault(float(radius), []).append(column)
    return groups
