"""Which checkpoints of a list a person wants to see, and in which order."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from senet_cli.describe import Summary
from senet_cli.errors import UsageError

SortKey = Literal["name", "top1", "top5", "parameters", "multiply-adds", "bytes"]
"""Accuracies put the best first, everything else the smallest; what is not known comes last."""

_KEYS: dict[SortKey, Callable[[Summary], float | str | None]] = {
    "name": lambda entry: entry.name,
    "top1": lambda entry: None if entry.top1 is None else -entry.top1,
    "top5": lambda entry: None if entry.top5 is None else -entry.top5,
    "parameters": lambda entry: entry.parameters,
    "multiply-adds": lambda entry: entry.multiply_adds,
    "bytes": lambda entry: entry.likely_bytes,
}


@dataclass(frozen=True, slots=True)
class Selection:
    """What is asked for; of several values of one kind any will do, all kinds together must fit.

    Args:
        families: part of a name before the dot, or what a checkpoint is the default for.
        publishers: words in the publisher's name.
        labels: label sets.
        max_bytes: of the file; where that is not published four bytes a parameter are taken for it.
        cached: True for only those that are on this machine.
        sort: what to sort by; None leaves the manifest's order.
    """

    families: tuple[str, ...] = ()
    publishers: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    max_bytes: float | None = None
    cached: bool = False
    sort: SortKey | None = None

    def of(self, entries: Sequence[Summary]) -> list[Summary]:
        """Those that fit, in order.

        Raises:
            UsageError: a family, publisher or label set that no entry has.
        """
        for kind, wanted, matches, known in (
            ("family", self.families, _has_family, (entry.family for entry in entries)),
            ("publisher", self.publishers, _has_publisher, (_short_publisher(entry) for entry in entries)),
            ("labels", self.labels, _has_labels, (entry.labels for entry in entries)),
        ):
            _check(kind, wanted, entries, matches, known)
        chosen = [entry for entry in entries if self._fits(entry)]
        if self.sort is None:
            return chosen
        key = _KEYS[self.sort]
        return sorted((e for e in chosen if key(e) is not None), key=lambda e: (key(e), e.name)) + [
            entry for entry in chosen if key(entry) is None
        ]

    def _fits(self, entry: Summary) -> bool:
        return (
            _any(self.families, entry, _has_family)
            and _any(self.publishers, entry, _has_publisher)
            and _any(self.labels, entry, _has_labels)
            and (self.max_bytes is None or entry.likely_bytes <= self.max_bytes)
            and (entry.cached or not self.cached)
        )


_Matches = Callable[[Summary, str], bool]


def _any(wanted: Sequence[str], entry: Summary, matches: _Matches) -> bool:
    return not wanted or any(matches(entry, value) for value in wanted)


def _has_family(entry: Summary, value: str) -> bool:
    return value.casefold() in (entry.family, entry.default)


def _has_publisher(entry: Summary, value: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(value)}(?!\w)", entry.publisher, re.IGNORECASE) is not None


def _has_labels(entry: Summary, value: str) -> bool:
    return value.casefold() == entry.labels


def _short_publisher(entry: Summary) -> str:
    """`Cadene` for `Cadene (pretrained-models.pytorch), ported from ...`."""
    return re.split(r"[,(]", entry.publisher, maxsplit=1)[0].strip()


def _check(
    kind: str, wanted: Sequence[str], entries: Sequence[Summary], matches: _Matches, known: Iterable[str]
) -> None:
    for value in wanted:
        if not any(matches(entry, value) for entry in entries):
            names = sorted(set(known), key=str.casefold)
            close = difflib.get_close_matches(value.casefold(), names, n=1)
            meant = f"Did you mean `{close[0]}`? " if close else ""
            raise UsageError(
                f"no model has the {kind} `{value}`", f"{meant}There is: {', '.join(names) or 'none'}."
            )
