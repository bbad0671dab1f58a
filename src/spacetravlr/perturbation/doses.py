"""How much: a dose as a number, a multiple, a quantile, a shift, or a value for each cell."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spacetravlr.errors import InputError, UsageError

DoseKind = Literal["absolute", "multiple", "quantile", "shift", "per_cell"]
DoseLike = Any
"""A number, a text (``"x2"``, ``"q95"``, ``"+1.5"``, ``"-0.5"``), an array with a value per cell, or a `Dose`."""

_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_FORMS: tuple[tuple[DoseKind, re.Pattern[str]], ...] = (
    ("absolute", re.compile(rf"({_NUMBER})")),
    ("multiple", re.compile(rf"[xX×]({_NUMBER})")),
    ("quantile", re.compile(rf"[qQ]({_NUMBER})")),
    ("shift", re.compile(rf"([+-]{_NUMBER})")),
)
_SLIPS = (
    (re.compile(rf"({_NUMBER})\s*[xX×]"), "x{}"),
    (re.compile(rf"[pP]?({_NUMBER})\s*%?"), "q{}"),
    (re.compile(rf"[xX×qQ+-]\s+({_NUMBER})"), None),
)
_HOW = "write a number, 'x2' for a multiple, 'q95' for a quantile, '+1.5' or '-0.5' for a shift"


@dataclass(frozen=True, eq=False)
class Dose:
    """A desired level of expression, not yet tied to a gene.

    Attributes
    ----------
    kind
        ``"absolute"``: the same value in every cell. ``"multiple"`` and ``"shift"``: relative to the cell's own
        expression. ``"quantile"``: a quantile (percent) of the gene over **all** cells of the tissue, whatever the
        scope, so that ``"q95"`` is a level that the gene does reach somewhere even if it is silent in the perturbed
        cells. ``"per_cell"``: a value for each cell.
    amount
        The number, factor, percentage or difference; 0 for a dose per cell.
    values
        ``(n_cells,)`` the values per cell, else None. Values outside the scope are not used and may be NaN.
    """

    kind: DoseKind
    amount: float = 0.0
    values: NDArray[np.float64] | None = None

    @classmethod
    def parse(cls, value: DoseLike, *, gene: str = "the gene") -> Self:
        """Read a dose.

        Parameters
        ----------
        value
            A number (0 is a knock-out); ``"x2"`` for twice each cell's own expression; ``"q95"`` for the 95th
            percentile over the tissue; ``"+1.5"`` or ``"-0.5"`` for a shift (a *number* with a minus sign is no
            shift, and is refused); an array with a value for each cell; or a dose.
        gene
            Name for messages.

        Raises
        ------
        InputError
            If the text is not understood, or the value is not finite, negative or out of range.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            return cls._from_text(value, gene)
        if np.ndim(value):
            return cls("per_cell", values=_as_values(value, gene))
        try:
            number = math.nan if isinstance(value, bool | np.bool_) else float(value)
        except (TypeError, ValueError) as error:
            raise InputError(f"the desired expression of {gene} is no number: {value!r} ({_HOW})") from error
        if not math.isfinite(number) or number < 0:
            hint = f"; for a shift write the text '{number:g}'" if math.isfinite(number) else ""
            raise InputError(f"the desired expression of {gene} must be finite and not negative, not {value!r}{hint}")
        return cls("absolute", number)

    @classmethod
    def _from_text(cls, text: str, gene: str) -> Self:
        for kind, form in _FORMS:
            match = form.fullmatch(text.strip())
            if match is None:
                continue
            amount = float(match[1])
            if not math.isfinite(amount):
                raise InputError(f"the desired expression of {gene} must be finite, not {text!r}")
            if kind == "quantile" and amount > 100:
                raise InputError(f"the dose of {gene} is no quantile: {text!r} (they go from q0 to q100)")
            return cls(kind, amount)
        hint = ""
        for form, right in _SLIPS:
            match = form.fullmatch(text.strip())
            if match is not None:
                hint = f"; did you mean {(right or text.replace(' ', '')).format(match[1])!r}?"
                break
        raise InputError(f"the desired expression of {gene} is no number and no dose: {text!r} ({_HOW}){hint}")

    @property
    def label(self) -> str:
        """A short text for file names and tables: ``KO``, ``1.5``, ``x2``, ``q95``, ``+1.5``, ``per_cell``."""
        match self.kind:
            case "absolute":
                return f"{self.amount:g}" if self.amount else "KO"
            case "multiple":
                return f"x{self.amount:g}"
            case "quantile":
                return f"q{self.amount:g}"
            case "shift":
                return f"{self.amount:+g}"
        return "per_cell"

    def desired(
        self,
        rows: NDArray[np.int64],
        expression: ArrayLike | None,
        *,
        gene: str = "the gene",
        n_cells: int | None = None,
        limits: tuple[float, float] = (0.0, math.inf),
    ) -> NDArray[np.float64]:
        """Return the value that the dose means in some cells.

        Parameters
        ----------
        rows
            ``(k,)`` the cells.
        expression
            ``(n_cells,)`` the gene's expression in all cells; needed for multiples, quantiles and shifts.
        gene
            Name for messages.
        n_cells
            Number of cells that a dose per cell must have; None for no check.
        limits
            Range to which multiples, quantiles and shifts are limited; the lower limit is never below 0.

        Returns
        -------
        ``(k,)`` values.

        Raises
        ------
        InputError
            If the values per cell are too few or too many, or one of them is not finite or is negative.
        UsageError
            If the expression is needed and missing.
        """
        if self.kind == "absolute":
            return np.full(len(rows), self.amount)
        if self.values is not None:
            return _per_cell(self.values, rows, n_cells, gene)
        if expression is None:
            raise UsageError(f"the dose {self.label} of {gene} is relative: give the expression it refers to")
        observed = np.asarray(expression, dtype=np.float64)
        if self.kind == "quantile":
            values = np.full(len(rows), np.quantile(observed, self.amount / 100.0))
        else:
            own = observed[rows]
            values = own * self.amount if self.kind == "multiple" else own + self.amount
        return np.clip(values, max(0.0, limits[0]), limits[1])


def _per_cell(
    values: NDArray[np.float64], rows: NDArray[np.int64], n_cells: int | None, gene: str
) -> NDArray[np.float64]:
    if n_cells is not None and len(values) != n_cells:
        raise InputError(f"the dose of {gene} has {len(values)} values, but there are {n_cells} cells")
    chosen = values[rows]
    bad = np.flatnonzero(~np.isfinite(chosen) | (chosen < 0))
    if len(bad):
        where = f"it is {chosen[bad[0]]:g} in cell {rows[bad[0]]}"
        raise InputError(f"the desired expression of {gene} must be finite and not negative in every cell: {where}")
    return chosen


def _as_values(value: ArrayLike | Sequence[float], gene: str) -> NDArray[np.float64]:
    try:
        values = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"the doses of {gene} are not all numbers: {error}") from error
    if values.ndim != 1:
        raise InputError(f"the doses of {gene} must be a list with a value per cell, not of shape {values.shape}")
    return values
