"""The rules in which implementations of the propagation differ, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from spacetravlr.errors import ConfigError, did_you_mean, listing
from spacetravlr.signaling import KernelName

ProfileName = Literal["default", "v1", "python"]


@dataclass(frozen=True)
class Profile:
    """One set of rules for a simulation.

    Attributes
    ----------
    name
        ``"default"``, ``"v1"`` (the compiled edition 1.2.0) or ``"python"`` (the original Python package).
    kernel
        Kernel of received ligands where the caller names none.
    updates_received
        Whether the derivatives of later steps see the ligands received in the step before; if not, they see the
        baseline for ever.
    first_received
        What the derivatives of the first step see where a ligand is received twice (masked and unmasked):
        ``"masked"`` values of ligand-receptor pairs, or the larger of the two (``"largest"``).
    pin
        Which entries stay at the desired value: every targeted one, or only those where it differs from the baseline.
    clip
        ``"nonnegative"``: every simulated value is at least 0; ``"observed"``: it lies in the gene's observed range.
    allows_bounds, allows_thresholds
        Whether explicit expression bounds and per-cell gene thresholds make sense.
    min_iterations
        Smallest number of steps; fewer asked for means this many.
    unmapped
        What a cell without a coefficient row does: ``"zero"`` coefficients, the ``"first_row"``, or an ``"error"``.
    missing
        What happens to a modulator gene that is not measured: ``"drop"``, ``"gene_0"`` (a TF term then follows the
        change of the first gene, pairs are dropped) or an ``"error"``.
    dtype
        Precision to which coefficients are rounded before use; all sums are in double precision.
    """

    name: ProfileName
    kernel: KernelName
    updates_received: bool
    first_received: Literal["masked", "largest"]
    pin: Literal["targeted", "changed"]
    clip: Literal["nonnegative", "observed"]
    allows_bounds: bool
    allows_thresholds: bool
    min_iterations: int
    unmapped: Literal["zero", "first_row", "error"]
    missing: Literal["drop", "gene_0", "error"]
    dtype: Literal["float32", "float64"]


_PROFILES: dict[ProfileName, Profile] = {
    "default": Profile(
        name="default",
        kernel="gaussian",
        updates_received=True,
        first_received="masked",
        pin="targeted",
        clip="nonnegative",
        allows_bounds=True,
        allows_thresholds=True,
        min_iterations=0,
        unmapped="zero",
        missing="drop",
        dtype="float64",
    ),
    "v1": Profile(
        name="v1",
        kernel="gaussian",
        updates_received=True,
        first_received="masked",
        pin="targeted",
        clip="nonnegative",
        allows_bounds=False,
        allows_thresholds=False,
        min_iterations=1,
        unmapped="first_row",
        missing="gene_0",
        dtype="float32",
    ),
    "python": Profile(
        name="python",
        kernel="truncated",
        updates_received=False,
        first_received="largest",
        pin="changed",
        clip="observed",
        allows_bounds=False,
        allows_thresholds=True,
        min_iterations=0,
        unmapped="error",
        missing="error",
        dtype="float64",
    ),
}


def get_profile(profile: ProfileName | Profile) -> Profile:
    """Return the rules of a name; a `Profile` is returned as it is.

    Parameters
    ----------
    profile
        ``"default"``, ``"v1"`` or ``"python"``, or rules of your own (``dataclasses.replace`` of one of these).

    Returns
    -------
    The rules.

    Raises
    ------
    ConfigError
        For an unknown name.
    """
    if isinstance(profile, Profile):
        return profile
    if profile not in _PROFILES:
        known = get_args(ProfileName)
        hint = did_you_mean(str(profile), known)
        raise ConfigError(f"unknown perturbation profile {profile!r}{hint} (known: {listing(known)})")
    return _PROFILES[profile]
