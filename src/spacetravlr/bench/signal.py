"""Received ligands by every method: time per cell and ligand, memory, and the largest error.

The error is that of 500 cells against the exact sum over all senders, relative to the largest value received.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacetravlr.bench._session import Session
from spacetravlr.bench._text import megabytes, power, seconds

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from spacetravlr.signaling import SignalField

    Array = NDArray[np.float64]

_SHAPES = ((10_000, 149), (100_000, 500), (1_000_000, 100))
_EXTENTS = (5, 25, 100)
_METHODS = ("exact", "grid", "neighbours", "spectral", "gridded", "auto")
_TOLERANCES = (1e-3, 1e-6)
_GRID_FACTOR = 0.5
_CHECKED = 500
_RADIUS = 200.0
_SEED = 42


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--cells", type=int, nargs="+", help="only the shapes with these numbers of cells")
    parser.add_argument("--extents", type=int, nargs="+", default=list(_EXTENTS), help="side of the tissue, radii")
    parser.add_argument("--methods", nargs="+", choices=_METHODS, default=list(_METHODS), help="which methods")
    parser.add_argument("--limit", type=float, default=60.0, help="leave out what is expected to take longer, seconds")


def run(session: Session) -> None:
    """Measure the grid of shapes, extents, methods and tolerances."""
    options = session.options
    shapes = [(1500, 8)] if options.quick else [one for one in _SHAPES if not options.cells or one[0] in options.cells]
    extents = options.extents[:1] if options.quick else options.extents
    session.dataset = {"recipe": "uniform cells, exponential expression", "seed": _SEED, "radius": _RADIUS}
    for cells, ligands in shapes:
        for extent in extents:
            session.say(f"  {cells:,} cells x {ligands} ligands, tissue of {extent} x {extent} radii")
            reference = session.scratch / f"exact-{cells}-{extent}.npy"
            for method, tol in _variants(options.methods, quick=options.quick):
                point = {"cells": cells, "ligands": ligands, "extent": extent, "method": method, "tol": tol}
                found = session.measure({**point, "reference": str(reference), "limit": options.limit})
                if found is not None:
                    _report(session, point, found)


def _variants(methods: list[str], *, quick: bool) -> Iterator[tuple[str, float | None]]:
    for method in methods:
        if method in ("exact", "grid"):
            yield method, None
        elif method == "auto" or not quick:
            yield from ((method, tol) for tol in _TOLERANCES[: 1 if quick else None])


def _report(session: Session, point: dict[str, Any], found: dict[str, Any]) -> None:
    if "skipped" in found:
        session.skip(point, found["skipped"])
        return
    walls = found.pop("walls")
    result = session.record(point, walls, **found)
    tol = "      " if point["tol"] is None else f"{point['tol']:.0e} "
    name = point["method"] if point["method"] != "auto" else f"auto ({found['used']})"
    session.say(
        f"    {name:<17} {tol} {seconds(result['median_s']):>8}  {found['ns_per_value']:>8.1f} ns per cell and ligand  "
        f"{found['copies']:>6.1f} copies (at best {found['fewest_copies']:.1f})  "
        f"{megabytes(found['peak_rss_mb']):>8}  error {power(found['error'])}  (built in {seconds(found['build_s'])})"
    )


def measure(point: dict[str, Any]) -> dict[str, Any]:
    """Measure one method on one tissue.

    Returns
    -------
    ``walls``, or ``skipped`` with the reason; ``used``, the method in use, and ``precision`` of its sums where it has a
    choice; ``ns_per_value``, and ``cpu_ns_per_value`` of all threads together; ``copies``, the time over ``copy_s``,
    that of copying the values once into memory that is there, on one thread, in between; ``fewest_copies``, the
    shortest time over the shortest copy; ``new_copy_s``, a copy into new memory, as the result is; ``build_s``;
    ``input_mb``, the memory before the operator was built; ``error``, and the ``error_bound`` promised.
    """
    import time

    import numpy as np

    from spacetravlr.bench._host import peak_memory_mb
    from spacetravlr.bench._timing import summary
    from spacetravlr.signaling import SignalField

    xy, values = make_tissue(point["cells"], point["ligands"], point["extent"])
    input_mb = peak_memory_mb()
    settings: dict[str, Any] = {"method": point["method"]}
    if point["method"] == "grid":
        settings["grid_factor"] = _GRID_FACTOR
    if point["tol"] is not None:
        settings["tol"] = point["tol"]
    began = time.perf_counter()
    field = SignalField(xy, _RADIUS, **settings)
    build_s = time.perf_counter() - began
    expected = field.expected_ns * 1e-9 * values.size
    if point["method"] not in ("auto", field.method):
        return {"skipped": f"it gives way to {field.method}: {field.reason}"}
    if expected > point["limit"]:
        return {"skipped": f"about {expected:.0f} s expected"}
    # the first call warms up, and what is to be checked of it is kept
    checked = _checked_cells(len(xy))
    received, largest = _received(field, values, checked)
    walls, cpu, copies, new_copies = _interleaved(field, values, point["repeats"])
    median, copy_s = summary(walls)["median_s"], summary(copies)["median_s"]
    peak = peak_memory_mb()
    facts = field.describe()
    exact = _exact(xy, values, checked, Path(point["reference"]))
    return {
        "walls": walls,
        "used": field.method,
        "precision": facts.get("precision"),
        "ns_per_value": median * 1e9 / values.size,
        "cpu_ns_per_value": min(cpu) * 1e9 / values.size,
        "copies": median / copy_s,
        "fewest_copies": min(walls) / min(copies),
        "copy_s": copy_s,
        "new_copy_s": summary(new_copies)["median_s"],
        "build_s": build_s,
        "input_mb": input_mb,
        "peak_rss_mb": peak,
        "error": float((np.abs(received - exact) / largest).max()),
        "error_bound": field.error_bound,
    }


def make_tissue(cells: int, ligands: int, extent: float) -> tuple[Array, Array]:
    """Return positions (cells, 2) in a square, and expression (cells, ligands)."""
    import numpy as np

    rng = np.random.default_rng(np.random.SeedSequence(_SEED, spawn_key=(cells, ligands, int(extent))))
    return rng.uniform(0.0, extent * _RADIUS, (cells, 2)), rng.standard_exponential((cells, ligands))


def _interleaved(field: SignalField, values: Array, repeats: int) -> tuple[list[float], ...]:
    """Return wall and CPU seconds of applying the field, and wall seconds of copies made in between.

    The copy into memory that is there comes right after the field's turn: what else runs on the machine slows both.
    """
    import time

    import numpy as np

    copy = np.zeros_like(values)
    walls: list[float] = []
    cpu: list[float] = []
    copies: list[float] = []
    new_copies: list[float] = []
    for _ in range(repeats):
        wall, used = time.perf_counter(), time.process_time()
        field.apply(values)
        walls.append(time.perf_counter() - wall)
        cpu.append(time.process_time() - used)
        for work, times in ((lambda: np.copyto(copy, values), copies), (values.copy, new_copies)):
            began = time.perf_counter()
            work()
            times.append(time.perf_counter() - began)
    return walls, cpu, copies, new_copies


def _checked_cells(n_cells: int) -> NDArray[np.int64]:
    import numpy as np

    rng = np.random.default_rng(np.random.SeedSequence(_SEED, spawn_key=(n_cells,)))
    return rng.choice(n_cells, min(_CHECKED, n_cells), replace=False)


def _received(field: SignalField, values: Array, checked: NDArray[np.int64]) -> tuple[Array, Array]:
    """Return what the checked cells receive, and the largest value received of each ligand."""
    received = field.apply(values)
    return received[checked], received.max(axis=0)


def _exact(xy: Array, values: Array, checked: NDArray[np.int64], reference: Path) -> Array:
    """Return what the checked cells should receive; kept in a file for the other methods."""
    import numpy as np

    if not reference.exists():
        np.save(reference, exact_rows(xy, values, checked))
    exact: Array = np.load(reference)
    return exact


def exact_rows(xy: Array, values: Array, rows: NDArray[np.int64]) -> Array:
    """Return what some cells receive: the plain sum over all senders, (len(rows), ligands)."""
    import numpy as np

    block = max(1, 5_000_000 // len(xy))
    parts = []
    for start in range(0, len(rows), block):
        x, y = (xy[rows[start : start + block], axis, None] - xy[None, :, axis] for axis in (0, 1))
        parts.append(np.exp((x**2 + y**2) / (-2.0 * _RADIUS**2)) @ values)
    exact: Array = np.concatenate(parts) / len(xy)
    return exact
