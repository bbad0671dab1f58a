"""`spacetravlr network build`, `from-liana` and `from-decoupler`."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacetravlr.atomic import check_directory
from spacetravlr.cli._perturb_run import check_file
from spacetravlr.cli._perturb_tables import text_table
from spacetravlr.cli._perturb_voice import Voice
from spacetravlr.errors import UsageError, did_you_mean, listing
from spacetravlr.words import count, size

if TYPE_CHECKING:
    from spacetravlr.networks import Built, Ledger, Source


@dataclass(frozen=True)
class BuildOptions:
    """Values of the flags."""

    species: str
    out: str | None = None
    report: str | None = None
    keyed: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What was said of each file, or of all: flag -> values."""
    confidence: str = "A,B,C"
    ligands_in: str = "columns"
    complexes: str = "split"
    orthologs: str | None = None
    ortholog_columns: str | None = None
    one_to_many: str = "all"
    min_support: float = 0.0


def run_build(files: Sequence[str], options: BuildOptions) -> int:
    """Build a network, write it, show the account, and return the exit code.

    Raises
    ------
    SpaceTravLRError
        If a flag or file is unusable, or nothing can be written.
    """
    out = Path(options.out or ".").expanduser()
    if out.suffix not in {"", ".parquet"} and not out.is_dir():
        raise UsageError(f"--out {out}: the name must end in .parquet, or be that of a directory")
    check_directory(out if out.is_dir() or not out.suffix else out.absolute().parent, out)
    report = None if options.report is None else Path(options.report).expanduser()
    if report is not None:
        check_file(report, "--report")
    if options.ortholog_columns is not None and options.orthologs is None:
        raise UsageError("--ortholog-columns: give the table with --orthologs")
    _once(files)
    values = {flag: per_file(files, given, flag) for flag, given in options.keyed.items()}
    voice = Voice(verbose=False)
    with voice.hearing_logs():
        from spacetravlr.networks import Orthologs, build

        orthologs = None
        if options.orthologs is not None:
            orthologs = Orthologs.read(options.orthologs, _columns(options.ortholog_columns))
        with voice.working(f"building a network of {count(len(files), 'file')}"):
            built = build(
                [_source(file, values, options) for file in files],
                options.species,
                complexes=options.complexes,  # type: ignore[arg-type]
                orthologs=orthologs,
                one_to_many=options.one_to_many,  # type: ignore[arg-type]
                min_support=options.min_support,
            )
        _spare(files, built.destination(out), report)
        path = built.write(out)
    sys.stdout.write("\n".join(account(built)) + "\n")
    for note in built.notes:
        voice.note(note)
    if report is not None:
        _write_report(built, report)
        voice.say(f"Wrote {report}")
    voice.say(f"Wrote {path} ({_edges(built)}; {size(path.stat().st_size)})")
    voice.say(
        f"next: spacetravlr network show {shlex.quote(str(path))} --h5ad sample.h5ad; to train with it, set "
        f"[grn].network_data_dir to {path.absolute().parent}"
    )
    return 0


def _once(files: Sequence[str]) -> None:
    """Refuse a file that is listed twice: it would count as two sources that agree."""
    seen: set[Path] = set()
    for file in files:
        path = Path(file).expanduser().resolve()
        if path in seen:
            raise UsageError(f"{file}: is listed twice; name it once, and let --weight say how much it counts")
        seen.add(path)


def _spare(files: Sequence[str], *written: Path | None) -> None:
    """Refuse to write over what the network is built from."""
    for path in written:
        for file in files:
            if path is not None and Path(file).expanduser().resolve() == path.resolve():
                raise UsageError(f"{path}: is one of the files to build from; take another name (--out, --report)")


def per_file(files: Sequence[str], given: Sequence[str], flag: str) -> dict[str, str]:
    """Sort values by the file they are for.

    Parameters
    ----------
    files
        Files as they were given.
    given
        `NAME=VALUE`, where NAME is a file, its name, or its name without suffix; or `VALUE` for all files.
    flag
        Where the values come from.

    Returns
    -------
    File -> value; values for one file win.

    Raises
    ------
    UsageError
        A name is of no file or of several, or a name is missing where one is needed.
    """
    shown = f"--{flag.replace('_', '-')}"
    for_all: str | None = None
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            if flag in {"name", "translate"}:
                raise UsageError(f"{shown} {text}: say of which file, NAME={text}")
            for_all = text
            continue
        matching = [file for file in files if name in _names(file)]
        if len(matching) != 1:
            known = sorted({one for file in files for one in _names(file)})
            hint = "" if matching else did_you_mean(name, known)
            raise UsageError(f"{shown} {text}: {name!r} is the name of {len(matching) or 'none'} of the files{hint}")
        found[matching[0]] = value
    return {file: found.get(file, for_all) for file in files if file in found or for_all is not None}  # type: ignore[misc]


def _names(file: str) -> set[str]:
    path = Path(file)
    stem = path.name.removesuffix(".gz")
    return {file, path.name, stem, stem.rpartition(".")[0] or stem}


def _source(file: str, values: Mapping[str, Mapping[str, str]], options: BuildOptions) -> Source:
    from spacetravlr.networks import Source

    def text(flag: str) -> str | None:
        return values.get(flag, {}).get(file)

    extra: dict[str, Any] = {}
    for flag in ("weight", "min_weight"):
        given = text(flag)
        if given is not None:
            try:
                extra[flag] = float(given)
            except ValueError:
                raise UsageError(f"--{flag.replace('_', '-')} {given}: is no number") from None
    translate = text("translate")
    if translate is not None:
        if translate.casefold() not in {"yes", "no"}:
            raise UsageError(f"--translate {translate}: is neither yes nor no")
        extra["translate"] = translate.casefold() == "yes"
    return Source(
        file,
        name=text("name"),
        format=text("format"),
        license=text("license"),
        confidence=tuple(level.strip().upper() for level in options.confidence.split(",") if level.strip()),
        ligands=options.ligands_in,  # type: ignore[arg-type]
        **extra,
    )


def _columns(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    names = [name.strip() for name in text.split(",")]
    if len(names) != 2 or not all(names):
        raise UsageError(f"--ortholog-columns {text}: expected two names, FROM,TO")
    return names[0], names[1]


def account(built: Built) -> list[str]:
    """Return the account of all sources as lines: a table, then what was made and lost and why."""
    rows = [(one.name, one.format, one.rows, sum(one.made.values()), one.n_lost, one.kept) for one in built.ledgers]
    lines = text_table(["source", "format", "relations", "added", "lost", "kept"], rows).splitlines()
    for one in built.ledgers:
        lines += [f"  {one.name}: {text}" for text in _reasons(one)]
    return lines


def _reasons(ledger: Ledger) -> list[str]:
    falling = sorted(ledger.lost.items(), key=lambda item: (-item[1], item[0]))
    return [
        *(f"+{number:,} {reason}" for reason, number in ledger.made.items()),
        *(f"-{number:,} {reason}" for reason, number in falling),
        *ledger.notes,
    ]


def _edges(built: Built) -> str:
    kinds = {"grn": "TF-target", "lr": "ligand-receptor", "nichenet": "ligand-TF"}
    numbers = built.edges["edge_type"].value_counts()
    return listing(f"{count(int(numbers[kind]), f'{word} edge')}" for kind, word in kinds.items() if kind in numbers)


def _write_report(built: Built, path: Path) -> None:
    from spacetravlr.atomic import make_directory, write_text

    make_directory(path.absolute().parent)
    write_text(path, json.dumps(built.provenance, indent=2, ensure_ascii=False) + "\n")
