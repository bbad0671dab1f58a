"""From an obs column to groups of cells by plain labels: conditions, and tissue samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from spacetravlr.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

MISSING = "_na"
"""Label of the cells without a value, as the compiled edition has it."""


@dataclass(frozen=True)
class Partition:
    """A partition of the cells by the values of an obs column."""

    column: str
    """The obs column."""
    labels: tuple[str, ...]
    """One for each part; every part has cells."""
    codes: NDArray[np.int64]
    """(n_cells,), index into `labels`."""

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Number of cells of each part."""
        return np.bincount(self.codes, minlength=len(self.labels)).astype(np.int64)


class CellGroups(Partition):
    """Groups of cells by plain labels: texts, sorted."""

    def find(self, label: str) -> int | None:
        """Return the code of a label; None if there is no such group.

        Parameters
        ----------
        label
            As in `labels`. A number may be written otherwise (`1.0` for `1`), and a text with other blanks, as the
            compiled edition does.
        """
        label = " ".join(label.split())
        if label in self.labels:
            return self.labels.index(label)
        number = _number(label)
        if number is None:
            return None
        return next((code for code, known in enumerate(self.labels) if _number(known) == number), None)

    def rows(self, label: str) -> NDArray[np.int64]:
        """Return the cells of a group in file order; none for an unknown label (see `find`)."""
        code = self.find(label)
        return np.flatnonzero(self.codes == (-1 if code is None else code))


def group_by_label(values: pd.Series, column: str, *, missing: Literal["group", "refuse"]) -> CellGroups:
    """Group cells by the plain text of their value.

    Texts lose outer blanks, and blanks and line breaks inside become one blank; whole numbers are written without a
    point, other numbers in full, truth values as `true` and `false`.

    Parameters
    ----------
    values
        (n_cells,) column of any type.
    column
        Its name, for messages.
    missing
        What becomes of cells without a value: a group of their own called `_na`, or an error.

    Raises
    ------
    InputError
        If cells without a value are refused, or a value is called `_na` while others are missing.
    """
    import pandas as pd

    codes, uniques = pd.factorize(values, use_na_sentinel=True)
    absent = int((codes < 0).sum())
    if absent and missing == "refuse":
        raise InputError(
            f"{absent} of {len(values)} cells have no value in obs[{column!r}], so it is not known which sample they "
            "belong to; label them or remove these cells"
        )
    # an array keeps the precision of its numbers, and with it their shortest text
    texts = [_text(value) for value in np.asarray(uniques)]
    if absent and MISSING in texts:
        raise InputError(
            f"obs[{column!r}] holds the value {MISSING!r}, which is the name of the {absent} cells without a value; "
            "rename it"
        )
    # the last one is where the code -1 points to
    every = np.array([*texts, *([MISSING] if absent else [])], dtype=np.str_)
    labels, place = np.unique(every, return_inverse=True)
    return CellGroups(column, tuple(str(label) for label in labels), place.ravel()[codes].astype(np.int64))


def _text(value: object) -> str:
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating):
        return str(int(value)) if np.isfinite(value) and value == np.rint(value) else str(value)
    return " ".join(str(value).split())


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
