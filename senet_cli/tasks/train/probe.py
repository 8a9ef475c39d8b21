"""A linear probe: logistic regression on the features of a network that stays as it is."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional

from senet_cli.nets.pixels import PixelNetwork
from senet_cli.tasks.train.samples import Batch

STRENGTHS = (0.01, 0.1, 1.0, 10.0)
"""Inverse strengths of the penalty that are tried (scikit-learn's `C`), on features of unit variance."""
USUAL_STRENGTH = 0.1
_FOLDS = 5
_MOST_WORK = 10**8
"""Images x features x classes up to which all strengths are tried."""
_STEPS = 200
_FACTORS = tuple(2.0 ** (-number / 4) for number in range(41))


@torch.no_grad()
def features_of(pixels: PixelNetwork, batches: Iterable[Batch]) -> tuple[Tensor, Tensor]:
    """Compute the features of images, in evaluation mode.

    Args:
        pixels: the network.
        batches: images and classes.

    Returns:
        Features float64 (N, channels) and classes int64 (N,), on the CPU; images that cannot be read are
        left out.
    """
    pixels.network.eval()
    found: list[Tensor] = []
    targets: list[Tensor] = []
    for images, wanted, _ in batches:
        if len(wanted):
            found.append(pixels.features(images.to(pixels.device)).double().cpu())
            targets.append(wanted)
    return torch.cat(found), torch.cat(targets)


def fit_head(
    features: Tensor, targets: Tensor, classes: int, weights: Tensor, smoothing: float
) -> tuple[Tensor, Tensor]:
    """Fit a head by logistic regression, with the strength of penalty that cross-validation prefers.

    Its logits are then made as small as the smoothed labels ask for, all by one factor: the answers stay, and
    training does not begin with a loss that drives the whole network.

    Args:
        features: float64 (N, channels).
        targets: int64 (N,).
        classes: outputs of the head.
        weights: of the classes in the loss, float64 (classes,).
        smoothing: of the labels in the training that follows, 0..1.

    Returns:
        Weight (classes, channels) and bias (classes,), float64.
    """
    mean = features.mean(0)
    scale = features.std(0, correction=0)
    scale[scale == 0] = 1.0  # as scikit-learn's StandardScaler
    scaled = (features - mean) / scale
    strength = _preferred(scaled, targets, classes, weights)
    weight, bias = logistic_regression(scaled, targets, classes, weights, strength)
    factor = _softer(scaled @ weight.T + bias, targets, weights, smoothing)
    weight = factor * weight / scale
    return weight, factor * bias - weight @ mean


def logistic_regression(
    features: Tensor, targets: Tensor, classes: int, weights: Tensor, strength: float
) -> tuple[Tensor, Tensor]:
    """Minimise strength x (weighted sum of cross entropies) + half the squared norm of the weights.

    That is scikit-learn's `LogisticRegression(C=strength)`; the bias has no penalty.

    Returns:
        Weight (classes, channels) and bias (classes,).
    """
    parameters = torch.zeros(classes, features.shape[1] + 1, dtype=features.dtype, requires_grad=True)
    scale = strength * len(features)
    optimiser = torch.optim.LBFGS(
        [parameters],
        max_iter=_STEPS,
        tolerance_grad=1e-6,
        tolerance_change=1e-10,
        history_size=10,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Tensor:
        optimiser.zero_grad()
        logits = features @ parameters[:, :-1].T + parameters[:, -1]
        each = functional.cross_entropy(logits, targets, weight=weights, reduction="none")
        value: Tensor = each.mean() + 0.5 * parameters[:, :-1].square().sum() / scale
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    fitted = parameters.detach()
    return fitted[:, :-1], fitted[:, -1]


def _softer(logits: Tensor, targets: Tensor, weights: Tensor, smoothing: float) -> float:
    """Find the factor, at most 1, by which logits have the lowest loss with smoothed labels."""
    losses = [
        float(functional.cross_entropy(factor * logits, targets, weights, label_smoothing=smoothing))
        for factor in _FACTORS
    ]
    best: float = _FACTORS[losses.index(min(losses))]
    return best


def _preferred(features: Tensor, targets: Tensor, classes: int, weights: Tensor) -> float:
    """Choose the strength that predicts best the images that it was not fitted to."""
    if len(features) < 2 * _FOLDS or features.numel() * classes > _MOST_WORK:
        return USUAL_STRENGTH
    fold = _folds(targets)
    right = dict.fromkeys(STRENGTHS, 0.0)
    for strength in STRENGTHS:
        for number in range(_FOLDS):
            apart = fold == number
            weight, bias = logistic_regression(features[~apart], targets[~apart], classes, weights, strength)
            logits = features[apart] @ weight.T + bias
            right[strength] -= float(functional.cross_entropy(logits, targets[apart], reduction="sum"))
    return max(STRENGTHS, key=lambda strength: right[strength])


def _folds(targets: Tensor) -> Tensor:
    """Spread the images of each class over the folds, in the order in which they come."""
    fold = torch.empty_like(targets)
    for target in set(targets.tolist()):
        members = (targets == target).nonzero().flatten()
        fold[members] = (torch.arange(len(members)) + target) % _FOLDS
    return fold
