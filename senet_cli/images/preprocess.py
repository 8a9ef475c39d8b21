"""The publishers' preprocessing, equal to torchvision's transforms on PIL images to the last bit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from senet_cli.manifest.entries import Preprocess

_RESAMPLING = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
_MAX_RESIZED = 2**25
"""Pixels; of larger results only the crop is computed. A strip 1 x 60,000 would grow to 256 x 15,360,000."""


def to_pixels(image: Image.Image, preprocess: Preprocess) -> NDArray[np.uint8]:
    """Resize the shorter edge and cut the centre.

    Args:
        image: mode RGB, any size.
        preprocess: the publisher's numbers.

    Returns:
        uint8 (crop, crop, 3), RGB. The engine normalises.
    """
    width, height = _resized_size(image.size, preprocess.resize)
    left, top = _margin(width, preprocess.crop), _margin(height, preprocess.crop)
    box = (left, top, left + preprocess.crop, top + preprocess.crop)
    resample = _RESAMPLING[preprocess.interpolation]
    if width * height > _MAX_RESIZED and left >= 0 and top >= 0:
        return np.asarray(_resize_crop(image, (width, height), box, resample))
    if (width, height) != image.size:
        image = image.resize((width, height), resample)
    return np.asarray(image.crop(box))


def _resized_size(size: tuple[int, int], edge: int) -> tuple[int, int]:
    """(width, height) with the shorter edge at `edge`; the longer is cut down to whole pixels."""
    width, height = size
    if width <= height:
        return edge, int(edge * height / width)
    return int(edge * width / height), edge


def _margin(length: int, crop: int) -> int:
    """Pixels before the crop; negative where the image is smaller, which then gets a black border."""
    if length >= crop:
        return round((length - crop) / 2)
    return -((crop - length) // 2)


def _resize_crop(
    image: Image.Image,
    size: tuple[int, int],
    box: tuple[int, int, int, int],
    resample: Image.Resampling,
) -> Image.Image:
    """Resize to `size` and cut `box`, computing only the pixels in the box."""
    across, down = image.width / size[0], image.height / size[1]
    source = (box[0] * across, box[1] * down, box[2] * across, box[3] * down)
    return image.resize((box[2] - box[0], box[3] - box[1]), resample, box=source)
