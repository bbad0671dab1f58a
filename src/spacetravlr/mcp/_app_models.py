"""What the app's tools answer; `_spatialTool` tells the page what to do."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from spacetravlr.mcp._models import Dataset

ColourSource = Literal["expression", "cell_type", "cluster", "obs", "coefficient", "received", "change"]


class Opened(BaseModel):
    """The viewer is open."""

    model_config = ConfigDict(populate_by_name=True)
    spatial_tool: Annotated[Literal["open"], Field(alias="_spatialTool")] = "open"
    dataset: Dataset
    shown_in: str = Field(description="Where the user sees it: app, or browser (by a link).")


class Controlled(BaseModel):
    """What the viewer shows now."""

    model_config = ConfigDict(populate_by_name=True)
    spatial_tool: Annotated[Literal["control"], Field(alias="_spatialTool")] = "control"
    colour: ColourSource | None = Field(description="Null leaves the colours as they are.")
    gene: str | None = None
    column: str | None = Field(default=None, description="Modulator of a coefficient, or column of obs.")
    matrix: str | None = Field(default=None, description="Of a received ligand: lr or tfl.")
    job: str | None = None
    layout: str | None = None
    focus_gene: str | None = Field(default=None, description="Gene whose context the page shows for a chosen cell.")
    status_message: str | None = None
    fragment: str = Field(description="The same view as the fragment of the viewer's address.")


class Reported(BaseModel):
    """What the user sees, as the page has told it."""

    model_config = ConfigDict(populate_by_name=True)
    spatial_tool: Annotated[Literal["report"], Field(alias="_spatialTool")] = "report"
    summary: str
    detail: str | None


class Fetched(BaseModel):
    """An answer of the viewer to its page."""

    status: int
    content_type: str
    field: str | None = Field(description="Header X-Field.")
    disposition: str | None = Field(description="Header Content-Disposition.")
    body: str = Field(description="Base64.")
