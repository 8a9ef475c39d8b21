"""What is said of a publisher: key names, spelling, wrapper, software, peculiarities.

A layout maps the path of one of our modules (`stage2.0.se.reduce`) to the publisher's. It is a one-to-one
map, so it serves reading and writing alike. Facts from the publishers' model files, which
`docs/architecture.md` names.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from senet_cli.catalogue.entries import Preprocess
from senet_cli.specs import Spec

Container = Literal["safetensors", "torch"]
_BLOCK_MODULE = re.compile(r"stage(?P<stage>\d+)\.(?P<block>\d+)\.(?P<part>.+)")
PLAIN_STEM = {"conv": "conv1", "norm": "bn1"}


@dataclass(frozen=True, slots=True)
class KeyLayout:
    """Names of one publisher.

    Args:
        name: as the manifest writes it.
        stem: our stem modules, from `stem.` on, to theirs.
        block: path of a block, with `{stage}` from 1 and `{block}` from 0, or `{unit}` from 1.
        parts: our modules within a block to theirs.
        head: path of the classifier.
        final: path of the batch norm behind the last block, where there is one.
    """

    name: str
    stem: dict[str, str]
    block: str
    parts: dict[str, str]
    head: str
    final: str | None = None

    def module(self, ours: str) -> str:
        """Translate our module path into the publisher's.

        Raises:
            KeyError: the layout has no such module (a deep stem where the publisher has none).
        """
        if ours == "head":
            return self.head
        if ours == "final.norm" and self.final:
            return self.final
        if match := _BLOCK_MODULE.fullmatch(ours):
            prefix = self.block_prefix(int(match["stage"]), int(match["block"]))
            return prefix + self.parts[match["part"]]
        return self.stem[ours.removeprefix("stem.")]

    def block_prefix(self, stage: int, block: int) -> str:
        """Say how the publisher's names of a block's modules begin; stage from 1, block from 0."""
        return self.block.format(stage=stage, block=block, unit=block + 1) + "."

    def key(self, ours: str) -> str:
        """Translate our tensor key into the publisher's (`head.bias` -> `last_linear.bias`)."""
        module, _, tensor = ours.rpartition(".")
        return f"{self.module(module)}.{tensor}"


@dataclass(frozen=True, slots=True)
class Style:
    """How a publisher's files spell what the names do not say.

    Args:
        convolutional_se: True for SE weights as 1x1 convolutions (4-D), False for linear maps (2-D).
        counters: True for batch norms with `num_batches_tracked`.
        wrapper: what a torch file has around the state dict, under the key `state_dict`; None: nothing.
    """

    convolutional_se: bool
    counters: bool
    wrapper: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A file in a publisher's layout, for whose software we say how it loads it.

    Args:
        path: where it lies.
        container: kind of file.
        classes: rows of its head.
    """

    path: Path
    container: Container
    classes: int

    @property
    def state_dict(self) -> str:
        """Python that reads the tensors of a file without a wrapper."""
        reader = "safetensors.torch.load_file" if self.container == "safetensors" else "torch.load"
        return f'{reader}("{self.path}")'


Loader = Callable[[str, WrittenFile], str]
"""From the software's name of a network, and a file, to the line that loads it."""


@dataclass(frozen=True, slots=True)
class Publisher:
    """Somebody whose files of weights we read.

    Args:
        name: as the manifest's aliases begin (`timm/seresnet50`).
        layouts: the key names; more than one where they differ from network to network.
        style: how the files are spelled; None where none are written, only read.
        choose: the layout for networks of a structure; None where the first is for all.
        loader: what loads a file in the publisher's software; None where no software is known.
        by_key: True if that software knows networks by our architecture keys, not by the aliases.
        preprocess: from what is usual for an architecture to the publisher's; None: the usual.
    """

    name: str
    layouts: tuple[KeyLayout, ...]
    style: Style | None
    choose: Callable[[Spec], KeyLayout] | None = None
    loader: Loader | None = None
    by_key: bool = False
    preprocess: Callable[[Preprocess], Preprocess] | None = None

    def layout_for(self, spec: Spec) -> KeyLayout:
        """Choose the layout of networks of this structure."""
        return self.choose(spec) if self.choose else self.layouts[0]

    def preprocess_of(self, usual: Preprocess) -> Preprocess:
        """Say how images are prepared for this publisher's weights; `usual` is the architecture's."""
        return self.preprocess(usual) if self.preprocess else usual


def block_parts(norm: str, reduce: str, expand: str, shortcut: str) -> dict[str, str]:
    """List the names that vary within a block; most publishers call convolutions conv1, conv2, ..."""
    convs = {f"conv{n}": f"conv{n}" for n in (1, 2, 3)}
    norms = {f"norm{n}": f"{norm}{n}" for n in (1, 2, 3)}
    se = {"se.reduce": reduce, "se.expand": expand}
    return convs | norms | se | {"shortcut.conv": f"{shortcut}.0", "shortcut.norm": f"{shortcut}.1"}
