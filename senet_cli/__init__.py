"""Pretrained Squeeze-and-Excitation networks: `Classifier`, `create_model` and the networks by name.

Importing this package imports nothing heavy; each name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from senet_cli.images.coerce import load_image
    from senet_cli.inference.classifier import Classifier
    from senet_cli.inference.records import Prediction
    from senet_cli.nets.named import SEResNet, SEResNeXt
    from senet_cli.nets.parts import SqueezeExcitation
    from senet_cli.tasks.networks import create_model, list_models, load_network

__all__ = [
    "Classifier",
    "Prediction",
    "SEResNeXt",
    "SEResNet",
    "SqueezeExcitation",
    "create_model",
    "list_models",
    "load_image",
    "load_network",
]

_HOMES = {
    "Classifier": "senet_cli.inference.classifier",
    "Prediction": "senet_cli.inference.records",
    "SEResNeXt": "senet_cli.nets.named",
    "SEResNet": "senet_cli.nets.named",
    "SqueezeExcitation": "senet_cli.nets.parts",
    "create_model": "senet_cli.tasks.networks",
    "list_models": "senet_cli.tasks.networks",
    "load_image": "senet_cli.images.coerce",
    "load_network": "senet_cli.tasks.networks",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("senet")
        except PackageNotFoundError:
            return "unknown"
    raise AttributeError(f"module `senet_cli` has no attribute `{name}`")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
