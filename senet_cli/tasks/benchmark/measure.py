"""One network, one engine, one batch size: how fast, how evenly, in how much memory.

`measure` is meant for a process of its own: what another network left behind, in memory or in threads, would
count too.
"""

from __future__ import annotations

import itertools
import math
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from senet_cli.catalogue.input_size import USUAL_SIZE, InputSize
from senet_cli.catalogue.resolve import ModelRef
from senet_cli.images.decode import silence_decoders
from senet_cli.images.sources import SourceRequest
from senet_cli.inference.engines.base import Engine, EngineName, Precision
from senet_cli.inference.pipeline import RunOptions, classify
from senet_cli.inference.predictor import Predictor
from senet_cli.inference.records import ImageResult
from senet_cli.inference.resolve import Resolver
from senet_cli.inference.runtime import resolve_runtime
from senet_cli.settings import Settings

RUNS = 5
RUN_SECONDS = 1.0
_MAX_FILES = 1000
"""Of a folder that are read at all."""
_MIN_IMAGES, _MIN_BATCHES = 100, 4
"""That a run with decoding takes at least, the second for each stream."""
_ENOUGH = {0.5: 1, 0.9: 10, 0.99: 100}
"""Batches for each percentile; of fewer it would only be the slowest."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is measured.

    Args:
        model: name or folder of a run.
        engine: "torch" or "openvino".
        device: a resolved device.
        precision: number format.
        batch: images in a batch; None for what `senet predict` would choose.
        jobs: decoding threads.
        size: at which the network sees images.
        threads: processors that the engine calculates with; None: all that this process may use.
    """

    model: str
    engine: EngineName
    device: str
    precision: Precision
    batch: int | None
    jobs: int
    size: InputSize = USUAL_SIZE
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """What came out.

    Args:
        model: full name.
        image_size: side of the network's input, pixels.
        gpu: what its maker calls it; None on other devices.
        batch: images in a batch; less than was asked for where the device has no room for more.
        streams: batches side by side.
        images_per_second: of the engine alone, run by run.
        batches: that all runs together took.
        batch_seconds: how long a batch took at the 50th, 90th and 99th percentile; None where there were too
            few batches to tell.
        peak_memory: largest number of bytes while the engine ran alone: of the GPU where there is one, else
            of the process; None where the system does not tell.
        decoding_images_per_second: from image files to predictions, run by run; empty without images.
        unreadable: of the images in such a run; they do not count.
    """

    model: str
    image_size: int
    gpu: str | None
    batch: int
    streams: int
    images_per_second: tuple[float, ...]
    batches: int
    batch_seconds: tuple[float | None, ...]
    peak_memory: int | None
    decoding_images_per_second: tuple[float, ...]
    unreadable: int


def measure(
    case: Case, settings: Settings, images: Path | None, run_seconds: float = RUN_SECONDS
) -> Measured:
    """Warm up, then `RUNS` runs.

    Args:
        case: what to measure.
        settings: where models lie; they must be there.
        images: a folder to classify, or None.
        run_seconds: that a run of the engine alone takes at least.

    Raises:
        SenetError: the network cannot be run like that.
    """
    silence_decoders()
    runtime = resolve_runtime(case.engine, case.device, case.precision, threads=case.threads)
    resolver = Resolver.load(settings)
    model = resolver.choose(ModelRef.parse(case.model), runtime=runtime, size=case.size)
    predictor = Predictor.load(model, runtime, settings)
    engine, batch = predictor.engine, case.batch or predictor.batch_size
    rates, seconds = engine_alone(engine, predictor.preprocess.crop, batch, run_seconds)
    gpu, peak = _gpu(engine.device), _peak_memory(engine.device)
    batch = min(batch, engine.largest_batch)
    options = RunOptions(batch_size=batch, jobs=case.jobs)
    decoding, unreadable = _with_decoding(predictor, options, images) if images else ((), 0)
    return Measured(
        model=predictor.name,
        image_size=predictor.preprocess.crop,
        gpu=gpu,
        batch=batch,
        streams=engine.streams,
        images_per_second=rates,
        batches=len(seconds),
        batch_seconds=tuple(percentile(seconds, share) for share in _ENOUGH),
        peak_memory=peak,
        decoding_images_per_second=decoding,
        unreadable=unreadable,
    )


# --- the engine alone -----------------------------------------------------------------------------

Span = tuple[float, float]
"""When a batch began and ended."""


def engine_alone(
    engine: Engine, size: int, batch: int, run_seconds: float
) -> tuple[tuple[float, ...], list[float]]:
    """Measure images a second, run by run, with all streams busy; and the seconds of all their batches."""
    pixels = np.random.default_rng(0).integers(0, 256, (batch, size, size, 3), np.uint8)
    rates: list[float] = []
    seconds: list[float] = []
    with ThreadPoolExecutor(engine.streams, "engine") as pool:
        for run in range(RUNS + 1):  # the first one only warms up
            together = threading.Barrier(engine.streams)
            work = [
                pool.submit(_repeat, lambda: engine.logits(pixels), together, run_seconds)
                for _ in range(engine.streams)
            ]
            spans = [future.result() for future in work]
            if run:
                rates.append(batch * _batches_per_second(spans))
                seconds += [end - begin for begin, end in itertools.chain(*spans)]
    return tuple(rates), seconds


def _repeat(function: Callable[[], object], together: threading.Barrier, run_seconds: float) -> list[Span]:
    """When each call began and ended, until they make a run."""
    together.wait()
    spans: list[Span] = []
    last = time.perf_counter()
    end = last + run_seconds
    while last < end:
        begin = last
        function()
        last = time.perf_counter()
        spans.append((begin, last))
    return spans


def _batches_per_second(streams: Sequence[Sequence[Span]]) -> float:
    """While all streams were busy; of a batch that reaches over the end of that time its part within."""
    begin = max(spans[0][0] for spans in streams)
    end = min(spans[-1][1] for spans in streams)
    done = sum(
        max(0.0, min(end, stop) - max(begin, start)) / (stop - start)
        for start, stop in itertools.chain(*streams)
    )
    return done / (end - begin)


def percentile(values: Sequence[float], share: float) -> float | None:
    """Find the smallest value that at least this share of them does not exceed; None for too few."""
    if len(values) < _ENOUGH[share]:
        return None
    return sorted(values)[math.ceil(share * len(values)) - 1]


# --- with decoding --------------------------------------------------------------------------------


def _with_decoding(predictor: Predictor, options: RunOptions, images: Path) -> tuple[tuple[float, ...], int]:
    """Images a second from files to predictions, run by run; and how many cannot be read."""
    files = list(itertools.islice(SourceRequest((str(images),)).stream(), _MAX_FILES))
    count = max(_MIN_IMAGES, _MIN_BATCHES * predictor.engine.streams * options.batch_size)
    sources = list(itertools.islice(itertools.cycle(files), count))
    rates = []
    for run in range(RUNS + 1):
        begin = time.perf_counter()
        read = sum(isinstance(record, ImageResult) for record in classify(sources, predictor, options))
        if run:
            rates.append(read / (time.perf_counter() - begin))
    return tuple(rates), count - read


# --- memory ---------------------------------------------------------------------------------------


def _gpu(device: str) -> str | None:
    if not device.startswith("cuda"):
        return None
    from senet_cli.inference.engines.torch import gpu_name

    return gpu_name(device)


def _peak_memory(device: str) -> int | None:
    if device.startswith("cuda"):
        from senet_cli.inference.engines.torch import gpu_memory

        return gpu_memory(device)
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
