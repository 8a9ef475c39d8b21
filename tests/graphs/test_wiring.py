"""The two ways in which networks are written down, torch modules and wiring, say the same."""

from __future__ import annotations

import pytest
import torch

from senet_cli.catalogue.lookup import load_manifest
from senet_cli.graphs.parameters import expected_shapes
from senet_cli.nets.network import SENetwork
from senet_cli.specs import ArchSpec, Spec

SPECS = {key: architecture.spec for key, architecture in load_manifest().architectures.items()}


def of_the_module(spec: Spec) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        return {key: tuple(value.shape) for key, value in SENetwork(spec).state_dict().items()}


def shallow(spec: Spec) -> Spec:
    return spec.shallow() if isinstance(spec, ArchSpec) else spec


def different(specs: dict[str, Spec]) -> list[str]:
    """Those whose tensors differ in names, order or shapes."""
    return [
        key
        for key, spec in specs.items()
        if list(of_the_module(spec).items()) != list(expected_shapes(spec).items())
    ]


def test_both_hold_the_same_tensors_in_the_same_order() -> None:
    distinct = {shallow(spec): key for key, spec in SPECS.items()}
    assert len(distinct) > 30
    assert different({key: spec for spec, key in distinct.items()}) == []


@pytest.mark.slow
def test_both_hold_the_same_tensors_at_full_depth() -> None:
    assert different(SPECS) == []


def test_the_plain_twins_too() -> None:
    twins = {shallow(spec.without_se()): key for key, spec in SPECS.items()}
    assert different({key: spec for spec, key in twins.items()}) == []
