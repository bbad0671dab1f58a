"""`stability/{gene}.feather`: how often each coefficient kept its sign over block bootstraps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.atomic import make_directory
from spacetravlr.betas import Betas
from spacetravlr.betas.names import escape_gene

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacetravlr.tissue import Clusters
    from spacetravlr.training.fits import TargetFit


def write_stability(directory: Path, fit: TargetFit, kept: NDArray[np.bool_], clusters: Clusters) -> None:
    """Write the stability of a target, in the layout of its coefficient file (columns of zeros are left out).

    Parameters
    ----------
    directory
        Run directory.
    fit
        With `stability`, (C, p), fractions 0..1.
    kept
        (C,), clusters whose coefficients are written.
    clusters
        Row labels.
    """
    if fit.stability is None:
        return
    table = Betas(
        target=fit.modulators.target,
        by="cluster",
        row_labels=clusters.labels,
        intercept=np.zeros(len(clusters.labels)),
        modulators=fit.modulators.names,
        values=np.where(kept[:, None], fit.stability, 0.0),
    )
    if not table.is_orphan:
        path = directory / "stability" / f"{escape_gene(fit.modulators.target)}.feather"
        make_directory(path.parent)
        table.write(path)
