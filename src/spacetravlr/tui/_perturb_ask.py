"""The questions of the perturbation screens, and what is told while they are answered."""

from __future__ import annotations

import numpy as np

from spacetravlr.errors import SpaceTravLRError
from spacetravlr.perturbation import MAX_PROPAGATION, Dose
from spacetravlr.perturbation.workbench import Draft, QueuedJob, Workbench, check_export, default_export
from spacetravlr.tui._perturb_dialogs import AskDialog
from spacetravlr.tui._perturb_paths import shown
from spacetravlr.tui._perturb_text import number

_FORMS = "0 knock-out   1.5 value   x2 multiple   q95 quantile   +1.5 shift"


def ask_dose(bench: Workbench, draft: Draft, gene: str | None) -> AskDialog:
    """Return the question for a dose, answered with what it comes to in the cells."""
    pick = draft.dose if gene is None else draft.pick(gene).dose
    marked = gene is not None and gene in draft.picks
    whose = (
        f"Dose of {gene}" if gene is not None and (marked or not draft.picks) else "Dose of genes marked from now on"
    )
    hints = _FORMS
    if gene is not None:
        low, middle, high, top = map(number, bench.observed(gene))
        hints += f"\nobserved: {low} to {top}, median {middle}, 99 % below {high}"

    def explain(text: str) -> str:
        dose = Dose.parse(text, gene=gene or "the gene")
        if gene is None:
            return dose.label
        try:
            rows = draft.pick(gene).scope.resolve(bench)
        except SpaceTravLRError as error:
            return f"{dose.label} (but {error})"
        expression = np.asarray(bench.expression(gene), dtype=np.float64)
        chosen = np.arange(len(expression)) if rows is None else rows
        values = dose.desired(chosen, expression, gene=gene)
        low, high = number(float(values.min())), number(float(values.max()))
        where = draft.pick(gene).scope.text
        return f"{gene} becomes {low if low == high else f'{low} to {high}'} in {where}"

    value = "0" if pick.label == "KO" else pick.label
    return AskDialog(whose, hints=hints, value=value, explain=explain)


def ask_steps(draft: Draft) -> AskDialog:
    """Return the question for the number of steps."""

    def explain(text: str) -> str:
        steps = draft.with_steps(text).n_propagation
        if steps == 0:
            return "0 steps: only the gene itself is set"
        return f"{steps} step{'s' if steps != 1 else ''} from gene to gene and from cell to cell"

    hints = f"How often what changes acts on: 0 to {MAX_PROPAGATION}"
    return AskDialog("Propagation steps", hints=hints, value=str(draft.n_propagation), explain=explain)


def ask_file(bench: Workbench, job: QueuedJob) -> AskDialog:
    """Return the question for the file of a result."""

    def explain(text: str) -> str:
        path = check_export(text)
        return f"{path.name} exists: you will be asked" if path.exists() else f"a new file of {path.parent}"

    hints = ".feather or .csv: what is simulated; .h5ad: before and after, too"
    value = shown(default_export(job.request, bench.place))
    return AskDialog(f"Write #{job.number} {job.request.genes}", hints=hints, value=value, explain=explain)
