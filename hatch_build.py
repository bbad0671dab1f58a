"""The README as a package index shows it: what is beside it in the repository is named there, not linked or drawn."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

# a picture, with the paragraph in italics that explains it
_PICTURE = re.compile(r"^!\[[^\]]*\]\((?!https?:)[^)]*\)\n+(?:\*[^*]+\*\n+)?", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]+)\]\((?!https?:|#)[^)]*\)")


def index_readme(text: str) -> str:
    """Return the README without pictures and links that are relative."""
    return _LINK.sub(r"`\1`", _PICTURE.sub("", text))


class ReadmeHook(MetadataHookInterface):
    """Sets the field `readme` of the project."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Fill it in from README.md."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": index_readme(text)}
