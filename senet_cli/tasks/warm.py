"""Get models ready: downloaded, verified and converted for OpenVINO."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from senet_cli.catalogue.input_size import InputSize
from senet_cli.catalogue.resolve import ModelRef
from senet_cli.events import Reporter
from senet_cli.inference.conversions import ensure_converted
from senet_cli.inference.resolve import Resolver
from senet_cli.inference.runtime import resolve_runtime
from senet_cli.settings import Settings


def warm(
    names: Sequence[str], size: InputSize, settings: Settings, reporter: Reporter
) -> Iterator[tuple[str, Path]]:
    """Convert each model that is not converted yet; gives its name and the folder of the conversion.

    Raises:
        SenetError: a model cannot be had, converted or kept.
    """
    runtime = resolve_runtime("openvino", "cpu", "fp32")
    resolver = Resolver.load(settings, reporter)
    for name in names:
        model = resolver.choose(ModelRef.parse(name), runtime=runtime, size=size)
        yield model.name, ensure_converted(model, settings, reporter).folder
