"""From a simulation to AnnData with its answer key, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spacetravlr._simulate.fields import Array
from spacetravlr._simulate.measure import count_rates, dropped, imputed, normalised
from spacetravlr._simulate.panel import Panel
from spacetravlr._simulate.settings import Settings
from spacetravlr._simulate.simulation import Simulation
from spacetravlr._simulate.streams import Stream, generator
from spacetravlr._simulate.wiring import Edge
from spacetravlr.errors import InputError, listing, nearest

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from spacetravlr._simulate.terms import Indices

VERSION = "tissue-v1"
"""Changes whenever the same settings give other data."""

_KEPT_SIZE = 2_000_000


def starter_edges() -> pd.DataFrame:
    """Return the edges of the starter network that ships with the package."""
    from spacetravlr.prior import PriorNetwork

    edges: pd.DataFrame = PriorNetwork.starter("mouse").edges
    return edges


@lru_cache(maxsize=1)
def _simulate_and_keep(settings: Settings) -> Simulation:
    return Simulation.run(settings, starter_edges())


def simulate(settings: Settings) -> Simulation:
    """Run a simulation; the last one is kept if it is small, so that further knock-outs of it are cheap."""
    if settings.n_cells * settings.n_genes <= _KEPT_SIZE:
        return _simulate_and_keep(settings)
    return Simulation.run(settings, starter_edges())


def build(settings: Settings, knock_outs: Sequence[str] | None) -> AnnData:
    """Simulate a tissue and return it with its network and answer key.

    Parameters
    ----------
    settings
        Sizes, seed, and so on.
    knock_outs
        Genes whose true knock-out is stored; None chooses five.

    Raises
    ------
    InputError
        If a gene to knock out is not in the panel.
    """
    simulation = simulate(settings)
    genes = simulation.telling_knock_outs() if knock_outs is None else list(dict.fromkeys(knock_outs))
    check_genes(genes, simulation.panel.genes)
    deltas = simulation.knock_outs(genes)
    expression = simulation.steady.expression
    adata = assemble(
        expression,
        measured_layers(expression, settings),
        xy=simulation.xy,
        codes=simulation.codes,
        labels=simulation.labels,
        panel=simulation.panel,
    )
    adata.var["regulated"] = simulation.wiring.regulated.copy()
    adata.uns["network"] = network_table(simulation.wiring.prior)
    adata.uns["truth"] = {
        "version": VERSION,
        "seed": settings.seed,
        "parameters": {name: value for name, value in asdict(settings).items() if name != "seed"},
        "edges": simulation.edges(),
        "knock_outs": {gene: delta.astype(np.float32) for gene, delta in zip(genes, deltas, strict=True)},
    }
    if simulation.process.modulation is not None:
        adata.uns["truth"]["factors"] = simulation.process.modulation.factors.astype(np.float32)
    return adata


def measured_layers(expression: Array, settings: Settings) -> dict[str, NDArray[np.floating]]:
    """Return the layers of a tissue: counts, and what stands for the expression in `imputed_count`.

    Unless the expression itself is known there is also `normalized_count`, logarithms that were not imputed.
    """
    rng = generator(settings.seed, Stream.COUNTS)
    rates = count_rates(expression, rng, depth=settings.depth, depth_sd=settings.depth_sd)
    counts = rng.poisson(rates).astype(np.float32)
    counts[dropped(rates, settings.dropout, generator(settings.seed, Stream.DROPOUT))] = 0.0
    if settings.measurement == "exact":
        return {"imputed_count": expression, "counts": counts}
    logs = normalised(counts)
    return {"imputed_count": imputed(logs, settings.measurement), "normalized_count": logs, "counts": counts}


def assemble(
    X: NDArray[np.floating],
    layers: Mapping[str, NDArray[np.floating]],
    *,
    xy: Array,
    codes: Indices,
    labels: Sequence[str],
    panel: Panel,
) -> AnnData:
    """Return the AnnData of a simulated tissue without network and answer key; it shares no memory with the arguments.

    Parameters
    ----------
    X, layers
        (n_cells, n_genes) each.
    xy
        (n_cells, 2), goes to ``obsm["spatial"]``.
    codes, labels
        Cell types: code of every cell and name of every code.
    panel
        Genes and their roles.
    """
    import pandas as pd
    from anndata import AnnData

    return AnnData(
        X=X.copy(),
        obs=pd.DataFrame(
            {
                "cell_type": pd.Categorical.from_codes(codes, categories=pd.Index(labels)),
                "cell_type_int": codes.copy(),
            },
            index=cell_names(len(codes)),
        ),
        var=pd.DataFrame({"role": pd.Categorical(panel.roles)}, index=list(panel.genes)),
        layers={name: values.copy() for name, values in layers.items()},
        obsm={"spatial": xy.copy()},
    )


def cell_names(n_cells: int) -> list[str]:
    """Return the names of the cells of a simulated tissue."""
    width = len(str(n_cells - 1))
    return [f"cell_{number:0{width}d}" for number in range(n_cells)]


def network_table(edges: Sequence[Edge]) -> pd.DataFrame:
    """Return prior edges in the columns of a network file."""
    import pandas as pd

    return pd.DataFrame(list(edges), columns=["source", "target", "edge_type", "weight"])


def check_genes(genes: Sequence[str], known: Sequence[str]) -> None:
    """Raise if a gene is not in the panel.

    Raises
    ------
    InputError
        With the nearest known name.
    """
    for gene in genes:
        if gene not in known:
            guess = nearest(gene, known)
            hint = f"did you mean {guess!r}?" if guess else f"the panel holds {listing(known, 5)}"
            raise InputError(f"gene {gene!r} is not in the simulated tissue; {hint}")


def settings_of(adata: AnnData) -> Settings:
    """Return the settings that an answer key was made of, also after a file was written and read.

    Raises
    ------
    InputError
        If there is no answer key, or one of another version of the simulation.
    """
    truth: Any = adata.uns.get("truth", {})
    version = str(truth.get("version", "none"))
    if version != VERSION:
        raise InputError(
            f"uns['truth'] has version {version!r}, this function needs {VERSION!r}; simulate the tissue anew"
        )
    kept: dict[str, Any] = {**truth["parameters"], "seed": truth["seed"]}
    missing = [field.name for field in fields(Settings) if field.default is MISSING and field.name not in kept]
    if missing:
        raise InputError(f"uns['truth']['parameters'] lacks {listing(missing)}; simulate the tissue anew")
    values: dict[str, Any] = {}
    for field in fields(Settings):
        # files of before the option existed do not name it
        value = kept.get(field.name, field.default)
        values[field.name] = value.item() if isinstance(value, np.generic) else value
    return Settings(**values)


def cell_effects(adata: AnnData, target: str) -> pd.DataFrame:
    """Return the true effect of every edge of a target in every cell; see `spacetravlr.datasets.cell_effects`."""
    import pandas as pd

    if "truth" not in adata.uns:
        raise InputError("uns['truth'] is missing: this AnnData is not a simulated tissue; use one of datasets")
    truth = adata.uns["truth"]
    check_genes([target], list(adata.var_names))
    edges = truth["edges"]
    edges = edges[edges["target"] == target]
    types = adata.obs["cell_type"].astype(str).to_numpy()
    factors = None
    if "factors" in truth:
        table = np.asarray(truth["factors"], dtype=np.float64)
        factors = table[_positions(adata.obs_names, cell_names(len(table)), "cell")]
    names = sorted(set(edges["modulator"]))
    values = np.zeros((adata.n_obs, len(names)))
    for row in edges.itertuples():
        here = types == row.cell_type
        factor = 1.0 if factors is None else factors[here, row.pattern]
        values[here, names.index(row.modulator)] = row.effect * factor
    return pd.DataFrame(values, index=adata.obs_names.copy(), columns=names)


def knock_out(adata: AnnData, gene: str, cells: NDArray[np.bool_] | None = None) -> Array:
    """Return the true change when a gene is held at 0; see `spacetravlr.datasets.knock_out_truth`."""
    simulation = simulate(settings_of(adata))
    check_genes([gene], simulation.panel.genes)
    columns = _positions(adata.var_names, simulation.panel.genes, "gene")
    n_cells = simulation.settings.n_cells
    rows = _positions(adata.obs_names, cell_names(n_cells), "cell")
    scope = None
    if cells is not None:
        given = np.asarray(cells)
        if given.dtype != np.bool_ or given.shape != (adata.n_obs,):
            raise InputError(f"cells must be a boolean array with one entry for each of the {adata.n_obs} cells")
        scope = np.zeros(n_cells, dtype=bool)
        scope[rows[given]] = True
    return simulation.knock_outs([gene], scope)[0][np.ix_(rows, columns)]


def _positions(wanted: Sequence[str], known: Sequence[str], what: str) -> Indices:
    position = {name: index for index, name in enumerate(known)}
    strangers = [name for name in wanted if name not in position]
    if strangers:
        raise InputError(f"{what} {strangers[0]!r} was not part of the simulated tissue; keep the names it came with")
    return np.array([position[name] for name in wanted], dtype=np.int64)
