"""What tells a network and its preprocessing from others, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from senet_cli.catalogue.entries import Preprocess
from senet_cli.specs import Spec
from senet_cli.specs.declare import Trait


def sizes_in_words(preprocess: Preprocess) -> str:
    """Say how large an image is when the network sees it."""
    return f"shorter edge to {preprocess.resize} ({preprocess.interpolation}), centre crop {preprocess.crop}"


def preprocess_in_words(preprocess: Preprocess) -> str:
    """Say what happens to an image before the network sees it."""
    cut = sizes_in_words(preprocess)
    if set(preprocess.std) == {1 / 255}:  # Caffe's way
        return f"{cut}, RGB 0..255 minus {' '.join(f'{255 * value:g}' for value in preprocess.mean)}"
    mean = " ".join(f"{value:g}" for value in preprocess.mean)
    std = " ".join(f"{value:g}" for value in preprocess.std)
    return f"{cut}, RGB 0..1, mean {mean}, std {std}"


def structure_in_words(spec: Spec) -> str:
    """Name the parts of a network that tell it from its relatives."""
    return _in_words(trait for trait in spec.traits() if trait.said)


def only_in(one: Spec, other: Spec) -> str:
    """Say what the first network has and the second lacks; empty if only the number of classes differs."""
    known = {*other.traits()}
    return _in_words(trait for trait in one.traits() if trait not in known)


def differences(specs: Mapping[str, Spec]) -> dict[str, str]:
    """Say what each network does not share with all others, under the same keys."""
    common = set[Trait].intersection(*({*spec.traits()} for spec in specs.values()))
    return {
        key: _in_words(trait for trait in spec.traits() if trait not in common) for key, spec in specs.items()
    }


def _in_words(traits: Iterable[Trait]) -> str:
    return ", ".join(trait.words for trait in traits)
