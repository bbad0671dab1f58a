"""Train a file of yours: the whole command, in a fresh process each time.

Options that are not listed here go to the command as they are, for example `--layer normalized_count`.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

from spacetravlr.bench._session import Session
from spacetravlr.bench._training import add_setting, time_settings, write_config
from spacetravlr.errors import InputError, UsageError

PASSES_ON = True
"""Unknown arguments are not a mistake."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("file", type=Path, metavar="FILE", help="the .h5ad file to train")
    add_setting(parser)
    parser.add_argument(
        "--network-data-dir", "--network-dir", dest="network_dir", type=Path, help="directory of the network file"
    )
    parser.add_argument("--tf-ligand-cutoff", type=float, help="weight a ligand-TF pair must exceed")


def run(session: Session) -> None:
    """Train the file with each setting."""
    path: Path = session.options.file.expanduser()
    try:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        size = path.stat().st_size
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    session.dataset = {"file": path.name, "bytes": size, "sha256": digest}
    session.say(f"  {path.name}, {size / 1e6:.1f} MB, sha256 {digest[:12]}")
    time_settings(session, path, [*_config(session), *session.extra])


def _config(session: Session) -> list[str]:
    directory, cutoff = session.options.network_dir, session.options.tf_ligand_cutoff
    if any(flag in ("-c", "--config") or flag.startswith("--config=") for flag in session.extra):
        if directory is not None or cutoff is not None:
            raise UsageError("--network-data-dir and --tf-ligand-cutoff belong into the file that --config names")
        return []
    grn = {"network_data_dir": directory and str(directory.expanduser().absolute()), "tf_ligand_cutoff": cutoff}
    return write_config(session.scratch / "bench.toml", grn)
