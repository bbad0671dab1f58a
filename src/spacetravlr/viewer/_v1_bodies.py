"""The bodies of version 1; unknown fields are ignored, as ever."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Whole = Annotated[int, Field(ge=-(2**31), lt=2**53)]
Lenient = Annotated[int, Field(strict=False, ge=-(2**31), lt=2**53)]
"""A whole number that may be written 42.0."""
Real = Annotated[float, Field(allow_inf_nan=False)]
Text = Annotated[str, Field(max_length=4096)]
Texts = Annotated[list[Text], Field(max_length=100_000)]
Indices = Annotated[list[Whole], Field(max_length=1_000_000)]


class Body(BaseModel):
    """A body whose values have the types they are declared with."""

    model_config = ConfigDict(strict=True)


class ScopeAll(Body):
    """All cells."""

    type: Literal["all"]


class ScopeIndices(Body):
    """Rows."""

    type: Literal["indices"]
    indices: Indices


class ScopeType(Body):
    """Code of a cell type."""

    type: Literal["cell_type"]
    category: Whole


class ScopeTypeName(Body):
    """Name of a cell type."""

    type: Literal["cell_type_name"]
    name: Text


class ScopeCluster(Body):
    """Id of a cluster."""

    type: Literal["cluster"]
    cluster_id: Whole


ScopeV1 = Annotated[ScopeAll | ScopeIndices | ScopeType | ScopeTypeName | ScopeCluster, Field(discriminator="type")]
_ALL = ScopeAll(type="all")


class Configure(Body):
    """What to open."""

    adata_path: Text
    layer: Text = ""
    cluster_annot: Text = ""
    network_dir: Text = ""
    run_toml: Text = ""


class LabelClusters(Body):
    """Names of clusters by id."""

    labels: Annotated[dict[str, Text], Field(max_length=100_000)]


class Top(Body):
    """Coefficients of a target over some cells."""

    gene: Text
    indices: Indices = []
    top_k: Annotated[int, Field(ge=0, lt=2**53)] = 25


class Collect(Body):
    """Coefficients of many targets over a group of cells."""

    aggregate: Text = "mean"
    filter: Text = "cell_type"
    cell_type: Text | None = None
    cluster_id: Whole | None = None
    max_genes: Whole = 2048
    gene_subset: Texts | None = None


class PairLr(Body):
    """Ligand-receptor coefficients of two cells."""

    cell_a: Lenient
    cell_b: Lenient
    top_n: Lenient = 25
    max_genes: Lenient = 2048
    gene_subset: Texts | None = None


class MeanExpression(Body):
    """Genes whose means are wanted."""

    genes: Texts


class CellContext(Body):
    """A sender and its neighbours."""

    cell_index: Lenient
    focus_gene: Text
    neighbor_k: Lenient = 24
    tf_ligand_cutoff: Real = 0.0
    expr_threshold: Real = 1e-6
    neighbor_mode: Text = "knn"
    radius: float | None = None


class Perturb(Body):
    """A perturbation."""

    gene: Text
    desired_expr: Real = 0.0
    scope: ScopeV1 = _ALL
    n_propagation: Whole | None = None


class UmapField(Perturb):
    """A perturbation, and how its field is drawn."""

    n_neighbors: Whole = 150
    temperature: Real = 0.05
    remove_null: bool = True
    unit_directions: bool = False
    limit_clusters: bool = False
    highlight_cell_types: Texts = []
    grid_scale: Real = 1.0
    vector_scale: Real = 0.85
    delta_rescale: Real = 1.0
    magnitude_threshold: Real = 0.0
    use_full_graph: bool = False
    full_graph_max_cells: Whole = 4096
    include_cell_vectors: bool = False
    quick_ko_sanity: bool = False
    export_svg: bool = False


class ReferenceSimilarity(Perturb):
    """A perturbation, and the cells that it is compared with."""

    reference: ScopeV1
    genes: Texts = []
    exclude_perturb_cells_from_reference: bool = True


class NeighborSanity(Body):
    """A perturbation of one cell."""

    gene: Text
    desired_expr: Real = 0.0
    cell_index: Whole
    n_propagation: Whole | None = None
    neighbor_radius: float | None = None
    require_cluster_id: Whole | None = None


class SplashNetwork(Body):
    """Two genes between which a path is looked for."""

    gene_a: Text
    gene_b: Text
    scope: ScopeV1 = _ALL
    surround_hops: Whole = 1
    max_nodes: Whole = 24


class ReceivedLigand(Body):
    """Ligands whose received amount is wanted."""

    source: Text = "adata"
    genes: Texts = []
    matrix: Text = "lr"
    radius: Real = 120.0
    scale_factor: Real = 1.0
    use_grid: bool = True
    grid_factor: Real = 0.5
    aggregate: Text = "sum"


class SignatureField(Body):
    """Genes whose sum is drawn as a field."""

    genes: Texts
    n_knn: Whole = 30
    grid_scale: Real = 1.0
    vector_scale: Real = 0.85
    magnitude_threshold: Real = 0.0
    gradient_gain: Real = 2.0
    mask_with_perturb_quiver: bool = False
    mask_quick_ko: bool = True
    mask_perturb: Perturb | None = None
    export_svg: bool = False
