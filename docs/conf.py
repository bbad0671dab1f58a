"""Sphinx configuration: pages in MyST, code that is run when the pages are built, references made from the code."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
# commands on the pages are those of this environment, one thread each, without colours
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
os.environ |= {"NO_COLOR": "1", "COLUMNS": "92", "TERM": "dumb"}
sys.path.insert(0, str(HERE / "_ext"))

import spacetravlr  # noqa: E402

project = "SpaceTravLR for Python"
author = "The SpaceTravLR for Python team"
copyright = "2026, " + author
version = release = spacetravlr.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "formulas",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "from_the_code",
    "returns",
    "whole_streams",
]
# pages that autosummary makes get the first suffix, and are reStructuredText
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb"}
templates_path = ["_templates"]
exclude_patterns = ["_build", "_ext", "_templates", "**/.ipynb_checkpoints"]
myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath", "fieldlist", "smartquotes"]
myst_heading_anchors = 3
html_math_renderer = "mathml"
myst_update_mathjax = False

# the code of every page is run, from nothing, and a page whose code fails does not pass
nb_execution_mode = os.environ.get("SPACETRAVLR_DOCS_EXECUTE", "cache")
nb_execution_cache_path = str(HERE / "_build" / ".jupyter_cache")
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_merge_streams = True

nitpicky = False
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
autosummary_generate = True
napoleon_numpy_docstring = True
napoleon_google_docstring = False
napoleon_use_ivar = True

html_theme = "sphinx_book_theme"
html_title = project
html_static_path = ["_static"]
html_css_files = ["own.css"]
html_theme_options = {
    "show_navbar_depth": 1,
    "show_toc_level": 2,
    "use_download_button": False,
    "navbar_persistent": [],
}
