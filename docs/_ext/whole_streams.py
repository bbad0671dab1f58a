"""What a command says comes in pieces, which are joined where they were cut, not line by line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbclient import NotebookClient

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, bool]:
    """Let whoever runs the pages join the pieces."""
    begin = NotebookClient.__init__

    def begin_joining(self: NotebookClient, *given: Any, **settings: Any) -> None:
        begin(self, *given, **{"coalesce_streams": True, **settings})

    NotebookClient.__init__ = begin_joining
    return {"parallel_read_safe": True, "parallel_write_safe": True}
