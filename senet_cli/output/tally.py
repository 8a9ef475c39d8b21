"""How many images got which class, and how many failed for which reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from senet_cli.inference.records import ImageFailure, Record


@dataclass(slots=True)
class Tally:
    """Counts of records, in memory that grows with the classes only.

    Args:
        images: all records.
        labels: records by the label of their first prediction.
        failures: records of images that could not be classified, by the kind of failure.
    """

    images: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)

    @property
    def failed(self) -> int:
        """Images that could not be classified."""
        return self.failures.total()

    def add(self, kind: str | None, label: str | None) -> None:
        """Count a record by the kind of its failure and the label of its first prediction."""
        self.images += 1
        if kind is not None:
            self.failures[kind] += 1
        elif label is not None:
            self.labels[label] += 1


def outcome(record: Record) -> tuple[str | None, str | None]:
    """Give the kind of a record's failure and the label of its first prediction; None where it has none.

    Where the class is not one that was asked for, it has no label either.
    """
    if isinstance(record, ImageFailure):
        return record.kind, None
    return None, record.predictions[0].label if record.predictions and record.wanted else None


def is_wanted(record: Record) -> bool:
    """Return False for a record that is not written, since its class is not one that was asked for."""
    return isinstance(record, ImageFailure) or record.wanted
