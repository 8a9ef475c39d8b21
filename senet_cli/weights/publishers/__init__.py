"""The publishers whose files we read and write, one file each.

A new publisher is a new file with a `PUBLISHER`, and its name in `_FILES`.
"""

from __future__ import annotations

from importlib import import_module

from senet_cli.errors import ModelError
from senet_cli.specs import Spec
from senet_cli.weights.publishers.base import KeyLayout, Publisher, Style

_FILES = (
    *("senet", "cadene", "timm", "mmpretrain", "leeyeonsu", "moskomule", "ibn_net", "pytorchcv", "caffe"),
)
"""Modules here. Where the names in a file are those of two publishers, the first is meant."""
PUBLISHERS: tuple[Publisher, ...] = tuple(import_module(f"{__name__}.{name}").PUBLISHER for name in _FILES)
LAYOUTS: dict[str, KeyLayout] = {
    layout.name: layout for publisher in PUBLISHERS for layout in publisher.layouts
}
WRITABLE: dict[str, KeyLayout] = {
    layout.name: layout for publisher in PUBLISHERS if publisher.style for layout in publisher.layouts
}
"""Those in which files can be written."""
_OWNERS = {layout.name: publisher for publisher in PUBLISHERS for layout in publisher.layouts}

__all__ = [
    "LAYOUTS",
    "PUBLISHERS",
    "WRITABLE",
    "KeyLayout",
    "Publisher",
    "find_layout",
    "layout_for",
    "publisher_of",
    "style_of",
]


def publisher_of(layout: KeyLayout) -> Publisher:
    """Find the publisher whose layout it is.

    Raises:
        KeyError: nobody's.
    """
    return _OWNERS[layout.name]


def style_of(layout: KeyLayout) -> Style:
    """Find how files in a layout of `WRITABLE` are spelled.

    Raises:
        ValueError: none are written in this layout.
    """
    style = publisher_of(layout).style
    if style is None:
        raise ValueError(f"no file is written in the layout `{layout.name}`")
    return style


def layout_for(layout: KeyLayout, spec: Spec) -> KeyLayout:
    """Choose a publisher's layout for networks of this structure: timm and pytorchcv have several.

    Args:
        layout: any of the publisher's.
        spec: the exact structure.
    """
    return publisher_of(layout).layout_for(spec)


def find_layout(name: str) -> KeyLayout:
    """Find the layout that a manifest names.

    Raises:
        ModelError: there is none of this name.
    """
    if name not in LAYOUTS:
        raise ModelError(f"the key layout `{name}` is not known", f"Known layouts: {', '.join(LAYOUTS)}.")
    return LAYOUTS[name]
