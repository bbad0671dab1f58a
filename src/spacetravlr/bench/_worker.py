"""`python -m spacetravlr.bench._worker MODULE RESULT`: one point of a benchmark in a process of its own.

The point comes as JSON on standard input; the result goes, as JSON, to the file RESULT.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

from spacetravlr.bench._host import peak_memory_mb
from spacetravlr.errors import SpaceTravLRError


def main() -> int:
    """Measure the point and write what was found."""
    module, result = sys.argv[1], Path(sys.argv[2])
    point = json.load(sys.stdin)
    try:
        measured = measure(module, point)
    except SpaceTravLRError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    result.write_text(json.dumps(measured), encoding="utf-8")
    return 0


def measure(module: str, point: dict[str, Any]) -> dict[str, Any]:
    """Measure one point with BLAS held to `point["threads"]`; adds the peak memory unless the module did."""
    from threadpoolctl import threadpool_info, threadpool_limits

    # only libraries that are loaded can be held; what comes later goes by the environment
    benchmark = importlib.import_module(module)
    with threadpool_limits(point["threads"], user_api="blas"):
        measured: dict[str, Any] = benchmark.measure(point)
        blas = [f"{one['internal_api']} {one['version']}" for one in threadpool_info() if one["user_api"] == "blas"]
    measured.setdefault("peak_rss_mb", peak_memory_mb())
    measured["blas"] = sorted(set(blas))
    return measured


if __name__ == "__main__":
    sys.exit(main())
