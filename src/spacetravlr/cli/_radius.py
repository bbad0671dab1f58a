"""`spacetravlr radius`: which radius the data speak for."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from spacetravlr.cli._reporter import Reporter
from spacetravlr.errors import UsageError
from spacetravlr.events import Event, Notice
from spacetravlr.words import duration

if TYPE_CHECKING:
    from spacetravlr.training.radius import RadiusStudy


def tell_radius(
    h5ad: str,
    *,
    radii: str | None = None,
    targets: int | None = None,
    config: str | None = None,
    settings: dict[str, object] | None = None,
    as_json: bool = False,
    json_out: str | None = None,
) -> int:
    """Compare radii, show the result and return the exit code.

    Parameters
    ----------
    h5ad
        The sample.
    radii
        Numbers separated by commas; None for the usual ones.
    targets
        How many targets to look at; None for the usual number.
    config
        A TOML file.
    settings
        Single settings by name; None counts as not given.
    as_json
        One JSON object instead of a table.
    json_out
        Where to write it too.

    Raises
    ------
    SpaceTravLRError
        If an argument, the sample or the network cannot be used, or the file cannot be written.
    """
    from spacetravlr.atomic import write_text
    from spacetravlr.training.radius import RADII, TARGETS, suggest_radius

    reporter = Reporter(plain=True)

    def notices(event: Event) -> None:
        if isinstance(event, Notice) and not as_json:
            reporter(event)

    with reporter.hearing_logs():
        study = suggest_radius(
            Path(h5ad).expanduser(),
            RADII if radii is None else _numbers(radii),
            targets=TARGETS if targets is None else targets,
            config=None if config is None else Path(config).expanduser(),
            listener=notices,
            **{name: value for name, value in (settings or {}).items() if value is not None},
        )
    text = json.dumps(study.to_json(), ensure_ascii=False)
    if json_out is not None:
        write_text(Path(json_out).expanduser(), text + "\n")
    for line in [text] if as_json else lines(study):
        sys.stdout.write(f"{line}\n")
    return 0


def lines(study: RadiusStudy) -> list[str]:
    """Return the table, the recommendation and its cost as lines for people."""
    rows = [f"{'radius':>8}  {'held-out R2':>11}  {'behind the best':>17}  {'ligands add':>17}  {'time':>7}"]
    parts = zip(
        study.radii, study.mean.tolist(), study.behind.tolist(), study.gain.tolist(), study.seconds, strict=True
    )
    for radius, r2, behind, gain, taken in parts:
        is_best = radius == study.best
        loss = "-" if is_best else _with_error(*behind)
        rows.append(
            f"{radius:>8g}  {r2:>11.4f}  {loss:>17}  {_with_error(*gain):>17}  {duration(taken):>7}"
            f"{' *' if is_best else ''}"
        )
    without = f"{'none':>8}  {float(study.r2_without.mean()):>11.4f}"
    return [
        *rows,
        without,
        f"mean of {len(study.targets)} targets, +- standard error of the difference over targets; the same regions for "
        f"all; {duration(sum(study.seconds))} in all",
        study.words,
        f"recommended: --radius {study.recommended:g}",
    ]


def _with_error(value: float, error: float) -> str:
    return f"{value:.4f} +- {error:.4f}"


def _numbers(text: str) -> list[float]:
    try:
        return [float(word) for word in text.split(",") if word.strip()]
    except ValueError:
        raise UsageError(f"--radii: {text!r} is no list of numbers separated by commas") from None
