"""Labelled images as batches of tensors, decoded as `senet predict` decodes and augmented for training."""

from __future__ import annotations

import multiprocessing
import os
import random
from collections.abc import Callable, Iterator
from multiprocessing.context import BaseContext

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.transforms import functional

from senet_cli.catalogue.entries import Preprocess
from senet_cli.datasets.labelled import Labelled
from senet_cli.errors import ImageError
from senet_cli.images.decode import decode, silence_decoders
from senet_cli.images.preprocess import RESAMPLING, to_pixels
from senet_cli.tasks.train.recipe import Augment

Transform = Callable[[Image.Image], Image.Image]

Sample = tuple[Tensor, int] | str
"""Pixels uint8 (3, crop, crop) and class; or, for an image that cannot be read, why."""
Batch = tuple[Tensor, Tensor, list[str]]
"""Pixels uint8 (N, 3, crop, crop), classes int64 (N,), and what could not be read."""

SMALL = 64
"""Inputs up to this side are kept decoded in memory; they are then augmented faster than threads are fed."""
_ROOM = 4
"""Images are kept at up to this many times the crop, so that zooming in still finds detail."""
MEMORY = 2 * 2**30
"""Bytes of images that are kept; what comes after is decoded each time."""
_WORTH_WORKERS = 64
"""Fewer images are decoded sooner than processes to do it are started."""


class Samples(Dataset[Sample]):
    """Images and classes by number.

    Args:
        labelled: sources and classes.
        preprocess: the network's; without augmentation images are prepared exactly as for predictions.
        augment: None to prepare as for predictions, else a transform to a PIL image of the crop's size.
    """

    def __init__(
        self,
        labelled: Labelled,
        preprocess: Preprocess,
        augment: Transform | None = None,
    ) -> None:
        self._labelled, self._preprocess, self._augment = labelled, preprocess, augment
        self._kept: dict[int, Image.Image] | None = {} if preprocess.crop <= SMALL else None
        self._bytes = 0

    def workers(self, jobs: int) -> int:
        """Count the decoding processes of use here, at most `jobs`; images kept in memory need none."""
        return 0 if self._kept is not None or len(self) < _WORTH_WORKERS else jobs

    def __len__(self) -> int:
        return len(self._labelled)

    def __getitem__(self, number: int) -> Sample:
        source, target = self._labelled.images[number]
        try:
            image = self._image(number)
        except ImageError as error:
            return f"{source.name}: {error.message}"
        return functional.pil_to_tensor(self._augment(image) if self._augment else image), target

    def _image(self, number: int) -> Image.Image:
        """Prepare the image for augmentation; without it, as the network's input."""
        if self._kept is not None and number in self._kept:
            return self._kept[number]
        with self._labelled.images[number][0].open() as file:
            image = decode(file)
        if self._augment is None:
            image = Image.fromarray(to_pixels(image, self._preprocess))
        if self._kept is None:
            return image
        if self._augment is not None:
            image = _reduced(image, _ROOM * self._preprocess.crop)
        size = 3 * image.width * image.height
        if self._bytes + size <= MEMORY:
            self._kept[number] = image
            self._bytes += size
        return image


def _reduced(image: Image.Image, edge: int) -> Image.Image:
    """Shrink an image so that its shorter edge is at most `edge`."""
    scale = edge / min(image.size)
    if scale >= 1:
        return image
    return image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)


# --- augmentation -------------------------------------------------------------------------------


def augmentation(kind: Augment, preprocess: Preprocess) -> Transform | None:
    """Make the transform of a recipe; see `TrainingRecipe.augment`."""
    if kind == "none":
        return None
    steps = [transforms.RandomHorizontalFlip(), _Framing(preprocess, zoom=kind != "standard")]
    if kind != "standard":
        light = transforms.ColorJitter(brightness=0.3, contrast=0.3, saturation=0.3)
        steps.append(transforms.RandomApply([light], 0.5))
    transform: Transform = transforms.Compose(steps)
    return transform


class _Framing:
    """Chooses what part of an image the network sees.

    Images of the crop's own size (CIFAR) are shifted by up to an eighth, over a black border
    (arXiv 1512.03385, section 4.2); larger ones are cropped at random as for ImageNet, at 35 % to 100 % of
    their area. With `zoom` every second image of the crop's own size is cropped and enlarged too, or shrunk
    inside a mirrored surrounding.
    """

    def __init__(self, preprocess: Preprocess, *, zoom: bool) -> None:
        self._crop, self._zoom = preprocess.crop, zoom
        self._resample = RESAMPLING[preprocess.interpolation]
        mode = transforms.InterpolationMode(preprocess.interpolation)
        self._into: Transform = transforms.RandomResizedCrop(
            self._crop, scale=(0.35, 1.0), ratio=(3 / 4, 4 / 3), interpolation=mode
        )

    def __call__(self, image: Image.Image) -> Image.Image:
        if min(image.size) > self._crop + self._crop // 8:
            return self._into(image)
        if image.size != (self._crop, self._crop):
            image = image.resize((self._crop, self._crop), self._resample)
        choice = random.random() if self._zoom else 1.0
        if choice < 0.3:
            return self._into(image)
        if choice < 0.5:
            return self._out_of(image)
        return self._shift(image)

    def _shift(self, image: Image.Image) -> Image.Image:
        most = self._crop // 8
        left, top = random.randint(-most, most), random.randint(-most, most)
        return image.crop((left, top, left + self._crop, top + self._crop))

    def _out_of(self, image: Image.Image) -> Image.Image:
        """Shrink the whole image and put it somewhere in a mirrored surrounding."""
        widest = self._crop // 4
        borders = [random.randint(0, widest) for _ in range(4)]
        wider: Image.Image = functional.pad(image, borders, padding_mode="reflect")
        return wider.resize((self._crop, self._crop), self._resample)


# --- batches ------------------------------------------------------------------------------------


def batches(
    samples: Samples, batch_size: int, *, seed: int, jobs: int, whole: bool = False
) -> Iterator[Batch]:
    """Yield all images once, in an order and with an augmentation that `seed` decides.

    Args:
        samples: the images.
        batch_size: images in a batch; a last one that is not full is left out if another came before it.
        seed: of this pass.
        jobs: decoding processes; images that are kept in memory need none.
        whole: True to take a last batch that is not full, too.
    """
    torch.manual_seed(seed)
    random.seed(seed)
    workers = samples.workers(jobs)
    yield from DataLoader(
        samples,
        batch_size=batch_size,
        shuffle=True,
        drop_last=not whole and len(samples) > batch_size,
        num_workers=workers,
        collate_fn=_collate,
        generator=torch.Generator().manual_seed(seed),
        multiprocessing_context=_processes() if workers else None,
        worker_init_fn=_begin if workers else None,
    )


def _processes() -> BaseContext:
    """Choose how processes start: with PyTorch imported already, if the system can."""
    if os.name != "posix":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _begin(_: int) -> None:
    silence_decoders()


def _collate(samples: list[Sample]) -> Batch:
    unreadable = [sample for sample in samples if isinstance(sample, str)]
    readable = [sample for sample in samples if not isinstance(sample, str)]
    if not readable:
        return torch.empty((0, 3, 1, 1), dtype=torch.uint8), torch.empty(0, dtype=torch.long), unreadable
    pixels = torch.stack([pixels for pixels, _ in readable])
    return pixels, torch.tensor([target for _, target in readable]), unreadable
