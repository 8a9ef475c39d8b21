"""What turns a network's outputs into scores."""

from __future__ import annotations

from typing import Literal, get_args

from senet_cli.errors import CheckpointError, advise

Activation = Literal["softmax", "sigmoid", "none"]
"""Probabilities that sum to 1, a probability for each class by itself, or the outputs as they are."""
ACTIVATIONS: tuple[Activation, ...] = get_args(Activation)


def check_activation(activation: Activation, classes: int, model: str) -> None:
    """Make sure that the scores can differ from image to image.

    Args:
        activation: of the model.
        classes: number of its outputs.
        model: for the message.

    Raises:
        CheckpointError: there is one output, and its softmax is 1 whatever it is.
    """
    if activation == "softmax" and classes == 1:
        raise CheckpointError(
            f"`{model}` has one output, so its softmax is 1 for every image",
            advise("choose-activation"),
        )
