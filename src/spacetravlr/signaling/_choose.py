"""Which method evaluates a field: the cheapest that meets the tolerance, by the coordinates alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from spacetravlr.signaling._bounds import FINEST_TOLERANCE, reach_for, tail
from spacetravlr.signaling._exact import PairwisePlan, pairwise_cost
from spacetravlr.signaling._geometry import close_gaps, count_neighbours
from spacetravlr.signaling._grid import Anchors, BilinearPlan
from spacetravlr.signaling._gridded import GriddedPlan
from spacetravlr.signaling._layout import Layout, layouts
from spacetravlr.signaling._neighbours import MOST_STORED, NeighbourPlan, neighbour_cost
from spacetravlr.signaling._plan import Plan
from spacetravlr.signaling._spectral import SpectralPlan, guess_rank, spectral_cost
from spacetravlr.signaling._weights import Floats, Weights
from spacetravlr.threads import one_blas_thread

# below this many cells every pair is cheap enough
ALWAYS_EXACT = 1000
# shares of the tolerance: the method itself, closing gaps, leaving out a cut-off that is far away
_METHOD_SHARE, _GAP_SHARE, _CUTOFF_SHARE = 0.8, 0.1, 0.1
# no sum of single precision is asked for more
_FINEST_SINGLE = 2e-6


@dataclass(frozen=True)
class Chooser:
    """The methods as they would work out for some cells, kernel and tolerance.

    All cells must have finite coordinates. `n_cells` counts the others too: the rule of the bilinear grid looks at it.
    Only where `single` is allowed, and the tolerance is met rounding included, sums are in single precision.
    """

    xy: Floats
    weights: Weights
    tol: float
    n_cells: int
    grid_factor: float | None
    single: bool = True

    def choose(self, method: str) -> tuple[Plan, str]:
        """Return the plan of a method, or of `auto`, and the reason for it."""
        # small factorisations gain nothing from more threads, and their bits would depend on them
        with one_blas_thread():
            return self._choose(method)

    def _choose(self, method: str) -> tuple[Plan, str]:
        if method == "exact":
            return self._exact(), "asked for"
        if method == "grid" or (method == "auto" and self.grid_factor is not None):
            return self._grid()
        if method == "neighbours":
            return self._neighbours(), "asked for"
        if method in {"spectral", "gridded"}:
            return self._approximate(method)
        return self._auto()

    def _exact(self) -> PairwisePlan:
        return PairwisePlan.build(self.xy, self.weights)

    @cached_property
    def _smooth(self) -> bool:
        """Whether the kernel may be treated as a Gaussian without an end, within the tolerance."""
        if self.tol < FINEST_TOLERANCE:
            return False
        return math.isinf(self.weights.cutoff) or (
            tail(self.weights.cutoff / self.weights.sigma, self.dimensions) <= _CUTOFF_SHARE * self.tol
        )

    @property
    def dimensions(self) -> int:
        """Number of coordinates of a cell."""
        return int(self.xy.shape[1])

    @cached_property
    def _positions(self) -> tuple[Floats, ...]:
        reach = reach_for(_GAP_SHARE * self.tol, self.dimensions)
        return tuple(close_gaps(axis, self.weights.sigma, reach) for axis in self.xy.T)

    @cached_property
    def _grid_plan(self) -> GriddedPlan | None:
        """The cheapest grid, in single precision if it meets the tolerance like that."""
        other = _GAP_SHARE * self.tol + self._ended
        found: list[Layout] = []
        if self.single and self.tol > _FINEST_SINGLE:
            found += layouts(self._positions, _METHOD_SHARE * self.tol, 4)[:2]
        found += layouts(self._positions, _METHOD_SHARE * self.tol, 8)[:1]
        for layout in found:
            plan = GriddedPlan.build(self._positions, layout, _METHOD_SHARE * self.tol, other)
            if plan is not None and plan.error <= self.tol:
                return plan
        return None

    @cached_property
    def _reach(self) -> tuple[float, float]:
        """Distance up to which neighbours are summed, and the error of that."""
        if not self._smooth:
            return self.weights.reach, 0.0
        reach = reach_for(_METHOD_SHARE * self.tol, self.dimensions) * self.weights.sigma
        return (reach, _METHOD_SHARE * self.tol) if reach < self.weights.reach else (self.weights.reach, 0.0)

    @cached_property
    def _pairs(self) -> float:
        return count_neighbours(self.xy, self._reach[0])

    def _neighbours(self) -> Plan:
        reach, error = self._reach
        if self._pairs > MOST_STORED:
            return PairwisePlan.build(self.xy, self.weights, method="neighbours", reach=reach, error=error)
        return NeighbourPlan.build(self.xy, self.weights, reach=reach, error=error)

    def _spectral(self) -> SpectralPlan | None:
        return SpectralPlan.build(self._positions, _METHOD_SHARE * self.tol, _GAP_SHARE * self.tol + self._ended)

    def _gridded_cost(self) -> float:
        sizes = (4, 8) if self.single and self.tol > _FINEST_SINGLE else (8,)
        found = [layout for size in sizes for layout in layouts(self._positions, _METHOD_SHARE * self.tol, size)[:1]]
        return min((layout.cost(len(self.xy)) for layout in found), default=math.inf)

    @property
    def _ended(self) -> float:
        return 0.0 if math.isinf(self.weights.cutoff) else _CUTOFF_SHARE * self.tol

    def _grid(self) -> tuple[Plan, str]:
        factor = 0.5 if self.grid_factor is None else self.grid_factor
        if factor <= 0:
            return self._exact(), f"a grid factor of {factor:g} means the exact sum"
        if math.isfinite(self.weights.cutoff):
            return self._exact(), "a bilinear grid cannot resolve a cut-off"
        anchors = Anchors.around(self.xy, self.weights.sigma, factor)
        if anchors.count >= self.n_cells:
            return (
                self._exact(),
                f"a grid of {anchors.nx} x {anchors.ny} anchors has no fewer points than there are cells",
            )
        return BilinearPlan.build(self.xy, self.weights.sigma, factor), "asked for"

    def _approximate(self, method: str) -> tuple[Plan, str]:
        plan: Plan | None = None
        if not self._smooth:
            why = (
                f"tol {self.tol:g} is beyond rounding" if self.tol < FINEST_TOLERANCE else "the kernel has a sharp end"
            )
        elif method == "spectral":
            plan, why = self._spectral(), "the tissue spans too many radii"
        else:
            plan = self._grid_plan
            why = "the tissue would need too large a grid"
        if plan is not None:
            return plan, "asked for"
        safer, reason = self._auto()
        return safer, f"{method} is impossible: {why}; instead {reason}"

    def _auto(self) -> tuple[Plan, str]:
        if len(self.xy) <= ALWAYS_EXACT:
            return self._exact(), f"at most {ALWAYS_EXACT} cells"
        if self.tol == 0:
            return self._exact(), "tol is 0"
        costs = {"exact": pairwise_cost(self.xy, self.weights.reach), "neighbours": self._neighbour_cost()}
        spectral = None
        if self._smooth:
            costs["gridded"] = self._gridded_cost()
            spectral = self._promising_spectral(min(costs.values()))
        if spectral is not None:
            costs["spectral"] = spectral.cost
        best = min(costs, key=lambda name: costs[name])
        others = ", ".join(f"{name} {cost:.3g}" for name, cost in costs.items() if name != best)
        reason = f"estimated {costs[best]:.3g} ns per cell and channel ({others})"
        if best == "exact":
            return self._exact(), reason
        if best == "neighbours":
            return self._neighbours(), reason
        if best == "spectral" and spectral is not None:
            return spectral, reason
        return self._approximate("gridded")[0], reason

    def _neighbour_cost(self) -> float:
        if self._pairs > MOST_STORED:
            return pairwise_cost(self.xy, self._reach[0])
        return neighbour_cost(self._pairs / len(self.xy))

    def _promising_spectral(self, cheapest: float) -> SpectralPlan | None:
        """Build the factors only if they could win: the guess of their rank is good to a factor of two."""
        rank = guess_rank(self._positions, self.tol)
        return self._spectral() if spectral_cost(0.5 * rank) < cheapest else None
