"""`[model_export].save_cnn_weights`: the networks of a target as a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spacetravlr.atomic import make_directory
from spacetravlr.betas.names import escape_gene

if TYPE_CHECKING:
    from spacetravlr.training.plan import Plan
    from spacetravlr.training.refined import Refined
    from spacetravlr.training.refiners import Refiner


def write_weights(
    plan: Plan, root: Path, gene: str, *, modulators: Sequence[str], refined: Refined, refiner: Refiner
) -> None:
    """Write the networks of a target that stand, if that is wanted and there are any.

    Parameters
    ----------
    plan
        The shared part; its settings say whether, where and how.
    root
        Run directory.
    gene
        The target.
    modulators
        (p,) names, in the order of the design.
    refined
        What became of it.
    refiner
        What has made the networks.

    Raises
    ------
    RunDirectoryError
        If the file system refuses.
    """
    export = plan.config.model_export
    models = {code: part.model for code, part in refined.parts.items() if part.model is not None}
    if not export.save_cnn_weights or not models:
        return
    path = root / export.output_subdir / f"{escape_gene(gene)}_cnn_weights.npz"
    make_directory(path.parent)
    refiner.save(path, models, modulators, compressed=export.compressed_npz)
