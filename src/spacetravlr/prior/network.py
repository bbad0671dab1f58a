"""The prior network of a species: which genes may regulate which."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import pandas as pd

from spacetravlr.prior._index import NetworkIndex
from spacetravlr.prior._locate import VARIABLE, locate_network
from spacetravlr.prior._selection import PlanKey, Selector, SignalPlan, plan_key, usable
from spacetravlr.prior._starter import starter_edges
from spacetravlr.prior._table import EDGE_TYPES, normalise, read_network
from spacetravlr.prior.extras import parse_extra_lr
from spacetravlr.prior.species import Species, check_species, infer_species

if TYPE_CHECKING:
    from spacetravlr.prior.modulators import Modulators
    from spacetravlr.prior.priors import TfPriors

PLANS_KEPT = 8
"""Combinations of settings whose plan a network remembers."""


class ModulatorOptions(TypedDict, total=False):
    """Keyword arguments of `PriorNetwork.modulators`."""

    tf_ligand_cutoff: float
    max_ligands: int | None
    gene_means: Mapping[str, float] | None
    use_tf: bool
    use_lr: bool
    use_tfl: bool
    extra_modulators: Sequence[str]
    extra_lr: Sequence[str | tuple[str, str]]
    tf_priors: TfPriors | None


@dataclass(frozen=True, eq=False)
class PriorNetwork:
    """TF -> gene, ligand -> receptor and ligand -> TF edges of one species.

    Made by `load`, `read`, `starter` or `from_frame`, then usually restricted to the genes of a sample. The order of
    the rows decides the order of modulators.

    Attributes
    ----------
    table
        The edges as stored: text columns are categorical. Read only; `edges` has plain columns.
    species
        ``"mouse"`` or ``"human"``.
    source
        Path of the file, ``"starter"``, or what `from_frame` was told.
    notices
        What a person should know about where the network comes from.
    measured
        Genes the network was restricted to; None if it was not.

    Examples
    --------
    >>> network = stl.PriorNetwork.load("mouse", "network").restrict(adata.var_names)
    >>> network.counts()
    {'grn': 240, 'lr': 10, 'nichenet': 36}
    >>> found = network.modulators("Agr2")
    >>> found.regulators, found.lr_pairs[:2], found.tfl_pairs[:2]
    (('Cebpb', 'Pax6', 'Foxo1', 'Nfatc2'), ('Pdgfb$Pdgfra', 'Hgf$Met'), ('Ccl5#Cebpb', 'Sema4d#Cebpb'))
    """

    table: pd.DataFrame
    species: Species
    source: str
    notices: tuple[str, ...] = ()
    measured: frozenset[str] | None = None

    @classmethod
    def load(cls, species: str, data_dir: str | os.PathLike[str] | None = None) -> PriorNetwork:
        """Load the network of a species from the first place that has one.

        The order is: `data_dir`; the directory in the environment variable ``SPACETRAVLR_DATA_DIR``; the data
        directory of the package; ``data/`` in the current directory and up to nine parents; the starter network.

        Parameters
        ----------
        species
            ``"mouse"`` or ``"human"``.
        data_dir
            Directory with ``{species}_network.parquet`` (``[grn].network_data_dir``), ``~`` is expanded. If the file is
            not there the search goes on, with a notice.

        Raises
        ------
        ConfigError
            The species is unknown.
        InputError
            The file found cannot be read, is a Git LFS pointer, or lacks a column.
        """
        known = check_species(species)
        found = locate_network(known, data_dir)
        network = cls.starter(known) if found.path is None else cls.read(found.path, species=known)
        return cls(network.table, known, network.source, (*found.notices, *network.notices))

    @classmethod
    def read(cls, path: str | os.PathLike[str], *, species: str | None = None) -> PriorNetwork:
        """Read one network file.

        Parameters
        ----------
        path
            Parquet file with the columns source, target, edge_type (``grn``, ``lr``, ``nichenet``), weight, and
            optionally signaling.
        species
            Inferred from the symbols if not given.

        Raises
        ------
        InputError
            The file cannot be read, is a Git LFS pointer, or lacks a column.
        """
        file = Path(path)
        return cls.from_frame(read_network(file), species=species, source=str(file))

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, *, species: str | None = None, source: str = "data frame") -> PriorNetwork:
        """Make a network from a table of edges.

        Parameters
        ----------
        frame
            Columns source, target, edge_type, weight, and optionally signaling. ``grn``: TF -> gene; ``lr``: ligand ->
            receptor; ``nichenet``: ligand -> TF, the only kind whose weight is used. Rows without a name drop out.
        species
            Inferred from the symbols if not given.
        source
            Name of the table for messages.

        Raises
        ------
        InputError
            A column is missing or of a wrong kind, or no row has a known edge type.
        ConfigError
            The species is unknown.
        """
        table = normalise(frame, source)
        known = check_species(species) if species is not None else infer_species(_symbols(table))
        return cls(table, known, source)

    @classmethod
    def starter(cls, species: str) -> PriorNetwork:
        """Return the small network that comes with the package: well-known relations for a first look.

        Parameters
        ----------
        species
            ``"mouse"`` or ``"human"``.

        Raises
        ------
        ConfigError
            The species is unknown.
        """
        known = check_species(species)
        table = normalise(starter_edges(known), "starter network")
        notice = (
            f"using the small starter network for {known} ({len(table)} textbook relations of {len(_symbols(table))} "
            f"genes): enough to try things out, not for results. For a full one put {known}_network.parquet into a "
            f"directory (spacetravlr network build makes one, fetch downloads one) and name that "
            f"directory in [grn].network_data_dir or {VARIABLE}"
        )
        return cls(table, known, "starter", (notice,))

    def restrict(self, genes: Iterable[str]) -> PriorNetwork:
        """Keep the edges with both ends among the measured genes, in file order.

        Parameters
        ----------
        genes
            Gene names of the sample.

        Returns
        -------
        A new network; it has one more notice if no edge is left.
        """
        measured = frozenset(genes) if self.measured is None else self.measured & frozenset(genes)
        kept = self.table[self.table["source"].isin(measured) & self.table["target"].isin(measured)]
        notices = self.notices
        if kept.empty and not self.table.empty:
            notices += (
                f"none of the {len(self.table)} relations of the {self.species} network joins two of the "
                f"{len(measured)} measured genes: are the gene names {self.species} symbols?",
            )
        return PriorNetwork(kept.reset_index(drop=True), self.species, self.source, notices, measured)

    @cached_property
    def edges(self) -> pd.DataFrame:
        """The edges with plain text columns source, target, edge_type, weight (and signaling, None where unknown)."""
        plain = self.table.copy()
        for name in plain.columns.drop("weight"):
            column = plain[name].astype(object)
            plain[name] = column.where(column.notna(), None)
        return plain

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """Every gene that is an end of an edge, sorted."""
        return _symbols(self.table)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the edges in order, to tell whether two networks are the same."""
        total = sha256()
        for name in self.table.columns:
            column = self.table[name]
            values = (
                column.to_numpy(dtype=float).tobytes() if name == "weight" else "\0".join(map(str, column)).encode()
            )
            total.update(name.encode() + b"\1" + values + b"\2")
        return total.hexdigest()

    def counts(self) -> dict[str, int]:
        """Return the number of rows of each edge type: grn, lr, nichenet."""
        found = self.table["edge_type"].value_counts()
        return {name: int(found.get(name, 0)) for name in EDGE_TYPES}

    def modulators(
        self,
        target: str,
        *,
        tf_ligand_cutoff: float = 0.2,
        max_ligands: int | None = None,
        gene_means: Mapping[str, float] | None = None,
        use_tf: bool = True,
        use_lr: bool = True,
        use_tfl: bool = True,
        extra_modulators: Sequence[str] = (),
        extra_lr: Sequence[str | tuple[str, str]] = (),
        tf_priors: TfPriors | None = None,
    ) -> Modulators:
        """Return what may regulate a gene.

        Regulators are its TFs in the network. Ligand-receptor pairs are all those of the network that do not contain
        the gene. Ligand-TF pairs are, for each of its TFs, the five strongest of those ligands. No gene is its own
        modulator, and no pair occurs twice.

        Parameters
        ----------
        target
            The gene.
        tf_ligand_cutoff
            A ligand-TF weight must be strictly above it.
        max_ligands
            Keep the pairs of this many ligands, those of the largest mean expression (ties by name), sorted by name.
            None or 0 keeps all, in file order.
        gene_means
            Mean expression by gene, for `max_ligands`; a missing one counts as 0.
        use_tf, use_lr, use_tfl
            Leave a family out. Ligand-TF pairs do not depend on the other two switches.
        extra_modulators
            Genes to be added with their own expression, unless they are not measured or play a role here already.
        extra_lr
            Pairs ``LIG$REC`` (or ``LIG,REC``, or tuples) to be added after the capped ones, if both genes are measured
            and neither is the target; they get no ligand-TF pairs. Nothing is added without `use_lr`.
        tf_priors
            For genes that have priors these replace the regulators of the network, and ligand-TF pairs of other TFs
            drop out; with masks by cell type.

        Raises
        ------
        InputError
            The network is restricted and the target is not among its genes.
        ConfigError
            The cut-off is not a number or `max_ligands` is negative.

        Notes
        -----
        What does not depend on the target is made once per network and settings. Then a gene that is no ligand or
        receptor costs microseconds, any other one pass over the pairs: about 0.2 ms for 1,000 pairs.
        """
        plan = self._plan(
            plan_key(self._index, cutoff=tf_ligand_cutoff, max_ligands=max_ligands, gene_means=gene_means)
        )
        pairs = parse_extra_lr(extra_lr)
        selector = Selector(
            index=self._index,
            plan=plan,
            measured=self.measured,
            use_tf=use_tf,
            use_lr=use_lr,
            use_tfl=use_tfl,
            extra_pairs=tuple(pair for pair in pairs if len(usable(pair, self.measured)) == len(set(pair))),
            extra_genes=usable(extra_modulators, self.measured),
            tf_priors=tf_priors,
        )
        return selector.of(target)

    def all_modulators(self, targets: Iterable[str], **options: Unpack[ModulatorOptions]) -> Iterator[Modulators]:
        """Yield the modulators of one gene after another.

        Parameters
        ----------
        targets
            Genes.
        options
            Those of `modulators`.

        Raises
        ------
        InputError, ConfigError
            As `modulators`.
        """
        for target in targets:
            yield self.modulators(target, **options)

    def ligand_radii(self, radius: float, contact_distance: float) -> dict[str, float]:
        """Return how far each ligand reaches.

        Parameters
        ----------
        radius
            Reach of a secreted ligand, in units of the coordinates.
        contact_distance
            Reach of a ligand whose first ligand-receptor row names contact in its ``signaling`` column.

        Returns
        -------
        Ligand -> reach, for the ligands of ligand-receptor edges, in file order. All are at `radius` if the network
        has no such column.
        """
        rows = self.table[self.table["edge_type"] == "lr"].drop_duplicates("source")
        if "signaling" not in rows.columns:
            return dict.fromkeys(rows["source"].tolist(), radius)
        pairs = zip(rows["source"].tolist(), rows["signaling"].tolist(), strict=True)
        return {
            ligand: contact_distance if isinstance(kind, str) and "contact" in kind.lower() else radius
            for ligand, kind in pairs
        }

    @cached_property
    def _index(self) -> NetworkIndex:
        return NetworkIndex(self.table)

    @cached_property
    def _plans(self) -> dict[PlanKey, SignalPlan]:
        return {}

    def _plan(self, key: PlanKey) -> SignalPlan:
        plan = self._plans.get(key)
        if plan is None:
            cutoff, cap, means = key
            plan = SignalPlan(self._index, cutoff=cutoff, cap=cap, means=means)
            if len(self._plans) >= PLANS_KEPT:
                self._plans.clear()
            self._plans[key] = plan
        return plan

    def __repr__(self) -> str:
        sizes = ", ".join(f"{count} {name}" for name, count in self.counts().items())
        return f"PriorNetwork({self.species}, {sizes}; from {self.source})"


def _symbols(table: pd.DataFrame) -> tuple[str, ...]:
    ends: Collection[str] = {*table["source"].unique(), *table["target"].unique()}
    return tuple(sorted(ends))
