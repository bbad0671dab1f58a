"""Which expression held-out scores predict: never one that imputation has touched, where there is another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spacetravlr.config import SAME_LAYER
from spacetravlr.events import Listener, Notice
from spacetravlr.run import level_doubt
from spacetravlr.tissue import MEASURED, is_imputed

if TYPE_CHECKING:
    from spacetravlr.config import RunConfig
    from spacetravlr.tissue import Tissue

NOISY_THRESHOLD = 0.005
"""`score_threshold` where held-out scores predict what was measured: most of its variance is noise of counting, which
nothing can predict, so that a good model of a gene that is seldom counted has a small R2. In simulated counts 0.005,
0.01 and 0.02 choose the same genes but for one in a hundred; 0.05 finds fewer edges, and excludes few of the genes that
nothing regulates."""


def decide_response(settings: RunConfig, tissue: Tissue, told: Listener) -> RunConfig:
    """Decide what depends on the sample: the response layer, and the threshold that suits it.

    Neighbours in expression share what was counted in them, so an imputed response leaks into the cells held out:
    scores are far too good, and the penalty that they choose is too weak. Cells held out are therefore judged by
    `normalized_count` where the sample has it. What fits explain stays the layer of the modulators: its coefficients
    are in its own units, which are those in which perturbations are simulated, so that nothing has to be converted.
    `[data].response_use = "fit"` lets fits explain the response layer too; their coefficients are in its units then,
    and suit perturbations only where these are those of the layer.

    Parameters
    ----------
    settings
        Resolved; what they say explicitly stays.
    tissue
        The sample.
    told
        Learns which layer is used, is warned if it is an imputed one, and learns if imputed modulators leave the level
        at which models are tested in doubt.
    """
    data, training = settings.data, settings.training
    if data.response_layer is None:
        there = data.layer != MEASURED and tissue.has_layer(MEASURED)
        data = data.model_copy(update={"response_layer": MEASURED if there else SAME_LAYER})
        if not there and is_imputed(data.layer) and not tissue.simulated:
            told(
                Notice(
                    f"held-out scores predict layer {data.layer!r}, which is imputed: they are too good and penalties "
                    f"too weak. spacetravlr prepare adds {MEASURED!r}; or name a layer that is not imputed with "
                    f'[data].response_layer ("{SAME_LAYER}" if {data.layer!r} is none)',
                    "warning",
                )
            )
    layer = data.own_response
    scored = training.held_out or settings.lasso.select == "cv"
    if layer is not None and (scored or data.response_use == "fit"):
        fitted = data.layer if data.response_use == "score" else layer
        told(Notice(f"held-out scores predict layer {layer!r}; coefficients are fitted to layer {fitted!r}"))
        if training.score_on == "held_out" and "score_threshold" not in training.model_fields_set:
            training = training.model_copy(update={"score_threshold": NOISY_THRESHOLD})
    decided = settings.model_copy(update={"data": data, "training": training})
    doubt = level_doubt(decided)
    if doubt is not None:
        told(Notice(doubt))
    return decided
