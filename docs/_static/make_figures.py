"""Draw the figure of the README, docs/_static/effect.png: `python docs/_static/make_figures.py` (a minute).

A tissue is simulated and trained on, a transcription factor is knocked out, and the change of the gene that changes
most is drawn at every cell: as predicted, and as it is when the tissue is grown again without the factor.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import spacetravlr as stl

HERE = Path(__file__).parent


def main() -> None:
    """Draw the figure."""
    adata = stl.datasets.simulated_tissue(n_cells=2000, n_genes=100, seed=1)
    knocked = next(iter(adata.uns["truth"]["knock_outs"]))
    with tempfile.TemporaryDirectory() as place:
        network = stl.datasets.write_network(adata, place).parent
        run = stl.tl.train(adata, out=Path(place) / "run", network_data_dir=str(network))
        effect = run.perturb({knocked: 0.0})
        draw(adata, run, effect, knocked)


def draw(adata, run, effect, knocked):
    """Draw cell types, the predicted change of one gene, the true one, and both of all genes by cell type."""
    truth = stl.datasets.knock_out_truth(adata, knocked)
    gene = effect.top(1).gene[0]
    column = adata.var_names.get_loc(gene)
    limit = float(np.quantile(np.abs(truth[:, column]), 0.99))
    fig, (types, predicted, true, both) = plt.subplots(1, 4, figsize=(15, 3.9), layout="constrained")
    stl.pl.clusters(run, ax=types, unit="µm")
    types.set_title("cell types")
    stl.pl.effect(effect, gene, ax=predicted, limit=limit, unit="µm", colorbar=False)
    predicted.set_title(f"{gene} without {knocked}: predicted")
    shown = predicted.collections[0]
    style = {"s": shown.get_sizes()[0], "cmap": shown.cmap, "norm": shown.norm, "linewidths": 0}
    points = true.scatter(*adata.obsm["spatial"].T, c=truth[:, column], **style)
    true.set(title="true", aspect="equal", xlim=predicted.get_xlim(), ylim=predicted.get_ylim())
    true.axis("off")
    fig.colorbar(points, ax=true, label="change of expression", shrink=0.8)
    labels = adata.obs["cell_type"].to_numpy()
    others = adata.var_names != knocked
    kinds = np.unique(labels)
    x, y = (
        np.concatenate([change[labels == one][:, others].mean(axis=0) for one in kinds])
        for change in (truth, effect.delta)
    )
    reach = 1.05 * max(np.abs(x).max(), np.abs(y).max())
    both.plot([-reach, reach], [-reach, reach], color="0.7", linewidth=1)
    both.scatter(x, y, s=9, color="0.25", linewidths=0)
    both.set(title="every gene in every type", xlabel="true change", ylabel="predicted change", aspect="equal")
    both.spines[["top", "right"]].set_visible(False)
    fig.savefig(HERE / "effect.png", dpi=100)
    sys.stdout.write(f"{knocked} -> {gene}; r = {np.corrcoef(x, y)[0, 1]:.2f} over {len(x)} means\n")


if __name__ == "__main__":
    main()
