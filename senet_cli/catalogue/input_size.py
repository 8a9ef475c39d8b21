"""At which size a network sees images: the publisher's usual one, their larger one for tests, or another."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from senet_cli.catalogue.entries import Architecture, Checkpoint, Preprocess
from senet_cli.errors import UsageError, advise
from senet_cli.specs import Spec

SizeRecipe = Literal["default", "test"]
MAX_SIZE = 4096
"""Pixels; a manifest may not hold larger crops either."""


@dataclass(frozen=True, slots=True)
class InputSize:
    """What was asked for.

    Args:
        image_size: side of the crop in pixels; resizing before it keeps the checkpoint's own ratio. None: as
            the recipe says.
        recipe: "default", or "test" for the larger size that the publisher tests at.
    """

    image_size: int | None = None
    recipe: SizeRecipe = "default"

    def check(self) -> None:
        """Find contradictions before any work is done.

        Raises:
            UsageError: both a size and the test recipe, or a size that none can be.
        """
        if self.recipe not in {"default", "test"}:
            raise UsageError(f"there is no recipe `{self.recipe}`", "Use `default` or `test`.")
        if self.image_size is None:
            return
        if self.recipe == "test":
            raise UsageError("an image size and the test recipe are two sizes", advise("choose-one-size"))
        if not 1 <= self.image_size <= MAX_SIZE:
            raise UsageError(f"image size {self.image_size} is out of range (1 to {MAX_SIZE})")

    def of_checkpoint(self, checkpoint: Checkpoint) -> Preprocess:
        """Prepare images for a checkpoint at this size.

        Raises:
            UsageError: it has no test recipe, or the network needs larger images.
        """
        usual = checkpoint.preprocess
        if self.recipe == "default":
            return self.of(usual, checkpoint.architecture.spec, checkpoint.name)
        if checkpoint.test_preprocess is None:
            raise UsageError(
                f"`{checkpoint.name}` has no test recipe: {usual.crop} is its only published size",
                advise("choose-size"),
            )
        return checkpoint.test_preprocess

    def of_architecture(self, architecture: Architecture) -> Preprocess:
        """Prepare images for your own weights at this size.

        Raises:
            UsageError: a test recipe, which nobody published for them, or the network needs larger images.
        """
        if self.recipe == "test":
            raise UsageError("weights of your own have no published test recipe", advise("choose-size"))
        return self.of(architecture.preprocess, architecture.spec, architecture.key)

    def of(self, usual: Preprocess, spec: Spec, name: str) -> Preprocess:
        """Derive a preprocessing at this size; `name` stands for the network in messages.

        Raises:
            UsageError: the network cannot take such images.
        """
        if self.image_size is None:
            return usual
        if self.image_size < spec.stride:
            raise UsageError(
                f"image size {self.image_size} is too small for `{name}`",
                f"The network shrinks images {spec.stride}-fold; use at least {spec.stride} pixels. "
                f"Its usual size is {usual.crop}.",
            )
        if problem := spec.size_problem(self.image_size):
            raise UsageError(f"`{name}`: {problem}", f"Its usual size is {usual.crop}.")
        resize = round(self.image_size * usual.resize / usual.crop)
        if resize > MAX_SIZE:
            raise UsageError(
                f"`{name}`: for {self.image_size} pixels an image is resized to {resize}",
                f"That may be at most {MAX_SIZE}; give a smaller size.",
            )
        return replace(usual, resize=resize, crop=self.image_size)


USUAL_SIZE = InputSize()
"""The one whose accuracy `senet info` shows."""
