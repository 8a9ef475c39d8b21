"""The public class of the Python API: images in, ranked predictions out."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from senet_cli.catalogue.entries import Preprocess
from senet_cli.catalogue.input_size import InputSize, SizeRecipe
from senet_cli.catalogue.labels import LabelSet
from senet_cli.catalogue.resolve import ModelRef
from senet_cli.errors import ImageError, UsageError
from senet_cli.events import BundledModelUsed, Event
from senet_cli.inference.engines.base import Engine, EngineRequest, Precision
from senet_cli.inference.predictor import Predictor
from senet_cli.inference.processors import processors
from senet_cli.inference.records import Prediction
from senet_cli.inference.resolve import Resolver
from senet_cli.inference.runtime import resolve_runtime
from senet_cli.settings import Settings
from senet_cli.specs import Spec

if TYPE_CHECKING:
    from senet_cli.images.coerce import AnyImage

Images = list[Any] | tuple[Any, ...]
"""Several images, each as `AnyImage`."""

_MAX_JOBS = 8


class Classifier:
    """A network with its weights, preprocessing and labels, on a device.

    Args:
        model: name, alias or family of a checkpoint, which is downloaded if it is not in the cache, or the
            folder of a training run. None: `SENET_MODEL`, else `seresnet50`, else, with a warning, the model
            that comes with the package.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        precision: "fp32", "bf16" or "fp16".
        engine: "auto", "torch" or "openvino".
        manifest: a manifest that adds or replaces entries.
        offline: True forbids downloads; None: as `SENET_OFFLINE` says.
        image_size: side of the square that the network sees, in pixels; resizing before the crop keeps the
            checkpoint's own ratio. None: as `recipe` says.
        recipe: "default", or "test" for the larger size that the publisher tests at.

    Attributes:
        name: full name of the model.
        labels: names and identifiers of its classes.
        preprocess: the publisher's preprocessing.
        spec: the exact structure of the network.
        batch_size: images in a batch of a list.

    Raises:
        SenetError: no such model, device or size, a download that failed, or an unusable file.

    Example:
        >>> Classifier("seresnet50").predict("bird.jpg")[0].label  # doctest: +SKIP
        'goldfinch'
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        device: str = "auto",
        precision: Precision = "fp32",
        engine: EngineRequest = "auto",
        manifest: str | os.PathLike[str] | None = None,
        offline: bool | None = None,
        image_size: int | None = None,
        recipe: SizeRecipe = "default",
    ) -> None:
        size = InputSize(image_size, recipe)
        size.check()
        path = Path(manifest) if manifest is not None else None
        self._settings = Settings.from_environment(manifest=path, offline=offline)
        runtime = resolve_runtime(engine, device, precision)
        # on a CPU one image gets all processors, and a list a processor for each batch
        self._runtime = replace(runtime, latency=runtime.device == "cpu")
        asked = ModelRef.parse(model) if model is not None else None
        fallback = _Fallback()
        resolver = Resolver.load(self._settings, fallback)
        self._model = resolver.choose(asked, runtime=self._runtime, size=size)
        if fallback.words:
            warnings.warn(fallback.words, stacklevel=2)
        self._single = Predictor.load(self._model, self._runtime, self._settings)
        self._many: Predictor | None = None

    @property
    def name(self) -> str:
        """Full name of the model."""
        return self._single.name

    @property
    def labels(self) -> LabelSet:
        """Names and identifiers of the classes."""
        return self._single.labels

    @property
    def preprocess(self) -> Preprocess:
        """The publisher's preprocessing."""
        return self._single.preprocess

    @property
    def spec(self) -> Spec:
        """The exact structure of the network."""
        return self._single.spec

    @property
    def engine(self) -> Engine:
        """The engine that single images run in."""
        return self._single.engine

    @property
    def batch_size(self) -> int:
        """Images in a batch of a list."""
        return self._single.batch_size

    def __repr__(self) -> str:
        engine = self.engine
        return (
            f"{type(self).__name__}({self.name!r}, classes={len(self.labels)}, engine={engine.name!r}, "
            f"device={engine.device!r})"
        )

    @overload
    def predict(self, image: Images, top_k: int = 5) -> list[list[Prediction]]: ...
    @overload
    def predict(
        self, image: Images, top_k: int = 5, *, errors: Literal["return"]
    ) -> list[list[Prediction] | ImageError]: ...
    @overload
    def predict(self, image: AnyImage, top_k: int = 5) -> list[Prediction]: ...
    @overload
    def predict(
        self, image: AnyImage, top_k: int = 5, *, errors: Literal["return"]
    ) -> list[Prediction] | ImageError: ...
    def predict(
        self, image: AnyImage | Images, top_k: int = 5, *, errors: Literal["raise", "return"] = "raise"
    ) -> Any:
        """Classify one image or a list of images; a list is decoded ahead and run in batches side by side.

        Args:
            image: a path, the bytes of a file, a file opened in binary mode, a PIL image, a uint8 array
                (H, W), (H, W, 3) or (H, W, 4) in RGB(A) order, or a list of these.
            top_k: predictions for each image, from 1 on; all classes if there are fewer.
            errors: "raise" stops at the first image that cannot be classified; "return" puts its `ImageError`
                in the place of its predictions, and goes on.

        Returns:
            The best `top_k`, best first; for a list of images one such list each.

        Raises:
            ImageError: an image that cannot be read; its `path` names the file.
            UsageError: something that is not an image, or `top_k` under 1.
        """
        if top_k < 1:
            raise UsageError(f"top_k is {top_k}", "Use 1 or more.")
        if errors not in ("raise", "return"):
            raise UsageError(f'errors is "{errors}"', 'Use "raise" or "return".')
        found: list[list[Prediction] | ImageError] = []
        for row in self._rows(image, "logits"):
            try:
                found.append(self._single.rank(_sound(row), top_k))
            except ImageError as error:
                if errors == "raise":
                    raise
                found.append(error)
        return found if isinstance(image, list | tuple) else found[0]

    def logits(self, image: AnyImage | Images) -> NDArray[np.float32]:
        """Calculate the network's output, (N, classes), for one image (N = 1) or a list of N images.

        Raises:
            ImageError: an image that cannot be read.
            UsageError: something that is not an image.
        """
        return self._stacked(image, "logits", len(self.labels))

    def features(self, image: AnyImage | Images) -> NDArray[np.float32]:
        """Calculate the pooled features before the head, (N, channels); otherwise as `logits`."""
        return self._stacked(image, "features", self.spec.feature_channels)

    def _stacked(self, image: AnyImage | Images, output: str, width: int) -> NDArray[np.float32]:
        rows = [_sound(row) for row in self._rows(image, output)]
        return np.stack(rows) if rows else np.zeros((0, width), np.float32)

    def _rows(self, image: AnyImage | Images, output: str) -> Iterator[NDArray[np.float32] | ImageError]:
        """One row of an output of the engine ("logits" or "features") for each image, or why not."""
        from senet_cli.images.coerce import as_rgb
        from senet_cli.inference.pipeline import Pace, outputs

        images = image if isinstance(image, list | tuple) else [image]
        predictor = self._for_lists() if len(images) > self.batch_size else self._single
        pace = Pace(
            batch_size=predictor.batch_size,
            streams=predictor.engine.streams,
            jobs=max(1, min(_MAX_JOBS, processors(), len(images))),
            patience=None,
        )
        calculate = getattr(predictor.engine, output)
        with closing(outputs(images, lambda image: predictor.pixels(as_rgb(image)), calculate, pace)) as rows:
            for _, row in rows:
                yield row

    def _for_lists(self) -> Predictor:
        """Return the same model on an engine that runs batches in parallel; made for the first long list."""
        if not self._runtime.latency:
            return self._single
        if self._many is None:
            runtime = replace(self._runtime, latency=False)
            self._many = Predictor.load(self._model, runtime, self._settings)
        return self._many


def _sound(row: NDArray[np.float32] | ImageError) -> NDArray[np.float32]:
    """Return the row, or raise the error that stands in its place."""
    if isinstance(row, ImageError):
        raise row
    return row


class _Fallback:
    """Keeps the event that another model than the default is used; the rest is of no interest here."""

    def __init__(self) -> None:
        self._event: BundledModelUsed | None = None

    def report(self, event: Event) -> None:
        """See `Reporter`."""
        if isinstance(event, BundledModelUsed):
            self._event = event

    @property
    def words(self) -> str:
        """What to warn of; empty where the model is the one that was asked for."""
        if self._event is None:
            return ""
        event, labels = self._event, self._event.labels
        return (
            f"using `{event.name}`, which knows {len(labels)} classes ({labels[0]} to {labels[-1]}), "
            f"because `{event.default}` cannot be had: {event.error.message}"
        )
