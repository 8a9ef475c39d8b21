"""How often a model is right on labelled images, class by class, and how well it knows it."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from senet_cli.inference.predictor import Predictor
from senet_cli.inference.records import ImageFailure, Record

TOP = 5
BINS = 15
"""Of equal width, for the calibration error (Guo et al., arXiv 1706.04599, section 2)."""
_Z95 = 1.959964
"""Quantile of the normal distribution for an interval of 95 %."""


@dataclass(frozen=True, slots=True)
class Share:
    """A fraction: `right` of `of`."""

    right: int
    of: int

    @property
    def percent(self) -> float:
        """0..100; NaN of nothing."""
        return 100 * self.right / self.of if self.of else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval, percent (Wilson 1927, JASA 22:209)."""
        if not self.of:
            return math.nan, math.nan
        share, square = self.right / self.of, _Z95**2
        centre = share + square / (2 * self.of)
        spread = _Z95 * math.sqrt(share * (1 - share) / self.of + square / (4 * self.of**2))
        scale = 1 + square / self.of
        return 100 * max(0.0, (centre - spread) / scale), 100 * min(1.0, (centre + spread) / scale)


@dataclass(frozen=True, slots=True)
class ClassResult:
    """One class of the images.

    Args:
        index: position in the model's output.
        label, id: as the model names it.
        share: how many of its images were recognised.
        mistaken_for: label of the class that was most often given instead, and how often; None if none was.
    """

    index: int
    label: str
    id: str | None
    share: Share
    mistaken_for: tuple[str, int] | None


@dataclass(frozen=True, slots=True)
class Mistake:
    """An image that was taken for another class.

    Args:
        path: as in its record.
        truth: label of its class, as the model names it.
        answer: label of the class that it was taken for.
        score: of that answer.
    """

    path: str
    truth: str
    answer: str
    score: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a run over labelled images gave.

    Args:
        model, model_classes: its name, and how many classes it knows.
        top1, top5: images whose class was the first, or among the first five.
        classes: the classes that have images, in the order of the model's output.
        calibration_error: mean distance between the best score and how often it is right, percent; None where
            the scores are not probabilities.
        confusion: counts (classes, classes), true class by row, predicted by column, both as `classes`;
            images taken for any other class are counted in none of its columns.
        failures: images that could not be classified; they count nowhere else.
        unmeasured: labels of the classes that have images, none of which could be classified.
        worst: the mistakes with the highest scores, the highest first, as many as were asked for.
        overconfidence: mean of the best scores less the share that is right, percent; None where the scores
            are not probabilities.
    """

    model: str
    model_classes: int
    top1: Share
    top5: Share
    classes: tuple[ClassResult, ...]
    calibration_error: float | None
    confusion: NDArray[np.int64]
    failures: tuple[ImageFailure, ...]
    unmeasured: tuple[str, ...] = ()
    worst: tuple[Mistake, ...] = ()
    overconfidence: float | None = None

    @property
    def mean_class_accuracy(self) -> float:
        """Percent; every class weighs the same."""
        return sum(result.share.percent for result in self.classes) / len(self.classes)


@dataclass(frozen=True, slots=True)
class TrainingImages:
    """Images that the model is known to be trained on, among those that were given.

    Args:
        found: how many.
        left_out: True if they are not measured.
    """

    found: int
    left_out: bool


class Tally:
    """Counts as records come in.

    Args:
        worst: how many mistakes are kept, those with the highest scores.
    """

    def __init__(self, worst: int = 0) -> None:
        self._most = worst
        self._worst: list[tuple[float, int, str, int, str]] = []
        self.outcomes: Counter[tuple[int, int]] = Counter()
        self._top5 = 0
        self._failures: list[ImageFailure] = []
        self._failed: set[int] = set()
        self._scores: list[float] = []
        self._hits: list[bool] = []

    def add(self, record: Record, target: int) -> None:
        """Count a record of an image whose class is `target`, a position in the model's output."""
        if isinstance(record, ImageFailure):
            self._failures.append(record)
            self._failed.add(target)
            return
        ranked = [prediction.index for prediction in record.predictions]
        self.outcomes[target, ranked[0]] += 1
        self._top5 += target in ranked
        self._scores.append(record.predictions[0].score)
        self._hits.append(ranked[0] == target)
        if ranked[0] != target and self._most:
            answer = record.predictions[0]
            mistake = (answer.score, -len(self._hits), record.path, target, answer.label)
            if len(self._worst) < self._most:
                heapq.heappush(self._worst, mistake)
            else:
                heapq.heappushpop(self._worst, mistake)

    def result(self, predictor: Predictor) -> Evaluation:
        """Sum up what was counted."""
        present = sorted({target for target, _ in self.outcomes})
        place = {index: number for number, index in enumerate(present)}
        confusion = np.zeros((len(present), len(present)), np.int64)
        for (target, answer), count in self.outcomes.items():
            if answer in place:
                confusion[place[target], place[answer]] = count
        labels = predictor.labels.labels
        probable = predictor.activation != "none"
        return Evaluation(
            model=predictor.name,
            model_classes=len(predictor.labels),
            top1=Share(sum(self._hits), len(self._hits)),
            top5=Share(self._top5, len(self._hits)),
            classes=tuple(self._class(index, predictor) for index in present),
            calibration_error=calibration_error(self._scores, self._hits) if probable else None,
            confusion=confusion,
            failures=tuple(self._failures),
            unmeasured=tuple(labels[i] for i in sorted(self._failed - set(present))),
            worst=tuple(
                Mistake(path, labels[target], answer, score)
                for score, _, path, target, answer in sorted(self._worst, reverse=True)
            ),
            overconfidence=100 * float(np.mean(self._scores) - np.mean(self._hits)) if probable else None,
        )

    def _class(self, index: int, predictor: Predictor) -> ClassResult:
        answers = {answer: count for (target, answer), count in self.outcomes.items() if target == index}
        wrong = {answer: count for answer, count in answers.items() if answer != index}
        worst = min(wrong, key=lambda answer: (-wrong[answer], answer), default=None)
        labels = predictor.labels
        return ClassResult(
            index=index,
            label=labels.labels[index],
            id=labels.ids[index],
            share=Share(answers.get(index, 0), sum(answers.values())),
            mistaken_for=None if worst is None else (labels.labels[worst], wrong[worst]),
        )


