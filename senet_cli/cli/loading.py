"""Loading a model for a command."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from senet_cli.classifier import Classifier, Model
    from senet_cli.engines.base import Precision


def load_classifier(model: Model, device: str, precision: Precision) -> Classifier:
    """The classifier of a model, with Pillow's own words silenced.

    Damaged images get records; what else Pillow has to say of them is noise.
    """
    from senet_cli.classifier import Classifier
    from senet_cli.images.decode import silence_decoders

    silence_decoders()
    return Classifier.from_model(model, device, precision)
