"""The ten lines of the README run as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd

README = Path(__file__).resolve().parent.parent / "README.md"
# anndata asks pandas 3.1 for two options that no longer do anything; what is said of this package is an error
ANNDATA_TO_PANDAS = (
    *("-W", "ignore:The 'future.infer_string' option is deprecated:DeprecationWarning"),
    *("-W", "ignore:The 'mode.chained_assignment' option is deprecated:DeprecationWarning"),
)


def test_the_ten_lines_run(tmp_path: Path) -> None:
    code = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", *ANNDATA_TO_PANDAS, "-c", code[1]],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "r2_out" in done.stdout
    assert pd.read_feather(tmp_path / "ko.feather").shape == (1000, 101)
