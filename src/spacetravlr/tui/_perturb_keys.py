"""The keys of the perturbation screens, for the line at the foot and for the page of help."""

from __future__ import annotations

MAIN_KEYS = (
    ("?", "help"),
    ("/", "filter"),
    ("e", "dose"),
    ("p", "steps"),
    ("s", "cells"),
    ("r", "run"),
    ("o", "result"),
    ("x", "export"),
    ("Space", "mark"),
    ("j", "together or not"),
    ("Tab", "runs"),
    ("q", "quit"),
)
FILTER_KEYS = (
    ("Esc", "clear"),
    ("Enter", "to the list"),
    ("^R", "run"),
    ("^E", "dose"),
    ("^P", "steps"),
    ("^T", "cells"),
)
RESULT_KEYS = (
    ("?", "help"),
    ("Esc", "back"),
    ("←→", "where, genes"),
    ("x", "export"),
    ("m", "map"),
    ("n b", "other result"),
    ("v", "timings"),
)
MAIN_HELP = {
    "Genes": [
        ("/", "filter by a part of the name; Esc clears it"),
        ("↑↓ PgUp Home ...", "look at another gene"),
        ("Space  Enter", "mark it; without marks this one is meant"),
    ],
    "What is done": [
        ("e  Ctrl+E", "dose: 0 knocks out; 1.5, x2, q95, +1.5, -0.5"),
        ("p  Ctrl+P", "propagation steps"),
        ("s  Ctrl+T", "cells, by cell type or another column"),
        ("c  Ctrl+O", "cells, by a table of their names"),
        ("j", "marked genes together, or each in its own run"),
        ("u", "take all marks away"),
    ],
    "Runs": [
        ("r  Ctrl+R", "run: goes into the queue, choose on meanwhile"),
        ("o", "show the newest result"),
        ("x  Ctrl+S", "write the newest result to a file"),
        ("Tab", "to the runs and back; o and x mean that one"),
        ("Del", "cancel the highlighted run"),
        ("Ctrl+X", "cancel all runs"),
        ("Ctrl+L", "forget the runs that have ended"),
        ("Alt+PgUp PgDn", "scroll the runs"),
        ("v  Ctrl+V", "tell how long each step takes, or not"),
    ],
    "Everywhere": [("t", "other colours"), ("q  Ctrl+Q", "quit")],
}
MAIN_NOTES = (
    "● is marked. The small columns are the means in each cell type.",
    "Grey genes move no other: no model listens to them.",
    "The Ctrl keys work while the filter is typed, too.",
)
RESULT_HELP = {
    "Result": [
        ("← →  Tab", "to the groups of cells, or to their genes"),
        ("↑ ↓", "another group, or gene: see where it changes"),
        ("m  Enter", "picture in place of the table, and back"),
        ("n b  ] [", "the next or the last result"),
        ("x  Ctrl+S", "write it: .feather, .csv or .h5ad"),
        ("v  Ctrl+V", "how long each step took, or not"),
        ("t", "other colours"),
        ("Esc  q", "back"),
    ],
}
