"""From facts to HTML."""

from __future__ import annotations

import base64
import json
import math
import time
from collections.abc import Mapping
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacetravlr.report import charts, words
from spacetravlr.report.belief import before_you_believe
from spacetravlr.report.facts import Facts
from spacetravlr.report.recovery import KINDS
from spacetravlr.words import size

if TYPE_CHECKING:
    import pandas as pd
    from jinja2 import Environment

_TABLE_ID = "spacetravlr-gene-metrics"


def environment(package: str = "spacetravlr.report") -> Environment:
    """Return what templates are filled in with: text is escaped, and a name that is not known is an error.

    Parameters
    ----------
    package
        Whose `templates` are looked up first; those of this room are found from everywhere.
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    loaders = [PackageLoader(one) for one in dict.fromkeys((package, "spacetravlr.report"))]
    made = Environment(
        autoescape=True, undefined=StrictUndefined, loader=ChoiceLoader(loaders), trim_blocks=True, lstrip_blocks=True
    )
    made.filters["thousands"] = lambda value: f"{value:,}"
    made.filters["score"] = words.score
    made.filters["moment"] = words.moment
    made.filters["duration"] = words.duration
    made.filters["size"] = size
    return made


def render_run(facts: Facts) -> str:
    """Return the page of one run."""
    gene, firm = facts.knocked, facts.firmness.knock_out
    shown = next(iter(facts.run.genes), None)
    path, toml = str(facts.path), str(facts.run.directory.files.toml)
    state = facts.progress.status.state
    sample = facts.sample
    labels = list(dict.fromkeys(facts.genes.scores["cluster"].astype(str)))
    names = sample.cluster_names(labels)
    edges = charts.found_edges(facts.recovery, KINDS) if facts.recovery else None
    figures = [
        charts.skill(facts.genes),
        charts.by_cluster(facts.genes, names),
        charts.tissue_map(sample),
        charts.modulators(facts.genes),
        edges,
        charts.pace(facts.timings),
    ]
    return fill_in(
        "run.html.j2",
        script="table.js",
        written=words.clock(time.time()),
        facts=facts,
        genes=facts.genes,
        manifest=facts.manifest,
        progress=facts.progress,
        sample=sample,
        state=state,
        badge=words.BADGES[state],
        sentence=words.state_sentence(facts.progress, facts.genes),
        workers=[words.worker_line(one) for one in facts.progress.workers],
        fates=words.FATES,
        belief=before_you_believe(facts),
        checked=words.checked_knock_out(toml, gene),
        looked_up="" if firm is None else words.edges_of(path, firm.targets[0]),
        figures=[one for one in figures if one is not None],
        kinds=KINDS,
        clusters=_cluster_rows(facts, names),
        failed=words.reasons(facts.genes, "failed"),
        orphans=words.reasons(facts.genes, "orphan"),
        commands=words.next_commands(path, toml, state, gene),
        python=words.python_lines(path, gene, shown),
        methods=words.methods_sentence(facts.manifest, facts.genes),
        longest=max((one.seconds for one in facts.timings.stages), default=1.0) or 1.0,
        table_id=_TABLE_ID,
        payload=_json(facts.genes.payload() | {"names": names, "words": words.FATES}),
    )


def render_split(root: Path, parts: Mapping[str, Facts | str], *, file: str, written: float) -> str:
    """Return the page of a condition split.

    Parameters
    ----------
    root
        The parent directory.
    parts
        By condition: the facts of its run, or why there are none.
    file
        Name of the pages of the parts.
    written
        Seconds since 1970.
    """
    rows: list[dict[str, Any]] = []
    for label, part in parts.items():
        if isinstance(part, str):
            rows.append({"label": label, "trouble": part})
            continue
        link = "/".join(part.path.relative_to(root).parts)
        rows.append({"label": label, "trouble": "", "facts": part, "link": f"{_quoted(link)}/{file}"})
    return fill_in(
        "split.html.j2", root=str(root), name=root.name, rows=rows, badges=words.BADGES, moment=words.clock(written)
    )


def fill_in(template: str, *, package: str = "spacetravlr.report", script: str = "", **values: Any) -> str:
    """Return a page that needs nothing else: style and script are in it, and the browser is told to fetch nothing.

    Parameters
    ----------
    template
        Extends `base.html.j2`.
    package
        Where it is looked up, as for `environment`.
    script
        Name of the script in the templates of this room that the template puts at its end.
    values
        For the template.
    """
    from markupsafe import Markup

    source = _source(script) if script else ""
    digest = base64.b64encode(sha256(source.encode()).digest()).decode()
    found = environment(package).get_template(template)
    # style and script are files of this package; only this very script may run
    return found.render(
        **values,
        style=Markup(_source("style.css")),
        script=Markup(source),
        script_from=f"'sha256-{digest}'" if source else "'none'",
    )


def _source(name: str) -> str:
    return resources.files("spacetravlr.report").joinpath("templates", name).read_text(encoding="utf-8")


def _json(value: Any) -> Any:
    """Return JSON that can stand in a script element, whatever names are in it."""
    from markupsafe import Markup

    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for letter in ("<", ">", "&", "\u2028", "\u2029"):
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(text)


def _quoted(link: str) -> str:
    from urllib.parse import quote

    return quote(link)


def _cluster_rows(facts: Facts, names: Mapping[str, str]) -> list[dict[str, Any]]:
    genes = facts.genes
    done = {name for name, own in zip(genes.names, genes.modelled, strict=True) if own}
    own = genes.scores[genes.scores["gene"].isin(done)]
    rows = []
    for label, part in own.groupby("cluster", sort=False):
        kept = part["kept"].fillna(value=False).astype(bool)
        rows.append(
            {
                "name": names.get(str(label), str(label)),
                "n_cells": int(part["n_cells"].max()),
                "n_models": int(kept.sum()),
                "r2_in": _median(part["r2_in"]),
                "r2_out": _median(part["r2_out"]),
            }
        )
    return rows


def _median(column: pd.Series) -> float:
    """Return the median of what is known; NaN, without a warning, if nothing is."""
    known = column.dropna()
    return float(known.median()) if len(known) else math.nan
