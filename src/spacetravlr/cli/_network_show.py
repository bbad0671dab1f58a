"""`spacetravlr network show`."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacetravlr.cli._perturb_tables import text_table
from spacetravlr.cli._perturb_voice import Voice
from spacetravlr.errors import InputError, UsageError, did_you_mean, listing
from spacetravlr.words import count

if TYPE_CHECKING:
    from spacetravlr.networks import Counts, Coverage, GeneRoles
    from spacetravlr.prior import PriorNetwork

_SHOWN = 30
_PARQUET = b"PAR1"


def run_show(
    which: str, *, h5ad: str | None, gene: str | None, data_dir: str | None, cutoff: float, as_json: bool
) -> int:
    """Show a network on standard output, and return the exit code.

    Raises
    ------
    SpaceTravLRError
        If the network, the sample or the gene is missing or unusable.
    """
    voice = Voice(verbose=False)
    with voice.hearing_logs():
        from spacetravlr.networks import count as count_edges
        from spacetravlr.networks import cover, read_provenance, roles

        genes = None if h5ad is None else _genes(h5ad)
        network = _network(which, genes, data_dir)
        for notice in network.notices:
            voice.note(notice)
        provenance = None if network.source == "starter" else read_provenance(network.source)
        found: dict[str, Any] = {"network": network.source, "species": network.species}
        lines = [f"{network.source} ({network.species})", *_counts(count_edges(network)), *_provenance(provenance)]
        found |= {"counts": asdict(count_edges(network)), "provenance": provenance}
        if genes is not None:
            coverage = cover(network, genes)
            found["coverage"] = asdict(coverage)
            lines += ["", *_coverage(str(h5ad), coverage)]
            network = network.restrict(genes)
        if gene is not None:
            _check_gene(gene, network, genes)
            said = roles(network, gene, tf_ligand_cutoff=cutoff)
            found["gene"] = asdict(said)
            lines += ["", *_gene(said, cutoff)]
    sys.stdout.write((json.dumps(found, indent=2, ensure_ascii=False) if as_json else "\n".join(lines)) + "\n")
    if not as_json:
        voice.say(_next(network.source, h5ad, by_name=which in {"", "mouse", "human"} and data_dir is None))
    return 0


def _next(source: str, h5ad: str | None, *, by_name: bool) -> str:
    """Return how to train with the network that is shown."""
    training = f"next: spacetravlr --h5ad {shlex.quote(h5ad or 'sample.h5ad')} --output-dir my_run"
    if by_name or source == "starter":
        return training
    return f"{training}, with [grn].network_data_dir = {str(Path(source).absolute().parent)!r} in spaceship_config.toml"


def _network(which: str, genes: tuple[str, ...] | None, data_dir: str | None) -> PriorNetwork:
    from spacetravlr.prior import PriorNetwork, infer_species, refuse_pointer

    if not which:
        if genes is None:
            raise UsageError("which network? Name mouse, human or a file, or give --h5ad FILE")
        which = infer_species(genes)
    if which in {"mouse", "human"} and not Path(which).is_file():
        return PriorNetwork.load(which, data_dir)
    path = Path(which).expanduser()
    if not path.is_file():
        raise InputError(f"no such file: {which}; name a network file, mouse or human")
    refuse_pointer(path)
    with path.open("rb") as stream:
        head = stream.read(len(_PARQUET))
    if head != _PARQUET:
        raise InputError(f"{path} is no parquet file; spacetravlr network build makes a network of tables")
    return PriorNetwork.read(path)


def _genes(h5ad: str) -> tuple[str, ...]:
    from spacetravlr.tissue._file import open_sample

    return open_sample(Path(h5ad).expanduser()).genes


def _check_gene(gene: str, network: PriorNetwork, genes: tuple[str, ...] | None) -> None:
    known = network.symbols if genes is None else genes
    if gene not in known:
        where = "the network" if genes is None else "the sample"
        raise InputError(f"{gene}: is not a gene of {where}{did_you_mean(gene, known)}")


def _counts(found: Counts) -> list[str]:
    rows = [
        ("TF-target", found.tf_edges, f"{count(found.tfs, 'TF')}, {count(found.targets, 'target')}"),
        ("ligand-receptor", found.pairs, f"{count(found.ligands, 'ligand')}, {count(found.receptors, 'receptor')}"),
        ("ligand-TF", found.ligand_tf_edges, "limited by [grn].tf_ligand_cutoff"),
    ]
    return text_table(["edges", "number", "genes"], rows).splitlines()


def _provenance(about: Mapping[str, Any] | None, indent: str = "") -> list[str]:
    """Return where a network comes from, and where the networks come from that it was built of."""
    if not about:
        return ["where it comes from: the file does not say"]
    made = f"made {about.get('created', '?')} by {about.get('program', '?')} for {about.get('species', '?')}, from"
    lines = [f"{indent}{made}"]
    for source in about.get("sources", ()):
        kept = f", {source['kept']:,} edges" if "kept" in source else ""
        lines.append(
            f"{indent}  {source.get('name')}: {source.get('file')} (sha256 {str(source.get('sha256'))[:12]}...), "
            f"licence {source.get('licence')}{kept}"
        )
        if source.get("provenance"):
            lines += _provenance(source["provenance"], f"{indent}    ")
    return lines


def _coverage(h5ad: str, found: Coverage) -> list[str]:
    above = ", ".join(f"{number:,} above {cutoff:g}" for cutoff, number in found.ligand_tf_above.items())
    left = found.left
    return [
        f"{h5ad}: {found.known:,} of {count(found.measured, 'measured gene')} are in the network",
        f"  {count(found.with_tf, 'gene')} with a measured TF, a median of {found.median_tfs:g} each; "
        f"{count(left.tf_edges, 'TF-target edge')} of {count(left.tfs, 'TF')}",
        f"  {count(left.pairs, 'ligand-receptor pair')} of {count(left.ligands, 'ligand')} and "
        f"{count(left.receptors, 'receptor')}",
        f"  {count(left.ligand_tf_edges, 'ligand-TF edge')}: {above}",
    ]


def _gene(said: GeneRoles, cutoff: float) -> list[str]:
    lines = [f"{said.gene}: a model of it may use"]
    lines.append(f"  {count(len(said.tfs), 'TF')}: {listing(said.tfs, _SHOWN)}")
    lines.append(f"  {count(said.n_pairs, 'ligand-receptor pair')} (all without {said.gene})")
    pairs = [f"{ligand}#{tf} ({weight:.3g})" for tf, some in said.tf_ligands.items() for ligand, weight in some]
    lines.append(f"  {count(len(pairs), 'ligand-TF pair')} above {cutoff:g}: {listing(pairs, _SHOWN)}")
    acts = (
        ("as a TF it regulates", said.targets),
        ("as a ligand it binds", said.receptors),
        ("as a receptor it receives", said.ligands),
    )
    return lines + [f"  {words} {len(genes):,}: {listing(genes, _SHOWN)}" for words, genes in acts if genes]
