"""How a run is trained where the user does not say: decided from the images alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

from senet_cli.tasks.evaluate.accuracy import Share
from senet_cli.tasks.train.recipe import (
    Augment,
    Optimiser,
    TrainingOptions,
    TrainingRecipe,
    TrainPrecision,
    usual_rate,
)

_FINE_TUNING = ((100, 8, 60), (300, 8, 40), (1_000, 16, 30), (5_000, 32, 20), (20_000, 64, 15))
"""Up to so many images: images in a batch, and epochs. Small batches give few images enough steps."""
_FROM_RANDOM = ((300, 8, 100), (1_000, 16, 100), (5_000, 64, 60), (20_000, 128, 40))
_LARGE = {True: (128, 15), False: (128, 30)}
_SMALL = 64
"""Pixels of the input up to which a network counts as small."""
_FEW = 1_000
"""Up to so many images are varied more strongly."""
PROBE_IMAGES = 20_000
"""Of more images the features take about as long as training."""
_UNEVEN = 2.0
"""Classes count alike where the largest has so many times the images of the smallest."""
_TELLING = 30
"""Of fewer images that are held back, none tells a plateau from chance."""
_LEAST_PATIENCE = 8
_WEIGHT_DECAY: dict[Optimiser, float] = {"sgd": 5e-4, "adam": 0.01}
_WARMUP: dict[Optimiser, float] = {"sgd": 0.1, "adam": 0.3}
_EARLY = 0.1
"""Of large networks the first layers, which know edges and textures, change least, as fastai advises. The one
that sees small images did best with one rate for all (docs/fine-tuning.md)."""
_BF16_BATCH = 64
"""In smaller batches converting costs more than calculating in bf16 saves."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What decides how a run is trained.

    Args:
        counts: images to train on, class by class.
        held_back: images to measure with.
        fine_tuning: True if the run starts with trained weights.
        new_head: True if the head does not come with them.
        crop: side of the network's input in pixels.
        bf16: True if the device calculates in bf16.
    """

    counts: tuple[int, ...]
    held_back: int
    fine_tuning: bool
    new_head: bool
    crop: int = 32
    bf16: bool = False

    @property
    def images(self) -> int:
        """Images to train on."""
        return sum(self.counts)

    @property
    def uneven(self) -> bool:
        """True if some class has far more images than another."""
        present = [count for count in self.counts if count]
        return bool(present) and max(present) >= _UNEVEN * min(present)


def plan(facts: Facts, said: TrainingOptions) -> TrainingRecipe:
    """Decide what the user left open; what is said always holds.

    Args:
        facts: of the images and the start.
        said: by the user.
    """
    table = _FINE_TUNING if facts.fine_tuning else _FROM_RANDOM
    usual = next(((b, e) for most, b, e in table if facts.images <= most), _LARGE[facts.fine_tuning])
    batch_size, epochs = said.batch_size or usual[0], said.epochs or usual[1]
    automatic: TrainPrecision = "bf16" if facts.bf16 and batch_size >= _BF16_BATCH else "fp32"
    augment: Augment = "scale" if facts.fine_tuning and facts.images <= _FEW else "standard"
    probe = facts.fine_tuning and facts.new_head and facts.images <= PROBE_IMAGES
    probe = probe if said.probe is None else said.probe and facts.fine_tuning and facts.new_head
    tells = said.epochs is None and facts.held_back >= _TELLING
    patience = max(_LEAST_PATIENCE, epochs // 3) if tells else 0
    optimiser = said.optimiser or ("adam" if facts.fine_tuning else "sgd")
    rate = usual_rate(batch_size, fine_tuning=facts.fine_tuning, optimiser=optimiser)
    return TrainingRecipe(
        epochs=epochs,
        batch_size=batch_size,
        rate=rate if said.rate is None else said.rate,
        seed=said.seed or 0,
        augment=said.augment or augment,
        precision=automatic if said.precision is None or said.precision == "auto" else said.precision,
        freeze=said.freeze or 0,
        optimiser=optimiser,
        early=_EARLY if facts.fine_tuning and optimiser == "adam" and facts.crop > _SMALL else 1.0,
        weight_decay=_WEIGHT_DECAY[optimiser],
        warmup=_WARMUP[optimiser],
        deterministic=bool(said.deterministic),
        balance=facts.uneven if said.balance is None else said.balance,
        probe=probe,
        choose=(probe and said.freeze is None) if said.choose is None else said.choose,
        patience=patience if said.patience is None else said.patience,
    )


def class_weights(counts: tuple[int, ...]) -> list[float]:
    """Weigh classes so that each counts alike in the loss: 1 is the mean over all images."""
    images, present = sum(counts), sum(count > 0 for count in counts)
    return [images / (present * count) if count else 0.0 for count in counts]


def is_worse(one: Share, other: Share) -> bool:
    """Return True if `one` is right less often than `other`, by more than one standard error."""
    if not one.of or not other.of:
        return False
    first, second = one.right / one.of, other.right / other.of
    variance: float = first * (1 - first) / one.of + second * (1 - second) / other.of
    return second - first > math.sqrt(variance)
