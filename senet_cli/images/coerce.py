"""Whatever Python code passes as an image, as an upright RGB image."""

from __future__ import annotations

import io
import os
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from senet_cli.errors import ImageError, UsageError
from senet_cli.images.decode import decode, upright_rgb
from senet_cli.images.sources import Source

AnyImage = (
    str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | Image.Image | NDArray[np.uint8]
)
"""A path, the bytes of a file, a file opened in binary mode (read from where it stands), a PIL image, or a
uint8 array (H, W), (H, W, 3) or (H, W, 4) in RGB(A) order."""


def load_image(source: str | os.PathLike[str] | bytes | BinaryIO) -> Image.Image:
    """Decode a file (its path, bytes, or opened) to an upright RGB image, exactly as every command does.

    Raises:
        ImageError: it cannot be read.
    """
    return as_rgb(source)


def as_rgb(image: AnyImage) -> Image.Image:
    """Decode a file, convert a PIL image or array; the same bytes give the same image either way.

    Raises:
        ImageError: a file that cannot be read; `path` names it.
        UsageError: something that is not an image.
    """
    if isinstance(image, str | os.PathLike):
        return _decoded(os.fspath(image))
    if isinstance(image, bytes | bytearray | memoryview):
        return decode(io.BytesIO(image))
    if isinstance(image, io.TextIOBase):
        raise UsageError("cannot classify a file that is open for text", 'Open it with mode "rb".')
    if callable(read := getattr(image, "read", None)):
        return decode(io.BytesIO(read()))
    if isinstance(image, Image.Image):
        return upright_rgb(image)
    if isinstance(image, np.ndarray) and _is_image(image):
        return upright_rgb(Image.fromarray(image))
    raise UsageError(
        f"cannot classify this: {_described(image)}",
        'Give a path, bytes, a file opened with mode "rb", a PIL image, or a uint8 array (H, W), (H, W, 3) '
        "or (H, W, 4).",
    )


def _decoded(path: str) -> Image.Image:
    try:
        with Source.named(path).open() as file:
            return decode(file)
    except ImageError as error:
        error.path = path
        raise


def _is_image(array: NDArray[Any]) -> bool:
    channels_fit = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    return array.dtype == np.uint8 and channels_fit and array.size > 0


def _described(image: object) -> str:
    if isinstance(image, np.ndarray):
        return f"an array {image.dtype} {image.shape}"
    return f"a {type(image).__name__}"
