"""How a network is trained, as numbers: optimiser, warm-up, cosine decay, label smoothing."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Literal

Augment = Literal["standard", "scale", "cutmix", "none"]
Optimiser = Literal["sgd", "adam"]
TrainPrecision = Literal["fp32", "bf16"]

_SCRATCH_RATE, _FINE_TUNING_RATE, _ADAM_RATE = 0.1, 0.012, 0.001
_RATE_BATCH = 128
"""Learning rates are given for batches of this many images."""


@dataclass(frozen=True, slots=True)
class TrainingRecipe:
    """What decides the weights that come out, together with data and architecture.

    Args:
        epochs: passes over the training images.
        batch_size: images for one step.
        rate: highest learning rate, reached after the warm-up.
        seed: of the initial weights, the order of the images and their augmentation.
        augment: "standard" shifts by up to an eighth and mirrors small images and takes random crops of large
            ones; "scale" also zooms in and out and changes light and colour; "cutmix" also lays patches of
            images over others; "none" changes nothing.
        precision: of the forward and backward pass; weights and their updates are float32.
        freeze: the stem and this many stages keep their weights; 0 trains all.
        optimiser: "sgd" with Nesterov's momentum, or "adam", AdamW, whose steps are of the same size whatever
            the gradients are.
        early: part of the rate with which Adam trains the stem and the first half of the stages; the other
            stages have the geometric mean of that and the head's.
        momentum: of SGD.
        weight_decay: on convolution and linear weights, not on biases and batch norms.
        label_smoothing: probability spread over all classes.
        warmup: part of all steps in which the learning rate rises.
        deterministic: True to refuse operations whose result may vary from run to run.
        balance: True to weigh the loss so that each class counts alike.
        probe: True to begin with a head that is fitted to the features (logistic regression), so that
            fine-tuning does not begin by undoing what the features know (arXiv 2202.10054).
        choose: True to keep that head with the network as it was, where training has made it worse.
        patience: epochs without a lower loss on what is held back, after which a run ends; 0: never.
    """

    epochs: int
    batch_size: int
    rate: float
    seed: int = 0
    augment: Augment = "standard"
    precision: TrainPrecision = "fp32"
    freeze: int = 0
    optimiser: Optimiser = "sgd"
    early: float = 1.0
    momentum: float = 0.9
    weight_decay: float = 5e-4
    label_smoothing: float = 0.1
    warmup: float = 0.1
    deterministic: bool = False
    balance: bool = False
    probe: bool = False
    choose: bool = False
    patience: int = 0

    def rate_at(self, step: int, steps: int) -> float:
        """Return the learning rate of step `step` (from 0) of `steps`: a line up, then half a cosine down."""
        rising = max(1, round(self.warmup * steps))
        if step < rising:
            return self.rate * (step + 1) / rising
        done = (step - rising) / max(1, steps - rising)
        return self.rate * 0.5 * (1 + math.cos(math.pi * done))


def usual_rate(batch_size: int, *, fine_tuning: bool, optimiser: Optimiser = "sgd") -> float:
    """Return the learning rate for runs where none is given.

    With SGD it grows from random weights with the batch (arXiv 1706.02677), in fine-tuning with its square
    root (arXiv 1404.5997, section 5): small batches would hardly move the network otherwise.
    """
    if optimiser == "adam":
        return _ADAM_RATE
    if fine_tuning:
        return _FINE_TUNING_RATE * math.sqrt(batch_size / _RATE_BATCH)
    return _SCRATCH_RATE * batch_size / _RATE_BATCH


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions:
    """What a user says of a recipe; what is None is left to `tasks.train.plan`.

    Args:
        rate: highest learning rate.
        precision: "auto" takes bf16 where the device calculates in it.
        epochs, batch_size, seed, augment, freeze, optimiser, deterministic, balance, probe, choose, patience:
            as in `TrainingRecipe`.
    """

    epochs: int | None = None
    batch_size: int | None = None
    rate: float | None = None
    seed: int | None = None
    augment: Augment | None = None
    precision: Literal["auto", "fp32", "bf16"] | None = None
    freeze: int | None = None
    optimiser: Optimiser | None = None
    deterministic: bool | None = None
    balance: bool | None = None
    probe: bool | None = None
    choose: bool | None = None
    patience: int | None = None

    def over(self, earlier: TrainingOptions) -> TrainingOptions:
        """Take from `earlier` what is not said here; who says how many epochs wants all of them."""
        if self.epochs is not None and self.patience is None:
            earlier = replace(earlier, patience=0)
        said = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(earlier, **{name: value for name, value in said.items() if value is not None})
