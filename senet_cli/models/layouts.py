"""How each publisher names the tensors that our networks hold.

A layout maps the path of one of our modules (`stage2.0.se.reduce`) to the publisher's. It is a one-to-one
map, so it serves reading and writing alike. Facts from the publishers' model files, which
`docs/architecture.md` names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from senet_cli.errors import ModelError

_BLOCK_MODULE = re.compile(r"stage(?P<stage>\d+)\.(?P<block>\d+)\.(?P<part>.+)")


@dataclass(frozen=True, slots=True)
class KeyLayout:
    """Names of one publisher.

    Args:
        name: as the manifest writes it.
        stem: our stem modules, from `stem.` on, to theirs.
        block: path of a block, with `{stage}` from 1 and `{block}` from 0.
        parts: our modules within a block to theirs.
        head: path of the classifier.
    """

    name: str
    stem: dict[str, str]
    block: str
    parts: dict[str, str]
    head: str

    def module(self, ours: str) -> str:
        """The publisher's path for our module path.

        Raises:
            KeyError: the layout has no such module (a deep stem where the publisher has none).
        """
        if ours == "head":
            return self.head
        if match := _BLOCK_MODULE.fullmatch(ours):
            block = self.block.format(stage=match["stage"], block=match["block"])
            return f"{block}.{self.parts[match['part']]}"
        return self.stem[ours.removeprefix("stem.")]

    def key(self, ours: str) -> str:
        """The publisher's key for our tensor key (`head.bias` -> `last_linear.bias`)."""
        module, _, tensor = ours.rpartition(".")
        return f"{self.module(module)}.{tensor}"


def _parts(norm: str, reduce: str, expand: str, shortcut: str) -> dict[str, str]:
    """The names that vary within a block; convolutions are conv1, conv2, ... with all publishers."""
    convs = {f"conv{n}": f"conv{n}" for n in (1, 2, 3)}
    norms = {f"norm{n}": f"{norm}{n}" for n in (1, 2, 3)}
    se = {"se.reduce": reduce, "se.expand": expand}
    return convs | norms | se | {"shortcut.conv": f"{shortcut}.0", "shortcut.norm": f"{shortcut}.1"}


_PLAIN_STEM = {"conv": "conv1", "norm": "bn1"}

CADENE = KeyLayout(
    "cadene",
    stem={"conv": "layer0.conv1", "norm": "layer0.bn1"}
    | {f"conv{n}": f"layer0.conv{n}" for n in (1, 2, 3)}
    | {f"norm{n}": f"layer0.bn{n}" for n in (1, 2, 3)},
    block="layer{stage}.{block}",
    parts=_parts("bn", "se_module.fc1", "se_module.fc2", "downsample"),
    head="last_linear",
)
TIMM = KeyLayout(
    "timm",
    stem=_PLAIN_STEM
    | {"conv1": "conv1.0", "norm1": "conv1.1", "conv2": "conv1.3"}
    | {"norm2": "conv1.4", "conv3": "conv1.6", "norm3": "bn1"},
    block="layer{stage}.{block}",
    parts=_parts("bn", "se.fc1", "se.fc2", "downsample"),
    head="fc",
)
MMPRETRAIN = KeyLayout(
    "mmpretrain",
    stem={ours: f"backbone.{theirs}" for ours, theirs in _PLAIN_STEM.items()},
    block="backbone.layer{stage}.{block}",
    parts=_parts("bn", "se_layer.conv1.conv", "se_layer.conv2.conv", "downsample"),
    head="head.fc",
)
LEEYEONSU = KeyLayout(
    "leeyeonsu",
    stem=_PLAIN_STEM,
    block="layers{stage}.{block}",
    parts=_parts("bn", "se.fc.0", "se.fc.2", "down_sample"),
    head="fc_out",
)

SENET = KeyLayout(
    "senet",
    stem={f"{kind}{n}": f"stem.{kind}{n}" for kind in ("conv", "norm") for n in ("", "1", "2", "3")},
    block="stage{stage}.{block}",
    parts={f"{kind}{n}": f"{kind}{n}" for kind in ("conv", "norm") for n in (1, 2, 3)}
    | {path: path for path in ("se.reduce", "se.expand", "shortcut.conv", "shortcut.norm")},
    head="head",
)
"""Our own module paths, as `senet train` writes them."""

LAYOUTS = {layout.name: layout for layout in (SENET, CADENE, TIMM, MMPRETRAIN, LEEYEONSU)}


def find_layout(name: str) -> KeyLayout:
    """The layout that a manifest names.

    Raises:
        ModelError: there is none of this name.
    """
    if name not in LAYOUTS:
        raise ModelError(f"the key layout `{name}` is not known", f"Known layouts: {', '.join(LAYOUTS)}.")
    return LAYOUTS[name]
