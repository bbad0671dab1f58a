"""What one setting implies for another, and which combinations have no meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spacetravlr.config._cluster_rules import refuse_cluster
from spacetravlr.errors import ConfigError

if TYPE_CHECKING:
    from spacetravlr.config._fields import BetaExport, Penalty, ScoreOn, Select
    from spacetravlr.config._model import RunConfig

# giving one of these chooses fixed penalties, as every file of the compiled edition does
FIXED_PENALTIES = ("l1_reg", "group_reg")
TINY_PENALTY = 1e-3
MODEL_LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Choices:
    """The settings that depend on others, decided."""

    select: Select
    penalty: Penalty
    score_on: ScoreOn
    held_out: bool
    beta_export: BetaExport
    model_level: float
    response_layer: str | None
    notices: tuple[str, ...]


def _why_fixed(config: RunConfig) -> str | None:
    """Return the reason for fixed penalties when `select` is not given, in words."""
    if config.lasso.solver == "fista":
        return '[lasso].solver = "fista"'
    given = [f"[lasso].{name}" for name in FIXED_PENALTIES if name in config.lasso.model_fields_set]
    return " and ".join(given) or None


def _selection(config: RunConfig) -> tuple[Select, str | None]:
    """Return `select` and, where it is fixed by implication, why."""
    lasso = config.lasso
    if lasso.select == "cv" and lasso.solver == "fista":
        raise ConfigError(
            '[lasso].solver = "fista" has fixed penalties and cannot be combined with [lasso].select = "cv": '
            'use select = "fixed", or solver = "cd"'
        )
    why = None if lasso.select else _why_fixed(config)
    select = lasso.select or ("fixed" if why else "cv")
    if select == "fixed" and lasso.penalty not in {None, "sgl"}:
        cause = f'{why}, which means select = "fixed"' if why else '[lasso].select = "fixed"'
        remedy = 'penalty = "sgl"' + ("" if lasso.solver == "fista" else ', or select = "cv"')
        raise ConfigError(f'[lasso].penalty = "{lasso.penalty}" cannot be combined with {cause}: use {remedy}')
    return select, why


def _refuse_contradictions(config: RunConfig, select: Select) -> None:
    lasso, grn, perturbation = config.lasso, config.grn, config.perturbation
    if lasso.beta_export == "mean" and select == "fixed":
        raise ConfigError('[lasso].beta_export = "mean" needs bootstraps, which only [lasso].select = "cv" has')
    if lasso.beta_export == "mean" and lasso.n_bootstraps == 0:
        raise ConfigError('[lasso].beta_export = "mean" needs [lasso].n_bootstraps of at least 1')
    families = grn.use_tf_modulators or grn.use_lr_modulators or grn.use_tfl_modulators
    if not families and not grn.extra_modulators and grn.extra_modulators_file is None:
        raise ConfigError(
            "[grn] switches off all modulators: set one of use_tf_modulators, use_lr_modulators, "
            "use_tfl_modulators, or give extra_modulators"
        )
    if config.data.condition is not None and config.execution.write_minimal_repro_h5ad:
        raise ConfigError("[execution].write_minimal_repro_h5ad cannot be combined with [data].condition")
    low, high = perturbation.min_bound, perturbation.max_bound
    if low is not None and high is not None and low > high:
        raise ConfigError(f"[perturbation].min_bound = {low} is above [perturbation].max_bound = {high}")
    refuse_cluster(config.cluster)


def _notices(config: RunConfig, select: Select, why_fixed: str | None) -> list[str]:
    lasso = config.lasso
    notices = []
    if why_fixed:
        escape = "" if lasso.solver == "fista" else '; set [lasso].select = "cv" to have them chosen on held-out cells'
        notices.append(f'{why_fixed} without [lasso].select means fixed penalties, select = "fixed"{escape}')
    total = lasso.l1_reg + lasso.group_reg
    if select == "fixed" and lasso.solver == "cd" and total < TINY_PENALTY:
        notices.append(
            f"[lasso].l1_reg + group_reg = {total:g} overfits with a converged solver (penalties act on standardised "
            'columns): use [lasso].select = "cv", or solver = "fista" for the README\'s early stop'
        )
    if not config.training.seed_only and config.training.mode == "seed":
        notices.append(
            '[training].seed_only = false has no effect, and mode = "seed" trains no networks: set [training].mode = '
            '"full" or "hybrid" for them'
        )
    factor = config.perturbation.ligand_grid_factor
    if factor is not None:
        means = f"a grid of {factor:g} radii" if factor > 0 else "the exact sum"
        notices.append(
            f"[perturbation].ligand_grid_factor = {factor:g} means {means} for received ligands, in training too; "
            "unset it to meet [spatial].signal_tol"
        )
    return notices


def choose(config: RunConfig) -> Choices:
    """Decide what is left open, and say what was implied.

    Rules: solver fista, or a given `l1_reg` or `group_reg`, means select fixed, else cv; the penalty is enet with cv
    and sgl with fixed; the score is held out with cv and in sample with fixed; coefficients are means over bootstraps
    where there are any; models are tested where held-out scores above 0 decide. Where no held-out score decides
    anything, there is no response layer unless it is named.

    Raises
    ------
    ConfigError
        Two settings contradict each other.
    """
    select, why_fixed = _selection(config)
    _refuse_contradictions(config, select)
    notices = _notices(config, select, why_fixed)
    cv = select == "cv"
    score_on = config.training.score_on or ("held_out" if cv else "in_sample")
    held_out = config.training.held_out
    if not cv and score_on == "held_out" and not held_out:
        held_out = True
        notices.append('[training].score_on = "held_out" means [training].held_out = true')
    penalty = config.lasso.penalty or ("enet" if cv else "sgl")
    beta_export = config.lasso.beta_export or ("mean" if cv and config.lasso.n_bootstraps else "fit")
    response = config.data.response_layer
    if response == config.data.layer or (response is None and not cv and score_on == "in_sample"):
        response = "same"
    return Choices(
        select,
        penalty,
        score_on,
        held_out,
        beta_export,
        _model_level(config, select, score_on),
        response,
        tuple(notices),
    )


def _model_level(config: RunConfig, select: Select, score_on: ScoreOn) -> float:
    """Return the level; who wants a model whatever the score, wants it without a test."""
    if config.training.model_level is not None:
        return config.training.model_level
    tested = select == "cv" and score_on == "held_out" and config.training.score_threshold > 0.0
    return MODEL_LEVEL if tested else 1.0
