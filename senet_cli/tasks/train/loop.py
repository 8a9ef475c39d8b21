"""One pass over the images, forwards and backwards, and one pass to measure."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from senet_cli.errors import DivergedError, UsageError, advise
from senet_cli.nets.network import SENetwork
from senet_cli.nets.pixels import PixelNetwork
from senet_cli.tasks.train.mixing import CutMix
from senet_cli.tasks.train.recipe import TrainingRecipe, TrainPrecision
from senet_cli.tasks.train.samples import Batch
from senet_cli.tasks.train.teachers import Teachers

_SLOWER = advise("smaller-rate")

Progress = Callable[[int], None]
"""Called with the number of images done in this pass."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one epoch gave.

    Args:
        number: from 1.
        rate: learning rate at its end.
        loss: mean training loss, with label smoothing and teachers.
        accuracy: top-1 on the augmented training images, 0..1.
        held_back_loss, held_back_accuracy: cross entropy and top-1 on the images that are held back; NaN
            where there are none.
        seconds: for training and measuring.
    """

    number: int
    rate: float
    loss: float
    accuracy: float
    held_back_loss: float
    held_back_accuracy: float
    seconds: float


def best_epoch(log: Sequence[Epoch]) -> int:
    """Find the epoch with the lowest loss on what is held back; 0 of none, the last where nothing is."""
    measured = [epoch for epoch in log if not math.isnan(epoch.held_back_loss)]
    if not measured:
        return log[-1].number if log else 0
    return min(measured, key=lambda epoch: epoch.held_back_loss).number


class Trainer:
    """A network with its optimiser.

    Args:
        pixels: the network with its first weights.
        teachers: what it learns from beside the labels.
        recipe: the numbers.
        weights: of the classes in the loss, float (classes,); None: all 1.
    """

    def __init__(
        self, pixels: PixelNetwork, teachers: Teachers, recipe: TrainingRecipe, weights: Tensor | None = None
    ) -> None:
        if recipe.deterministic:  # CUDA's linear algebra asks for it
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(recipe.deterministic)
        self.recipe = recipe
        self.network, self.pixels, self.device = pixels.network, pixels, pixels.device
        self._teachers = teachers
        self._weights = None if weights is None else weights.float().to(pixels.device)
        self._mix = CutMix(pixels.network.spec.classes) if recipe.augment == "cutmix" else None
        self.unreadable: list[str] = []
        _freeze(self.network, recipe.freeze)
        self.optimiser = _optimiser(self.network, recipe)

    def train(
        self, batches: Iterable[Batch], first_step: int, steps: int, progress: Progress
    ) -> tuple[float, float]:
        """Train for one pass; the learning rate follows the recipe from step `first_step` of `steps` on.

        Returns:
            Mean loss, and top-1 accuracy 0..1, both on the augmented images.

        Raises:
            DivergedError: the loss became infinite or NaN.
            UsageError: none of the images can be read.
        """
        self._training_mode()
        total, right, done = 0.0, 0, 0
        for number, (pixels, wanted, unreadable) in enumerate(batches):
            self.unreadable += unreadable
            if len(wanted) == 0:
                continue
            for group in self.optimiser.param_groups:
                part = group.get("part", 1.0)  # older runs have none
                group["lr"] = part * self.recipe.rate_at(first_step + number, steps)
            seen, shown = self._mix(pixels, wanted) if self._mix else (pixels, wanted)
            targets = shown.to(self.device)
            logits = self.logits(seen, self.recipe.precision)
            loss = functional.cross_entropy(
                logits, targets, self._weights, label_smoothing=self.recipe.label_smoothing
            )
            loss = self._teachers.loss(logits, seen, loss)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            total += float(loss.detach()) * len(targets)
            if not math.isfinite(total):
                raise DivergedError(f"the loss is {total} at step {first_step + number}", _SLOWER)
            largest = targets if targets.ndim == 1 else targets.argmax(1)
            right += int((logits.argmax(1) == largest).sum())
            done += len(targets)
            progress(done)
        if not done:
            raise UsageError(f"no image can be read; the first: {self.unreadable[0]}")
        if not all(torch.isfinite(tensor).all() for tensor in self.network.state_dict().values()):
            raise DivergedError("the weights are no longer finite", _SLOWER)
        return total / done, right / done

    def logits(self, pixels: Tensor, precision: TrainPrecision) -> Tensor:
        """Map (N, 3, H, W) uint8 -> float32 (N, classes)."""
        images = pixels.to(self.device).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=precision == "bf16"):
            logits = self.pixels.logits(images)
        return logits.float()

    def _training_mode(self) -> None:
        """Frozen stages stay in evaluation mode: their batch norms keep their statistics."""
        self.network.train()
        for part in frozen_parts(self.network, self.recipe.freeze):
            part.eval()


def frozen_parts(network: SENetwork, stages: int) -> list[nn.Module]:
    """List the parts that do not learn: none, or the stem and the first `stages` stages."""
    if stages == 0:
        return []
    return [network.stem, *(network.get_submodule(name) for name in network.stages[:stages])]


def _freeze(network: SENetwork, stages: int) -> None:
    for part in frozen_parts(network, stages):
        part.requires_grad_(False)


def _optimiser(network: SENetwork, recipe: TrainingRecipe) -> torch.optim.Optimizer:
    if recipe.optimiser == "sgd":
        groups = _groups(network.parameters(), recipe.weight_decay, 1.0)
        return torch.optim.SGD(groups, lr=recipe.rate, momentum=recipe.momentum, nesterov=True)
    groups = [
        group
        for part, parameters in _parts(network, recipe.early)
        for group in _groups(parameters, recipe.weight_decay, part)
    ]
    return torch.optim.AdamW(groups, lr=recipe.rate, betas=(recipe.momentum, 0.99), eps=1e-5)


def _parts(network: SENetwork, early_part: float) -> list[tuple[float, list[nn.Parameter]]]:
    """Part of the rate for each part of the network; see `TrainingRecipe.early`."""
    half = -(-len(network.stages) // 2)
    first = [network.stem, *(network.get_submodule(name) for name in network.stages[:half])]
    early = [parameter for module in first for parameter in module.parameters()]
    head = list(network.head.parameters())
    known = {id(parameter) for parameter in (*early, *head)}
    late = [parameter for parameter in network.parameters() if id(parameter) not in known]
    return [(early_part, early), (math.sqrt(early_part), late), (1.0, head)]


def _groups(parameters: Iterable[nn.Parameter], weight_decay: float, part: float) -> list[dict[str, object]]:
    """Parameters that shrink (weights of convolutions and linear maps) and those that do not."""
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay, "part": part},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0, "part": part},
    ]


def calculates_bf16(device: str) -> bool:
    """Return True if the device calculates in bf16 itself, so that training in it is faster."""
    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device != "cpu":
        return False
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # since PyTorch 2.11
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
