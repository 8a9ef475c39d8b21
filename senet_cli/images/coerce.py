"""Whatever Python code passes as an image, as an upright RGB image."""

from __future__ import annotations

import io
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from senet_cli.errors import UsageError
from senet_cli.images.decode import decode, upright_rgb
from senet_cli.images.sources import Source

AnyImage = str | os.PathLike[str] | Image.Image | NDArray[np.uint8]
"""A path, a PIL image, or a uint8 array (H, W), (H, W, 3) or (H, W, 4) in RGB(A) order."""


def load_image(source: str | os.PathLike[str] | bytes) -> Image.Image:
    """Decode a file, or the bytes of one, to an upright RGB image, exactly as every command does.

    Raises:
        ImageError: it cannot be read.
    """
    if isinstance(source, bytes):
        return decode(io.BytesIO(source))
    return as_rgb(source)


def as_rgb(image: AnyImage) -> Image.Image:
    """Decode a path, convert a PIL image or array; the same bytes give the same image either way.

    Raises:
        ImageError: a file that cannot be read.
        UsageError: something that is not an image.
    """
    if isinstance(image, str | os.PathLike):
        with Source.named(os.fspath(image)).open() as file:
            return decode(file)
    if isinstance(image, Image.Image):
        return upright_rgb(image)
    if isinstance(image, np.ndarray) and _is_image(image):
        return upright_rgb(Image.fromarray(image))
    raise UsageError(
        f"cannot classify this: {_described(image)}",
        "Give a path, a PIL image, or a uint8 array (H, W), (H, W, 3) or (H, W, 4).",
    )


def _is_image(array: NDArray[Any]) -> bool:
    channels_fit = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    return array.dtype == np.uint8 and channels_fit and array.size > 0


def _described(image: object) -> str:
    if isinstance(image, np.ndarray):
        return f"an array {image.dtype} {image.shape}"
    return f"a {type(image).__name__}"
