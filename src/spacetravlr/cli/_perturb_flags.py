"""The flags of `spacetravlr-perturb` and of its commands, in the order of the help."""

from __future__ import annotations

from spacetravlr.cli._flags import Flag
from spacetravlr.cli._version import version_flag

RUN, TARGET, CELLS, BATCH, OUTPUT, DISPLAY = ("Run", "Perturbation", "Cells", "Batch", "Output", "Display")

_RUN_TOML = Flag(
    ("--run-toml",),
    RUN,
    help="spacetravlr_run_repro.toml of a trained run, or the directory it is in.",
    kind="path",
    metavar="FILE",
)
_H5AD = Flag(
    ("--h5ad",), RUN, help="The sample, if it is no longer where the run found it.", kind="path", metavar="FILE"
)
_CONFIG = Flag(
    ("--config", "-c", "--perturb-toml"),
    RUN,
    help="TOML with run_toml, sections that replace settings of the run, and perhaps the keys of a batch. Its name "
    "alone, without a flag, will do.",
    kind="path",
    metavar="FILE",
)
_RULES = (
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
        ("--beta-scale-factor",),
        TARGET,
        help="Factor of all derivatives but those of TFs. Default: [perturbation].beta_scale_factor of the run.",
        kind="number",
    ),
)
_CELLS = (
    Flag(
        ("--cells-csv",),
        CELLS,
        help="Table whose columns are lists of cell names; the gene is perturbed in the cells of one column, the "
        "others still feel it (make-cells-csv writes one). Default: [perturbation].cells_csv of the run, else all "
        "cells.",
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
        ("--cell-type",),
        CELLS,
        help="Only in cells of these types (several: A,B).",
        metavar="NAME",
        repeatable=True,
    ),
    Flag(
        ("--where",),
        CELLS,
        help="Only in cells for which this is true of the columns of obs, such as \"stage == 'E14' and area > 30\".",
        metavar="QUERY",
    ),
    Flag(
        ("--region",),
        CELLS,
        help="Only in cells inside a polygon in tissue coordinates: GeoJSON, or CSV with columns x and y (in all "
        "samples). Of several of these flags all must hold.",
        kind="path",
        metavar="FILE",
    ),
)
_VERBOSE = Flag(("--verbose",), DISPLAY, help="Tell how long each step takes.", kind="flag")
_PLAIN = Flag(("--plain",), DISPLAY, help="Without --out: the prompt in place of the full screen.", kind="flag")

PERTURB_FLAGS: tuple[Flag, ...] = (
    _RUN_TOML,
    _CONFIG,
    _H5AD,
    Flag(
        ("--gene",),
        TARGET,
        help="The gene to perturb; any measured gene. Several (A,B) are perturbed together.",
        metavar="NAME",
        repeatable=True,
    ),
    Flag(
        ("--desired-expr",),
        TARGET,
        help="Its expression in the perturbed cells: 0 is a knock-out, 1.5 a value in units of the training layer, "
        "x2 twice each cell's own, q95 a quantile over the tissue, +1.5 or -0.5 a shift. One for all genes, or one "
        "for each. Default: 0.",
        metavar="DOSE",
        repeatable=True,
    ),
    *_RULES,
    *_CELLS,
    Flag(
        ("--batch-toml",),
        BATCH,
        help="Many perturbations of one run: a TOML with genes, out_dir (or out), and perhaps desired_expr, "
        "n_propagation, cells_csv, joint, ... Relative paths count from the file.",
        kind="path",
        metavar="FILE",
    ),
    Flag(
        ("--batch-parallelism",),
        BATCH,
        help="Simulations at once. Default: parallelism of the batch, else one per core, at most 8.",
        kind="integer",
    ),
    Flag(
        ("--out", "--export"),
        OUTPUT,
        help="Where to write: .feather (simulated expression) or .h5ad (baseline, simulated and difference). Without "
        "it, and without the next two flags, you choose interactively.",
        kind="path",
        metavar="FILE",
    ),
    Flag(
        ("--top",),
        OUTPUT,
        help="Print the genes that change most in each cell type, this many of each.",
        kind="integer",
    ),
    Flag(
        ("--negative-control",),
        OUTPUT,
        help="Compare with this many tissues of shuffled positions and with as many other genes; prints p values, and "
        "with --out writes all of them to {out}_control.feather. Takes as many simulations.",
        kind="integer",
    ),
    _VERBOSE,
    _PLAIN,
    version_flag("spacetravlr-perturb", DISPLAY),
)

SCREEN_FLAGS: tuple[Flag, ...] = (
    _RUN_TOML,
    _H5AD,
    Flag(
        ("--genes",),
        TARGET,
        help="Genes to perturb, one after the other. Default: all genes that some model listens to.",
        metavar="A,B,...",
    ),
    Flag(
        ("--genes-file",),
        TARGET,
        help="File with these genes, one on a line; lines that begin with # are skipped.",
        kind="path",
        metavar="FILE",
    ),
    Flag(
        ("--dose",),
        TARGET,
        help="Expression in the perturbed cells, as --desired-expr: 0, 1.5, x2, q95, +1.5. Default: 0, a knock-out.",
        metavar="DOSE",
    ),
    *_RULES,
    *_CELLS,
    Flag(
        ("--out-dir",),
        OUTPUT,
        help="Directory for {gene}_KO.feather and screen_summary.feather. Default: perturbations in the run.",
        kind="path",
        metavar="DIR",
    ),
    Flag(
        ("--no-resume",),
        OUTPUT,
        help="Make everything anew, also what an earlier call has finished.",
        kind="flag",
    ),
    Flag(
        ("--parallelism",),
        OUTPUT,
        help="Simulations at once. Default: one per core, at most 8.",
        kind="integer",
    ),
    _VERBOSE,
)

CELLS_CSV_FLAGS: tuple[Flag, ...] = (
    _RUN_TOML,
    _H5AD,
    Flag(
        ("--annot",),
        CELLS,
        help="Column of obs whose labels become the columns. Default: that of the clusters of the run.",
        metavar="COLUMN",
    ),
    Flag(("--out",), OUTPUT, help="Where to write. Default: cells.csv in the run.", kind="path", metavar="FILE"),
)
