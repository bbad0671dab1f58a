"""Where dense work is done: a graphics processor through torch if there is one, the CPU otherwise."""

from spacetravlr.device._accelerator import MOST_FAILURES, Accelerator
from spacetravlr.device._choose import FORCE_CPU, Device, choose_device

__all__ = ["FORCE_CPU", "MOST_FAILURES", "Accelerator", "Device", "choose_device"]
