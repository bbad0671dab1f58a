"""What the `perturb>` prompt can be told."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from spacetravlr.cli._perturb_tables import observed_text, text_table, written_text
from spacetravlr.errors import UsageError, did_you_mean
from spacetravlr.perturbation.workbench import (
    Draft,
    Request,
    Scope,
    Summary,
    Workbench,
    check_export,
    let_go,
    simulate_request,
    summarize,
    write_export,
)
from spacetravlr.words import count

if TYPE_CHECKING:
    from spacetravlr.perturbation import Effect

_N_LIST, _N_SEARCH, _N_RESULT = 40, 100, 10
_CELLS = "all | LABEL,LABEL | COLUMN=LABEL,LABEL | csv FILE COLUMN | where QUERY | region FILE"
HELP = {
    "list [N]": f"the first N genes ({_N_LIST}); those that move others come first, [x] is marked",
    "search TEXT": f"genes with TEXT in their name ({_N_SEARCH} at most)",
    "info GENE": "its expression by cell type",
    "mark GENE [CELLS]": "a gene to perturb, and perhaps where",
    "unmark GENE|all": "take the mark away",
    "scope GENE|all CELLS": f"where; CELLS is {_CELLS}",
    "dose GENE|all DOSE": "how much: 0 knocks out; 1.5, x2, q95, +1.5, -0.5",
    "steps N": "propagation steps",
    "joint": "marked genes together in one simulation",
    "single": "each marked gene in its own",
    "show": "what a run would do",
    "run [DOSE]": "do it, perhaps with one dose for all marked genes",
    "runs": "the results so far",
    "result [#K] [N]": f"the N genes ({_N_RESULT}) that change most in each cell type; of result K, else the newest",
    "rings [#K] [N]": "the same by distance to the perturbed cells",
    "export [#K] FILE [replace]": "write a result: .feather, .csv or .h5ad",
    "help": "this",
    "quit": "leave, as exit and Ctrl-D do",
}


@dataclass(eq=False)
class _Result:
    number: int
    request: Request
    effect: Effect | None
    summary: Summary
    seconds: float


class Session:
    """A run, what is chosen, and what has come of it.

    Parameters
    ----------
    bench
        The loaded run.
    draft
        What is chosen at first.
    say
        Prints a line.
    note
        Prints a remark on a result, unless it was a warning already.
    ask
        Asks yes or no; None where nobody answers.
    """

    gene_commands = ("mark", "unmark", "scope", "dose", "info")
    cell_commands = ("mark", "scope")

    def __init__(
        self,
        bench: Workbench,
        draft: Draft,
        *,
        say: Callable[[str], None],
        note: Callable[[str], None],
        ask: Callable[[str], bool] | None,
    ) -> None:
        self.bench, self.draft = bench, draft
        self._say, self._note, self._ask = say, note, ask
        self._results: list[_Result] = []
        self._actions: dict[str, Callable[[str], None]] = {
            "list": self._list,
            "search": self._search,
            "info": self._info,
            "mark": self._mark,
            "unmark": self._unmark,
            "scope": self._scope,
            "dose": self._dose,
            "steps": self._steps,
            "joint": lambda _: self._together(joint=True),
            "single": lambda _: self._together(joint=False),
            "show": lambda _: self._show(),
            "run": self._run,
            "runs": lambda _: self._runs(),
            "result": lambda rest: self._table(rest, rings=False),
            "rings": lambda rest: self._table(rest, rings=True),
            "export": self._export,
            "help": lambda _: self._help(),
        }

    @property
    def commands(self) -> tuple[str, ...]:
        """Names of all commands."""
        return (*self._actions, "quit", "exit")

    def do(self, line: str) -> bool:
        """Do a command; return False if it was the last one.

        Raises
        ------
        SpaceTravLRError
            If it cannot be done; nothing has changed then.
        """
        word, _, rest = line.strip().partition(" ")
        name = {"?": "help", "top": "result", "genes": "list"}.get(word.casefold(), word.casefold())
        if name in ("quit", "exit", "q"):
            return False
        if name not in self._actions:
            raise UsageError(f"no command is called {word!r}{did_you_mean(name, self.commands, '; try help')}")
        self._actions[name](rest.strip())
        return True

    # ---- genes

    def _list(self, rest: str) -> None:
        number = _whole(rest, "list", _N_LIST)
        for gene in self.bench.by_interest[:number]:
            self._say(self._line(gene))
        left = len(self.bench.genes) - number
        if left > 0:
            self._say(f"... and {left:,} more; search TEXT finds them")

    def _search(self, rest: str) -> None:
        if not rest:
            raise UsageError("search what? For example: search tcf")
        found = self.bench.find(rest)
        for gene in found[:_N_SEARCH]:
            self._say(self._line(gene))
        if not found:
            self._say(f"no gene has {rest!r} in its name")
        elif len(found) > _N_SEARCH:
            self._say(f"... and {len(found) - _N_SEARCH:,} more")

    def _info(self, rest: str) -> None:
        gene = self._gene(rest, "info")
        self._say(f"{gene}: {self.bench.role(gene)}")
        self._say(f"observed: {observed_text(self.bench.expression(gene))}")
        rows = [(row.label, row.n_cells, row.mean, row.fraction) for row in self.bench.preview(gene, self._column)]
        self._say(text_table([self._column, "cells", "mean", "fraction"], rows))

    def _line(self, gene: str) -> str:
        pick = self.draft.picks.get(gene)
        told = "" if pick is None else f"  {pick.dose.label}, {pick.scope.text}"
        idle = "" if gene in self.bench.modulators else "  (moves no other gene)"
        return f"[{'x' if pick else ' '}] {gene}{told}{idle}"

    # ---- what is done

    def _mark(self, rest: str) -> None:
        gene, cells = self._gene_first(rest, "mark GENE [CELLS]")
        scope = Scope.parse(cells, self.bench) if cells else None
        self._take(self.draft.marked(gene, scope=scope), gene)

    def _unmark(self, rest: str) -> None:
        if rest == "all":
            for gene in self.draft.picks:
                self.draft = self.draft.unmarked(gene)
            return
        gene = self._gene(rest, "unmark")
        self._marked(gene)
        self.draft = self.draft.unmarked(gene)

    def _scope(self, rest: str) -> None:
        whose, cells = _two(rest, f"scope GENE|all CELLS, where CELLS is {_CELLS}")
        scope = Scope.parse(cells, self.bench)
        genes = list(self.draft.picks) if whose == "all" else [self._marked(self.bench.gene_named(whose))]
        draft = replace(self.draft, scope=scope) if whose == "all" else self.draft
        for gene in genes:
            draft = draft.with_scope(scope, gene)
        self._take(draft, *genes)

    def _dose(self, rest: str) -> None:
        whose, text = _two(rest, "dose GENE|all DOSE")
        genes = list(self.draft.picks) if whose == "all" else [self._marked(self.bench.gene_named(whose))]
        draft = self.draft.with_dose(text) if whose == "all" else self.draft
        for gene in genes:
            draft = draft.with_dose(text, gene)
        self._take(draft, *genes)

    def _steps(self, rest: str) -> None:
        if not rest:
            raise UsageError("how many? For example: steps 4")
        self.draft = self.draft.with_steps(rest)

    def _together(self, *, joint: bool) -> None:
        self.draft = replace(self.draft, joint=joint)
        self._say("marked genes are perturbed " + ("together" if joint else "each in a run of its own"))

    def _show(self) -> None:
        draft = self.draft
        for gene in draft.picks:
            self._say(self._line(gene))
        if not draft.picks:
            self._say(f"no gene is marked; {self._to_come}")
        how = "" if len(draft.picks) < 2 else ", together" if draft.joint else ", each on its own"
        self._say(f"{count(draft.n_propagation, 'step')}{how}")

    def _take(self, draft: Draft, *genes: str) -> None:
        """Keep a draft if its cells are there, and tell what has become of some genes."""
        for scope in {draft.scope, *(draft.pick(gene).scope for gene in genes)}:
            scope.resolve(self.bench)
        self.draft = draft
        for gene in genes:
            self._say(self._line(gene))
        if not genes:
            self._say(self._to_come)

    @property
    def _to_come(self) -> str:
        return f"the next one gets the dose {self.draft.dose.label} in {self.draft.scope.text}"

    # ---- runs

    def _run(self, rest: str) -> None:
        draft = self.draft
        if not draft.picks:
            raise UsageError("no gene is marked: mark one, for example mark " + self.bench.by_interest[0])
        if rest:
            for gene in draft.picks:
                draft = draft.with_dose(rest, gene)
        for request in draft.requests(self.bench):
            began = time.perf_counter()
            effect = simulate_request(self.bench, request)
            summary = summarize(effect, by=self._column)
            number = len(self._results) + 1
            self._results.append(_Result(number, request, effect, summary, time.perf_counter() - began))
            let_go(self._results)
            self._say(self._told(self._results[-1]))
            for note in effect.notes:
                self._note(note)

    def _runs(self) -> None:
        for result in self._results:
            self._say(self._told(result))
        if not self._results:
            self._say("nothing was run yet")

    def _told(self, result: _Result) -> str:
        return f"#{result.number} {result.request.text}: {result.summary.text} ({result.seconds:.2f} s)"

    def _table(self, rest: str, *, rings: bool) -> None:
        result, words = self._result(rest.split())
        number = _whole(" ".join(words), "rings" if rings else "result", _N_RESULT)
        groups = result.summary.rings if rings else result.summary.types
        rows = [
            (group.label, change.gene, change.change, change.magnitude, change.before, change.after)
            for group in groups
            for change in group.changes[:number]
        ]
        if not groups:
            self._say("there are no distances: no perturbed cell has a position")
        elif not rows:
            self._say("no other gene changes")
        else:
            header = ["distance" if rings else self._column, "gene", "change", "|change|", "before", "after"]
            self._say(text_table(header, rows))

    def _export(self, rest: str) -> None:
        try:
            words = shlex.split(rest)
        except ValueError as error:
            raise UsageError(f"export {rest}: a quote is not closed") from error
        result, words = self._result(words)
        overwrite = len(words) == 2 and words[1] == "replace"
        if len(words) - overwrite != 1:
            raise UsageError("write export FILE, with quotes around a name that has blanks")
        if result.effect is None:
            raise UsageError(f"result #{result.number} was let go to save memory: run it again")
        path: Path = check_export(words[0])
        if path.exists() and not overwrite:
            if self._ask is None:
                raise UsageError(f"{path} exists; write export {words[0]} replace")
            if not self._ask(f"{path} exists. Replace it?"):
                self._say("nothing is written")
                return
            overwrite = True
        write_export(result.effect, path, overwrite=overwrite)
        self._say(written_text(result.effect, path))

    def _result(self, words: list[str]) -> tuple[_Result, list[str]]:
        """Return the result that words begin with (`#2`), else the newest, and the other words."""
        if not self._results:
            raise UsageError("there is no result yet: run makes one")
        if not words or not words[0].startswith("#"):
            return self._results[-1], words
        number = _whole(words[0][1:], "a result", 0)
        if not 1 <= number <= len(self._results):
            raise UsageError(f"there is no result #{number}: there are {len(self._results)}")
        return self._results[number - 1], words[1:]

    # ---- words

    def _help(self) -> None:
        width = max(map(len, HELP))
        for command, what in HELP.items():
            self._say(f"{command:<{width}}  {what}")

    @property
    def _column(self) -> str:
        return self.bench.columns[0]

    def _gene(self, text: str, command: str) -> str:
        if not text:
            raise UsageError(f"{command} which gene? For example: {command} {self.bench.by_interest[0]}")
        return self.bench.gene_named(text)

    def _gene_first(self, rest: str, usage: str) -> tuple[str, str]:
        if not rest:
            raise UsageError(f"write {usage}")
        word, _, more = rest.partition(" ")
        return self.bench.gene_named(word), more.strip()

    def _marked(self, gene: str) -> str:
        if gene not in self.draft.picks:
            raise UsageError(f"{gene} is not marked: mark {gene}")
        return gene


def _two(rest: str, usage: str) -> tuple[str, str]:
    word, _, more = rest.partition(" ")
    if not word or not more.strip():
        raise UsageError(f"write {usage}")
    return word, more.strip()


def _whole(text: str, what: str, default: int) -> int:
    if not text.strip():
        return default
    if not text.strip().isdecimal() or int(text) < 1:
        raise UsageError(f"{what}: a whole number of at least 1, not {text.strip()!r}")
    return int(text)
