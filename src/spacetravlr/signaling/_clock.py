"""How long a field has taken."""

from __future__ import annotations

import threading


class Clock:
    """Time spent and numbers received, by however many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds = 0.0
        self._numbers = 0

    def add(self, seconds: float, numbers: int) -> None:
        """Count a call."""
        with self._lock:
            self._seconds += seconds
            self._numbers += numbers

    @property
    def ns_per_value(self) -> float | None:
        """Mean wall time of one number, ns; None before the first call."""
        with self._lock:
            return self._seconds * 1e9 / self._numbers if self._numbers else None
