"""Any mode of Pillow's to RGB, in little more memory than the image itself and its result."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from senet_cli.images.png import Key
from senet_cli.images.tiff import Depth, depth_of

_PIECE = 2**20
"""Pixels that are converted at a time where that takes several copies: 169 million at once took 3.4 GB."""


def to_rgb(image: Image.Image, key: Key | None = None) -> Image.Image:
    """Convert a loaded image of any mode by the rules of `decode`; the argument stays as it is.

    Args:
        image: as Pillow loaded it.
        key: the transparent colour, where `image.info` does not have it right.

    Returns:
        Mode RGB; the argument itself where nothing is to be done.
    """
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if key is not None and key.low is not None:
        return _without_deep_key(image, key)
    if image.mode.startswith("I"):
        depth, transparent = depth_of(image), image.info.get("transparency")
        return _by_pieces(image, lambda piece: _from_integers(piece, depth, transparent))
    if image.mode == "F":
        depth = depth_of(image)
        return _by_pieces(image, lambda piece: _from_floats(piece, depth))
    if image.has_transparency_data:
        return _by_pieces(image, lambda piece: _over_white(piece, key))
    return image.convert("RGB")


def _by_pieces(image: Image.Image, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """Apply `convert` to the image, piece by piece if it is large."""
    if image.width * image.height <= _PIECE:
        return convert(image)
    result = Image.new("RGB", image.size)
    width = min(image.width, _PIECE)
    height = max(1, _PIECE // width)
    for top in range(0, image.height, height):
        for left in range(0, image.width, width):
            box = (left, top, min(left + width, image.width), min(top + height, image.height))
            result.paste(convert(image.crop(box)), box)
    return result


def _from_integers(piece: Image.Image, depth: Depth, transparent: object) -> Image.Image:
    values = depth.numbers(np.asarray(piece))
    gray = depth.to_8_bits(values)
    if isinstance(transparent, int):
        gray[values == transparent] = 255
    return Image.fromarray(gray).convert("RGB")


def _from_floats(piece: Image.Image, depth: Depth) -> Image.Image:
    values = depth.numbers(np.asarray(piece))
    gray = np.nan_to_num(values, nan=0.0).clip(0, 255).astype(np.uint8)
    return Image.fromarray(255 - gray if depth.white_is_zero else gray).convert("RGB")


def _over_white(piece: Image.Image, key: Key | None) -> Image.Image:
    if key is not None:
        piece = piece.copy()
        piece.info["transparency"] = key.value
    rgba = piece.convert("RGBA")
    white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, rgba).convert("RGB")


def _without_deep_key(image: Image.Image, key: Key) -> Image.Image:
    """White where both bytes of all samples are those of the transparent colour."""
    result = image.copy()
    result.info.pop("transparency", None)
    assert key.low is not None
    rows = max(1, _PIECE // image.width)
    for top in range(0, image.height, rows):
        box = (0, top, image.width, min(top + rows, image.height))
        pixels = np.array(image.crop(box))
        pixels[(pixels == key.value).all(axis=2) & key.low[top : box[3]]] = 255
        result.paste(Image.fromarray(pixels), box)
    return result
