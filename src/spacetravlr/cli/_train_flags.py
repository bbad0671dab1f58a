"""The flags of `spacetravlr` without a subcommand, in the order of the help."""

from __future__ import annotations

from spacetravlr.cli._flags import Flag
from spacetravlr.cli._version import version_flag

INPUT, OUTPUT, MODEL, SPATIAL, NETWORK, EXECUTION, DISPLAY = (
    "Input",
    "Output",
    "Model",
    "Spatial",
    "Network",
    "Execution",
    "Display",
)


TRAIN_FLAGS: tuple[Flag, ...] = (
    Flag(
        ("--h5ad",),
        INPUT,
        "data.adata_path",
        help="The AnnData file to train on; needed unless the configuration names one.",
        metavar="FILE",
    ),
    Flag(
        ("--config", "-c"),
        INPUT,
        help="Settings in TOML; flags win over it. Default: spaceship_config.toml or SpaceshipConfig.toml in the "
        "current directory, if there is one.",
        kind="path",
        metavar="FILE",
    ),
    Flag(("--layer",), INPUT, "data.layer", metavar="NAME"),
    Flag(("--response-layer",), INPUT, "data.response_layer", metavar="NAME"),
    Flag(("--response-use",), INPUT, "data.response_use"),
    Flag(("--cluster-annot",), INPUT, "data.cluster_annot", metavar="COLUMN"),
    Flag(("--species",), INPUT, "data.spatial_species"),
    Flag(("--genes",), INPUT, "training.genes"),
    Flag(("--max-genes",), INPUT, "training.max_genes"),
    Flag(("--condition",), INPUT, "data.condition", metavar="COLUMN"),
    Flag(("--sample",), INPUT, "data.sample", metavar="COLUMN"),
    Flag(
        ("--prepare",),
        INPUT,
        help="Prepare a raw sample first (as `spacetravlr prepare` does), if the layer or the clusters are missing; "
        "the ready file is kept in the run directory.",
        kind="flag",
    ),
    Flag(
        ("--um-per-unit",),
        INPUT,
        help="With --prepare: micrometres per unit of the coordinates. Default: what the file tells.",
        kind="number",
    ),
    Flag(
        ("--output-dir",),
        OUTPUT,
        "execution.output_dir",
        help="Run directory; a run of the same settings that is there is continued. Default: {file stem}_spacetravlr "
        "in the current directory.",
        metavar="DIR",
    ),
    Flag(
        ("--join-output-dir",),
        OUTPUT,
        help="Continue or help with the run in this directory: all settings are those it was begun with, and only "
        "--h5ad, --parallel, --scheduler, --workers and --plain are heeded.",
        kind="path",
        metavar="DIR",
    ),
    Flag(("--write-minimal-repro-h5ad",), OUTPUT, "execution.write_minimal_repro_h5ad"),
    Flag(("--save-cnn-weights",), OUTPUT, "model_export.save_cnn_weights"),
    Flag(
        ("--training-mode",),
        MODEL,
        "training.mode",
        aliases=(("minimal", "seed"), ("seed-only", "seed")),
        more="full and hybrid need the extra cnn.",
    ),
    Flag(("--solver",), MODEL, "lasso.solver"),
    Flag(("--select",), MODEL, "lasso.select"),
    Flag(("--penalty",), MODEL, "lasso.penalty"),
    Flag(("--l1-reg",), MODEL, "lasso.l1_reg"),
    Flag(("--group-reg",), MODEL, "lasso.group_reg"),
    Flag(("--n-iter",), MODEL, "lasso.n_iter"),
    Flag(("--tol",), MODEL, "lasso.tol"),
    Flag(("--n-bootstraps",), MODEL, "lasso.n_bootstraps"),
    Flag(("--score-on",), MODEL, "training.score_on"),
    Flag(("--score-threshold",), MODEL, "training.score_threshold"),
    Flag(("--model-level",), MODEL, "training.model_level"),
    Flag(("--held-out",), MODEL, "training.held_out"),
    Flag(
        ("--no-diagnostics",),
        MODEL,
        "training.diagnostics",
        help="Skip the scores without ligands and with ligands received elsewhere.",
        sets=False,
    ),
    Flag(("--epochs",), MODEL, "training.epochs"),
    Flag(("--lr",), MODEL, "training.learning_rate"),
    Flag(
        ("--cnn-output-activation",),
        MODEL,
        "cnn.output_activation",
        aliases=(("sigmoid-x2", "sigmoidx2"),),
    ),
    Flag(("--radius",), SPATIAL, "spatial.radius"),
    Flag(("--contact-distance",), SPATIAL, "spatial.contact_distance"),
    Flag(("--kernel",), SPATIAL, "spatial.kernel"),
    Flag(("--signal-tol",), SPATIAL, "spatial.signal_tol"),
    Flag(("--weighted-ligand-scale-factor",), SPATIAL, "spatial.weighted_ligand_scale_factor"),
    Flag(("--network-data-dir",), NETWORK, "grn.network_data_dir", metavar="DIR"),
    Flag(("--network-dir",), key="grn.network_data_dir", metavar="DIR", hidden=True),
    Flag(("--tf-ligand-cutoff",), NETWORK, "grn.tf_ligand_cutoff"),
    Flag(("--tf-prior",), NETWORK, "grn.tf_priors_feather", metavar="FILE"),
    Flag(("--max-ligands",), NETWORK, "grn.max_ligands"),
    Flag(("--max-lr-pairs",), key="grn.max_ligands", hidden=True),
    Flag(("--extra-modulators",), NETWORK, "grn.extra_modulators"),
    Flag(("--extra-lr",), NETWORK, "grn.extra_lr", metavar="L$R,..."),
    Flag(("--parallel",), EXECUTION, "execution.n_parallel"),
    Flag(("--scheduler",), EXECUTION, "cluster.scheduler", metavar="local|slurm|tcp://..."),
    Flag(("--workers",), EXECUTION, "cluster.workers"),
    Flag(("--seed",), EXECUTION, "execution.random_seed"),
    Flag(("--device",), EXECUTION, "execution.device"),
    Flag(
        ("--dry-run",),
        EXECUTION,
        help="Only tell the modulators per target and what memory, disk and time it will take; nothing is written.",
        kind="flag",
    ),
    Flag(
        ("--fail-on-gene-error",),
        EXECUTION,
        help="Exit with status 1 if a gene could not be trained, even if others were.",
        kind="flag",
    ),
    Flag(
        ("--plain",), DISPLAY, help="Plain lines instead of the dashboard, as when the output is a file.", kind="flag"
    ),
    version_flag("spacetravlr", DISPLAY),
    Flag(("--demo",), DISPLAY, help="Show the dashboard on a simulated run; nothing is written.", kind="flag"),
    Flag(
        ("--update",),
        DISPLAY,
        help="Print the command that upgrades this installation, and change nothing.",
        kind="flag",
    ),
    Flag(("--update-version",), DISPLAY, help="The same for one version.", metavar="V"),
)
"""Flags with a `key` are settings; the others are handled by the command itself."""
