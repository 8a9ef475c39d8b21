"""Which cases are measured, and the facts about the machine that belong beside the figures."""

from __future__ import annotations

import datetime
import importlib.metadata
import itertools
import platform
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from senet_cli.catalogue.input_size import USUAL_SIZE, InputSize
from senet_cli.catalogue.resolve import ModelRef
from senet_cli.errors import NothingToClassifyError
from senet_cli.events import EngineLeftOut, Reporter
from senet_cli.images.sources import SourceRequest
from senet_cli.inference.conversions import ensure_converted
from senet_cli.inference.engines.base import EngineRequest, Precision
from senet_cli.inference.processors import processor_name, processors
from senet_cli.inference.resolve import Resolver
from senet_cli.inference.runtime import Runtime, resolve_runtime
from senet_cli.settings import Settings
from senet_cli.tasks.benchmark.measure import Case, Measured, measure
from senet_cli.tasks.benchmark.processes import in_new_process, seconds_of

_STARTS = 3
_PHOTO_SIZE = (500, 375)
"""That of many photographs of ImageNet."""
_PACKAGES = ("torch", "openvino", "numpy", "pillow")


@dataclass(frozen=True, slots=True)
class BenchmarkRequest:
    """What to measure: each model with each engine, precision and batch size.

    Args:
        models: names or folders of runs.
        engine: one, or "all" that drive the device.
        device: "auto", "cpu" ...
        precisions: number formats.
        batches: images in a batch; None for what `senet predict` would choose.
        images: folder of images, to measure decoding too, or None.
        jobs: decoding threads.
        size: at which size the networks see images.
        threads: processors that the engine calculates with; None: all that this process may use.
    """

    models: tuple[str, ...]
    engine: EngineRequest | Literal["all"]
    device: str
    precisions: tuple[Precision, ...]
    batches: tuple[int | None, ...]
    images: Path | None
    jobs: int
    size: InputSize = USUAL_SIZE
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A case and what came out.

    Args:
        case: what was asked for.
        measured: by the engine.
        start_seconds: one photograph, the whole process of `senet predict`, run by run.
    """

    case: Case
    measured: Measured
    start_seconds: tuple[float, ...]


def benchmark(request: BenchmarkRequest, settings: Settings, reporter: Reporter) -> Iterator[Row]:
    """Measure case after case, each in a process of its own.

    Raises:
        SenetError: no such model, device or image; a precision that the only engine asked for does not have.
    """
    _check_images(request.images)
    runtimes = _runtimes(request, reporter)
    resolver = Resolver.load(settings, reporter)
    wanted = list(itertools.product(request.models, runtimes))
    for name, runtime in wanted:  # what is missing shall be found before anything is measured
        model = resolver.choose(ModelRef.parse(name), runtime=runtime, size=request.size)
        if runtime.engine == "openvino":
            ensure_converted(model, settings, reporter)
    with tempfile.TemporaryDirectory(prefix="senet-") as folder:
        photo = _photo(Path(folder))
        for name, runtime in wanted:
            start: tuple[float, ...] = ()
            measured = set()
            for batch in request.batches:
                case = Case(
                    name,
                    runtime.engine,
                    runtime.device,
                    runtime.precision,
                    batch,
                    request.jobs,
                    request.size,
                    request.threads,
                )
                result = in_new_process(measure, case, settings, request.images)
                start = start or seconds_of(
                    _predict(photo, name, runtime, request.size, settings, request.threads), _STARTS
                )
                if result.batch not in measured:  # "auto" may have chosen one of the others
                    yield Row(case, result, start)
                measured.add(result.batch)


def _check_images(folder: Path | None) -> None:
    if folder is not None and next(SourceRequest((str(folder),)).stream(), None) is None:
        raise NothingToClassifyError(f"there are no images in `{folder}`", "Give another folder.")


def _photo(folder: Path) -> str:
    """Soft noise, as large as a photograph."""
    width, height = _PHOTO_SIZE
    noise = np.random.default_rng(0).integers(0, 256, (height // 4, width // 4, 3), np.uint8)
    path = folder / "photo.jpg"
    Image.fromarray(noise).resize(_PHOTO_SIZE, Image.Resampling.BICUBIC).save(path, quality=90)
    return str(path)


def _runtimes(request: BenchmarkRequest, reporter: Reporter) -> list[Runtime]:
    """Those that this machine has; if all were asked for, the others are left out and reported."""
    if request.engine != "all":
        return [resolve_runtime(request.engine, request.device, each) for each in request.precisions]
    found: dict[tuple[str, str], Runtime] = {}
    engines: tuple[EngineRequest, ...] = ("auto", "torch")
    for engine in engines:
        for precision in request.precisions:
            runtime = resolve_runtime(engine, request.device, precision)
            found[runtime.engine, precision] = runtime
    for precision in request.precisions:
        if ("openvino", precision) not in found:
            device = found["torch", precision].device
            reporter.report(EngineLeftOut(precision, device))
    return list(found.values())


def _predict(
    photo: str, name: str, runtime: Runtime, size: InputSize, settings: Settings, threads: int | None
) -> list[str]:
    """Build the command of somebody with one photograph."""
    options = ["-m", name, "--engine", runtime.engine, "--device", runtime.device]
    options += ["--precision", runtime.precision, "--format", "jsonl", "-q"]
    options += ["--recipe", size.recipe, "--threads", str(threads or "auto")]
    if size.image_size is not None:
        options += ["--image-size", str(size.image_size)]
    if settings.manifest:
        options += ["--manifest", str(settings.manifest)]
    return ["predict", *options, "--", photo]


def machine() -> dict[str, Any]:
    """Describe what a figure was measured on: machine, versions, date."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "processor": processor_name(),
        "processors": processors(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": versions,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }
