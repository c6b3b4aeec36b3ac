"""Counts of what was left out or noticed, by reason."""

from __future__ import annotations

from collections.abc import Iterator


class Tally:
    """How often each thing happened, and where first.

    Args:
        counts: What :meth:`as_dict` gave.
    """

    def __init__(self, counts: dict[str, list] | None = None) -> None:
        self._counts = {reason: list(entry) for reason, entry in (counts or {}).items()}

    def add(self, reason: str, where: str, count: int = 1) -> None:
        """Count something.

        Args:
            reason: What happened, in words that follow a number.
            where: The file or entry that it happened in; the first one is kept.
            count: How often; nothing happens for 0.
        """
        if count:
            self._counts.setdefault(reason, [0, where])[0] += count

    def update(self, other: Tally) -> None:
        """Add what another one has counted."""
        for reason, (count, where) in other._counts.items():
            self.add(reason, where, count)

    def copy(self) -> Tally:
        """Another one with the same counts."""
        return Tally(self._counts)

    def as_dict(self) -> dict[str, list]:
        """For each reason the count and where it was first, as JSON can hold it."""
        return self._counts

    def lines(self) -> Iterator[str]:
        """A line for each reason, the most frequent first."""
        for reason, (count, where) in sorted(
            self._counts.items(), key=lambda entry: (-entry[1][0], entry[0])
        ):
            yield f'{count:>9} {reason} (the first: {where})'

    def __getitem__(self, reason: str) -> int:
        return self._counts.get(reason, [0])[0]

    def __bool__(self) -> bool:
        return bool(self._counts)
