"""What tools are given and what they answer."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError


def _no_truth(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError("number_needed", "a number is needed here, not true or false")
    return value


# true would count as 1
NotTruth = BeforeValidator(_no_truth)
Whole = Annotated[int, NotTruth]
Finite = Annotated[float, NotTruth, Field(allow_inf_nan=False)]
Name = Annotated[str, Field(max_length=200)]
Kind = Literal["tf", "ligand-receptor", "ligand-tf", "extra", "intercept"]


class Target(BaseModel):
    """A gene, and what becomes of it."""

    model_config = ConfigDict(extra="forbid")
    gene: Name = Field(description="Name of a measured gene, in the spelling of list_genes.")
    dose: Annotated[Finite | Name, NotTruth] = Field(
        default=0.0,
        description="0 is a knock-out; a number sets the expression; 'x2' doubles it, '+1.5' or '-0.5' shift it, 'q95' "
        "sets it to the 95 % quantile over cells.",
    )


class Everywhere(BaseModel):
    """All cells of the tissue."""

    model_config = ConfigDict(extra="forbid")
    type: Literal["all"]


class CellTypes(BaseModel):
    """The cells of some cell types."""

    model_config = ConfigDict(extra="forbid")
    type: Literal["cell_type"]
    names: Annotated[list[Name], Field(max_length=1000, description="As describe_dataset lists them.")]


class Clusters(BaseModel):
    """The cells of some clusters."""

    model_config = ConfigDict(extra="forbid")
    type: Literal["cluster"]
    ids: Annotated[
        list[Annotated[int | Name, NotTruth]], Field(max_length=1000, description="Numbers or labels of clusters.")
    ]


class Labels(BaseModel):
    """The cells with some labels in a column of obs."""

    model_config = ConfigDict(extra="forbid")
    type: Literal["obs"]
    column: Name
    labels: Annotated[list[Name], Field(max_length=1000)]


class Outline(BaseModel):
    """The cells inside a polygon."""

    model_config = ConfigDict(extra="forbid")
    type: Literal["region"]
    polygon: Annotated[
        list[tuple[Finite, Finite]],
        Field(min_length=3, max_length=5000, description="Corners, in the coordinates of the embedding."),
    ]
    embedding: Name = "spatial"


class Selection(BaseModel):
    """The cells that are selected in the viewer: 'Send to chat' tells the id."""

    model_config = ConfigDict(extra="forbid")
    type: Literal["selection"]
    id: Annotated[str, Field(max_length=64)]


Scope = Annotated[
    Everywhere | CellTypes | Clusters | Labels | Outline | Selection,
    Field(discriminator="type", description="In which cells something is done. Nothing is ever done in other cells."),
]


class Column(BaseModel):
    """A column of obs."""

    name: str
    kind: str
    labels: list[str] = Field(default=[], description="At most 100; n_labels tells how many there are.")
    cells: list[int] = Field(default=[], description="Cells of each label.")
    n_labels: int = 0


class RunFacts(BaseModel):
    """The trained run that is open."""

    name: str
    genes: int = Field(description="Genes with a model.")
    row_label: str = Field(description="Whether coefficients differ by cluster or by cell.")
    n_propagation: int = Field(description="Usual number of steps of a perturbation.")
    partial: bool = Field(description="Whether genes are still to be trained.")


class Dataset(BaseModel):
    """The open data."""

    title: str
    n_cells: int
    n_genes: int
    layer: str = Field(description="Layer that expression is taken from.")
    layers: list[str]
    embeddings: list[str]
    cell_type_column: str | None
    cluster_column: str | None
    columns: list[Column]
    um_per_unit: float | None = Field(description="Micrometres of one coordinate unit, if known.")
    radius: float | None = Field(description="How far ligands reach, in coordinate units.")
    contact_distance: float | None = Field(description="The same of contact-dependent ligands.")
    network: str | None = Field(description="Species of the network that is loaded.")
    run: RunFacts | None
    model: str = Field(description="none, loading, ready or failed: whether perturbations can be simulated.")
    notices: list[str]


class GeneHit(BaseModel):
    """A gene."""

    name: str
    has_model: bool = Field(description="Whether the run has coefficients of it: only such genes can change.")


class GeneList(BaseModel):
    """Genes by name."""

    total: int
    offset: int
    genes: list[GeneHit]


class Modulator(BaseModel):
    """What a gene depends on."""

    name: str
    kind: Kind
    max_abs: float = Field(description="Largest absolute coefficient over clusters or cells.")
    mean: float | None = Field(description="Mean coefficient over clusters; null where coefficients differ by cell.")
    stability: float | None = Field(description="Largest share of bootstraps that agree with the sign, 0 to 1.")


class Modulators(BaseModel):
    """What a gene depends on, the strongest first."""

    gene: str
    row_label: str
    total: int
    modulators: list[Modulator]


class Coefficient(BaseModel):
    """One coefficient."""

    modulator: str
    kind: Kind
    row: str = Field(description="Cluster, or cell type where coefficients differ by cell (then it is a mean).")
    value: float
    stability: float | None


class Coefficients(BaseModel):
    """Coefficients of a gene."""

    gene: str
    row_label: str
    unit: str
    total: int
    coefficients: list[Coefficient]


class Score(BaseModel):
    """How well a gene is fitted in a cluster."""

    gene: str
    cluster: str
    r2_in: float | None = Field(description="R2 on the cells that were fitted.")
    r2_out: float | None = Field(description="R2 on cells that were held out.")
    r2_tf_only: float | None = Field(description="The same of a model without ligands.")
    p_space: float | None = Field(description="Chance of such a score if places did not matter.")


class Scores(BaseModel):
    """How well genes are fitted."""

    scores: list[Score]
    without: list[str] = Field(description="Genes of which no score is known.")


class Change(BaseModel):
    """How a gene changes."""

    gene: str
    mean_delta: float = Field(description="Mean over the cells of the group.")
    mean_abs_delta: float
    baseline_mean: float = Field(description="Mean expression before.")


class Group(BaseModel):
    """The genes that change most in a group of cells."""

    label: str
    n_cells: int
    genes: list[Change]


class Perturbation(BaseModel):
    """What a perturbation does."""

    job: str = Field(description="Id by which other tools and the viewer find the result.")
    targets: list[Target]
    scope: str
    n_cells_perturbed: int
    n_cells: int
    n_propagation: int
    steps: list[float] = Field(description="Size of the change in each step (Euclidean norm over cells and genes).")
    genes_changed: int
    inside: list[Change] = Field(description="Mean changes in the perturbed cells, the largest first, without targets.")
    everywhere: list[Change] = Field(description="The same in all cells.")
    unit: str
    notes: list[str]
    seconds: float


class TopEffects(BaseModel):
    """The genes that change most, by groups of cells."""

    job: str
    by: str
    unit: str
    groups: list[Group]


class Compared(BaseModel):
    """A gene in two perturbations."""

    gene: str
    mean_a: float
    mean_b: float
    correlation: float | None = Field(description="Over cells, between the changes.")


class Comparison(BaseModel):
    """Two perturbations side by side."""

    job_a: str
    job_b: str
    r: float | None = Field(description="Correlation over genes of the mean changes; null where one is constant.")
    n_genes: int
    unit: str
    genes: list[Compared]


class Drift(BaseModel):
    """Which way the cells of a type go."""

    label: str
    n_cells: int
    mean_x: float
    mean_y: float
    length: float = Field(description="Mean length of the arrows.")
    coherence: float = Field(description="Length of the mean arrow divided by the mean length, 0 to 1.")
    towards: str | None = Field(description="The other type whose centre lies most in that direction.")


class Transition(BaseModel):
    """Which way a perturbation moves the cells in an embedding."""

    job: str
    field_job: str
    embedding: str
    n_arrows: int
    largest: float
    types: list[Drift]


class JobLine(BaseModel):
    """A job of this conversation."""

    id: str
    kind: str
    title: str
    state: str
    progress: float
    step: str
    seconds: float
    message: str | None


class RunStatus(BaseModel):
    """How far the run is, and what is at work."""

    run: str | None
    state: str = Field(
        description="complete, running, interrupted, partial, stopped, failed, unknown; none without a run."
    )
    planned: int | None
    done: int
    without_model: int = Field(description="Genes for which nothing was found.")
    n_failed: int = Field(description="Genes that could not be trained.")
    failed: dict[str, str] = Field(description="The first 20 of them, with the reason.")
    at_work: int
    remaining: int | None
    model: str = Field(description="none, loading, ready or failed.")
    jobs: list[JobLine]
