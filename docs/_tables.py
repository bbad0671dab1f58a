"""Render the tables and charts of the page on truth from the record of the benchmark: `python docs/_tables.py`.

Reads benchmarks/results/truth.json and, if it is there, truth_original.json; writes docs/_parts/truth_*.inc and
benchmarks/results/truth/*.png. Record first: `spacetravlr bench truth --json-out benchmarks/results/truth.json`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from spacetravlr.bench._truth_charts import draw_truth
from spacetravlr.bench._truth_page import original_parts, page_parts, read_record, write_page
from spacetravlr.bench._truth_table import summarise

ROOT = Path(__file__).resolve().parents[1]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results" / "truth.json")
    parser.add_argument("--original", type=Path, default=ROOT / "benchmarks" / "results" / "truth_original.json")
    parser.add_argument("--parts", type=Path, default=ROOT / "docs" / "_parts")
    parser.add_argument("--plot-dir", type=Path, default=ROOT / "benchmarks" / "results" / "truth")
    options = parser.parse_args(arguments)
    document = read_record(options.results)
    original = read_record(options.original) if options.original.exists() else None
    parts = page_parts(document) | original_parts(original)
    written = write_page(options.parts, parts) + draw_truth(options.plot_dir, summarise(document["summary"]))
    for path in written:
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
