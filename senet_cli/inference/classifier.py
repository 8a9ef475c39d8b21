"""One loaded model: images in, ranked predictions out."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from senet_cli.catalogue.entries import Architecture, Checkpoint, CheckpointFile, Metric, Preprocess
from senet_cli.catalogue.input_size import USUAL_SIZE, InputSize, Recipe
from senet_cli.catalogue.labels import LabelSet, check_labels, numbered_labels
from senet_cli.catalogue.lookup import Manifest, find_checkpoint, load_manifest
from senet_cli.errors import CheckpointError, DiskError, ImageError, NetworkError, UsageError
from senet_cli.inference.engines.base import EngineRequest, Precision, auto_batch
from senet_cli.inference.records import Prediction
from senet_cli.inference.runtime import Runtime, Tell, Weights, find_conversion, resolve_runtime, start_engine
from senet_cli.settings import BUNDLED_MODEL, DEFAULT_MODEL, Settings
from senet_cli.store.cache import Cache
from senet_cli.store.conversions import Converted
from senet_cli.store.files import digest_of
from senet_cli.weights.publishers import find_layout
from senet_cli.weights.publishers.caffe import holds_caffemodel, with_caffe_numbers

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

    from senet_cli.images.coerce import AnyImage
    from senet_cli.store.notices import Notices


_PATIENCE = 4.0
"""Seconds in which some host must answer before the model that comes with the package is used."""

Images = list[Any] | tuple[Any, ...]
"""Several images, each as `AnyImage`."""


@dataclass(frozen=True, slots=True)
class Model:
    """What is loaded: a verified file together with everything needed to use it.

    Args:
        name: as records show it.
        path: the weights; None where they are not needed, because a conversion is there.
        sha256: their digest.
        layout: whose key names they use; None for weights of one's own, where it is recognised and the head
            tells the number of classes.
        architecture: the exact structure.
        preprocess: from image to pixels.
        labels: names of the classes; for weights of one's own only a guess, which their number may refute.
        metric: the accuracy that is published for `preprocess`, if there is one.
        conversion: what runs instead of the file at `path`, where it was found.
    """

    name: str
    path: Path | None
    sha256: str
    layout: str | None
    architecture: Architecture
    preprocess: Preprocess
    labels: LabelSet
    metric: Metric | None = None
    conversion: Converted | None = None

    @property
    def weights(self) -> Weights:
        """What an engine runs."""
        return Weights(
            name=self.name,
            path=self.path,
            sha256=self.sha256,
            layout=self.layout,
            spec=self.architecture.spec,
            preprocess=self.preprocess,
            conversion=self.conversion,
        )


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
        recipe: Recipe = "default",
    ) -> None:
        size = InputSize(image_size, recipe)
        size.check()
        path = Path(manifest) if manifest is not None else None
        settings = Settings.from_environment(manifest=path, offline=offline)
        runtime = resolve_runtime(engine, device, precision, latency=True)  # batches come one by one
        if name := model or settings.model or (DEFAULT_MODEL if size != USUAL_SIZE else None):
            found = find_model(name, settings, runtime=runtime, size=size)
        else:
            found = find_default_model(
                settings, None, lambda text: warnings.warn(text, stacklevel=3), runtime=runtime
            )
        self._load(found, runtime, settings, lambda _: None)

    @classmethod
    def from_model(cls, model: Model, runtime: Runtime, settings: Settings, tell: Tell) -> Classifier:
        """A classifier for a model that was found before; see `find_model` and `own_model`.

        `tell` hears of a conversion.
        """
        classifier = cls.__new__(cls)
        classifier._load(model, runtime, settings, tell)
        return classifier

    def _load(self, model: Model, runtime: Runtime, settings: Settings, tell: Tell) -> None:
        self.name = model.name
        self.preprocess = model.preprocess
        self.engine, classes = start_engine(model.weights, runtime, settings, tell)
        self.spec = model.architecture.spec.with_classes(classes)
        self.labels = _labels(model, classes)
        work = self.spec.multiply_adds(model.preprocess.crop)
        self.batch_size = auto_batch(self.engine.device, work)

    @overload
    def predict(self, image: Images, top_k: int = 5) -> list[list[Prediction]]: ...
    @overload
    def predict(self, image: AnyImage, top_k: int = 5) -> list[Prediction]: ...
    def predict(self, image: AnyImage | Images, top_k: int = 5) -> list[Prediction] | list[list[Prediction]]:
        """Classify one image or a list of images.

        Args:
            image: a path, a PIL image, a uint8 array (H, W), (H, W, 3) or (H, W, 4) in RGB(A) order, or a
                list of these.
            top_k: predictions for each image, from 1 on; all classes if there are fewer.

        Returns:
            The best `top_k`, best first; for a list of images one such list each.

        Raises:
            ImageError: an image that cannot be read.
            UsageError: something that is no image, or `top_k` under 1.
        """
        if top_k < 1:
            raise UsageError(f"top_k is {top_k}", "Use 1 or more.")
        if isinstance(image, list | tuple) and not image:
            return []
        if not isinstance(image, list | tuple):
            return self.rank(self._batched(self.engine.logits, [image])[0], top_k)
        return [self.rank(row, top_k) for row in self._batched(self.engine.logits, image)]

    def features(self, image: AnyImage | Images) -> NDArray[np.float32]:
        """Pooled features before the head, (N, channels), for one image (N = 1) or a list of N images.

        Raises:
            ImageError: an image that cannot be read.
            UsageError: something that is no image.
        """
        images = image if isinstance(image, list | tuple) else [image]
        if not images:
            return np.zeros((0, self.spec.feature_channels), np.float32)
        return self._batched(self.engine.features, images)

    def pixels(self, image: PILImage) -> NDArray[np.uint8]:
        """The network's input before normalisation: uint8 (crop, crop, 3), RGB."""
        from senet_cli.images.preprocess import to_pixels

        return to_pixels(image, self.preprocess)

    def rank(self, logits: NDArray[np.float32], top_k: int, min_score: float = 0.0) -> list[Prediction]:
        """The best classes for one row of logits (classes,); ties go to the lower index.

        Raises:
            ImageError: the network answered with infinities or NaN.
        """
        if not np.isfinite(logits).all():
            raise ImageError("logits", "the network's output is not finite")
        scores = softmax(logits)
        best = np.argsort(-scores, kind="stable")[:top_k]
        return [
            Prediction(self.labels.labels[i], self.labels.ids[i], int(i), float(scores[i]))
            for i in best
            if scores[i] >= min_score
        ]

    def _batched(
        self, function: Callable[[NDArray[np.uint8]], NDArray[np.float32]], images: Images
    ) -> NDArray[np.float32]:
        from senet_cli.images.coerce import as_rgb

        starts = range(0, len(images), self.batch_size)
        groups = (images[start : start + self.batch_size] for start in starts)
        batches = (np.stack([self.pixels(as_rgb(image)) for image in group]) for group in groups)
        return np.concatenate([function(batch) for batch in batches])


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Probabilities for one row of logits, in float64."""
    powers = np.exp(logits.astype(np.float64) - logits.max())
    probabilities: NDArray[np.float64] = powers / powers.sum()
    return probabilities


# --- finding and loading ------------------------------------------------------------------------


def find_model(
    name: str,
    settings: Settings,
    notices: Notices | None = None,
    *,
    runtime: Runtime | None = None,
    size: InputSize = USUAL_SIZE,
) -> Model:
    """A checkpoint of the manifest, downloaded and verified if it is not there yet, or a training run.

    Args:
        name: as in the manifest, or the folder of a run.
        settings: where things lie.
        notices: hears of the download.
        runtime: what it will run on; where that has a conversion, the checkpoint itself is not needed.
        size: at which size it sees images.

    Raises:
        SenetError: unknown, not to be had, not the published bytes, or without this size.
    """
    from senet_cli.store.install import ensure_installed

    checkpoint, manifest = find_checkpoint(name, settings.manifest, settings.models)
    for file in checkpoint.files:
        find_layout(file.layout)  # what is wrong in a manifest shall not be found after the download
    labels = check_labels(manifest.labels_of(checkpoint), checkpoint.architecture.spec.classes)
    preprocess = size.of_checkpoint(checkpoint)
    if model := _converted(checkpoint, labels, preprocess, settings, runtime):
        return model
    installed = ensure_installed(checkpoint, settings, notices)
    return _model(checkpoint, labels, preprocess, installed.file, installed.sha256, installed.path)


def _converted(
    checkpoint: Checkpoint,
    labels: LabelSet,
    preprocess: Preprocess,
    settings: Settings,
    runtime: Runtime | None,
) -> Model | None:
    """The checkpoint without its file, if the runtime uses conversions and there is one of it."""
    if runtime is None or runtime.engine != "openvino":
        return None
    for sha256 in dict.fromkeys(Cache.from_settings(settings).digests(checkpoint)):
        for file in checkpoint.files:
            model = _model(checkpoint, labels, preprocess, file, sha256, None)
            if file.path is not None or file.digest.excludes(sha256):
                continue
            if conversion := find_conversion(model.weights, settings):
                return replace(model, conversion=conversion)
    return None


def _model(
    checkpoint: Checkpoint,
    labels: LabelSet,
    preprocess: Preprocess,
    file: CheckpointFile,
    sha256: str,
    path: Path | None,
) -> Model:
    return Model(
        name=checkpoint.name,
        path=path,
        sha256=sha256,
        layout=file.layout,
        architecture=checkpoint.architecture,
        preprocess=preprocess,
        labels=labels,
        metric=checkpoint.metric_with(preprocess),
    )


def find_default_model(
    settings: Settings,
    notices: Notices | None,
    tell: Callable[[str], None],
    *,
    runtime: Runtime | None = None,
) -> Model:
    """The default model, or the one that comes with the package where the default cannot be had.

    A host that does not answer is given a few seconds only.

    Args:
        settings: where things lie.
        notices: hears of the download.
        tell: hears, in one line, that the other model is used, why, and how to get the default.
        runtime: as for `find_model`.

    Raises:
        SenetError: the default was delivered with other than the published bytes, or does not fit.
    """
    from senet_cli.store.install import check_answers

    manifest = load_manifest(settings.manifest, settings.models)
    checkpoint = manifest.checkpoint(DEFAULT_MODEL)
    labels = manifest.labels_of(checkpoint)
    if model := _converted(checkpoint, labels, checkpoint.preprocess, settings, runtime):
        return model
    try:
        check_answers(checkpoint, settings, _PATIENCE)
        return find_model(DEFAULT_MODEL, settings, notices)
    except (NetworkError, DiskError) as error:
        bundled = find_model(BUNDLED_MODEL, settings)
        names = bundled.labels.labels
        tell(
            f"using `{bundled.name}`, which knows {len(names)} classes ({names[0]} to {names[-1]}), because "
            f"`{checkpoint.name}` cannot be had: {error.message}. `senet download {DEFAULT_MODEL}` gets it."
        )
        return bundled


def own_model(
    path: Path,
    key: str,
    manifest: Manifest,
    size: InputSize = USUAL_SIZE,
) -> Model:
    """Weights of one's own, with the usual preprocessing and labels of their architecture.

    A .caffemodel gets the normalisation that Caffe's networks share.

    Raises:
        UnknownModelError: no such architecture.
        UsageError: a size that it does not have.
        CheckpointError: the file is a published one, and of another architecture.
        DiskError: the file cannot be read.
    """
    architecture = manifest.architecture(key)
    preprocess = size.of_architecture(architecture)
    sha256 = digest_of(path)
    owners = manifest.published_as(sha256)
    if owners and all(owner.architecture.key != key for owner in owners):
        owner = owners[0]
        raise CheckpointError(
            f"`{path}` is `{owner.name}`, by its SHA-256: a `{owner.architecture.key}`, not a `{key}`",
            f"`senet download {owner.name} --from {path}`, then `-m {owner.name}`.",
        )
    return Model(
        name=path.name,
        path=path,
        sha256=sha256,
        layout=None,
        architecture=architecture,
        preprocess=with_caffe_numbers(preprocess) if holds_caffemodel(path) else preprocess,
        labels=manifest.labels_of(architecture),
    )


def _labels(model: Model, classes: int) -> LabelSet:
    if model.layout is None and len(model.labels) != classes:
        return numbered_labels(classes)
    return check_labels(model.labels, classes)
