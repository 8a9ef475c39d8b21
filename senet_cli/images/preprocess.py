"""The publishers' preprocessing, equal to torchvision's transforms on PIL images to the last bit.

Only strips more than a thousand times as long as wide differ: on noise by up to two levels of 255 where they
are enlarged, more where they are shrunk.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from senet_cli.catalogue.entries import Preprocess

RESAMPLING = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
_SUPPORT = 2
"""Pixels that the widest of the filters reaches."""
_MAX_RESIZED = 2**26
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
    resample = RESAMPLING[preprocess.interpolation]
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
    """Resize a long strip to `size` and cut `box`, computing of the long edge only what the box needs.

    First across, then down, as Pillow mostly does; it rounds between the two passes.
    """
    left, top, right, bottom = box
    if image.width < image.height:
        strip = image.resize((size[0], image.height), resample)
        return _resize_rows(strip, size[1], top, bottom, resample).crop((left, 0, right, bottom - top))
    turned = image.transpose(Image.Transpose.TRANSPOSE)
    columns = _resize_rows(turned, size[0], left, right, resample).transpose(Image.Transpose.TRANSPOSE)
    return columns.resize((right - left, size[1]), resample).crop((0, top, right - left, bottom))


def _resize_rows(
    strip: Image.Image, height: int, first: int, last: int, resample: Image.Resampling
) -> Image.Image:
    """Rows `first` to `last` of the strip resized to `height`, from all rows that the filter reaches."""
    scale = strip.height / height
    reach = math.ceil(_SUPPORT * max(1.0, scale)) + 1
    top = max(0, math.floor(first * scale) - reach)
    bottom = min(strip.height, math.ceil(last * scale) + reach)
    near = strip.crop(
        (0, top, strip.width, bottom)
    )  # small numbers: Pillow keeps the box in single precision
    source = (0.0, first * scale - top, float(strip.width), last * scale - top)
    return near.resize((strip.width, last - first), resample, box=source)
