"""Loading a model for a command."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from senet_cli.cli.console import note

if TYPE_CHECKING:
    from senet_cli.inference.classifier import Classifier, Model
    from senet_cli.inference.runtime import Runtime
    from senet_cli.settings import Settings
    from senet_cli.weights.taken import Taken


def load_classifier(
    model: Model, runtime: Runtime, settings: Settings, *, verbose: bool = False
) -> Classifier:
    """The classifier of a model; Pillow is imported while the network is compiled."""
    from senet_cli.inference.classifier import Classifier

    pillow = threading.Thread(target=_prepare_decoders, name="pillow", daemon=True)
    pillow.start()
    try:
        return Classifier.from_model(model, runtime, settings, lambda text: note(text, quiet=not verbose))
    finally:
        pillow.join()


def tell_taken(taken: Taken | None, key: str | None, *, shown: bool, quiet: bool) -> None:
    """Say which of a file's weights are used, always where there were several sets.

    Args:
        taken: what was; None: there was no choice.
        key: what was asked for.
        shown: True to say it in any case.
        quiet: True to say nothing.
    """
    if taken is None or not (shown or taken.chosen):
        return
    other = "; --weights-key takes another" if taken.chosen and key is None else ""
    if words := taken.in_words():
        note(f"{words}{other}", quiet=quiet)


def _prepare_decoders() -> None:
    """Damaged images get records; what else Pillow has to say of them is noise."""
    from senet_cli.images.decode import silence_decoders

    silence_decoders()
