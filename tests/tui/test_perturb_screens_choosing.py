"""Choosing genes, doses and cells on the perturbation screens, key by key."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from spacetravlr.perturbation import Dose
from spacetravlr.perturbation.workbench import Scope, Table
from spacetravlr.tui._perturb_dialogs import AskDialog
from spacetravlr.tui._perturb_scope import ScopeDialog, TableDialog


def test_the_filter_takes_letters_and_the_control_keys_work_in_it(app, drive, text_of, hand):
    async def script(pilot):
        main = await hand.ready(pilot)
        await hand.press(pilot, "slash", *"pre")
        # e p r are letters here
        assert main.query_one("#filter").value == "pre"
        assert "no gene has that in its name" in text_of(app)
        # no picture of a gene that is not listed
        assert "Expression of" not in text_of(app)
        await hand.press(pilot, "ctrl+r")
        assert "no gene is marked" in text_of(app)
        await hand.press(pilot, "escape", *"tcf")
        assert (main.query_one("#filter").value, main.gene) == ("tcf", "Tcf3")
        assert "Genes 1 of 24" in text_of(app)
        assert "Expression of Tcf3" in text_of(app)
        assert "^R run" in text_of(app)
        # a slash once more only means to filter
        await hand.press(pilot, "escape", "slash", *"tcf")
        assert main.query_one("#filter").value == "tcf"
        for key, kind in (
            ("ctrl+e", AskDialog),
            ("ctrl+p", AskDialog),
            ("ctrl+t", ScopeDialog),
            ("ctrl+o", TableDialog),
        ):
            await hand.press(pilot, key)
            assert isinstance(app.screen, kind)
            await hand.press(pilot, "escape")
            assert app.screen is main
        await hand.press(pilot, "ctrl+r")
        await hand.idle(pilot)
        assert main.queue.latest.request.text == "Tcf3 KO · all cells · 2 steps"
        await hand.press(pilot, "ctrl+s")
        assert isinstance(app.screen, AskDialog)
        await hand.press(pilot, "escape", "ctrl+l")
        assert main.queue.jobs == ()
        await hand.press(pilot, "enter")
        assert main.query_one("#genes").has_focus
        # outside the filter, letters act
        await hand.press(pilot, "e")
        assert isinstance(app.screen, AskDialog)

    drive(app, script)


def test_moving_in_the_list_of_genes(app, drive, text_of, hand):
    async def script(pilot):
        main = await hand.ready(pilot)
        genes = main.bench.by_interest
        for key, gene in (
            ("down", genes[1]),
            ("down", genes[2]),
            ("up", genes[1]),
            ("end", genes[-1]),
            ("down", genes[-1]),
            ("home", genes[0]),
            ("pagedown", genes[min(len(genes), main.query_one("#genes").size.height) - 1]),
            ("pageup", genes[0]),
        ):
            await hand.press(pilot, key)
            assert main.gene == gene, key
            assert f"─ {gene} " in text_of(app)

    drive(app, script)


def test_the_mouse_looks_and_marks(app, drive, hand):
    async def script(pilot):
        main = await hand.ready(pilot)
        await pilot.click("#genes", offset=(6, 3))
        await pilot.pause()
        assert main.gene == main.bench.by_interest[3]
        await pilot.click("#genes", offset=(6, 3))
        await pilot.pause()
        assert list(main.draft.picks) == [main.bench.by_interest[3]]

    drive(app, script)


def test_preview_tells_mean_and_fraction(app, drive, text_of, bench, hand):
    async def script(pilot):
        await hand.ready(pilot)
        await hand.press(pilot, "slash", *"pax5", "enter")
        shown = text_of(app)
        for row in bench.preview("Pax5"):
            assert re.search(rf"{row.label} +[━╸]+ +{row.mean:#.3g} +{row.fraction * 100:.0f} %", shown)

    drive(app, script, (160, 50))


def test_all_forms_of_a_dose(app, drive, text_of, bench, hand):
    async def script(pilot):
        main = await hand.ready(pilot)
        for typed, label in {"0": "KO", "1.5": "1.5", "x2": "x2", "q95": "q95", "+1.5": "+1.5", "-0.5": "-0.5"}.items():
            await hand.press(
                pilot, "e", "backspace", *({"+": "plus", "-": "minus", ".": "full_stop"}.get(one, one) for one in typed)
            )
            values = Dose.parse(typed).desired(np.arange(120), bench.expression(main.gene))
            told = re.search(rf"{main.gene} becomes (\S+?)(?: to (\S+))? in all cells", text_of(app))
            assert float(told[1]) == pytest.approx(values.min(), rel=5e-3, abs=1e-3)
            assert float(told[2] or told[1]) == pytest.approx(values.max(), rel=5e-3, abs=1e-3)
            await hand.press(pilot, "enter", "r")
            assert main.draft.pick(main.gene).dose.label == label
            await hand.idle(pilot)
            expected = bench.model.simulate({main.gene: typed}, n_propagation=2)
            np.testing.assert_array_equal(main.queue.latest.effect.simulated, expected.simulated)

    drive(app, script)


def test_what_is_no_dose_and_no_number_of_steps_stays_in_the_dialog(app, drive, text_of, hand):
    async def script(pilot):
        main = await hand.ready(pilot)
        await hand.press(pilot, "e", *"2x", "enter")
        assert "did you mean 'x2'?" in " ".join(re.sub("[│]", " ", text_of(app)).split())
        await hand.press(pilot, "escape")
        assert main.draft.dose.label == "KO"
        await hand.press(pilot, "p", *"99", "enter")
        assert "from 0 to 32, not 99" in text_of(app)
        await hand.press(pilot, "backspace", "enter")
        assert main.draft.n_propagation == 9
        await hand.press(pilot, "p", "0")
        assert "only the gene itself is set" in text_of(app)

    drive(app, script)


def test_cells_by_label_of_one_marked_gene(app, drive, text_of, bench, hand):
    async def script(pilot):
        main = await hand.ready(pilot)
        first, second = main.bench.by_interest[:2]
        await hand.press(pilot, "space", "down", "space", "s")
        assert f"Cells in which {second} is perturbed" in text_of(app)
        await hand.press(pilot, "enter")
        assert "nothing is marked" in text_of(app)
        await hand.press(pilot, "a")
        assert "all cells: 120 of 120 cells" in text_of(app)
        await hand.press(pilot, "a", "down", "space")
        assert "T cell: 40 of 120 cells" in text_of(app)
        await hand.press(pilot, "right", "space")
        assert "0: 60 of 120 cells" in text_of(app)
        await hand.press(pilot, "left", "down", "space", "enter")
        assert main.draft.picks[second].scope == Scope(column="cell_type", labels=("T cell",))
        assert main.draft.picks[first].scope.everywhere
        await hand.press(pilot, "r")
        await hand.idle(pilot)
        rows = np.flatnonzero(np.asarray(bench.model.obs["cell_type"]) == "T cell")
        effect = main.queue.latest.effect
        np.testing.assert_array_equal(effect.interventions[1].rows, rows)
        assert len(effect.interventions[0].rows) == 120
        # back to everywhere
        await hand.press(pilot, "s", "w")
        assert main.draft.picks[second].scope.everywhere
        await hand.press(pilot, "s", "down", "space", "escape")
        assert main.draft.picks[second].scope.everywhere

    drive(app, script)


def test_cells_by_a_table(app, drive, text_of, tmp_path: Path, hand):
    (tmp_path / "cells.csv").write_text("tumour,bad,none\ncell3,cell999,\ncell1,,\n")

    async def script(pilot):
        main = await hand.ready(pilot)
        (tmp_path / "old.csv").write_text("old\ncell3\n")
        await hand.press(pilot, "ctrl+o", *"old.csv", "enter")
        assert re.search(r"old +1 names", text_of(app))
        # the columns that are shown are those of the file that is named, also after another one
        app.screen.set_focus(app.screen.query_one("Input"))
        app.screen.query_one("Input").value = "cells.csv"
        await hand.press(pilot, "down")
        assert re.search(r"tumour +2 names", text_of(app))
        assert "old " not in text_of(app)
        app.screen.set_focus(app.screen.query_one("Input"))
        app.screen.query_one("Input").value = ""
        await hand.press(pilot, *"gone.csv", "enter")
        assert "cannot read gone.csv: No such file or directory" in text_of(app)
        app.screen.query_one("Input").value = "cells.csv"
        await hand.press(pilot, "enter")
        shown = text_of(app)
        assert re.search(r"tumour +2 names", shown)
        assert re.search(r"no table +120 cells", shown)
        await hand.press(pilot, "down", "enter")
        assert "'cell999'" in text_of(app)
        await hand.press(pilot, "down", "enter")
        assert "no cell is meant by column 'none'" in text_of(app)
        await hand.press(pilot, "home", "enter")
        assert main.draft.scope == Scope(table=Table(Path("cells.csv"), "tumour"))
        assert "cells.csv:tumour" in text_of(app)
        # with labels, both must hold
        await hand.press(pilot, "s", "end", "space")
        assert "no cell is meant by all of" in text_of(app)
        await hand.press(pilot, "enter")
        assert isinstance(app.screen, ScopeDialog)
        await hand.press(pilot, "space", "home", "space")
        assert "B cell & cells.csv:tumour: 2 of 120 cells" in text_of(app)
        await hand.press(pilot, "o", "down", "end", "enter")
        assert "B cell: 50 of 120 cells" in text_of(app)

    drive(app, script)


def test_several_genes_together_or_each_on_its_own(app, drive, text_of, bench, hand):
    async def script(pilot):
        main = await hand.ready(pilot)
        first, second = main.bench.by_interest[:2]
        await hand.press(pilot, "space", "down", "enter")
        assert list(main.draft.picks) == [first, second]
        await hand.press(pilot, "r")
        await hand.idle(pilot)
        assert [job.request.genes for job in main.queue.jobs] == [f"{first} KO + {second} KO"]
        await hand.press(pilot, "j", "r")
        await hand.idle(pilot)
        assert [job.request.genes for job in main.queue.jobs][1:] == [f"{first} KO", f"{second} KO"]
        for job, targets in zip(main.queue.jobs, ([first, second], [first], [second]), strict=True):
            expected = bench.model.simulate(dict.fromkeys(targets, 0.0), n_propagation=2)
            np.testing.assert_array_equal(job.effect.simulated, expected.simulated)
        await hand.press(pilot, "u")
        assert not main.draft.picks

    drive(app, script)
