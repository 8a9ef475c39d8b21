"""Pretrained Squeeze-and-Excitation networks: `Classifier`, `create_model` and the networks by name.

Importing this package imports nothing heavy; each name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from senet_cli.api import create_model, list_models
    from senet_cli.classifier import Classifier
    from senet_cli.models.named import SEResNet, SEResNeXt
    from senet_cli.models.parts import SqueezeExcitation
    from senet_cli.records import Prediction

__all__ = [
    "Classifier",
    "Prediction",
    "SEResNeXt",
    "SEResNet",
    "SqueezeExcitation",
    "create_model",
    "list_models",
]

_HOMES = {
    "Classifier": "senet_cli.classifier",
    "Prediction": "senet_cli.records",
    "SEResNeXt": "senet_cli.models.named",
    "SEResNet": "senet_cli.models.named",
    "SqueezeExcitation": "senet_cli.models.parts",
    "create_model": "senet_cli.api",
    "list_models": "senet_cli.api",
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
