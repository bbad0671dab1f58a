"""Coefficients that stay in their file and are read each time they are needed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from spacetravlr.errors import InputError

if TYPE_CHECKING:
    from spacetravlr.betas.table import Betas


@dataclass(frozen=True, eq=False)
class Streamed:
    """The numbers of a betadata file, in place of an array; nothing is kept in memory.

    It stands for an array where it is indexed or converted; both read the whole file.

    Attributes
    ----------
    path
        The file.
    part
        Which of its numbers.
    whole
        Shape of them in the file.
    dtype
        Type of what is read.
    columns
        The columns that are wanted, in order; None for all.
    """

    path: Path
    part: Literal["values", "intercept"]
    whole: tuple[int, ...]
    dtype: np.dtype[Any]
    columns: NDArray[np.int64] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what is read."""
        return self.whole if self.columns is None else (self.whole[0], len(self.columns))

    @property
    def nbytes(self) -> int:
        """Size of what is read."""
        return int(np.prod(self.shape)) * self.dtype.itemsize

    def __len__(self) -> int:
        return self.whole[0]

    def read(self) -> NDArray[Any]:
        """Return the numbers, C order.

        Raises
        ------
        InputError
            If the file is gone, damaged or not the one that it was.
        """
        from spacetravlr.betas._read import read_betas

        numbers: NDArray[Any] = np.asarray(getattr(read_betas(self.path), self.part))
        if numbers.shape != self.whole:
            raise InputError(
                f"{self.path}: it has changed since it was opened ({numbers.shape} numbers, not {self.whole}); "
                "open the run again"
            )
        if self.columns is not None:
            numbers = numbers[:, self.columns]
        return np.ascontiguousarray(numbers, dtype=self.dtype)

    def take_columns(self, columns: NDArray[np.int64]) -> Streamed:
        """Return some of the columns, unread."""
        return replace(self, columns=columns if self.columns is None else self.columns[columns])

    def astype(self, dtype: Any, *, copy: bool = True) -> Streamed:
        """Return the numbers in another type, unread; they are never copied."""
        del copy
        return replace(self, dtype=np.dtype(dtype))

    def __getitem__(self, key: Any) -> Any:
        return self.read()[key]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:  # noqa: FBT001 - NumPy's protocol
        del copy
        return self.read().astype(dtype or self.dtype, copy=False)


def leave_in_file(table: Betas, path: Path) -> Betas:
    """Return a table that was read from a file without its numbers."""
    numbers: dict[str, Any] = {
        part: Streamed(path, part, getattr(table, part).shape, getattr(table, part).dtype)
        for part in ("values", "intercept")
    }
    return replace(table, **numbers)
