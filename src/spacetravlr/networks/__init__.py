"""Making prior networks: from files people have, from a server, and TF priors from the data.

`build` reads the formats in `FORMATS` and returns a network with an account of what was kept and lost; `fetch`
downloads a network file; `count`, `cover` and `roles` tell what is in one; `fit_tf_priors` chooses the TFs of each
target in each cell type. The core needs nothing of it.
"""

from __future__ import annotations

from spacetravlr.networks._build import Built, build
from spacetravlr.networks._describe import Counts, Coverage, GeneRoles, count, cover, roles
from spacetravlr.networks._fetch import Fetched, default_cache, fetch
from spacetravlr.networks._ledger import Ledger
from spacetravlr.networks._orthologs import Orthologs
from spacetravlr.networks._provenance import read_provenance
from spacetravlr.networks._registry import ALIASES, FORMATS
from spacetravlr.networks._sources import Source
from spacetravlr.networks._tf_priors import FittedTfPriors, TfPriorSettings, fit_tf_priors, usable_cores

__all__ = [
    "ALIASES",
    "FORMATS",
    "Built",
    "Counts",
    "Coverage",
    "Fetched",
    "FittedTfPriors",
    "GeneRoles",
    "Ledger",
    "Orthologs",
    "Source",
    "TfPriorSettings",
    "build",
    "count",
    "cover",
    "default_cache",
    "fetch",
    "fit_tf_priors",
    "read_provenance",
    "roles",
    "usable_cores",
]
