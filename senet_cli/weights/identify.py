"""Which architectures a file fits: all of its tensors, in number, name and shape.

Networks with the same tensors can still differ (stride, pool padding, a ReLU), so several may fit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from senet_cli.catalogue.entries import Architecture
from senet_cli.errors import CheckpointError, advise
from senet_cli.graphs.parameters import expected_shapes
from senet_cli.weights.arrays import State
from senet_cli.weights.publishers import LAYOUTS, KeyLayout
from senet_cli.weights.read import fit_to_keys, recognise_layout

_NOT_TRAINED = ("running_mean", "running_var", "num_batches_tracked")
_NEAREST = 6
"""Architectures that are looked at to find the nearest."""


@dataclass(frozen=True, slots=True)
class Fit:
    """An architecture that a file fits.

    Args:
        architecture: with the file's number of classes.
        layout: whose key names the file uses.
    """

    architecture: Architecture
    layout: KeyLayout


def fitting(tensors: State, known: Iterable[Architecture], path: Path) -> tuple[Fit, ...]:
    """Find all architectures of `known` that the tensors of the file at `path` fit exactly, at least one.

    Raises:
        CheckpointError: none fits; the message says which is nearest and why it does not fit.
    """
    classes = _classes(tensors, path)
    architectures = [_with_classes(architecture, classes) for architecture in known]
    count = sum(value.size for key, value in tensors.items() if not key.endswith(_NOT_TRAINED))
    same = [entry for entry in architectures if entry.spec.parameters() == count]
    fits = tuple(fit for entry in same if (fit := _fit(tensors, entry, path)))
    if not fits:
        raise _nothing_fits(tensors, architectures, count, path)
    return fits


def fit_of(tensors: State, architecture: Architecture, path: Path) -> Fit:
    """Fit a file's tensors to an architecture with the file's number of classes.

    Raises:
        CheckpointError: it does not fit.
    """
    architecture = _with_classes(architecture, _classes(tensors, path))
    layout = recognise_layout(tensors, architecture.spec, path)
    fit_to_keys(tensors, architecture.spec, layout, path)
    return Fit(architecture, layout)


def _fit(tensors: State, architecture: Architecture, path: Path) -> Fit | None:
    try:
        return fit_of(tensors, architecture, path)
    except CheckpointError:
        return None


def _with_classes(architecture: Architecture, classes: int) -> Architecture:
    return replace(architecture, spec=architecture.spec.with_classes(classes))


def _classes(tensors: State, path: Path) -> int:
    """Rows of the classifier's weights, whoever named them."""
    for layout in LAYOUTS.values():
        head = tensors.get(layout.key("head.weight"))
        if head is not None and head.ndim and len(head):
            return len(head)
    held = ", ".join(list(tensors)[:3])[:200]
    heads = ", ".join(dict.fromkeys(layout.key("head.weight") for layout in LAYOUTS.values()))
    raise CheckpointError(
        f"`{path}` has no classifier under a name that is known ({heads}); it holds {held} ...",
        "Only whole networks for classification are read, with key names of one of the known layouts.",
    )


def _nothing_fits(
    tensors: State, architectures: Sequence[Architecture], count: int, path: Path
) -> CheckpointError:
    """Say what is wrong with the architecture that shares most tensors with the file."""
    by_count = {entry.spec.parameters(): entry for entry in reversed(architectures)}
    close = sorted(by_count, key=lambda number: abs(math.log(max(1, number) / max(1, count))))
    nearest = max((by_count[number] for number in close[:_NEAREST]), key=lambda e: _shared(tensors, e, path))
    try:
        fit_of(tensors, nearest, path)
    except CheckpointError as misfit:
        return CheckpointError(
            f"{misfit.message}. Of the {len(architectures)} architectures `{nearest.key}` is the nearest",
            "Is the network changed, or of another kind?",
            advise("list-architectures"),
        )
    raise AssertionError("an architecture fits whose parameters are another number")


def _shared(tensors: State, architecture: Architecture, path: Path) -> int:
    """Count the tensors that the file and the architecture have in common."""
    try:
        layout = recognise_layout(tensors, architecture.spec, path)
    except CheckpointError:
        return 0
    shared = 0
    for key, shape in expected_shapes(architecture.spec).items():
        try:
            value = tensors.get(layout.key(key))
        except KeyError:  # a part that this publisher has no name for
            continue
        shared += value is not None and value.size == math.prod(shape)
    return shared
