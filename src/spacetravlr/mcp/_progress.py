"""What a call says while it is at work: shares that only grow, and a sign of life now and then."""

from __future__ import annotations

import time
from typing import Any

from mcp.server.mcpserver import Context

_SIGN_OF_LIFE = 5.0
"""Seconds after which the same is said again, so that nobody takes silence for the end."""
_LEAST = 1e-5


class Progress:
    """The progress of one call.

    Parameters
    ----------
    ctx
        Of the call; None tells nobody.
    """

    def __init__(self, ctx: Context[Any] | None = None) -> None:
        self._ctx = ctx
        self._share = 0.0
        self._said = ""
        self._at = 0.0

    async def tell(self, share: float, text: str) -> None:
        """Say how much is done, 0 to 1, and what is being done; the same is not said twice in a row."""
        now = time.monotonic()
        if (
            self._ctx is None
            or self._share >= 1.0
            or (text == self._said and share <= self._share and now - self._at < _SIGN_OF_LIFE)
        ):
            return
        # the protocol wants every number to be larger than the one before
        self._share = min(1.0, max(share, self._share + _LEAST))
        self._said, self._at = text, now
        await self._ctx.report_progress(self._share, 1.0, text)
