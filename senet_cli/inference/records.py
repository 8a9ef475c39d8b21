"""What flows from the pipeline to the writers: one record per input image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SCHEMA = 1
"""Version of the record; fields are only ever added within one version."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """One class and its probability.

    Args:
        label: name of the class; its index as text where the model has no names.
        id: published identifier of the class (a WordNet id for ImageNet), if there is one.
        index: position in the model's output, from 0.
        score: probability, 0..1, or the network's output where the model has no activation.
    """

    label: str
    id: str | None
    index: int
    score: float


@dataclass(frozen=True, slots=True)
class ImageResult:
    """A classified image.

    Args:
        path, model: as in every record.
        predictions: ranked, best first (none if all were under the bar).
        probabilities: False where the scores are the network's outputs as they are.
        wanted: False where the first prediction is not one of the classes that were asked for.
    """

    path: str
    model: str
    predictions: tuple[Prediction, ...]
    probabilities: bool = True
    wanted: bool = True


@dataclass(frozen=True, slots=True)
class ImageFailure:
    """An image that could not be classified; see `ImageError` for the kinds, and what is `passing`."""

    path: str
    model: str
    kind: str
    message: str
    passing: bool = False


Record = ImageResult | ImageFailure


def round_score(score: float) -> float:
    """Round the score as it is written in every format: 6 significant digits."""
    return float(f"{score:.6g}")


def as_dict(record: Record) -> dict[str, Any]:
    """Return the record in the published JSON form (`schema` 1)."""
    head: dict[str, Any] = {"schema": SCHEMA, "path": record.path, "model": record.model}
    if isinstance(record, ImageFailure):
        return head | {"error": {"kind": record.kind, "message": record.message}}
    rows = [
        {
            "rank": rank,
            "index": prediction.index,
            "id": prediction.id,
            "label": prediction.label,
            "score": round_score(prediction.score),
        }
        for rank, prediction in enumerate(record.predictions, start=1)
    ]
    return head | {"predictions": rows}
