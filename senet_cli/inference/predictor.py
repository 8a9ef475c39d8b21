"""One loaded model: preprocessing, engine and labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from senet_cli.catalogue.activation import Activation, check_activation
from senet_cli.catalogue.entries import Preprocess
from senet_cli.catalogue.labels import LabelSet, check_labels, numbered_labels
from senet_cli.errors import ImageError
from senet_cli.events import SILENCE, Reporter
from senet_cli.inference.engines.base import Engine, auto_batch
from senet_cli.inference.models import FromFile, RunnableModel
from senet_cli.inference.records import Prediction
from senet_cli.inference.runtime import Runtime
from senet_cli.inference.start import start_engine
from senet_cli.settings import Settings
from senet_cli.specs import Spec

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictor:
    """A network with its weights, preprocessing and labels, on a device.

    Args:
        name: of the model, as records show it.
        spec: the exact structure.
        preprocess: from image to pixels.
        labels: names of the classes.
        engine: runs the network.
        batch_size: images in a batch that suit network and device.
        activation: what turns the network's outputs into scores.
    """

    name: str
    spec: Spec
    preprocess: Preprocess
    labels: LabelSet
    engine: Engine
    batch_size: int
    activation: Activation = "softmax"

    @classmethod
    def load(
        cls, model: RunnableModel, runtime: Runtime, settings: Settings, reporter: Reporter = SILENCE
    ) -> Predictor:
        """Load a model.

        Raises:
            CheckpointError: the file does not fit the structure, or its one output gets a softmax.
            DeviceError: the device has no room, or not this precision.
            DiskError: the file cannot be read.
        """
        engine, classes = start_engine(model, runtime, settings, reporter)
        check_activation(model.activation, classes, model.name)
        spec = model.architecture.spec.with_classes(classes)
        return cls(
            name=model.name,
            spec=spec,
            preprocess=model.preprocess,
            labels=_labels(model, classes),
            engine=engine,
            batch_size=auto_batch(engine.device, spec.multiply_adds(model.preprocess.crop)),
            activation=model.activation,
        )

    def pixels(self, image: PILImage) -> NDArray[np.uint8]:
        """Prepare an RGB image: uint8 (crop, crop, 3), before normalisation."""
        from senet_cli.images.preprocess import to_pixels

        return to_pixels(image, self.preprocess)

    def rank(self, logits: NDArray[np.float32], top_k: int, min_score: float = 0.0) -> list[Prediction]:
        """Rank the classes for one row of logits (classes,); ties go to the lower index.

        Args:
            logits: the network's outputs.
            top_k: at most so many predictions.
            min_score: those with a lower score are left out; 0: none is, for outputs may be negative.

        Raises:
            ImageError: the network answered with infinities or NaN.
        """
        if not np.isfinite(logits).all():
            raise ImageError("logits", "the network's output is not finite")
        scores = scores_of(logits, self.activation)
        order = scores if self.activation == "softmax" else logits  # high logits have one sigmoid, 1
        best = np.argsort(-order, kind="stable")[:top_k]
        return [
            Prediction(self.labels.labels[i], self.labels.ids[i], int(i), float(scores[i]))
            for i in best
            if min_score <= 0 or scores[i] >= min_score
        ]


def scores_of(logits: NDArray[np.float32], activation: Activation) -> NDArray[np.float64]:
    """Turn one row of logits into scores, in float64."""
    if activation == "softmax":
        return softmax(logits)
    outputs = logits.astype(np.float64)
    return np.exp(-np.logaddexp(0, -outputs)) if activation == "sigmoid" else outputs


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Turn one row of logits into probabilities, in float64."""
    powers = np.exp(logits.astype(np.float64) - logits.max())
    probabilities: NDArray[np.float64] = powers / powers.sum()
    return probabilities


def _labels(model: RunnableModel, classes: int) -> LabelSet:
    """Return the model's labels; numbers if they were a guess that the head refutes."""
    guessed = isinstance(model.start, FromFile) and model.start.layout is None
    if guessed and len(model.labels) != classes:
        return numbered_labels(classes)
    return check_labels(model.labels, classes)
