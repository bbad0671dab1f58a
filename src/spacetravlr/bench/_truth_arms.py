"""What is compared: settings of this package, and simple methods that anybody could try first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Method = Literal["least squares", "ridge", "correlation", "true edges", "original"]


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to estimate coefficients.

    Attributes
    ----------
    name, summary
        What it is called, and what it does.
    settings
        Settings that differ from the defaults.
    method
        A method of the benchmark itself instead of training.
    shuffled
        Whether the cells of each type exchange their places before training.
    """

    name: str
    summary: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    method: Method | None = None
    shuffled: bool = False


_README = {"solver": "fista"}

ARMS = {
    arm.name: arm
    for arm in (
        Arm("default", "the defaults"),
        Arm("fit", "coefficients of the fit to all cells", {"beta_export": "fit"}),
        Arm("gate0", "a model for every target, whatever its score", {"score_threshold": -1e9}),
        Arm("gate0.2", "a model only where the held-out R2 reaches 0.2", {"score_threshold": 0.2}),
        Arm("untested", "a model by the held-out R2 alone, not tested against a smooth trend", {"model_level": 1.0}),
        Arm("lasso", "lasso, penalty by held-out regions", {"penalty": "lasso"}),
        Arm("sgl", "sparse group lasso, penalty by held-out regions", {"penalty": "sgl"}),
        Arm("imputed", "held-out scores on the layer of the modulators too", {"response_layer": "same"}),
        Arm("measured", "fits explain what was measured, not only scores", {"response_use": "fit"}),
        Arm("fixed0.03", "sparse group lasso, both penalties 0.03", {"l1_reg": 0.03, "group_reg": 0.03}),
        Arm("fixed", "the README's tiny penalties, solved to the end", {"select": "fixed"}),
        Arm("readme", "the README's solver and settings, 100 steps", {**_README, "n_iter": 100}),
        Arm("ridge", "ridge, penalty by held-out regions", method="ridge"),
        Arm("least-squares", "ordinary least squares", method="least squares"),
        Arm("correlation", "slopes on one column at a time, scaled by one factor", method="correlation"),
        Arm("tf-only", "no ligands", {"use_lr_modulators": False, "use_tfl_modulators": False}),
        Arm("shuffled", "the defaults, cells of a type exchange their places", shuffled=True),
        Arm("oracle", "least squares on the true edges alone: the ceiling", method="true edges"),
        Arm("original", "the original Python package as it comes, without its networks", method="original"),
    )
}
DEFAULT_ARMS = (
    "default",
    "fit",
    "lasso",
    "sgl",
    "fixed0.03",
    "readme",
    "ridge",
    "least-squares",
    "correlation",
    "tf-only",
    "shuffled",
    "oracle",
)
