"""`spacetravlr network` and `spacetravlr tf-priors`: prior knowledge from files, from a server, from the data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from spacetravlr.cli._errors import Guard
from spacetravlr.cli._program import NETWORKS, program

_HELP = """
Make, fetch and look at prior networks: which genes may regulate which.

\b
  spacetravlr network build collectri.csv cellchat.csv --species human
  spacetravlr network build regulons.csv consensus.csv --species mouse --orthologs human_mouse.tsv
  spacetravlr network fetch mouse --base-url https://HOST/DIR
  spacetravlr network show mouse --h5ad sample.h5ad --gene Pax5
"""
# one line for each paragraph: the help wraps them
_BUILD = """Build a network from tables of transcription factors, ligands and receptors.

The formats are recognised by their columns: TF and target tables (CollecTRI, DoRothEA, GRNBoost), regulons of \
pySCENIC (csv of ctx, GMT), base networks of CellOracle, interactions of CellChat, CellPhoneDB, LIANA and OmniPath, \
matrices of NicheNet, and network files. Side tables (complexes of CellChat; genes, complexes and proteins of \
CellPhoneDB) are listed among the files. liana:consensus and decoupler:collectri ask these packages.

Flags that take NAME=VALUE are for one file (its name, with or without suffix); a VALUE alone is for all. They can be \
repeated.
"""
_FETCH = """Download a network file where training finds it; an interrupted download goes on when it is repeated.

The sum of the file is compared with SPECIES_network.parquet.sha256 or SHA256SUMS beside it on the server; without \
them it is recorded in SHA256SUMS beside the file. Git LFS pointers, files under 100 kB and damaged ones are refused.
"""
_TF_PRIORS = """Choose the TFs of each target in each cell type by the data: bagged Bayesian ridge on the network's TFs.

