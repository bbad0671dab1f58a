"""The panels of a dashboard as coloured text: pure functions of what there is to show and of the room there is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

from spacetravlr.tui._fit import SPARKS, bar, fitted, sparkline
from spacetravlr.tui.dashboard_view import ENDED, Block, LogLine, Other, Ranked, Stage, View
from spacetravlr.words import count, duration, score, size

if TYPE_CHECKING:
    from spacetravlr.tui._theme import Palette
    from spacetravlr.tui.train_machine import Machine

_LABEL = 11
_SHORT = 9
"""Columns of the labels of the settings, and of the machine."""
_WITH_KEPT, _WITH_BARS, _WITH_SHARE = 32, 41, 29
"""Widths from which the scores have a column of modulators that are kept, and of bars, and the cell
types one of percentages."""
_LEVELS = {"info": "text", "stage": "accent", "gene": "muted", "warning": "warn", "failure": "bad"}


def configuration(view: View, width: int, height: int, palette: Palette) -> Text:
    """Return the settings, and the size of the sample."""
    rows = list(view.facts)
    if view.n_cells:
        rows.insert(1, ("cells", f"{view.n_cells:,}"))
        rows.insert(2, ("genes", f"{view.n_genes:,}"))
    label = min(_LABEL, max(cell_len(name) for name, _ in rows) + 1) if rows else 0
    return _table([(name, value, palette.value) for name, value in rows[:height]], width, palette, label=label)


def machine_panel(machine: Machine | None, view: View, width: int, height: int, palette: Palette) -> Text:
    """Return device, processors, memory and disk."""
    if machine is None:
        return Text("looking …", style=palette.muted)
    label = _SHORT
    room = width - label
    lines: list[Text] = []
    device = dict(view.facts).get("device", "")
    if device:
        lines.append(_pair("device", fitted(device, room), label, palette))
    cpu = "" if machine.cpu is None else f" {machine.cpu:4.0%}"
    tail = f"{cpu} of {machine.n_cpus}"
    tail += " CPUs" if room - len(tail) > 9 else ""
    sparks = sparkline(machine.history, max(4, room - len(tail)))
    line = _pair("cpu", "", label, palette)
    line.append(sparks, style=palette.accent)
    lines.append(line.append(tail, style=palette.value))
    if machine.memory_total:
        used = machine.memory_used or 0
        lines.append(_meter("memory", used / machine.memory_total, _of(used, machine.memory_total), width, palette))
    if machine.gpu_total:
        used = machine.gpu_used or 0
        lines.append(_meter("gpu", used / machine.gpu_total, _of(used, machine.gpu_total), width, palette))
    if machine.disk_total:
        used = machine.disk_total - (machine.disk_free or 0)
        lines.append(_meter("disk", used / machine.disk_total, f"{size(machine.disk_free or 0)} free", width, palette))
    own = f"{machine.own_cpus:.1f} CPUs" + ("" if machine.own_memory is None else f", {size(machine.own_memory)}")
    lines.append(_pair("process", own, label, palette))
    if view.outside is not None and view.outside.n_bytes:
        lines.append(_pair("results", size(view.outside.n_bytes), label, palette))
    return _joined(lines[:height])


def pipeline(view: View, width: int, height: int, palette: Palette) -> Text:
    """Return the steps with the time that each has taken."""
    shown = list(view.stages)[-height:]
    name_width = min(max((cell_len(one.name) for one in shown), default=0), max(width - 10, 8))
    return _joined([_stage(one, name_width, width, palette) for one in shown])


def _stage(stage: Stage, name_width: int, width: int, palette: Palette) -> Text:
    sign, colour = ("✓", palette.good) if stage.done else ("▸", palette.accent)
    text = Text.assemble((f"{sign} ", colour), (f"{fitted(stage.name, name_width):<{name_width}} ", palette.text))
    text.append(f"{duration(stage.seconds):>7}", style=palette.value)
    room = width - text.cell_len - 2
    if stage.detail and room >= 8:
        text.append(f"  {fitted(stage.detail, room)}", style=palette.muted)
    return text


def at_work(view: View, width: int, height: int, palette: Palette) -> Text:
    """Return what is being fitted here, who else works on the run, and the last failure."""
    lines = [_block(block, width, palette) for block in view.blocks]
    if view.outside is not None:
        lines += [_other(one, width, palette) for one in view.outside.others]
    if not lines:
        word = "nobody is at work" if view.phase in (*ENDED, "interrupted", "unknown") else "nothing yet"
        lines = [Text(word, style=palette.muted)]
    kept = height - bool(view.last_failure)
    if len(lines) > kept:
        lines = [*lines[: max(0, kept - 1)], Text(f"+{len(lines) - kept + 1} more", style=palette.muted)]
    if view.last_failure:
        lines.append(Text.assemble(("✗ ", palette.bad), (fitted(view.last_failure, width - 2), palette.bad)))
    return _joined(lines[:height])


def _block(block: Block, width: int, palette: Palette) -> Text:
    left = len(block.genes)
    tail = f"{left if left == block.n else f'{block.n - left}/{block.n}'} {duration(block.seconds):>6}"
    room = width - len(tail) - 3
    names = ""
    for gene in block.genes:
        longer = f"{names} {gene}" if names else gene
        if cell_len(longer) > room:
            break
        names = longer
    text = Text.assemble(("▸ ", palette.accent), (f"{names or fitted(block.genes[0], room):<{room}} ", palette.text))
    return text.append(tail, style=palette.muted)


def _other(other: Other, width: int, palette: Palette) -> Text:
    who = f"{other.host} pid {'?' if other.pid is None else other.pid}"
    if other.gone:
        tail, colour = f"ended, left {other.n_genes}", palette.warn
    elif other.n_genes:
        tail, colour = count(other.n_genes, "gene"), palette.text
    else:
        tail, colour = "waiting", palette.muted
    room = max(1, width - len(tail) - 3)
    text = Text.assemble(("⇄ ", palette.muted), (f"{fitted(who, room):<{room}} ", colour))
    return text.append(tail, style=palette.muted)


def scores(view: View, width: int, height: int, palette: Palette) -> Text:
    """Return the best and the worst targets, and the distribution if there is room for it."""
    if not view.best:
        return Text("no gene has a score yet", style=palette.muted)
    name_width = width - 14 - (6 if width >= _WITH_KEPT else 0) - (9 if width >= _WITH_BARS else 0)
    header = Text.assemble((f"{'gene':<{name_width}}", palette.muted))
    for by in ("out", "in"):
        style = f"bold {palette.accent}" if by == view.rank_by else palette.muted
        header.append(f"{by:>7}", style=style)
    if width >= _WITH_KEPT:
        header.append(f"{'kept':>6}", style=palette.muted)
    lines = [header]
    room = height - 1
    if height >= 12:
        lines.insert(0, _distribution(view, palette))
        room -= 1
    half = max(1, (room - 1) // 2)
    best, worst = list(view.best[: room - half - 1 or 1]), list(view.worst[:half])
    if view.n_scored <= room:
        best, worst = list(view.best[:room]), []
    lines += [_ranked(one, name_width, width, palette, view.rank_by) for one in best]
    if worst:
        lines.append(Text("┄" * width, style=palette.faint))
        lines += [_ranked(one, name_width, width, palette, view.rank_by) for one in reversed(worst)]
    return _joined(lines[:height])


def _ranked(one: Ranked, name_width: int, width: int, palette: Palette, by: str) -> Text:
    text = Text(f"{fitted(one.gene, name_width - 1):<{name_width}}", style=palette.text)
    for name, value in (("out", one.r2_out), ("in", one.r2_in)):
        text.append(f"{score(value):>7}", style=palette.value if name == by else palette.muted)
    if width >= _WITH_KEPT:
        text.append(f"{one.n_kept:>6,}", style=palette.muted)
    if width >= _WITH_BARS:
        value = one.r2_out if by == "out" else one.r2_in
        text.append(f" {bar(value if math.isfinite(value) else 0.0, 8)}", style=palette.accent)
    return text


def _distribution(view: View, palette: Palette) -> Text:
    most = max(view.histogram) or 1
    sparks = "".join(SPARKS[math.ceil(8 * number / most)] if number else "·" for number in view.histogram)
    return Text.assemble(("0 ", palette.muted), (sparks, palette.accent), (" 1", palette.muted))


def cell_types(view: View, width: int, height: int, palette: Palette) -> Text:
    """Return clusters with the number of cells, in the colours of the tissue."""
    if not view.cell_types:
        return Text("not read yet", style=palette.muted)
    shown = list(view.cell_types)
    if len(shown) > height:
        shown = shown[: max(1, height - 1)]
    total = sum(one.n_cells for one in view.cell_types) or 1
    digits = max(len(f"{one.n_cells:,}") for one in shown)
    with_share = width >= _WITH_SHARE
    name_width = width - digits - (8 if with_share else 3)
    lines = []
    for one in shown:
        text = Text.assemble(("■ ", palette.category(one.code)), (_padded(one.label, name_width), palette.text))
        text.append(f"{one.n_cells:>{digits},}", style=palette.value)
        lines.append(text.append(f" {one.n_cells / total:>4.0%}" if with_share else "", style=palette.muted))
    more = len(view.cell_types) - len(shown)
    if more:
        lines.append(Text(f"  +{more} more", style=palette.muted))
    return _joined(lines[:height])


def log_tail(view: View, width: int, height: int, palette: Palette) -> Text:
    """Return the last lines of the log."""
    if not view.log:
        return Text("nothing said yet", style=palette.muted)
    return _joined([log_line(line, width, palette) for line in view.log[-height:]])


def log_line(line: LogLine, width: int | None, palette: Palette) -> Text:
    """Return a line of the log; cut to a width, if there is one."""
    clock = f"{line.clock} " if line.clock else ""
    text = Text(clock, style=palette.muted, no_wrap=True)
    body = line.text if width is None else fitted(line.text, width - len(clock))
    return text.append(body, style=getattr(palette, _LEVELS[line.level]))


def _of(used: float, total: float) -> str:
    """Return two sizes in the unit of the second: `12.1/64.0 GB`."""
    whole = size(total)
    number, _, unit = whole.partition(" ")
    return f"{used / total * float(number):.3g}/{whole}" if unit else whole


def _meter(label: str, share: float, tail: str, width: int, palette: Palette) -> Text:
    text = _pair(label, "", _SHORT, palette)
    room = max(3, width - _SHORT - cell_len(tail) - 1)
    colour = palette.bad if share > 0.95 else palette.warn if share > 0.85 else palette.good
    filled = max(1, round(share * room))
    text.append("■" * filled, style=colour)
    text.append("■" * (room - filled), style=palette.faint)
    return text.append(f" {tail}", style=palette.value)


def _pair(label: str, value: str, width: int, palette: Palette) -> Text:
    return Text.assemble((f"{label:<{width}}", palette.muted), (value, palette.value))


def _table(rows: Sequence[tuple[str, str, str]], width: int, palette: Palette, *, label: int) -> Text:
    lines = [
        Text.assemble((f"{name:<{label}}", palette.muted), (fitted(value, width - label), colour))
        for name, value, colour in rows
    ]
    return _joined(lines)


def _padded(text: str, width: int) -> str:
    short = fitted(text, width - 1)
    return short + " " * (width - cell_len(short))


def _joined(lines: Sequence[Text]) -> Text:
    text = Text("\n").join(lines)
    text.no_wrap = True
    return text
