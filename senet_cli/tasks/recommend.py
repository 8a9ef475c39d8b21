"""Which of the published models to begin with: computed from their accuracies and multiply-adds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from senet_cli.tasks.list_models import Summary

LABELS = "imagenet-1k"
"""The label set for which models are recommended: what most of them were trained for."""


class Recommended(NamedTuple):
    """Three models, none of which another beats in both accuracy and multiply-adds.

    Args:
        fast: the bend of the curve among those with fewer multiply-adds than `balanced`.
        balanced: the bend of the curve of accuracy over the logarithm of multiply-adds.
        best: the highest accuracy.
    """

    fast: Summary
    balanced: Summary
    best: Summary


def recommend(entries: Iterable[Summary]) -> Recommended | None:
    """Choose three of the models for ImageNet's 1000 classes by their published accuracies.

    The bend is the model that lies highest above the straight line between the ends of the curve.

    Returns:
        The three, some of which may be the same; None where nothing is published.
    """
    front = undominated(entry for entry in entries if entry.labels == LABELS and entry.top1 is not None)
    if not front:
        return None
    balanced = _bend(front)
    fast = _bend(front[: front.index(balanced) + 1])
    return Recommended(fast, balanced, front[-1])


def undominated(entries: Iterable[Summary]) -> list[Summary]:
    """List models than which no other is both as cheap and as accurate, by multiply-adds."""
    front: list[Summary] = []
    for entry in sorted(entries, key=lambda entry: (entry.multiply_adds, -_accuracy(entry), entry.name)):
        if not front or _accuracy(entry) > _accuracy(front[-1]):
            front.append(entry)
    return front


def _bend(front: Sequence[Summary]) -> Summary:
    first, last = front[0], front[-1]
    width = math.log(last.multiply_adds / first.multiply_adds)
    if not width:
        return last
    slope = (_accuracy(last) - _accuracy(first)) / width

    def height(entry: Summary) -> float:
        return _accuracy(entry) - slope * math.log(entry.multiply_adds / first.multiply_adds)

    return max(front, key=height)


def _accuracy(entry: Summary) -> float:
    return entry.top1 or 0.0
