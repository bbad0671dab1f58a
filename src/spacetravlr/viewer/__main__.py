"""`python -m spacetravlr.viewer`: a server with the settings in a JSON object, for programs that start one."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from spacetravlr.errors import SpaceTravLRError
from spacetravlr.viewer import ViewerOptions, serve

_PATHS = ("h5ad", "run_toml", "network_dir", "static_dir", "cache_dir")


def main(argument: str) -> int:
    """Serve until told to stop; returns the exit code.

    Parameters
    ----------
    argument
        Fields of `ViewerOptions` as a JSON object.
    """
    given = json.loads(argument)
    given = {name: Path(value) if name in _PATHS and value is not None else value for name, value in given.items()}
    if "data_roots" in given:
        given["data_roots"] = tuple(Path(root) for root in given["data_roots"])

    def say(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    try:
        serve(ViewerOptions(**given), say=say)
    except SpaceTravLRError as error:
        sys.stderr.write(f"Error: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "{}"))
