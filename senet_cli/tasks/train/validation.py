"""Measuring a network while it is trained, through the same pipeline and predictor as `senet predict`."""

from __future__ import annotations

import math
from contextlib import closing

import numpy as np
import torch
from numpy.typing import NDArray

from senet_cli.catalogue.entries import Preprocess
from senet_cli.catalogue.labels import LabelSet
from senet_cli.datasets.labelled import Labelled
from senet_cli.errors import ImageError
from senet_cli.inference.engines.base import UNLIMITED, EngineName
from senet_cli.inference.pipeline import Pace, Pixels, outputs, pixels_of
from senet_cli.inference.predictor import Predictor
from senet_cli.tasks.train.loop import Trainer
from senet_cli.tasks.train.recipe import TrainPrecision
from senet_cli.tasks.train.samples import MEMORY, SMALL


class LiveEngine:
    """Runs a network that is being trained, as it is at the moment, in evaluation mode.

    Args:
        trainer: has the network.
        precision: number format of the forward pass; results are float32.
    """

    name: EngineName = "torch"
    streams = 1
    largest_batch = UNLIMITED

    def __init__(self, trainer: Trainer, precision: TrainPrecision) -> None:
        self._trainer, self._precision = trainer, precision
        self.device = str(trainer.device)

    @torch.inference_mode()
    def logits(self, pixels: Pixels) -> NDArray[np.float32]:
        """Map pixels (N, H, W, 3), RGB 0..255 -> logits (N, classes)."""
        self._trainer.network.eval()
        images = torch.from_numpy(pixels).permute(0, 3, 1, 2)
        values: NDArray[np.float32] = self._trainer.logits(images, self._precision).cpu().numpy()
        return values

    @torch.inference_mode()
    def features(self, pixels: Pixels) -> NDArray[np.float32]:
        """Map pixels (N, H, W, 3), RGB 0..255 -> pooled features (N, channels)."""
        self._trainer.network.eval()
        images = torch.from_numpy(pixels).permute(0, 3, 1, 2).to(self._trainer.device)
        values: NDArray[np.float32] = self._trainer.pixels.features(images).float().cpu().numpy()
        return values


class Validation:
    """Images that a network is measured on after each epoch.

    Args:
        images: with the indices of their classes; unreadable ones count nowhere.
        preprocess: the network's.
        labels: names of the classes.
        batch_size: images in a batch.
        jobs: decoding threads.
    """

    def __init__(
        self, images: Labelled, preprocess: Preprocess, labels: LabelSet, batch_size: int, jobs: int
    ) -> None:
        self._images, self._preprocess, self._labels = images, preprocess, labels
        self._batch_size, self._jobs = batch_size, jobs
        self._kept: dict[int, Pixels] | None = {} if preprocess.crop <= SMALL else None

    def __len__(self) -> int:
        return len(self._images)

    def measure(
        self, trainer: Trainer, precision: TrainPrecision, unreadable: list[str]
    ) -> tuple[float, float]:
        """Measure a network; returns cross entropy and top-1 accuracy 0..1, NaN without images.

        Args:
            trainer: has the network.
            precision: number format.
            unreadable: gets a line for each image that cannot be read.
        """
        predictor = self._predictor(trainer, precision)
        pace = Pace(batch_size=self._batch_size, streams=1, jobs=self._jobs, patience=None)
        total, right, done = 0.0, 0, 0
        rows = outputs(
            range(len(self)), lambda number: self._pixels(number, predictor), predictor.engine.logits, pace
        )
        with closing(rows):
            for number, row in rows:
                source, target = self._images.images[number]
                if isinstance(row, ImageError):
                    unreadable.append(f"{source.name}: {row.message}")
                    continue
                total += _cross_entropy(row, target)
                right += int(row.argmax()) == target
                done += 1
        return (total / done, right / done) if done else (math.nan, math.nan)

    def _predictor(self, trainer: Trainer, precision: TrainPrecision) -> Predictor:
        return Predictor(
            name="the network that is trained",
            spec=trainer.network.spec,
            preprocess=self._preprocess,
            labels=self._labels,
            engine=LiveEngine(trainer, precision),
            batch_size=self._batch_size,
        )

    def _pixels(self, number: int, predictor: Predictor) -> Pixels:
        if self._kept is None:
            return pixels_of(self._images.images[number][0], predictor)
        if number in self._kept:
            return self._kept[number]
        pixels = pixels_of(self._images.images[number][0], predictor)
        if len(self._kept) * pixels.nbytes < MEMORY:
            self._kept[number] = pixels
        return pixels


def _cross_entropy(logits: NDArray[np.float32], target: int) -> float:
    row = logits.astype(np.float64)
    largest = row.max()
    return float(largest + np.log(np.exp(row - largest).sum()) - row[target])
