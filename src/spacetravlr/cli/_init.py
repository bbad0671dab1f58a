"""`spacetravlr init`: a commented configuration for one file."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from spacetravlr.cli._peek import next_command

if TYPE_CHECKING:
    from spacetravlr.preparation import FileSummary

_RADIUS, _CONTACT = 200.0, 50.0


def write_config(file: str) -> int:
    """Write the configuration to standard output, what to know to standard error, and return the exit code.

    Parameters
    ----------
    file
        An h5ad file.

    Raises
    ------
    InputError
        If it is no h5ad file or damaged.
    """
    from spacetravlr.config import RunConfig
    from spacetravlr.preparation import look_at

    found = look_at(file)
    text = RunConfig.from_flat(settings_for(found)).to_toml(comments=True)
    header = [f"# For {found.path.name}: {found.n_cells:,} cells x {found.n_genes:,} genes."]
    if found.units is not None:
        header.append(f"# {found.units.line}.")
    sys.stdout.write("\n".join([*header, text]))
    for line in remarks(found):
        sys.stderr.write(f"{line}\n")
    return 0


def settings_for(found: FileSummary) -> dict[str, object]:
    """Return what the file says about settings, by full key."""
    settings: dict[str, object] = {
        "data.adata_path": str(found.path.absolute()),
        "data.spatial_species": found.species,
    }
    if found.type_column is not None:
        settings["data.cluster_annot"] = found.type_column
    elif "imputed_count" in found.layers and found.possible_types:
        settings["data.cluster_annot"] = found.possible_types[0]
    scale = None if found.units is None else found.units.scale
    if scale is not None and scale.um_per_unit != 1.0:
        # distances are meant in micrometres
        settings["spatial.radius"] = float(f"{_RADIUS / scale.um_per_unit:.4g}")
        settings["spatial.contact_distance"] = float(f"{_CONTACT / scale.um_per_unit:.4g}")
    return settings


def remarks(found: FileSummary) -> list[str]:
    """Return what to know before training on the file."""
    lines = [f"warning: {text}" for text in (found.units.warnings if found.units is not None else ())]
    if found.missing:
        lines.append(f"note: the file lacks {', '.join(found.missing)}; first: {next_command(found)}")
    else:
        lines.append("next, once this is in spaceship_config.toml: spacetravlr --output-dir my_run")
    return lines
