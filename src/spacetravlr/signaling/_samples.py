"""Several samples in one field: each is a tissue of its own, whatever its coordinates are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral

import numpy as np
import numpy.typing as npt

from spacetravlr.errors import InputError, listing
from spacetravlr.signaling._geometry import Integers
from spacetravlr.signaling._plan import MethodName, Parameters, Plan, Reals

Rows = slice | Integers


@dataclass(frozen=True)
class Samples:
    """Which sample each cell belongs to: `codes` (n_cells,) into `labels`."""

    codes: Integers
    labels: tuple[str, ...]

    @classmethod
    def read(cls, labels: npt.ArrayLike, n_cells: int) -> Samples:
        """Return the samples named by the labels of the cells.

        Raises
        ------
        InputError
            If there is not one whole number or text for each cell.
        """
        given = np.asarray(labels)
        if given.shape != (n_cells,):
            raise InputError(f"`samples` (shape {given.shape}) must have one label for each of the {n_cells} cells")
        if given.dtype.kind not in "iuU":
            kinds = {type(label) for label in given.tolist()}
            texts = all(issubclass(kind, str) for kind in kinds)
            if not (texts or all(issubclass(kind, Integral) for kind in kinds)):
                names = listing(sorted(kind.__name__ for kind in kinds))
                raise InputError(f"`samples` must be whole numbers or texts, none missing; found {names}")
            given = given.astype(str if texts else np.int64)
        distinct, codes = np.unique(given, return_inverse=True)
        return cls(codes.astype(np.int64), tuple(str(label) for label in distinct.tolist()))

    def rows(self) -> list[Rows]:
        """Return the cells of every sample; a slice where they stand together."""
        order = np.argsort(self.codes, kind="stable")
        ends = np.cumsum(np.bincount(self.codes, minlength=len(self.labels)))
        rows: list[Rows] = []
        for mine in np.split(order, ends[:-1]):
            together = len(mine) > 0 and mine[-1] - mine[0] == len(mine) - 1
            rows.append(slice(int(mine[0]), int(mine[-1]) + 1) if together else mine)
        return rows


@dataclass(frozen=True)
class Sample:
    """The cells of one sample, and how their sum is evaluated."""

    label: str
    rows: Rows
    n_cells: int
    plan: Plan
    reason: str

    def facts(self) -> Parameters:
        """Return a summary."""
        error = self.plan.error
        return {
            "sample": self.label,
            "n_located": self.n_cells,
            "method": self.plan.method,
            **({} if error is None else {"error_bound": error}),
            "ns_per_value": self.plan.cost,
        }


@dataclass(frozen=True)
class SamplesPlan:
    """A block-diagonal sum: one plan for each sample, over its own cells."""

    parts: tuple[Sample, ...]

    @classmethod
    def build(
        cls, located: Samples, sizes: Integers, choose: Callable[[Rows, int], tuple[Plan, str]]
    ) -> tuple[SamplesPlan, str]:
        """Choose a plan for every sample.

        Parameters
        ----------
        located
            Samples of the cells that have coordinates.
        sizes
            (n_samples,) all cells of each, those without coordinates too.
        choose
            The plan for some cells, and the reason for it.
        """
        parts = []
        counts = np.bincount(located.codes, minlength=len(located.labels))
        for label, rows, count, size in zip(located.labels, located.rows(), counts, sizes, strict=True):
            if count:
                plan, reason = choose(rows, int(size))
                parts.append(Sample(label, rows, int(count), plan, reason))
        plans = cls(tuple(parts))
        reasons = dict.fromkeys(part.reason for part in parts)
        return plans, f"{len(parts)} samples: " + "; ".join(list(reasons)[:3]) + ("; ..." if len(reasons) > 3 else "")

    @property
    def methods(self) -> dict[MethodName, int]:
        """Cells summed by each method."""
        cells: dict[MethodName, int] = {}
        for part in self.parts:
            cells[part.plan.method] = cells.get(part.plan.method, 0) + part.n_cells
        return cells

    @property
    def method(self) -> MethodName:
        """Name of the method most cells are summed by."""
        return max(self.methods, key=lambda name: self.methods[name])

    @property
    def error(self) -> float | None:
        """The largest bound of any sample, hence one over the largest result of all."""
        largest = 0.0
        for part in self.parts:
            if part.plan.error is None:
                return None
            largest = max(largest, part.plan.error)
        return largest

    @property
    def cost(self) -> float:
        """Estimated time, ns per cell and channel on one core."""
        total = sum(part.n_cells for part in self.parts)
        return sum(part.plan.cost * part.n_cells for part in self.parts) / total

    def apply(self, values: Reals, *, factor: float = 1.0, dtype: npt.DTypeLike = np.float64) -> Reals:
        """Return factor * K @ values, senders of other samples left out."""
        received = np.empty(values.shape, dtype)
        for part in self.parts:
            mine = np.ascontiguousarray(values[part.rows])
            received[part.rows] = part.plan.apply(mine, factor=factor, dtype=dtype)
        return received

    def parameters(self) -> Parameters:
        """Return how many samples there are."""
        return {"samples": len(self.parts)}
