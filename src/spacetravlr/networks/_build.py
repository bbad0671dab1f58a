"""A network from files people have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd

from spacetravlr.errors import ConfigError, InputError, UsageError, listing
from spacetravlr.networks._account import notes_of, provenance_of
from spacetravlr.networks._companions import Companions
from spacetravlr.networks._context import Context, Wanted, everything
from spacetravlr.networks._ledger import Ledger
from spacetravlr.networks._merge import Part, merge, names_of, prune_ligands
from spacetravlr.networks._orthologs import OneToMany, Orthologs
from spacetravlr.networks._provenance import to_metadata
from spacetravlr.networks._refine import Complexes, distinct, named, strong, translated, usable, without_complexes
from spacetravlr.networks._registry import FORMATS, Format, SideTable, format_of, recognise, side_table
from spacetravlr.networks._sources import OpenSource, Source, open_sources
from spacetravlr.networks._species import species_word
from spacetravlr.prior import PriorNetwork, infer_species


@dataclass(frozen=True)
class Built:
    """A network and the account of its sources."""

    edges: pd.DataFrame
    """Columns source, target, edge_type, weight, signaling (if known of any edge), sources."""
    species: str
    ledgers: tuple[Ledger, ...]
    """The account of each source, in the order given."""
    provenance: dict[str, Any]
    """What the file's metadata says."""
    notes: tuple[str, ...]
    """What a person should know about the whole."""

    @cached_property
    def network(self) -> PriorNetwork:
        """The network, ready to use; of another species than mouse and human it goes by the style of its symbols."""
        symbols = [*self.edges["source"].unique(), *self.edges["target"].unique()]
        species = self.species if self.species in {"mouse", "human"} else infer_species(symbols)
        return PriorNetwork.from_frame(self.edges, species=species, source=f"{self.species} network")

    def destination(self, path: str | Path) -> Path:
        """Return the file that `write` writes.

        Raises
        ------
        UsageError
            The name ends in something else than .parquet.
        """
        file = Path(path).expanduser()
        if file.is_dir() or not file.suffix:
            return file / f"{self.species}_network.parquet"
        if file.suffix != ".parquet":
            raise UsageError(f"{file}: the name of a network file must end in .parquet")
        return file

    def write(self, path: str | Path) -> Path:
        """Write the network file, whole or not at all; return its path.

        Parameters
        ----------
        path
            A file that ends in .parquet, or a directory that gets `{species}_network.parquet`; missing directories are
            made.

        Raises
        ------
        UsageError
            The name ends in something else.
        RunDirectoryError
            The file system refuses.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        from spacetravlr.atomic import make_directory, replacing

        file = self.destination(path)
        make_directory(file.absolute().parent)
        table = pa.Table.from_pandas(self.edges, preserve_index=False)
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), **to_metadata(self.provenance)})
        with replacing(file) as temporary:
            pq.write_table(table, temporary, compression="zstd")
        return file


def build(
    sources: Iterable[Source | str | Path | pd.DataFrame],
    species: str,
    *,
    complexes: Complexes = "split",
    orthologs: str | Path | Orthologs | None = None,
    one_to_many: OneToMany = "all",
    min_support: float = 0.0,
) -> Built:
    """Build a prior network from tables of transcription factors, ligands and receptors.

    Parameters
    ----------
    sources
        Files or tables, more fully as `Source`. Tables that only say what names mean (complexes of CellChat; genes,
        complexes and proteins of CellPhoneDB) may be among them, in any order. The order of the others is the order
        of the edges.
    species
        Any word; `mouse` and `human` are what training looks for.
    complexes
        Every subunit of a complex related to every subunit of its partner with full weight (`split`), the same pairs
        sharing the weight of one (`average`), or no complexes (`drop`).
    orthologs
        Table with the symbols of the sources and those of `species`; see `Orthologs.read`.
    one_to_many
        A gene with several orthologs stands for `all` of them, the `first` of the table, or is left out (`drop`).
    min_support
        TF -> target and ligand -> receptor edges need this much weight from their sources together.

    Returns
    -------
    Edges, the account of every source, and provenance.

    Raises
    ------
    InputError
        A file cannot be read or is in no known format, or no edge is left.
    ConfigError
        An option makes no sense.
    MissingExtraError
        A source is a package that is not installed.

    Notes
    -----
    The model reads weights of ligand -> TF edges only (against `[grn].tf_ligand_cutoff`). Weights of the others say how
    far the sources agree, and decide what `min_support` leaves out.

    Examples
    --------
    >>> import pandas as pd
    >>> from spacetravlr.networks import build
    >>> tfs = pd.DataFrame({"tf": ["PAX5", "PAX5"], "target": ["CD19", "CD79A"]})
    >>> pairs = pd.DataFrame({"ligand": ["IL6"], "receptor": ["IL6R_IL6ST"]})
    >>> build([tfs, pairs], "human").network
    PriorNetwork(human, 2 grn, 2 lr, 0 nichenet; from human network)
    """
    species = _check(species, complexes, one_to_many, min_support)
    table = Orthologs.read(orthologs) if isinstance(orthologs, str | Path) else orthologs
    opened = open_sources([one if isinstance(one, Source) else Source(one) for one in sources], species)
    companions, readable = _sort(opened)
    if not readable:
        raise InputError(
            f"{listing(one.name for one in opened)}: these tables say what names mean, but state no relations"
        )
    parts: dict[str, Part] = {}
    rule = table.rule(one_to_many) if table is not None else {}
    # matrices are read last: what is wanted of them depends on the others
    for one, form in sorted(readable, key=lambda pair: pair[1].name == "nichenet"):
        ledger = Ledger(one.name, form.name)
        context = _context(one, ledger, companions, list(parts.values()), rule if _translates(one, table) else {})
        frame = form.read(one.file, context)
        parts[one.name] = Part(
            _edges(frame, one, ledger, table=table, rule=rule, complexes=complexes), ledger, one.given.weight
        )
    ordered = prune_ligands([parts[one.name] for one, _ in readable])
    edges = merge(ordered, min_support=min_support)
    ledgers = tuple(part.ledger for part in ordered)
    if edges.empty:
        reasons = sorted({reason for ledger in ledgers for reason in ledger.lost})
        if not reasons:
            raise InputError(f"{listing(one.name for one in ledgers)}: no rows below the header, so no relations")
        raise InputError(f"no edge is left of {sum(one.rows for one in ledgers):,} relations: {listing(reasons)}")
    settings = {
        "complexes": complexes,
        "one_to_many": one_to_many if table is not None else None,
        "orthologs": None if table is None else table.record,
        "min_support": min_support,
    }
    return Built(edges, species, ledgers, provenance_of(species, opened, ledgers, settings), notes_of(species, opened))


def _check(species: str, complexes: str, one_to_many: str, min_support: float) -> str:
    word = species_word(species)
    for given, known, what in (
        (complexes, get_args(Complexes), "complexes"),
        (one_to_many, get_args(OneToMany), "one_to_many"),
    ):
        if given not in known:
            raise ConfigError(f"{what} must be one of {listing(known)}, not {given!r}")
    if not 0 <= min_support < float("inf"):
        raise ConfigError(f"min_support must be a number of at least 0, not {min_support}")
    return word


def _sort(opened: Sequence[OpenSource]) -> tuple[Companions, list[tuple[OpenSource, Format]]]:
    companions = Companions()
    readable: list[tuple[OpenSource, Format]] = []
    for one in opened:
        asked = format_of(one.given.format) if one.given.format else None
        is_gmt = asked is FORMATS["gmt"] or ".gmt" in one.file.path.suffixes
        side = None if is_gmt else side_table(one.file)  # a format that is asked of all files does not mean these
        if side is not None:
            _take_in(side, companions, one)
            one.record["format"] = side.name
        else:
            form = asked or recognise(one.file)
            one.record["format"] = form.name
            readable.append((one, form))
    return companions, readable


def _take_in(side: SideTable, companions: Companions, one: OpenSource) -> None:
    try:
        side.add(companions, one.file.frame())
    except InputError as error:
        where = str(one.file.path)
        raise error if where in str(error) else InputError(f"{where}: {error}") from error


def _context(
    one: OpenSource,
    ledger: Ledger,
    companions: Companions,
    parts: Sequence[Part],
    rule: dict[str, tuple[str, ...]],
) -> Context:
    return Context(
        where=str(one.file.path),
        ledger=ledger,
        companions=companions,
        confidence=one.given.confidence,
        min_weight=one.given.min_weight,
        ligands=one.given.ligands,
        wanted_tfs=_wanted(names_of(parts, "grn"), rule),
        wanted_ligands=_wanted(names_of(parts, "lr"), rule),
    )


def _wanted(names: frozenset[str], rule: dict[str, tuple[str, ...]]) -> Wanted:
    """Tell of names, which orthologs may replace, whether they are among those of the network; all if it has none."""
    if not names:
        return everything
    return lambda asked: np.array([not names.isdisjoint(rule.get(name, (name,))) for name in asked], dtype=np.bool_)


def _translates(one: OpenSource, table: Orthologs | None) -> bool:
    """Whether the symbols of a matrix are translated, which decides what is wanted of it."""
    if table is None or one.given.translate is not None:
        return bool(table is not None and one.given.translate)
    return table.applies_to(one.file.columns)


def _edges(
    frame: pd.DataFrame,
    one: OpenSource,
    ledger: Ledger,
    *,
    table: Orthologs | None,
    rule: dict[str, tuple[str, ...]],
    complexes: Complexes,
) -> pd.DataFrame:
    frame = named(frame, ledger)
    frame = strong(frame, one.given.min_weight, ledger)
    frame = without_complexes(frame, complexes, ledger)
    if table is not None:
        symbols = [*frame["source"].unique(), *frame["target"].unique()]
        translate, note = table.note(symbols, asked=one.given.translate)
        ledger.notes.append(note)
        if translate:
            frame = translated(frame, rule, ledger)
    return distinct(usable(frame, ledger), ledger)
