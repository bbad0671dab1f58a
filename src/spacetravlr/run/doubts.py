"""What the settings of a run cannot promise, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spacetravlr.config import RunConfig


def level_doubt(config: RunConfig) -> str | None:
    """Return why the level at which models are tested is not kept, or None if there is no such reason.

    Imputation averages cells that are alike in all genes, the target among them. Whatever is averaged over cells that
    were chosen so says something about what was counted of the target in the cell itself, which is more than a smooth
    trend over the tissue, and no regulation.

    Parameters
    ----------
    config
        Resolved settings.
    """
    from spacetravlr.tissue import is_imputed  # with all that reads a sample; a status needs none of it

    level = config.training.model_level
    if level is None or level >= 1.0 or config.lasso.select != "cv" or not is_imputed(config.data.layer):
        return None
    # without a layer of its own for the response nothing tells whether this one is imputed but its name
    if config.data.own_response is None:
        return None
    return (
        f"modulators of layer {config.data.layer!r} were averaged over cells that resemble each other in the targets "
        f"too: [training].model_level = {level:g} is not guaranteed, genes that nothing regulates may get a model"
    )
