"""The flags of `spacetravlr-perturb` without a subcommand, in the order of the help."""

from __future__ import annotations

from spacetravlr.cli._flags import Flag
from spacetravlr.cli._version import version_flag

RUN, TARGET, CELLS, OUTPUT, DISPLAY = ("Run", "Perturbation", "Cells", "Output", "Display")

PERTURB_FLAGS: tuple[Flag, ...] = (
    Flag(
        ("--run-toml",),
        RUN,
        help="spacetravlr_run_repro.toml of a trained run, or the directory it is in.",
        kind="path",
        metavar="FILE",
    ),
    Flag(
        ("--h5ad",),
        RUN,
        help="The sample, if it is no longer where the run found it.",
        kind="path",
        metavar="FILE",
    ),
    Flag(("--gene",), TARGET, help="The gene to perturb; any measured gene.", metavar="NAME"),
    Flag(
        ("--desired-expr",),
        TARGET,
        help="Its expression in the perturbed cells, in the units of the training layer; 0 is a knock-out. Default: 0.",
        kind="number",
    ),
    Flag(
        ("--n-propagation",),
        TARGET,
        help="Propagation steps; 0 sets the gene only. Default: [perturbation].n_propagation of the run.",
        kind="integer",
    ),
    Flag(
        ("--profile",),
        TARGET,
        "perturbation.profile",
        help="Rules: default, v1 (compiled edition exactly) or python (original package). Default: those of the run.",
    ),
    Flag(
        ("--cells-csv",),
        CELLS,
        help="Table whose columns are lists of cell names; the gene is perturbed in the cells of one column, the "
        "others still feel it. Default: [perturbation].cells_csv of the run, else all cells.",
        kind="path",
        metavar="FILE",
    ),
    Flag(
        ("--cells-csv-column",),
        CELLS,
        help="Header of that column. Default: [perturbation].cells_csv_column of the run.",
        metavar="NAME",
    ),
    Flag(
        ("--out", "--export"),
        OUTPUT,
        help="Where to write: .feather (simulated expression) or .h5ad (baseline, simulated and difference).",
        kind="path",
        metavar="FILE",
    ),
    Flag(("--verbose",), DISPLAY, help="Tell how long each step takes.", kind="flag"),
    version_flag("spacetravlr-perturb", DISPLAY),
)