def calibration_error(scores: Iterable[float], hits: Iterable[bool]) -> float:
    """Compute the expected calibration error, percent, over bins of the best score, weighted by count."""
    score, hit = np.asarray(list(scores), np.float64), np.asarray(list(hits), np.float64)
    bins = np.minimum((score * BINS).astype(int), BINS - 1)
    distance = 0.0
    for number in np.unique(bins):
        inside = bins == number
        distance += abs(float(score[inside].sum()) - float(hit[inside].sum()))
    return 100 * distance / len(score)


def _share_dict(share: Share) -> dict[str, Any]:
    low, high = share.interval
    return {
        "right": share.right,
        "percent": round(share.percent, 3),
        "interval95": [round(low, 3), round(high, 3)],
    }


def as_dict(
    evaluation: Evaluation,
    image_size: int,
    published: dict[str, Any] | None,
    seen: TrainingImages | None = None,
) -> dict[str, Any]:
    """Turn the result into JSON (`schema` 1); percentages have three decimals.

    Args:
        evaluation: the result.
        image_size: side of the network's input, pixels.
        published: the publisher's figure for that size.
        seen: images that the model was trained on; None where nothing is recorded of it.
    """
    error = evaluation.calibration_error
    return {
        "schema": 1,
        "model": evaluation.model,
        "image_size": image_size,
        "images": evaluation.top1.of,
        "failed": len(evaluation.failures),
        "training_images": asdict(seen) if seen else None,
        "top1": _share_dict(evaluation.top1),
        "top5": _share_dict(evaluation.top5),
        "mean_class_accuracy": round(evaluation.mean_class_accuracy, 3),
        "calibration_error": error if error is None else round(error, 3),
        "published": published,
        "classes": [
            {
                "index": result.index,
                "id": result.id,
                "label": result.label,
                "images": result.share.of,
                "right": result.share.right,
                "percent": round(result.share.percent, 3),
                "mistaken_for": result.mistaken_for and result.mistaken_for[0],
            }
            for result in evaluation.classes
        ],
        "confusion": evaluation.confusion.tolist(),
        "worst": [asdict(mistake) for mistake in evaluation.worst],
        "unmeasured": list(evaluation.unmeasured),
        "failures": [
            {"path": failure.path, "kind": failure.kind, "message": failure.message}
            for failure in evaluation.failures
        ],
    }
