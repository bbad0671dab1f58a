"""Which settings can change a trained result, so that a run directory never mixes two kinds of result."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from spacetravlr.config._cluster_rules import idle_cluster_rules
from spacetravlr.config._keys import settings

if TYPE_CHECKING:
    from spacetravlr.config._model import RunConfig

_NEVER = frozenset(
    {
        # where things are, and how the work is shared out: the numbers are the same
        "data.adata_path",
        # the edges themselves are compared, wherever the file lies
        "grn.network_data_dir",
        "grn.network_base_url",
        "data.spatial_species",
        "execution.n_parallel",
        "execution.output_dir",
        "execution.stale_lock_secs",
        "execution.device",
        "execution.write_minimal_repro_h5ad",
        *(setting.key for setting in settings() if setting.section == "cluster"),
        "model_export.save_cnn_weights",
        "model_export.compressed_npz",
        "model_export.output_subdir",
        # they choose which targets exist, not what a target's coefficients are
        "training.genes",
        "training.max_genes",
        # read by perturbation only
        "data.perturb_obs_subset_file",
        "perturbation.profile",
        "perturbation.n_propagation",
        "perturbation.beta_scale_factor",
        "perturbation.beta_cap",
        "perturbation.min_bound",
        "perturbation.max_bound",
        "perturbation.cells_csv",
        "perturbation.cells_csv_column",
        # kept for old files, without effect
        "training.seed_only",
    }
)
_KERNEL = (
    "spatial.radius",
    "spatial.contact_distance",
    "spatial.weighted_ligand_scale_factor",
    "spatial.kernel",
    "spatial.signal_tol",
    "perturbation.ligand_grid_factor",
    "grn.max_ligands",
)
_CNN = (
    "training.epochs",
    "training.learning_rate",
    "spatial.spatial_dim",
    *(setting.key for setting in settings() if setting.section == "cnn"),
)
_ENCODER = ("cnn.encoder_size", "cnn.encoder_rounds")
_SHARED = ("cnn.encoder", "cnn.output_activation", "cnn.cnn_vs_lasso_arbitration_margin", "cnn.min_cells_for_cnn")
_NETWORK = tuple(key for key in _CNN if key not in (*_ENCODER, *_SHARED))
_HYBRID = tuple(setting.key for setting in settings() if setting.section == "training.hybrid")


def _rules(config: RunConfig) -> Iterator[tuple[bool, tuple[str, ...], str]]:
    """Yield, for a resolved configuration: condition, keys without effect under it, the condition in words."""
    lasso, grn, training = config.lasso, config.grn, config.training
    cv = lasso.select == "cv"
    folds = cv or training.held_out
    # the optimum does not depend on how it is reached
    yield lasso.solver == "cd", ("lasso.n_iter", "lasso.tol"), '[lasso].solver = "cd" goes to the optimum'
    fixed_only = ("lasso.l1_reg", "lasso.group_reg", "lasso.ridge", "training.held_out")
    # the penalties come from the path, and the held-out R2 from the choice among them
    yield cv, fixed_only, '[lasso].select = "cv" chooses the penalties on held-out cells'
    chosen_only = ("lasso.n_bootstraps", "lasso.beta_export", "training.diagnostics")
    yield not cv, chosen_only, '[lasso].select = "fixed" has no bootstraps and no comparison of held-out scores'
    yield not cv, ("lasso.rule",), '[lasso].select = "fixed" leaves no penalty to choose'
    tested = cv and training.score_on == "held_out"
    yield not tested, ("training.model_level",), "models are tested with select cv and score_on held_out only"
    yield not folds and training.mode == "seed", ("lasso.n_folds",), "no held-out R2 is computed"
    # only folds, bootstraps, permutations and the CNN draw random numbers
    yield not folds and training.mode == "seed", ("execution.random_seed",), "nothing random is computed"
    yield training.mode == "seed", _CNN, '[training].mode = "seed" has no CNN'
    shared = config.cnn.encoder == "shared"
    yield training.mode != "seed" and shared, _NETWORK, '[cnn].encoder = "shared" needs no epochs'
    yield training.mode != "seed" and not shared, _ENCODER, '[cnn].encoder = "per_gene" has no shared encoder'
    yield training.mode != "hybrid", _HYBRID, '[training].mode is not "hybrid"'
    yield not grn.use_tf_modulators, ("grn.tf_priors_feather",), "[grn].use_tf_modulators is false"
    yield not grn.use_lr_modulators, ("grn.extra_lr", "grn.extra_lr_file"), "[grn].use_lr_modulators is false"
    yield not grn.use_tfl_modulators, ("grn.tf_ligand_cutoff",), "[grn].use_tfl_modulators is false"
    # without ligand terms nothing is received
    yield not (grn.use_lr_modulators or grn.use_tfl_modulators), _KERNEL, "no modulator uses a received ligand"
    # an explicit grid factor names the method, so no tolerance is asked for
    named = config.perturbation.ligand_grid_factor is not None
    yield named, ("spatial.signal_tol",), "[perturbation].ligand_grid_factor is set"
    response = ("data.response_layer", "data.response_use")
    same = config.data.response_layer is not None and config.data.own_response is None
    yield same, response[1:], "[data].response_layer is the layer itself"
    judged = config.data.own_response is not None and config.data.response_use == "score"
    yield judged and not folds, response, "no held-out R2 is computed"
    yield from idle_cluster_rules(config.cluster)


def without_effect(config: RunConfig) -> dict[str, str]:
    """Return the training settings that have no effect in a resolved configuration, each with the reason."""
    return {key: reason for holds, keys, reason in _rules(config) if holds for key in keys}


def result_settings(config: RunConfig) -> dict[str, object]:
    """Return the settings of a resolved configuration that can change a trained result, by full key."""
    inert = without_effect(config)
    flat = config.flat()
    return {setting.key: flat[setting.key] for setting in settings() if setting.key not in _NEVER | inert.keys()}
