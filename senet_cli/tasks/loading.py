"""Loading a model for a task that classifies images."""

from __future__ import annotations

import threading

from senet_cli.catalogue.traits import preprocess_in_words
from senet_cli.events import ModelLoading, ModelReady, Reporter
from senet_cli.inference.models import FromFile, RunnableModel
from senet_cli.inference.predictor import Predictor
from senet_cli.inference.runtime import ComputeOptions, Runtime
from senet_cli.settings import Settings


def load_predictor(
    model: RunnableModel,
    runtime: Runtime,
    compute: ComputeOptions,
    settings: Settings,
    reporter: Reporter,
) -> tuple[Predictor, int]:
    """Load a model, and import Pillow meanwhile; returns it with the size of its batches.

    Raises:
        SenetError: the model cannot be loaded.
    """
    pillow = threading.Thread(target=_prepare_decoders, name="pillow", daemon=True)
    pillow.start()
    reporter.report(ModelLoading(model.name))
    try:
        predictor = Predictor.load(model, runtime, settings, reporter)
    finally:
        pillow.join()
    # again: converting a network puts back the filters of warnings that it found, whatever came in between
    _prepare_decoders()
    batch_size = compute.batch_size or predictor.batch_size
    start = model.start
    reporter.report(
        ModelReady(
            name=model.name,
            architecture=model.architecture.key,
            start=str(start.path) if isinstance(start, FromFile) else f"its conversion {start.folder}",
            runtime=str(runtime),
            preprocessing=preprocess_in_words(model.preprocess),
            batch_size=batch_size,
            jobs=compute.jobs,
        )
    )
    return predictor, batch_size


def _prepare_decoders() -> None:
    """Damaged images get records; what else Pillow has to say of them is noise."""
    from senet_cli.images.decode import silence_decoders

    silence_decoders()
