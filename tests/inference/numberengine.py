"""A network that reads a number off each image, such images, and what the pipeline makes of them."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from senet_cli.catalogue.entries import Preprocess
from senet_cli.catalogue.labels import numbered_labels
from senet_cli.catalogue.lookup import load_manifest
from senet_cli.images.sources import Source
from senet_cli.inference.pipeline import RunOptions, classify
from senet_cli.inference.predictor import Predictor
from senet_cli.inference.records import ImageFailure, Record

CLASSES = 4096
NAN = 250
"""Blue value of images for which the network's answer is not finite."""


class NumberEngine:
    """Its best class is the number that `image_of` wrote into the image."""

    name = "torch"
    device = "cpu"
    largest_batch = 2**31

    def __init__(self, streams: int = 1, wait: Callable[[int], float] = lambda _: 0.0) -> None:
        self.streams = streams
        self.batches: list[int] = []
        self._wait, self._at_once = wait, threading.Semaphore(streams)

    def logits(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert self._at_once.acquire(blocking=False), "more batches at once than the engine has streams"
        time.sleep(self._wait(len(self.batches)))
        try:
            return self._logits(pixels)
        finally:
            self._at_once.release()

    def _logits(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert pixels.dtype == np.uint8
        self.batches.append(len(pixels))
        red, green, blue = (pixels[:, 0, 0, channel].astype(int) for channel in range(3))
        numbers = red * 64 + green
        logits = np.zeros((len(pixels), CLASSES), np.float32)
        logits[np.arange(len(pixels)), numbers] = 20
        logits[np.arange(len(pixels)), (numbers + 1) % CLASSES] = 19
        logits[blue == NAN, 5] = np.nan
        return logits

    features = logits


def number_predictor(engine: NumberEngine | None = None) -> Predictor:
    """A real predictor, with its ranking and preprocessing, around the engine that reads numbers."""
    return Predictor(
        name="numbers",
        spec=load_manifest().architecture("seresnet50").spec.with_classes(CLASSES),
        preprocess=Preprocess(2, 2, "bilinear", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
        labels=numbered_labels(CLASSES),
        engine=engine or NumberEngine(),
        batch_size=8,
    )


def engine_of(predictor: Predictor) -> NumberEngine:
    assert isinstance(predictor.engine, NumberEngine)
    return predictor.engine


def image_of(number: int, *, blue: int = 0, side: int = 2) -> bytes:
    """A PPM of one colour, which holds a number under 4096."""
    pixel = bytes([number // 64, number % 64, blue])
    return b"P6 %d %d 255\n" % (side, side) + pixel * side * side


@dataclass
class FakeSource:
    """A source that takes its time."""

    name: str
    data: bytes
    before: Callable[[], Any] = field(default=lambda: None)
    error: Exception | None = None

    def open(self) -> BinaryIO:
        self.before()
        if self.error:
            raise self.error
        return io.BytesIO(self.data)


def numbered(count: int) -> Iterator[Any]:
    return (Source(str(number), image_of(number % CLASSES)) for number in range(count))


def run(sources: Any, predictor: Predictor | None = None, **options: Any) -> list[Record]:
    return list(classify(sources, predictor or number_predictor(), RunOptions(**options)))


def told(record: Record) -> str:
    """The best class, or the kind of failure."""
    if isinstance(record, ImageFailure):
        return record.kind
    return record.predictions[0].label
