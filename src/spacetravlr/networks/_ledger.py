"""The account of one source: what it stated, what was made of it, and what was lost and why."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Ledger:
    """Numbers of relations of one source; `rows` + all of `made` = `kept` + all of `lost`, once a network is built."""

    name: str
    """Name of the source."""
    format: str
    """Format it was read as."""
    rows: int = 0
    """Relations in the file: rows of a table, pairs of a gene set, non-zero entries of a matrix."""
    made: dict[str, int] = field(default_factory=dict)
    """Relations added, by reason: a complex or an ortholog stands for several genes."""
    lost: dict[str, int] = field(default_factory=dict)
    """Relations left out, by reason."""
    kept: int = 0
    """Edges of the network that this source supports."""
    notes: list[str] = field(default_factory=list)
    """What a person should know about how the file was read."""

    def make(self, reason: str, number: int) -> None:
        """Count relations that were added; none are no entry."""
        if number:
            self.made[reason] = self.made.get(reason, 0) + int(number)

    def lose(self, reason: str, number: int) -> None:
        """Count relations that were left out; none are no entry."""
        if number:
            self.lost[reason] = self.lost.get(reason, 0) + int(number)

    @property
    def n_lost(self) -> int:
        """Number of relations left out."""
        return sum(self.lost.values())

    def as_dict(self) -> dict[str, object]:
        """Return the account as plain values."""
        return {
            "name": self.name,
            "format": self.format,
            "rows": self.rows,
            "made": dict(self.made),
            "lost": dict(self.lost),
            "kept": self.kept,
            "notes": list(self.notes),
        }
