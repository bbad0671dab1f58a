"""The viewer in the browser: a server for a tissue, its coefficients and its perturbations.

Needs the extra `viewer` (fastapi, uvicorn, zstandard). Import it only where that is wanted.
"""

from __future__ import annotations

from spacetravlr.viewer._options import ViewerOptions
from spacetravlr.viewer.app import create_app
from spacetravlr.viewer.server import serve

__all__ = ["ViewerOptions", "create_app", "serve"]
