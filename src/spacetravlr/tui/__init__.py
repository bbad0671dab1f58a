"""Full-screen faces for a terminal: the training dashboard and the perturbation screens; needs the extra `tui`.

Importing this package imports no screen library: whoever opens a screen imports its module.
"""

from __future__ import annotations
