"""An assistant that can look at a tissue and run a knock-out: a server of the Model Context Protocol.

`spacetravlr.mcp.server` needs the extra `mcp`; what is named here does not.
"""

from __future__ import annotations

from spacetravlr.mcp._options import AssistantOptions, options_of_environment
from spacetravlr.mcp.guide import copy_guide, guide

__all__ = ["AssistantOptions", "copy_guide", "guide", "options_of_environment"]
