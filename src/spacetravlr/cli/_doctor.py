"""`spacetravlr doctor`: is everything in order, and if not, what to do about it."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterator

from spacetravlr import __version__
from spacetravlr.cli._doctor_check import Check
from spacetravlr.words import count, one_line

_LABEL = 12
_MARKS = {"ok": "ok", "note": "note", "problem": "PROBLEM"}


def run_doctor(file: str | None, *, as_json: bool, um_per_unit: float | None = None) -> int:
    """Run all checks, show them, and return the exit code: 1 if there is a problem.

    Parameters
    ----------
    file
        An h5ad file to look at too.
    um_per_unit
        Length of a unit of its coordinates.
    as_json
        One JSON object instead of text.

    Raises
    ------
    ConfigError
        If the length is not a positive number.
    """
    if um_per_unit is not None:
        from spacetravlr.tissue.units import check_length

        check_length("um_per_unit", um_per_unit)
    found: list[Check] = []
    for check in _checks(file, um_per_unit):
        found.append(check)
        if not as_json:
            # at once: some checks take a second
            _write(_lines(check))
    problems = [check for check in found if check.status == "problem"]
    if as_json:
        whole = {
            "schema": 1,
            "version": __version__,
            "ok": not problems,
            "checks": [check.as_json() for check in found],
        }
        _write([json.dumps(whole, ensure_ascii=False)])
    else:
        _write([f"{count(len(problems), 'problem')} found" if problems else "everything is in order"])
        if not problems:
            _write([f"next: spacetravlr peek {shlex.quote(file)}" if file is not None else "next: spacetravlr demo"])
    return 1 if problems else 0


def _checks(file: str | None, um_per_unit: float | None) -> Iterator[Check]:
    from spacetravlr.cli import _doctor_data as data
    from spacetravlr.cli import _doctor_machine as machine
    from spacetravlr.cli import _doctor_packages as packages

    everything: tuple[Callable[[], Iterator[Check]], ...] = (
        packages.python,
        packages.required,
        packages.extras,
        packages.readers,
        machine.processors,
        machine.blas,
        machine.memory,
        machine.device,
        data.networks,
        data.writing,
        data.locking,
        data.compiled,
    )
    for one in everything:
        yield from _guarded(one.__name__, one)
    if file is not None:
        yield from _guarded("sample", lambda: data.sample(file, um_per_unit))


def _guarded(name: str, run: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    try:
        yield from run()
    except Exception as error:  # noqa: BLE001 - whatever is broken, the other checks are wanted too
        yield Check(name, "problem", f"the check failed: {type(error).__name__}: {error}", "please report this")


def _lines(check: Check) -> list[str]:
    lines = [f"{_MARKS[check.status]:<8}{check.name:<{_LABEL}}{one_line(check.found)}"]
    if check.fix:
        lines.append(f"{'':<8}{'':<{_LABEL}}-> {one_line(check.fix)}")
    return lines


def _write(lines: list[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()
