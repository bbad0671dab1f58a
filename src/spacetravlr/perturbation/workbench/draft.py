"""What a person has chosen so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Self

from spacetravlr.errors import InputError, UsageError
from spacetravlr.perturbation._settings import MAX_PROPAGATION
from spacetravlr.perturbation.doses import Dose
from spacetravlr.perturbation.workbench.bench import Workbench
from spacetravlr.perturbation.workbench.request import Item, Request
from spacetravlr.perturbation.workbench.scope import Scope


@dataclass(frozen=True)
class Pick:
    """A marked gene."""

    dose: Dose
    scope: Scope = field(default_factory=Scope)


@dataclass(frozen=True)
class Draft:
    """Marked genes with doses and scopes, steps, and whether they are perturbed together.

    Every change gives a new draft, so that a request that waits is never touched.

    Attributes
    ----------
    picks
        The marked genes, in the order of marking.
    dose, scope
        Those of genes that are marked from now on.
    n_propagation
        Number of steps.
    joint
        Whether all marked genes are perturbed in one simulation, or each in its own.
    """

    n_propagation: int
    picks: Mapping[str, Pick] = field(default_factory=lambda: MappingProxyType({}))
    dose: Dose = field(default_factory=lambda: Dose.parse(0.0))
    scope: Scope = field(default_factory=Scope)
    joint: bool = True

    def pick(self, gene: str) -> Pick:
        """Return what is done to a gene, marked or not."""
        return self.picks.get(gene, Pick(self.dose, self.scope))

    def marked(self, gene: str, *, dose: Dose | None = None, scope: Scope | None = None) -> Self:
        """Return a draft with a gene marked, or its dose and scope changed."""
        pick = self.pick(gene)
        new = Pick(pick.dose if dose is None else dose, pick.scope if scope is None else scope)
        return replace(self, picks=MappingProxyType({**self.picks, gene: new}))

    def unmarked(self, gene: str) -> Self:
        """Return a draft without a gene."""
        rest = {name: pick for name, pick in self.picks.items() if name != gene}
        return replace(self, picks=MappingProxyType(rest))

    def toggled(self, gene: str) -> Self:
        """Return a draft with a gene marked if it was not, and the other way round."""
        return self.unmarked(gene) if gene in self.picks else self.marked(gene)

    def with_dose(self, text: str, gene: str | None = None) -> Self:
        """Return a draft with another dose: of a marked gene, else of all that are marked later and of none else.

        Raises
        ------
        InputError
            If the text is no dose.
        """
        dose = Dose.parse(text, gene=gene or "the gene")
        known = gene is not None and gene in self.picks
        return self.marked(str(gene), dose=dose) if known else replace(self, dose=dose)

    def with_scope(self, scope: Scope, gene: str | None = None) -> Self:
        """Return a draft with another scope: of a marked gene, else of those that are marked later."""
        known = gene is not None and gene in self.picks
        return self.marked(str(gene), scope=scope) if known else replace(self, scope=scope)

    def with_steps(self, text: str) -> Self:
        """Return a draft with another number of steps.

        Raises
        ------
        InputError
            If the text is no whole number, or out of range.
        """
        try:
            number = int(text.strip())
        except ValueError as error:
            raise InputError(f"the number of steps must be a whole number, not {text.strip()!r}") from error
        if not 0 <= number <= MAX_PROPAGATION:
            raise InputError(f"the number of steps must be from 0 to {MAX_PROPAGATION}, not {number}")
        return replace(self, n_propagation=number)

    def requests(self, bench: Workbench, *, highlighted: str | None = None) -> list[Request]:
        """Return the simulations to do.

        Parameters
        ----------
        bench
            The model and its cells.
        highlighted
            The gene to perturb if none is marked.

        Raises
        ------
        UsageError
            If there is no gene.
        InputError
            If a scope cannot be read or holds no cell.
        """
        picks = dict(self.picks) or ({} if highlighted is None else {highlighted: self.pick(highlighted)})
        if not picks:
            raise UsageError("no gene is marked")
        rows = {scope: scope.resolve(bench) for scope in dict.fromkeys(pick.scope for pick in picks.values())}
        items = [Item(gene, pick.dose, pick.scope, rows[pick.scope]) for gene, pick in picks.items()]
        groups = [tuple(items)] if self.joint else [(item,) for item in items]
        return [Request(group, self.n_propagation) for group in groups]
