"""Train some targets with the original Python package; runs in that package's own environment.

    run_original.py --check                     say whether it can be imported
    run_original.py TISSUE NETWORK JOB RESULT   train; JOB and RESULT are JSON files

The work is done by `src/spacetravlr/bench/original/driver.py`, which `spacetravlr bench truth --arms original` uses
too; it imports nothing of this project.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

DRIVER = Path(__file__).resolve().parents[2] / "src" / "spacetravlr" / "bench" / "original" / "driver.py"


def _driver():
    spec = importlib.util.spec_from_file_location("driver", DRIVER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_DRIVER = _driver()
load_module = _DRIVER.load_module

if __name__ == "__main__":
    _DRIVER.main(sys.argv[1:])