Train with the result by --tf-prior FILE. A target without an entry in a cell type keeps all its TFs there.
"""
_FORMATS = (
    "tf, pyscenic, gmt, celloracle, cellchat, cellphonedb, cellphonedb-results, liana (or lr), omnipath, nichenet, "
    "network"
)
_Keyed = list[str] | None
_License = Annotated[str | None, typer.Option("--license", metavar="TEXT", help="Licence; kept in the file.")]
_Species = Annotated[str, typer.Option(metavar="WORD", help="Species of the symbols: mouse, human, or another word.")]

app = program(help=_HELP, no_args_is_help=True)


def _guarded(action: Callable[[], int]) -> None:
    raise typer.Exit(Guard().run(lambda _: action()))


@app.command("build", help=_BUILD, no_args_is_help=True)
def _build(
    *,
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Tables of relations, and side tables.")],
    species: _Species,
    out: Annotated[
        str | None,
        typer.Option(
            "--out", "-o", metavar="PATH", help="File or directory. Default: SPECIES_network.parquet in this directory."
        ),
    ] = None,
    format_: Annotated[
        _Keyed, typer.Option("--format", metavar="[NAME=]WORD", help=f"Instead of recognising it: {_FORMATS}.")
    ] = None,
    name: Annotated[_Keyed, typer.Option(metavar="NAME=TEXT", help="What reports call a source.")] = None,
    license_: Annotated[
        _Keyed,
        typer.Option(
            "--license", metavar="[NAME=]TEXT", help="Licence of a source, such as CC-BY-4.0; kept in the file."
        ),
    ] = None,
    weight: Annotated[
        _Keyed, typer.Option(metavar="[NAME=]NUMBER", help="How much a source counts. Default: 1.")
    ] = None,
    min_weight: Annotated[
        _Keyed,
        typer.Option(metavar="[NAME=]NUMBER", help="Least weight (importance, potential) a relation has in its file."),
    ] = None,
    min_support: Annotated[
        float, typer.Option(metavar="NUMBER", help="Least weight of the sources of a TF or receptor edge together.")
    ] = 0.0,
    confidence: Annotated[str, typer.Option(metavar="A,B,...", help="Levels of DoRothEA to keep.")] = "A,B,C",
    complexes: Annotated[
        str,
        typer.Option(
            metavar="WORD",
            help="split: every subunit with every subunit, each with full weight; average: the same pairs share the "
            "weight of one; drop: none. Matters to --min-support; training reads no weights of receptor edges.",
        ),
    ] = "split",
    orthologs: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Table that translates symbols; sources that are of the other species already stay as they are.",
        ),
    ] = None,
    ortholog_columns: Annotated[
        str | None, typer.Option(metavar="FROM,TO", help="Its columns. Default: the first two.")
    ] = None,
    one_to_many: Annotated[
        str, typer.Option(metavar="WORD", help="A gene with several orthologs: all, first, or drop.")
    ] = "all",
    translate: Annotated[
        _Keyed, typer.Option(metavar="NAME=yes|no", help="Whether a source is translated, if that is told wrong.")
    ] = None,
    ligands_in: Annotated[
        str, typer.Option(metavar="WORD", help="Where the ligands of a NicheNet matrix are: columns or rows.")
    ] = "columns",
    report: Annotated[
        str | None, typer.Option(metavar="FILE", help="Also write the account of all sources as JSON.")
    ] = None,
) -> None:
    def action() -> int:
        from spacetravlr.cli._network_build import BuildOptions, run_build

        options = BuildOptions(
            species=species,
            out=out,
            report=report,
            keyed={
                "format": format_ or [],
                "name": name or [],
                "license": license_ or [],
                "weight": weight or [],
                "min_weight": min_weight or [],
                "translate": translate or [],
            },
            confidence=confidence,
            ligands_in=ligands_in,
            complexes=complexes,
            orthologs=orthologs,
            ortholog_columns=ortholog_columns,
            one_to_many=one_to_many,
            min_support=min_support,
        )
        return run_build(files, options)

    _guarded(action)


@app.command("from-liana")
def _from_liana(
    *,
    resource: Annotated[str, typer.Argument(metavar="RESOURCE", help="Default: the consensus of mouse or human.")] = "",
    species: _Species = "human",
    out: Annotated[
        str | None, typer.Option("--out", "-o", metavar="FILE", help="File. Default: SPECIES_liana.parquet.")
    ] = None,
    complexes: Annotated[str, typer.Option(metavar="WORD", help="As for build.")] = "split",
    license_: _License = None,
) -> None:
    """Write the ligand-receptor pairs of a resource of the package liana; build combines them with others."""
    _convert(f"liana:{resource}", out or f"{species}_liana.parquet", species, license_, complexes=complexes)


@app.command("from-decoupler")
def _from_decoupler(
    *,
    net: Annotated[str, typer.Argument(metavar="NET", help="collectri or dorothea.")] = "collectri",
    species: _Species = "human",
    out: Annotated[
        str | None, typer.Option("--out", "-o", metavar="FILE", help="File. Default: SPECIES_NET.parquet.")
    ] = None,
    confidence: Annotated[str, typer.Option(metavar="A,B,...", help="Levels of DoRothEA to keep.")] = "A,B,C",
    license_: _License = None,
) -> None:
    """Write the TF targets of a network of the package decoupler; build combines them with others."""
    _convert(f"decoupler:{net}", out or f"{species}_{net}.parquet", species, license_, confidence=confidence)


def _convert(source: str, out: str, species: str, license_: str | None, **options: str) -> None:
    """Build a network of one source that a package brings along."""

    def action() -> int:
        from spacetravlr.cli._network_build import BuildOptions, run_build

        keyed = {"license": [license_] if license_ else []}
        return run_build([source], BuildOptions(species=species, out=out, keyed=keyed, **options))  # type: ignore[arg-type]

    _guarded(action)


@app.command("fetch", help=_FETCH)
def _fetch(
    *,
    species: Annotated[str, typer.Argument(metavar="SPECIES", help="mouse, human, or what the server has.")],
    base_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Address of the directory with the files. Default: SPACETRAVLR_NETWORK_URL, else "
            "\\[grn].network_base_url of spaceship_config.toml here; none is built in.",
        ),
    ] = None,
    out_dir: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Where it goes. Default: SPACETRAVLR_DATA_DIR, else data/ in this directory."),
    ] = None,
    sha256: Annotated[
        str | None, typer.Option(metavar="HEX", help="The sum it must have. Default: that of the manifest beside it.")
    ] = None,
    cache: Annotated[
        str | None, typer.Option(metavar="DIR", help="Directory of copies. Default: spacetravlr in the user's cache.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", metavar=" ", help="Replace a different file of that name.")] = False,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", help="Patience with a silent server.")] = 30.0,
) -> None:
    def action() -> int:
        from spacetravlr.cli._network_fetch import run_fetch

        return run_fetch(
            species, base_url=base_url, out_dir=out_dir, sha256=sha256, cache=cache, force=force, timeout=timeout
        )

    _guarded(action)


@app.command("show")
def _show(
    *,
    which: Annotated[
        str, typer.Argument(metavar="NETWORK", help="mouse, human, or a file. Default: by the genes of --h5ad.")
    ] = "",
    h5ad: Annotated[str | None, typer.Option(metavar="FILE", help="Sample whose genes count.")] = None,
    gene: Annotated[
        str | None, typer.Option(metavar="GENE", help="Show what may regulate it, and what it does.")
    ] = None,
    network_data_dir: Annotated[
        str | None, typer.Option(metavar="DIR", help="Directory with {mouse,human}_network.parquet.")
    ] = None,
    tf_ligand_cutoff: Annotated[
        float, typer.Option(metavar="NUMBER", help="Ligand-TF weights must be above it.")
    ] = 0.2,
    as_json: Annotated[bool, typer.Option("--json", metavar=" ", help="JSON for scripts.")] = False,
) -> None:
    """Show what a network has and where it comes from, what of it a sample can use, and the modulators of a gene."""

    def action() -> int:
        from spacetravlr.cli._network_show import run_show

        return run_show(
            which, h5ad=h5ad, gene=gene, data_dir=network_data_dir, cutoff=tf_ligand_cutoff, as_json=as_json
        )

    _guarded(action)


def _tf_priors(
    *,
    h5ad: Annotated[str, typer.Argument(metavar="FILE", help="The sample, an .h5ad file.")],
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="FILE", help="The feather to write.")
    ] = "tf_priors.feather",
    layer: Annotated[
        str, typer.Option(metavar="NAME", help="Expression layer; X is the main matrix.")
    ] = "imputed_count",
    annot: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Column of obs with the cell types. Default: as training finds them."),
    ] = None,
    species: Annotated[
        str | None, typer.Option(metavar="WORD", help="mouse or human. Default: by the gene names.")
    ] = None,
    network_data_dir: Annotated[
        str | None, typer.Option(metavar="DIR", help="Directory with {mouse,human}_network.parquet.")
    ] = None,
    genes: Annotated[str | None, typer.Option(metavar="A,B,...", help="Only these targets.")] = None,
    bags: Annotated[int, typer.Option(metavar="N", help="Bootstrap samples of each cell type.")] = 20,
    feature_share: Annotated[
        float, typer.Option(metavar="NUMBER", help="Share of a target's TFs that a sample sees.")
    ] = 0.8,
    p_max: Annotated[float, typer.Option(metavar="NUMBER", help="Largest p value to keep.")] = 0.05,
    min_abs_coef: Annotated[
        float, typer.Option(metavar="NUMBER", help="Smallest coefficient to keep, in standard deviations.")
    ] = 0.0,
    max_tfs: Annotated[
        int | None, typer.Option(metavar="N", help="Most TFs of a target in a cell type. Default: all.")
    ] = None,
    min_cells: Annotated[int, typer.Option(metavar="N", help="Leave out cell types of fewer cells.")] = 20,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the samples.")] = 0,
    parallel: Annotated[int, typer.Option(metavar="N", help="Threads; 0 is one for each core.")] = 0,
) -> None:
    def action() -> int:
        from spacetravlr.cli._tf_priors import TfPriorOptions, run_tf_priors

        numbers = {
            "n_bags": bags,
            "feature_share": feature_share,
            "p_max": p_max,
            "min_abs_coef": min_abs_coef,
            "max_tfs": max_tfs,
            "min_cells": min_cells,
            "seed": seed,
        }
        options = TfPriorOptions(
            out=out,
            layer=layer,
            annot=annot,
            species=species,
            data_dir=network_data_dir,
            genes=genes,
            parallel=parallel,
            numbers=numbers,
        )
        return run_tf_priors(h5ad, options)

    _guarded(action)


def register(main: typer.Typer) -> None:
    """Add `network` and `tf-priors` to the commands of the program."""
    main.add_typer(app, name="network", short_help="Build, fetch and show prior networks.", rich_help_panel=NETWORKS)
    main.command("tf-priors", help=_TF_PRIORS, no_args_is_help=True, rich_help_panel=NETWORKS)(_tf_priors)
